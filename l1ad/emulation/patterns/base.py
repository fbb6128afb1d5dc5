"""What test vectors are, the protocol of their formats, and the formats that are built in."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from l1ad.errors import ConfigurationError, DataError, nearest
from l1ad.records import FixedType, Record

Integers = npt.NDArray[np.int64]

#: Built-in formats: name -> (module, class).
FORMATS = {
    "empv2": ("l1ad.emulation.patterns.links", "EmpFormat"),
    "apx": ("l1ad.emulation.patterns.links", "ApxFormat"),
    "ugt": ("l1ad.emulation.patterns.ugt", "UgtFormat"),
    "hex": ("l1ad.emulation.patterns.hexadecimal", "HexFormat"),
}


@dataclass(frozen=True)
class Column(Record):
    """One integer of every event: its name and type."""

    name: str
    type: FixedType


@dataclass(frozen=True)
class Vectors:
    """Events with what firmware has to answer.

    Attributes
    ----------
    inputs, expected : array of int64, shape (N, inputs) and (N, outputs)
        Raw integers.
    input_columns, output_columns : tuple of Column
        Names and types of the integers, in order.
    thresholds : tuple of int
        Raw thresholds of the first output; a format that carries decisions has one for each.
    """

    inputs: Integers
    expected: Integers
    input_columns: tuple[Column, ...]
    output_columns: tuple[Column, ...]
    thresholds: tuple[int, ...] = ()

    def check(self) -> None:
        """Raise DataError when shapes do not agree or an integer does not fit its type; the input is named."""
        parts = (("input", self.inputs, self.input_columns), ("output", self.expected, self.output_columns))
        for what, values, columns in parts:
            if values.ndim != 2 or values.shape != (len(self.inputs), len(columns)) or not len(values):
                raise DataError(f"test vectors: {what}s of shape {values.shape}; expected (events, {len(columns)}).")
            for number, column in enumerate(columns):
                low, high = int(values[:, number].min()), int(values[:, number].max())
                if low < column.type.minimum or high > column.type.maximum:
                    wrong = low if low < column.type.minimum else high
                    raise DataError(f"test vectors: {what} {column.name} is {wrong}, which {column.type} cannot hold.")


@dataclass(frozen=True)
class PatternOptions:
    """What a user may choose about the files.

    Attributes
    ----------
    frames : int
        Frames of an event on a link: 9 for 64-bit words at 360 MHz and one event every crossing.
    depth : int
        Frames that a board's buffer holds; more events go into further files.
    first_link : int
        Number of the first link.
    first_bit : int
        Algorithm bit of the first threshold.
    name : str
        Stands in the files.
    """

    frames: int = 9
    depth: int = 1024
    first_link: int = 0
    first_bit: int = 0
    name: str = "l1ad"


class VectorFormat(Protocol):
    """Writes and reads the files of one format."""

    def write(self, vectors: Vectors, folder: Path, options: PatternOptions) -> dict[str, Any]:
        """Write the files to the empty `folder` and return where every integer lies, as plain JSON values."""

    def read(self, folder: Path, layout: Mapping[str, Any], columns: Sequence[Sequence[Column]]) -> list[Integers]:
        """Return inputs and expected outputs from the files that `layout` names.

        `columns` are those of the inputs and of the outputs.
        """


def load_format(name: str) -> VectorFormat:
    """Return the format of that name.

    Raises
    ------
    ConfigurationError
        When there is no such format.
    """
    if name not in FORMATS:
        raise ConfigurationError(f"format {name!r} is not known. {nearest(name, FORMATS)}")
    module, attribute = FORMATS[name]
    found: VectorFormat = getattr(importlib.import_module(module), attribute)()
    return found


def to_bits(values: Integers, width: int) -> npt.NDArray[np.uint64]:
    """Return the bit patterns of integers of `width` bits.

    Examples
    --------
    >>> [int(x) for x in to_bits(np.array([-1, 5]), 4)]
    [15, 5]
    """
    return (values & ((1 << width) - 1)).astype(np.uint64)


def from_bits(bits: npt.NDArray[np.uint64], kind: FixedType) -> Integers:
    """Return the raw integers that bit patterns of a type stand for; higher bits are ignored.

    Examples
    --------
    >>> from_bits(np.array([15, 5], dtype=np.uint64), FixedType(True, 4, 4)).tolist()
    [-1, 5]
    """
    values = (bits & np.uint64((1 << kind.width) - 1)).astype(np.int64)
    return np.asarray(np.where(values > kind.maximum, values - (1 << kind.width), values), dtype=np.int64)


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file.

    Raises
    ------
    DataError
        When it cannot be read, or its last line is cut.
    """
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text ({error}).") from error
    if not text.endswith("\n"):
        raise DataError(f"{path}: the last line has no end; the file is truncated.")
    return text.splitlines()
