"""Raw integers in and out of the simulations: checks, binary files, test vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from l1ad.errors import DataError, ToolError
from l1ad.hardware.fixed_point import check_raw
from l1ad.provenance import whole_file
from l1ad.records import FixedType

Integers = npt.NDArray[np.int64]

INPUTS_FILE = "inputs.npy"
EXPECTED_FILE = "expected.npy"


def check_events(values: npt.ArrayLike, fixed_type: FixedType, channels: int, what: str) -> Integers:
    """Return `values` as contiguous int64 (events, channels) after checking shape and range.

    Parameters
    ----------
    values : array_like of int, shape (N, channels)
        Raw integers.
    fixed_type : FixedType
        Their type.
    channels : int
        How many integers an event has.
    what : str
        Name that stands in the error.

    Raises
    ------
    DataError
        When the shape is another, there is no event, or a value is not an integer of the type.
    """
    array = np.asarray(values)
    if array.ndim != 2 or array.shape[1] != channels or not array.shape[0]:
        raise DataError(f"{what}: shape {array.shape}; expected (events, {channels}) with at least one event.")
    try:
        return np.ascontiguousarray(check_raw(array, fixed_type))
    except DataError as error:
        raise DataError(f"{what}: {error}") from error


def write_integers(path: Path, values: Integers) -> None:
    """Write int64 `values`, little-endian, without a header: what the drivers read."""
    path.write_bytes(values.astype("<i8").tobytes())


def read_integers(path: Path, shape: tuple[int, int], what: str) -> Integers:
    """Read the int64 integers that a driver wrote.

    Raises
    ------
    ToolError
        When the file is absent or has another size than `shape` asks for.
    """
    expected = shape[0] * shape[1] * 8
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ToolError(f"{what}: wrote no result ({path.name}: {error.strerror or error}).") from error
    if len(content) != expected:
        raise ToolError(f"{what}: {path.name} has {len(content)} bytes; expected {expected} for {shape} integers.")
    return np.frombuffer(content, dtype="<i8").reshape(shape).astype(np.int64)


def write_test_vectors(folder: Path, inputs: Integers, expected: Integers) -> tuple[Path, Path]:
    """Write ``inputs.npy`` and ``expected.npy`` (int64, raw integers) to `folder`, each whole or not at all.

    Raises
    ------
    DataError
        When the two do not hold the same number of events.
    RunFolderError
        When a file cannot be written.
    """
    if inputs.shape[0] != expected.shape[0]:
        raise DataError(f"test vectors: {inputs.shape[0]} inputs for {expected.shape[0]} expected outputs.")
    paths = folder / INPUTS_FILE, folder / EXPECTED_FILE
    for path, values in zip(paths, (inputs, expected), strict=True):
        with whole_file(path) as stream:
            np.lib.format.write_array(stream, np.ascontiguousarray(values, dtype=np.int64), allow_pickle=False)
    return paths


def read_test_vectors(folder: Path) -> tuple[Integers, Integers]:
    """Read what `write_test_vectors` wrote.

    Raises
    ------
    DataError
        When a file is absent, damaged, or not int64 with one row an event.
    """
    inputs, expected = (_read_array(folder / name) for name in (INPUTS_FILE, EXPECTED_FILE))
    if inputs.shape[0] != expected.shape[0]:
        raise DataError(f"{folder}: {inputs.shape[0]} inputs for {expected.shape[0]} expected outputs.")
    return inputs, expected


def _read_array(path: Path) -> Integers:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not readable as an array ({error}).") from error
    if not isinstance(array, np.ndarray) or array.dtype != np.int64 or array.ndim != 2:
        raise DataError(f"{path}: expected int64 with one row an event.")
    return array
