"""Reads samples from files: NumPy arrays, comma-separated tables, and event files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from l1ad.errors import ConfigurationError, DataError, nearest
from l1ad.validation.checks import as_events
from l1ad.validation.event_features import EVENT_FEATURES, event_features
from l1ad.validation.kernels import Floats


@dataclass(frozen=True)
class SampleFile:
    """Events of a file, shape (n, d), and the names of the features when the file has them."""

    x: Floats
    names: tuple[str, ...] | None

    def select(self, features: Sequence[str]) -> SampleFile:
        """Return the named features alone, in the order given; numbers where there are no names.

        Raises
        ------
        ConfigurationError
            When there is no such feature.
        """
        known = list(self.names or (str(k) for k in range(self.x.shape[1])))
        for feature in features:
            if feature not in known:
                raise ConfigurationError(f"feature {feature!r}: unknown. {nearest(feature, known)}")
        columns = [known.index(feature) for feature in features]
        return SampleFile(np.ascontiguousarray(self.x[:, columns]), tuple(features) if self.names else None)


def read_sample(path: Path, limit: int | None = None) -> SampleFile:
    """Read events from a file.

    Parameters
    ----------
    path : Path
        ``.npy``: an array of shape (n,) or (n, d). ``.csv``: a first line of names, then numbers. ``.h5``: events in
        the layout of `l1ad.events.adc2021`, of which `l1ad.validation.event_features` are read.
    limit : int, optional
        At most so many events, from the beginning.

    Raises
    ------
    DataError
        When the file is absent, of another kind, damaged, or holds what is not a finite number.
    """
    if path.suffix not in (".npy", ".csv", ".h5"):
        raise DataError(f"{path}: expected a .npy array, a .csv table with a line of names, or an event file .h5.")
    if path.suffix == ".h5":
        return _read_event_file(path, limit)
    try:
        if path.suffix == ".npy":
            return SampleFile(as_events(np.load(path, allow_pickle=False)[:limit], str(path)), None)
        with path.open(encoding="utf-8") as stream:
            names = tuple(name.strip() for name in stream.readline().split(","))
            table = np.loadtxt(stream, delimiter=",", ndmin=2, max_rows=limit)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file.") from error
    except (OSError, ValueError, EOFError, IndexError) as error:
        raise DataError(f"{path}: not readable as a sample ({error}).") from error
    if table.shape[1] != len(names):
        raise DataError(f"{path}: {len(names)} names, {table.shape[1]} columns.")
    return SampleFile(as_events(table, str(path)), names)


def _read_event_file(path: Path, limit: int | None) -> SampleFile:
    """Return the quantities of the events of an event file."""
    from l1ad.events.adc2021 import EventFile

    with EventFile(path) as events:
        chunks = [event_features(chunk) for chunk in events.iter_chunks(limit=limit)]
    return SampleFile(as_events(np.concatenate(chunks), str(path)), EVENT_FEATURES)
