"""The calorimeter regions of events: 18 x 14 sums of transverse energy, which `l1ad data generate --regions` writes.

A region is 4 x 4 trigger towers. The first index is the azimuth, the second the pseudorapidity from -3 to 3. The file
holds hardware integers: 10 bits without a sign in units of 0.5 GeV, truncated, the largest of them where the sum was
larger. This is the size and the layout that CMS's CICADA trigger reads (CMS-DP-2023-086).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError
from l1ad.events.adc2021 import CHUNK_ROWS, PARENT, EventFile, EventSource

#: Dataset of the event files.
REGIONS = "Regions"
#: Regions in azimuth and in pseudorapidity.
REGION_SHAPE = (18, 14)
N_REGIONS = REGION_SHAPE[0] * REGION_SHAPE[1]
#: One hardware unit, and the bits of a region.
REGION_LSB_GEV = 0.5
REGION_BITS = 10
REGION_MAXIMUM = (1 << REGION_BITS) - 1

_REMEDY = "Make files that have them with: l1ad data generate --regions"


def region_names() -> tuple[str, ...]:
    """Return the names of the regions, azimuth by azimuth.

    Examples
    --------
    >>> region_names()[:2], region_names()[-1], len(region_names())
    (('region_0_0', 'region_0_1'), 'region_17_13', 252)
    """
    return tuple(f"region_{phi}_{eta}" for phi in range(REGION_SHAPE[0]) for eta in range(REGION_SHAPE[1]))


def check_regions(values: NDArray[Any], where: str, first_row: int = 0) -> NDArray[np.float64]:
    """Return regions in GeV after checking the hardware integers of a file.

    Parameters
    ----------
    values : ndarray, shape (N, 18, 14)
        What the file holds, in units of 0.5 GeV.
    where : str
        File and dataset, for the message.
    first_row : int, optional
        Row of the file at which `values` begins.

    Returns
    -------
    ndarray of float64, shape (N, 18, 14)

    Raises
    ------
    DataError
        On another shape or type, NaN, a fraction, a negative value, or one that 10 bits cannot hold.
    """
    if values.ndim != 3 or values.shape[1:] != REGION_SHAPE or values.dtype.kind not in "iuf":
        raise DataError(
            f"{where}: holds {values.dtype} {values.shape}; expected integers of shape (N, {REGION_SHAPE[0]}, "
            f"{REGION_SHAPE[1]}). {_REMEDY}"
        )
    units = values.astype(np.float64)
    good = (units >= 0) & (units <= REGION_MAXIMUM) & (units == np.floor(units))
    if not good.all():
        event, phi, eta = (int(index) for index in np.argwhere(~good)[0])
        raise DataError(
            f"{where}: row {first_row + event}, region_{phi}_{eta} is {values[event, phi, eta]}; expected an integer "
            f"from 0 to {REGION_MAXIMUM}, in units of {REGION_LSB_GEV} GeV. Events affected in this part of the file: "
            f"{int((~good).any(axis=(1, 2)).sum())}."
        )
    return np.asarray(units * REGION_LSB_GEV, dtype=np.float64)


def iter_regions(
    source: EventSource, rows: int = CHUNK_ROWS, limit: int | None = None
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.floating], NDArray[np.integer] | None]]:
    """Yield the events of all files in order, `rows` at a time, after checking their values.

    Parameters
    ----------
    source : EventSource
    rows : int, optional
        Events in a chunk.
    limit : int or None, optional
        Stop after so many events.

    Yields
    ------
    regions : ndarray of float64, shape (n, 18, 14)
        In GeV.
    particles : ndarray, shape (n, 19, 4)
        The same events as objects.
    parents : ndarray of int, shape (n,), or None
        Where the file has them.

    Raises
    ------
    DataError
        When a file has no regions, or holds values that no region can have.
    """
    left = limit
    for path in source.paths:
        with EventFile(path, source.variant) as file:
            _check_dataset(file)
            start = 0
            for particles in file.iter_chunks(rows, left):
                window = slice(start, start + len(particles))
                regions = check_regions(file.column(REGIONS, window), f"{path}: {REGIONS}", start)
                parents = file.column(PARENT, window) if file.has(PARENT) else None
                yield regions, particles, parents
                start = window.stop
        if left is not None:
            left -= start
            if left <= 0:
                return


def _check_dataset(file: EventFile) -> None:
    """Raise DataError when a file has no regions, or not one set of them for each event."""
    if not file.has(REGIONS):
        raise DataError(f"{file.path}: no dataset {REGIONS!r}, which inputs.kind regions reads. {_REMEDY}")
    found, expected = file.shape(REGIONS), (len(file), *REGION_SHAPE)
    if found != expected:
        raise DataError(f"{file.path}: {REGIONS} has shape {found}; expected {expected}. {_REMEDY}")
