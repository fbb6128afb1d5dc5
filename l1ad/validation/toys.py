"""Null toys: where they come from, in processes, stored as they finish."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from l1ad.errors import ConfigurationError, DataError
from l1ad.provenance import value_digest, whole_file, write_json
from l1ad.validation.checks import check_columns, check_independent
from l1ad.validation.kernels import Floats
from l1ad.validation.reference import array_digest
from l1ad.workers import map_unordered, open_executor

_logger = logging.getLogger(__name__)

#: Toys that one task computes and one file holds.
_CHUNK = 25
_RECORD = "toys.json"


class TwoSampleTest(Protocol):
    """A two-sample test against a fixed reference."""

    @property
    def digest(self) -> str:
        """SHA-256 of all that determines the statistics."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the statistics."""

    def statistics(self, data: Floats, seed: int = 0) -> Floats:
        """Return the statistics of data of shape (m, d)."""


class Source(Protocol):
    """Where the data of a toy come from."""

    @property
    def digest(self) -> str:
        """SHA-256 of all that determines the toys."""

    def draw(self, rng: np.random.Generator) -> Floats:
        """Return the events of one toy."""


@dataclass(frozen=True)
class Pool:
    """Toys drawn without replacement from a pool of events that is disjoint from the reference.

    Attributes
    ----------
    x : ndarray of float64, shape (n, d)
    expected : float
        Mean number of events of a toy.
    fixed : bool
        Whether every toy has `expected` events, instead of a Poisson number.
    """

    x: Floats
    expected: float
    fixed: bool = False

    @property
    def digest(self) -> str:
        """SHA-256 of the pool."""
        return value_digest(["pool", array_digest(self.x), self.expected, self.fixed])

    def draw(self, rng: np.random.Generator) -> Floats:
        """Return the events of one toy."""
        count = toy_size(rng, self.expected, self.fixed)
        if count > len(self.x):
            raise DataError(f"pool: {len(self.x)} events, a toy needs {count}. Give a larger pool.")
        return self.x[rng.choice(len(self.x), count, replace=False)]


@dataclass(frozen=True)
class Generator:
    """Toys from a function of a random generator and a number of events.

    Attributes
    ----------
    function : callable
        ``function(rng, n)`` returns n events of shape (n, d). For several processes it is defined in a module.
    expected : float
    name : str
        Stands for the function in digests; change it when the function changes.
    fixed : bool
    """

    function: Callable[[np.random.Generator, int], Any]
    expected: float
    name: str
    fixed: bool = False

    @property
    def digest(self) -> str:
        """SHA-256 of the name and the number of events."""
        return value_digest(["generator", self.name, self.expected, self.fixed])

    def draw(self, rng: np.random.Generator) -> Floats:
        """Return the events of one toy."""
        from l1ad.validation.checks import as_events

        return as_events(self.function(rng, toy_size(rng, self.expected, self.fixed)), f"generator {self.name}")


def toy_size(rng: np.random.Generator, expected: float, fixed: bool) -> int:
    """Return the number of events of a toy, at least 1."""
    return max(round(expected) if fixed else int(rng.poisson(expected)), 1)


def make_pool(reference: Floats, pool: Floats, expected: float, *, fixed: bool = False) -> Pool:
    """Return a pool after checking that it is not the reference.

    Toys drawn from the events that are also the reference look too much like it: the false-alarm rate is then several
    times the nominal one.

    Raises
    ------
    DataError
        When the pool shares its memory, or more than 1 % of its rows, with the reference, or is too small.
    """
    check_columns(reference, pool, None, None)
    if pool is reference or (pool.shape == reference.shape and np.array_equal(pool, reference)):
        raise DataError(
            "pool: it is the reference itself. Toys bootstrapped from it raise false alarms at several times the "
            "stated rate. Split the sample into a reference and a disjoint pool, or calibrate by permutation."
        )
    check_independent(reference, pool)
    if len(pool) < expected + 5 * np.sqrt(expected):
        raise DataError(f"pool: {len(pool)} events, toys of {expected:g} need more. Give a larger pool.")
    if len(pool) < 10 * expected:
        _logger.warning(
            "the pool has %d events for toys of %g: toys share events, so the null is too narrow.", len(pool), expected
        )
    return Pool(pool, expected, fixed)


