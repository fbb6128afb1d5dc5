"""NumPy files as tables, read piece by piece: ``.npy`` from a map of the file, ``.npz`` as a stream of the archive."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError
from l1ad.events.layout import N_COLUMNS, N_INPUTS, N_QUANTITIES, N_ROWS, input_names


class NumpyTable(Protocol):
    """Named columns of equal length."""

    names: list[str]
    rows: int

    def batches(self, wanted: list[str], size: int) -> Iterator[dict[str, NDArray[Any]]]:
        """Yield `size` rows of the columns `wanted` at a time."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def open_table(path: Path) -> NumpyTable:
    """Open a NumPy file.

    Raises
    ------
    DataError
        When the file is absent, damaged, empty, or holds Python objects.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    with path.open("rb") as stream:
        archive = stream.read(4).startswith(b"PK")
    return _Archive(path) if archive else _Array(path)


class _Array:
    """One ``.npy`` array."""

    def __init__(self, path: Path) -> None:
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path}: not readable as a NumPy array without Python objects ({error}).") from error
        self._columns = _named(path, array)
        self.names, self.rows = list(self._columns), len(array)
        if self.rows == 0:
            raise DataError(f"{path}: holds no event.")

    def batches(self, wanted: list[str], size: int) -> Iterator[dict[str, NDArray[Any]]]:
        for start in range(0, self.rows, size):
            yield {name: np.asarray(self._columns[name][start : start + size]) for name in wanted}

    def close(self) -> None:
        self._columns = {}


def _named(path: Path, array: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return the columns of an array as views, by the names that it has or that its shape gives."""
    if array.dtype.names is not None and array.ndim == 1:
        return {name: array[name] for name in array.dtype.names}
    if array.ndim == 3 and array.shape[1] == N_ROWS and array.shape[2] in (N_QUANTITIES, N_COLUMNS):
        flat = [array[:, row, quantity] for row in range(N_ROWS) for quantity in range(N_QUANTITIES)]
        return dict(zip(input_names(), flat, strict=True))
    if array.ndim == 2:
        names = input_names() if array.shape[1] == N_INPUTS else tuple(str(i) for i in range(array.shape[1]))
        return {name: array[:, i] for i, name in enumerate(names)}
    raise DataError(
        f"{path}: an array of shape {array.shape}; expected (N, {N_INPUTS}), (N, {N_ROWS}, {N_QUANTITIES} or "
        f"{N_COLUMNS}), (N, columns) or a structured array."
    )


class _Member(NamedTuple):
    """Header of one array of an archive."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class _Archive:
    """The arrays of one ``.npz`` file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._zip = zipfile.ZipFile(path)
            self._members = {
                name.removesuffix(".npy"): self._header(name) for name in self._zip.namelist() if name.endswith(".npy")
            }
        except (OSError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"{path}: not readable as a NumPy archive ({error}).") from error
        lengths = {member.shape[0] for member in self._members.values()}
        if len(lengths) != 1 or 0 in lengths:
            raise DataError(f"{path}: arrays of {sorted(lengths)} rows; expected one length above 0.")
        self.names, self.rows = list(self._members), lengths.pop()

    def _header(self, name: str) -> _Member:
        """Return shape and type of one array, which has to be stored by rows and without objects."""
        with self._zip.open(name) as stream:
            shape, fortran, dtype = _read_header(cast(BinaryIO, stream))
        if dtype.hasobject or (fortran and len(shape) > 1) or not 1 <= len(shape) <= 2:
            raise DataError(
                f"{self._path}: {name}: {dtype} of shape {shape}; expected numbers of shape (N,) or (N, m), by rows."
            )
        return _Member(shape, dtype)

    def batches(self, wanted: list[str], size: int) -> Iterator[dict[str, NDArray[Any]]]:
        streams = {name: self._zip.open(f"{name}.npy") for name in wanted}
        for stream in streams.values():
            _read_header(cast(BinaryIO, stream))
        for start in range(0, self.rows, size):
            count = min(size, self.rows - start)
            yield {name: self._rows(name, cast(BinaryIO, stream), count) for name, stream in streams.items()}

    def _rows(self, name: str, stream: BinaryIO, count: int) -> NDArray[Any]:
        """Return the next rows of one array."""
        member = self._members[name]
        width = int(np.prod(member.shape[1:], dtype=np.int64))
        try:
            data = stream.read(count * width * member.dtype.itemsize)
            return np.frombuffer(data, dtype=member.dtype).reshape(count, *member.shape[1:])
        except (ValueError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise DataError(f"{self._path}: {name} is cut off or damaged ({error}). Copy the file again.") from error

    def close(self) -> None:
        self._zip.close()


def _read_header(stream: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of an array."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    return shape, fortran, dtype
