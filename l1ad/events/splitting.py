"""Splits files: how many events each part has, whether one stands in two parts, and the parts as files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import ConfigurationError
from l1ad.events.adc2021 import PARENT, EventChunk, EventSource, write_events
from l1ad.events.dataset import PARTS
from l1ad.events.files import named_digests
from l1ad.events.split import event_hash, events_needed, split_parts
from l1ad.records import Record

#: Called with what is done, events done, events in all.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class SplitSummary(Record):
    """A split of a sample.

    Attributes
    ----------
    events : dict of str to int
        ``train``, ``validation``, ``test`` -> events.
    parents : dict of str to int
        The same for the parents of these events; empty when the files have none.
    repeated : int
        Events that equal an earlier one, in the same file or another.
    leaked : int
        Events of validation and test that equal one of a part before.
    """

    events: dict[str, int]
    parents: dict[str, int]
    repeated: int
    leaked: int

    @property
    def test_events(self) -> int:
        """Events of the test."""
        return self.events[PARTS[-1]]

    def smallest_fpr(self, relative_error: float = 0.1) -> float:
        """Return the smallest false positive rate that the test gives to `relative_error`; 1 when there is none."""
        return min(1.0, 1 / (max(self.test_events, 1) * relative_error**2))

    def missing(self, fpr: float, relative_error: float = 0.1) -> int:
        """Return how many test events `fpr` needs beyond those that there are."""
        return max(0, events_needed(fpr, relative_error) - self.test_events)


def survey_split(
    source: EventSource, train_fraction: float, validation_fraction: float, progress: Progress | None = None
) -> SplitSummary:
    """Read a sample once and count its parts. 17 bytes of memory an event.

    Parameters
    ----------
    source : EventSource
        Background events.
    train_fraction, validation_fraction : float
        Expected shares; the rest is the test.
    progress : callable, optional
        Called after each chunk.

    Raises
    ------
    ConfigurationError
        When the fractions leave nothing for the test.
    DataError
        When a file or an event is invalid.
    """
    check_fractions(train_fraction, validation_fraction)
    hashes, parts, parents = [], [], []
    total, done = len(source), 0
    for chunk, column in source.iter_with(PARENT):
        hashes.append(event_hash(chunk))
        parts.append(split_parts(chunk, train_fraction, validation_fraction, column))
        parents.append(np.full(len(chunk), -1, dtype=np.int64) if column is None else column.astype(np.int64))
        done += len(chunk)
        if progress is not None:
            progress("reading", done, total)
    part, parent = np.concatenate(parts), np.concatenate(parents)
    repeated, leaked = _repetitions(np.concatenate(hashes), part)
    counts = np.bincount(part, minlength=len(PARTS))
    numbers = {name: len(np.unique(parent[(part == i) & (parent >= 0)])) for i, name in enumerate(PARTS)}
    return SplitSummary(
        {name: int(count) for name, count in zip(PARTS, counts, strict=True)},
        numbers if (parent >= 0).any() else {},
        repeated,
        leaked,
    )


def write_parts(
    source: EventSource,
    folder: Path,
    train_fraction: float,
    validation_fraction: float,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, Path]:
    """Write ``train.h5``, ``validation.h5`` and ``test.h5``; each appears whole or not at all.

    Parameters
    ----------
    source : EventSource
        Events; read once for each part.
    folder : Path
        Where to write.
    train_fraction, validation_fraction : float
        Expected shares; the rest is the test.
    force : bool, optional
        Replace existing files.
    progress : callable, optional
        Called after each chunk.

    Raises
    ------
    ConfigurationError
        When a file exists or the fractions leave nothing for the test.
    DataError
        When a file or an event is invalid, or a part is empty.
    RunFolderError
        When a file cannot be written.
    """
    check_fractions(train_fraction, validation_fraction)
    paths = {name: folder / f"{name}.h5" for name in PARTS}
    for path in paths.values():
        if path.exists() and not force:
            raise ConfigurationError(f"{path}: exists already; give --force to replace it.")
    digests = ", ".join(f"{name} sha256:{digest}" for name, digest in named_digests(source.paths).items())
    for number, (name, path) in enumerate(paths.items()):
        write_events(
            path,
            _part(source, number, train_fraction, validation_fraction, progress),
            source_tag="+".join(source.source_tags()),
            attributes={
                "part": name,
                "split": f"hash, train {train_fraction}, validation {validation_fraction}",
                "source_files": digests,
            },
        )
    return paths


def check_fractions(train_fraction: float, validation_fraction: float) -> None:
    """Refuse fractions that leave a part empty.

    Raises
    ------
    ConfigurationError
        When one is not above 0 or their sum is not below 1.
    """
    if train_fraction <= 0 or validation_fraction <= 0 or train_fraction + validation_fraction >= 1:
        raise ConfigurationError(
            f"--train {train_fraction}, --validation {validation_fraction}: expected numbers above 0, sum below 1."
        )


def _part(
    source: EventSource, number: int, train_fraction: float, validation_fraction: float, progress: Progress | None
) -> Iterator[EventChunk]:
    """Yield the events of one part, with their parents when every file has them."""
    total, done = len(source), 0
    with_parents = all(column is not None for column in _first_columns(source))
    for chunk, column in source.iter_with(PARENT):
        chosen = split_parts(chunk, train_fraction, validation_fraction, column) == number
        columns = {PARENT: column[chosen]} if with_parents and column is not None else {}
        if chosen.any():
            yield EventChunk(chunk[chosen], columns)
        done += len(chunk)
        if progress is not None:
            progress(f"writing {PARTS[number]}", done, total)


def _first_columns(source: EventSource) -> Iterator[NDArray[np.integer] | None]:
    """Yield the parent of the first event of every file."""
    for path in source.paths:
        yield next(iter(EventSource((path,), source.variant).iter_with(PARENT, rows=1, limit=1)))[1]


def _repetitions(hashes: NDArray[np.uint64], part: NDArray[np.int8]) -> tuple[int, int]:
    """Return how many events equal an earlier one, and how many of them are in another part than the first."""
    _, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    first = np.full(len(counts), len(PARTS), dtype=np.int8)
    np.minimum.at(first, inverse, part)
    return int((counts - 1).sum()), int((part > first[inverse]).sum())