def run_toys(
    test: TwoSampleTest,
    source: Source,
    toys: int,
    *,
    seed: int = 0,
    workers: int = 1,
    executor: Executor | str | None = None,
    folder: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Floats:
    """Return the statistics of null toys.

    Toy i has its own random stream, spawned from `seed`, and every worker computes with one BLAS thread: the numbers
    do not depend on how many workers there are, nor on interruptions.

    Parameters
    ----------
    test : TwoSampleTest
    source : Source
    toys : int
    seed : int, optional
    workers : int, optional
        Processes; 1 computes here.
    executor : concurrent.futures.Executor or str, optional
        Where the toys are computed; a text is what `l1ad.workers.open_executor` takes for `dask`: the address of a
        Dask scheduler, such as ``tcp://host:8786``, or the name of a batch queue. Goes before `workers`.
    folder : Path, optional
        Where finished toys are stored; those found there are not computed again.
    progress : callable, optional
        Called with the finished toys and all toys.

    Returns
    -------
    ndarray of float64, shape (toys, statistics)

    Raises
    ------
    DataError
        When `folder` holds toys of another test, source or seed.
    ToolMissingError
        When a Dask address is given and Dask is not installed.
    ToolError
        When no scheduler answers there, or a worker process dies.
    """
    if toys < 1:
        raise ConfigurationError(f"toys: {toys}; expected at least 1.")
    key = value_digest([test.digest, source.digest, seed])
    if folder is not None:
        _claim(folder, key)
    parts: dict[int, Floats] = {}
    missing = []
    for begin in range(0, toys, _CHUNK):
        stored = _stored(folder, begin, min(begin + _CHUNK, toys), len(test.names))
        if stored is None:
            missing.append(begin)
        else:
            parts[begin] = stored
    for begin, values in _computed(test, source, toys, seed, missing, workers, executor):
        parts[begin] = values
        if folder is not None:
            with whole_file(_path(folder, begin)) as stream:
                np.save(stream, values, allow_pickle=False)
        if progress is not None:
            progress(sum(len(part) for part in parts.values()), toys)
    return np.concatenate([parts[begin] for begin in sorted(parts)])


def toy_chunk(test: TwoSampleTest, source: Source, seed: int, begin: int, end: int) -> Floats:
    """Return the statistics of the toys `begin` to `end`; runs in a worker, with one BLAS thread."""
    rows = []
    with threadpool_limits(1):
        for number in range(begin, end):
            sequence = np.random.SeedSequence(seed, spawn_key=(number,))
            data = source.draw(np.random.default_rng(sequence))
            rows.append(test.statistics(data, seed=int(sequence.generate_state(1)[0])))
    return np.array(rows)


def _computed(
    test: TwoSampleTest,
    source: Source,
    toys: int,
    seed: int,
    missing: list[int],
    workers: int,
    executor: Executor | str | None,
) -> Iterator[tuple[int, Floats]]:
    """Yield the chunks that are missing, as they finish."""
    if executor is None and workers <= 1:
        for begin in missing:
            yield begin, toy_chunk(test, source, seed, begin, min(begin + _CHUNK, toys))
        return
    if not missing:
        return
    tasks = {begin: (test, source, seed, begin, min(begin + _CHUNK, toys)) for begin in missing}
    if isinstance(executor, Executor):
        yield from map_unordered(executor, toy_chunk, tasks, workers=len(tasks))
        return
    with open_executor(workers, executor) as opened:
        # How many workers a cluster has is its own matter: it gets all tasks.
        yield from map_unordered(opened, toy_chunk, tasks, workers=workers if executor is None else len(tasks))


def _path(folder: Path, begin: int) -> Path:
    return folder / f"toys_{begin:07d}.npy"


def _claim(folder: Path, key: str) -> None:
    """Write whose toys the folder holds, or check it."""
    import json

    path = folder / _RECORD
    if not path.exists():
        write_json(path, {"key": key})
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["key"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not readable ({error}). Delete the folder to begin again.") from error
    if found != key:
        raise DataError(f"{folder}: holds toys of another reference, test or seed. Choose another folder.")


def _stored(folder: Path | None, begin: int, end: int, statistics: int) -> Floats | None:
    """Return the stored chunk, or None when there is none of that size."""
    if folder is None or not _path(folder, begin).exists():
        return None
    try:
        values = np.load(_path(folder, begin), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        _logger.warning("%s: damaged; its toys are computed again.", _path(folder, begin))
        return None
    if values.ndim != 2 or values.shape[1] != statistics or len(values) < end - begin:
        return None
    return np.asarray(values[: end - begin], dtype=np.float64)
