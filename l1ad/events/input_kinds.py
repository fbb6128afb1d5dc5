"""What a network reads of an event: the 19 objects with pT, eta and phi, or the 18 x 14 calorimeter regions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError
from l1ad.events.adc2021 import CHUNK_ROWS, PARENT, EventSource
from l1ad.events.layout import ETA, N_COLUMNS, N_QUANTITIES, N_ROWS, PT, QUANTITIES
from l1ad.events.regions import REGION_SHAPE, iter_regions

OBJECTS, REGION_SUMS = "objects", "regions"


@dataclass(frozen=True)
class InputKind:
    """How the events of one kind lie in an array.

    Attributes
    ----------
    name : str
        ``objects`` or ``regions``.
    shape : tuple of int, int
        Of the inputs of one event.
    features : callable
        Events -> float64, shape (N, inputs).
    filled : callable
        Events -> which inputs hold something, shape (N, inputs); the others are padding.
    """

    name: str
    shape: tuple[int, int]
    features: Callable[[NDArray[np.floating]], NDArray[np.float64]]
    filled: Callable[[NDArray[np.floating]], NDArray[np.bool_]]

    @property
    def inputs(self) -> int:
        """Inputs of an event."""
        return self.shape[0] * self.shape[1]


@dataclass(frozen=True)
class InputChunk:
    """Some events of a file.

    Attributes
    ----------
    events : ndarray, shape (n, 19, 4) or (n, 18, 14)
        What the input contract turns into integers.
    particles : ndarray, shape (n, 19, 4)
        The objects of the same events.
    parents : ndarray of int, shape (n,), or None
        Numbers of the hard events behind them, where the file has them.
    """

    events: NDArray[np.floating]
    particles: NDArray[np.floating]
    parents: NDArray[np.integer] | None


def read_chunks(
    source: EventSource, kind: str, limit: int | None = None, rows: int = CHUNK_ROWS
) -> Iterator[InputChunk]:
    """Yield the events of files in order, `rows` at a time, as a network of this kind reads them.

    Parameters
    ----------
    source : EventSource
    kind : str
        Key of `KINDS`.
    limit : int or None, optional
        Stop after so many events.
    rows : int, optional
        Events in a chunk.

    Raises
    ------
    DataError
        When a file is unusable or does not hold what the kind needs.
    """
    if kind == REGION_SUMS:
        for regions, particles, parents in iter_regions(source, rows, limit):
            yield InputChunk(regions, particles, parents)
        return
    for particles, parents in source.iter_with(PARENT, rows, limit):
        yield InputChunk(particles, particles, parents)


def _object_features(particles: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return pT, eta, phi of events as float64 of shape (N, 57); the eta of missing energy is 0."""
    if particles.ndim != 3 or particles.shape[1] != N_ROWS or particles.shape[2] not in (N_QUANTITIES, N_COLUMNS):
        raise DataError(f"events: expected shape (N, {N_ROWS}, 3 or 4); came {particles.shape}.")
    values = particles[:, :, :N_QUANTITIES].astype(np.float64)
    if not np.isfinite(values).all():
        event, row, column = (int(index) for index in np.argwhere(~np.isfinite(values))[0])
        raise DataError(f"events: event {event}, row {row}, {QUANTITIES[column]} is {values[event, row, column]}.")
    values[:, 0, ETA] = 0.0
    return values.reshape(len(values), N_ROWS * N_QUANTITIES)


def _object_filled(particles: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return which of the 57 inputs belong to a filled row, shape (N, 57)."""
    filled: NDArray[np.bool_] = np.repeat(particles[:, :, PT] > 0, N_QUANTITIES, axis=1)
    return filled


def _region_features(regions: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the transverse energies of regions in GeV as float64 of shape (N, 252)."""
    if regions.ndim != 3 or regions.shape[1:] != REGION_SHAPE:
        raise DataError(f"regions: expected shape (N, {REGION_SHAPE[0]}, {REGION_SHAPE[1]}); came {regions.shape}.")
    values = regions.astype(np.float64)
    if not (np.isfinite(values) & (values >= 0)).all():
        event, phi, eta = (int(index) for index in np.argwhere(~(np.isfinite(values) & (values >= 0)))[0])
        raise DataError(f"regions: event {event}, region_{phi}_{eta} is {values[event, phi, eta]}; expected 0 or more.")
    return values.reshape(len(values), -1)


def _region_filled(regions: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return that every region is filled: an empty one has an energy of 0, which is no padding."""
    return np.ones((len(regions), REGION_SHAPE[0] * REGION_SHAPE[1]), dtype=np.bool_)


#: Kinds of inputs by name.
KINDS = {
    OBJECTS: InputKind(OBJECTS, (N_ROWS, N_QUANTITIES), _object_features, _object_filled),
    REGION_SUMS: InputKind(REGION_SUMS, REGION_SHAPE, _region_features, _region_filled),
}
