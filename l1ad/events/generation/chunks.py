"""Chunks of a sample on the disk: made by any number of workers, found again after a stop, read back in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError
from l1ad.events.generation.pieces import piece_record, read_arrays, write_piece
from l1ad.events.generation.plan import Stream
from l1ad.events.generation.simulate import Chunk, Conditions, simulate_chunk
from l1ad.provenance import library_version, value_digest
from l1ad.workers import map_unordered

#: Raised when the generator gives other events for the same seed: chunks of another version are made again.
GENERATOR_VERSION = 1
#: Parents of different chunks and streams get different numbers: room for a million of each.
_ROOM = 1_000_000


@dataclass(frozen=True)
class Progress:
    """How far the work is.

    Attributes
    ----------
    share : float
        Share of the work that is done, by the time that the events of each process take.
    events, total : int
        Events done and wanted.
    events_per_s : float
        Events made since the start over the time since then.
    """

    share: float
    events: int
    total: int
    events_per_s: float

    def __str__(self) -> str:
        return f"{self.events:,} of {self.total:,} events, {self.events_per_s:,.0f}/s"


def chunk_key(stream: Stream, index: int, events: int, conditions: Conditions) -> str:
    """Return the digest of everything that the content of a chunk depends on."""
    libraries = [
        None if path is None else path.name
        for path in (conditions.underlying, conditions.minimum_bias, conditions.decays)
    ]
    return value_digest(
        [
            GENERATOR_VERSION,
            stream.process.name,
            stream.stratum.name,
            stream.stratum.card(conditions.full),
            [stream.stratum.trials, stream.stratum.bias, stream.stratum.tau_mode, stream.stratum.event_filter],
            [index, events, conditions.seed, conditions.pileup, conditions.full, conditions.regions],
            libraries,
            {name: library_version(name) for name in ("pythia8mc", "fastjet", "numpy", "numba")},
        ]
    )


def chunk_path(folder: Path, stream: Stream, index: int) -> Path:
    """Return the file of a chunk."""
    return folder / stream.name / f"chunk_{index:05d}.npz"


def make_chunks(
    streams: Iterable[Stream],
    folder: Path,
    conditions: Conditions,
    executor: Executor,
    *,
    workers: int = 1,
    progress: Callable[[Progress], None] | None = None,
) -> None:
    """Make every chunk of `streams` that is not in `folder` yet.

    A chunk is written as soon as it is done, whole or not at all: what was finished survives Ctrl-C, a full disk and
    a power cut. A chunk whose file was damaged is made again, with a warning.

    Parameters
    ----------
    streams : iterable of Stream
    folder : Path
        Where chunks are kept.
    conditions : Conditions
    executor : concurrent.futures.Executor
        Where the work is done. The events do not depend on it.
    workers : int, optional
        Chunks at once.
    progress : callable, optional
        Called at the start and after every chunk.

    Raises
    ------
    DataError
        When a process gives no accepted event.
    RunFolderError
        When a chunk cannot be written.
    """
    tasks: dict[tuple[str, int], tuple[str, Any, int, int, Conditions]] = {}
    targets: dict[tuple[str, int], tuple[Path, str, float]] = {}
    done_events, total, done_cost, cost = 0, 0, 0.0, 0.0
    for stream in streams:
        for index, events in enumerate(stream.chunks()):
            path, key = chunk_path(folder, stream, index), chunk_key(stream, index, events, conditions)
            effort = events / stream.stratum.chunk_events
            total, cost = total + events, cost + effort
            if piece_record(path, key) is not None:
                done_events, done_cost = done_events + events, done_cost + effort
                continue
            tasks[stream.name, index] = (stream.process.name, stream.stratum, index, events, conditions)
            targets[stream.name, index] = (path, key, effort)
    start, before = time.monotonic(), done_events

    def report() -> None:
        if progress is not None:
            rate = (done_events - before) / max(time.monotonic() - start, 1e-9)
            progress(Progress(done_cost / max(cost, 1e-9), done_events, total, rate))

    report()
    for name, chunk in map_unordered(executor, simulate_chunk, tasks, workers=workers):
        path, key, effort = targets[name]
        _write(path, key, chunk)
        done_events, done_cost = done_events + tasks[name][3], done_cost + effort
        report()


def _write(path: Path, key: str, chunk: Chunk) -> None:
    """Write a chunk and its record."""
    write_piece(path, chunk.arrays, {"key": key, **chunk.record()})


@dataclass(frozen=True)
class StreamResult:
    """What the chunks of a stream say together.

    Attributes
    ----------
    events, hard_events, trials, accepted : int
        Sums over the chunks, see `l1ad.events.generation.simulate.Chunk`.
    parents : int
        Different hard events behind the events.
    accepted_nb, accepted_nb_error : float
        Cross section of accepted events in nb, and its statistical error.
    cpu_s : float
        CPU seconds.
    """

    events: int
    hard_events: int
    trials: int
    accepted: int
    parents: int
    accepted_nb: float
    accepted_nb_error: float
    cpu_s: float


def summarize_stream(stream: Stream, folder: Path, conditions: Conditions) -> StreamResult:
    """Return what the finished chunks of a stream say together."""
    records, parents = [], 0
    for index, events in enumerate(stream.chunks()):
        path = chunk_path(folder, stream, index)
        record = piece_record(path, chunk_key(stream, index, events, conditions))
        if record is None:
            raise DataError(f"{path}: removed or changed while events were generated. Run the same command again.")
        records.append(record)
        parents += len(np.unique(read_arrays(path)["Parent"]))
    sums = {name: sum(int(record[name]) for record in records) for name in ("hard_events", "trials", "accepted")}
    # Every chunk estimates sigma (filter passed) x accepted / trials; trials weigh them.
    filtered_mb = sum(record["cross_section_mb"] * record["trials"] for record in records) / max(sums["trials"], 1)
    accepted_nb = 1e6 * filtered_mb * sums["accepted"] / max(sums["trials"], 1)
    # Events of one parent are not independent: the parents are what fluctuates.
    reuse = stream.events / max(parents, 1)
    error = accepted_nb * np.sqrt(reuse / max(sums["accepted"], 1))
    cpu_s = float(sum(record["total_s"] for record in records))
    sums["parents"] = parents
    return StreamResult(stream.events, **sums, accepted_nb=accepted_nb, accepted_nb_error=float(error), cpu_s=cpu_s)


class StreamReader:
    """Gives the events of a stream in order, as many at a time as asked for.

    Parameters
    ----------
    stream : Stream
    folder : Path
        Where its chunks are.
    """

    def __init__(self, stream: Stream, folder: Path) -> None:
        self._stream, self._folder, self._next = stream, folder, 0
        self._left: dict[str, NDArray[Any]] = {}

    def take(self, events: int) -> dict[str, NDArray[Any]]:
        """Return the next `events` events: the arrays of the chunks, parents numbered over all samples."""
        parts = [self._left] if self._left else []
        while sum(len(part["Parent"]) for part in parts) < events:
            parts.append(self._read(self._next))
            self._next += 1
        merged = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        self._left = {name: values[events:] for name, values in merged.items()}
        return {name: values[:events] for name, values in merged.items()}

    def _read(self, index: int) -> dict[str, NDArray[Any]]:
        """Return the arrays of a chunk."""
        arrays = read_arrays(chunk_path(self._folder, self._stream, index))
        first = ((self._stream.process.code * 10 + self._stream.number) * _ROOM + index) * _ROOM
        return arrays | {"Parent": arrays["Parent"] + first}


def mixed(
    streams: Mapping[int, StreamReader], labels: NDArray[np.integer], rows: int
) -> Iterator[tuple[NDArray[np.integer], dict[str, NDArray[Any]]]]:
    """Yield events of several streams in the order of `labels`, `rows` at a time.

    Parameters
    ----------
    streams : mapping of int to StreamReader
        Reader of each label.
    labels : ndarray of int, shape (events,)
        Which stream each event comes from.
    rows : int
        Events in a part.

    Yields
    ------
    labels, arrays
        Labels of the part and its arrays.
    """
    for start in range(0, len(labels), rows):
        part = labels[start : start + rows]
        places = {label: np.flatnonzero(part == label) for label in streams}
        taken = {label: streams[label].take(len(where)) for label, where in places.items() if len(where)}
        arrays: dict[str, NDArray[Any]] = {}
        for label, found in taken.items():
            for name, values in found.items():
                if name not in arrays:
                    arrays[name] = np.empty((len(part), *values.shape[1:]), values.dtype)
                arrays[name][places[label]] = values
        yield part, arrays
