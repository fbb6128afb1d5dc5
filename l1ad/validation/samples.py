"""Reads samples from files: NumPy arrays and comma-separated tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from l1ad.errors import DataError
from l1ad.validation.checks import as_events
from l1ad.validation.kernels import Floats


@dataclass(frozen=True)
class SampleFile:
    """Events of a file, shape (n, d), and the names of the features when the file has them."""

    x: Floats
    names: tuple[str, ...] | None


def read_sample(path: Path) -> SampleFile:
    """Read events from ``.npy`` (an array of shape (n,) or (n, d)) or ``.csv`` (a first line of names, then numbers).

    Raises
    ------
    DataError
        When the file is absent, of another kind, damaged, or holds what is not a finite number.
    """
    if path.suffix not in (".npy", ".csv"):
        raise DataError(f"{path}: expected a .npy array or a .csv table with a line of names.")
    try:
        if path.suffix == ".npy":
            return SampleFile(as_events(np.load(path, allow_pickle=False), str(path)), None)
        with path.open(encoding="utf-8") as stream:
            names = tuple(name.strip() for name in stream.readline().split(","))
            table = np.loadtxt(stream, delimiter=",", ndmin=2)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file.") from error
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not readable as a sample ({error}).") from error
    if table.shape[1] != len(names):
        raise DataError(f"{path}: {len(names)} names, {table.shape[1]} columns.")
    return SampleFile(as_events(table, str(path)), names)
