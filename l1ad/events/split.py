"""Splits events into training, validation and test by a hash of the event itself, or of its parent.

The part an event belongs to depends on nothing but its 57 numbers, or the number of its parent where several events
were made from one: not on the file, the order, the machine or the number of events. So it stays what it is when files
are added, and equal events stay together.
"""

from __future__ import annotations

import enum
import math

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError
from l1ad.events.layout import N_INPUTS, N_QUANTITIES, N_ROWS

# Constants of the SplitMix64 generator (Steele, Lea, Flood, OOPSLA 2014, doi:10.1145/2660193.2660195, figure 17).
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIER_1 = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLIER_2 = np.uint64(0x94D049BB133111EB)
_FRACTION_BITS = 53


class Part(enum.IntEnum):
    """Part of a split."""

    TRAIN = 0
    VALIDATION = 1
    TEST = 2


def event_hash(particles: NDArray[np.floating]) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each event.

    Parameters
    ----------
    particles : ndarray, shape (N, 19, 3) or (N, 19, 4)
        The Class column is ignored. Values are taken as little-endian float32; -0 counts as 0.

    Returns
    -------
    ndarray of uint64, shape (N,)

    Raises
    ------
    DataError
        When the shape differs.
    """
    if particles.ndim != 3 or particles.shape[1] != N_ROWS or particles.shape[2] < N_QUANTITIES:
        raise DataError(f"events: expected shape (N, {N_ROWS}, 3 or 4); came {particles.shape}.")
    features = particles[:, :, :N_QUANTITIES].astype("<f4") + np.float32(0)
    words = np.ascontiguousarray(features, dtype="<f4").view("<u4").reshape(-1, N_INPUTS).astype(np.uint64)
    state = np.zeros(len(words), dtype=np.uint64)
    for column in range(N_INPUTS):
        state = _mix((state ^ words[:, column]) + _GAMMA)
    return state


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the SplitMix64 finalizer of 64-bit values; the arithmetic wraps."""
    values = (values ^ (values >> np.uint64(30))) * _MULTIPLIER_1
    values = (values ^ (values >> np.uint64(27))) * _MULTIPLIER_2
    return values ^ (values >> np.uint64(31))


def parent_hash(parents: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Return a 64-bit hash of the number of each parent, shape (N,)."""
    # A second round separates these hashes from those of events.
    return _mix(_mix(parents.astype(np.int64).view(np.uint64) + _GAMMA) + _GAMMA)


def split_parts(
    particles: NDArray[np.floating],
    train_fraction: float,
    validation_fraction: float,
    parents: NDArray[np.integer] | None = None,
) -> NDArray[np.int8]:
    """Return the `Part` of each event, shape (N,).

    Parameters
    ----------
    particles : ndarray, shape (N, 19, 3) or (N, 19, 4)
        Events.
    train_fraction, validation_fraction : float
        Expected shares; the rest is the test.
    parents : ndarray of int, shape (N,), or None, optional
        Numbers of the parents. Events that were made from one parent are alike, so they come into one part.
        A negative number stands for an event without a parent.

    Raises
    ------
    DataError
        When the shapes differ.
    """
    hashes = event_hash(particles)
    if parents is not None:
        if parents.shape != hashes.shape:
            raise DataError(f"parents: shape {parents.shape}; expected one number for each of {len(hashes)} events.")
        hashes = np.where(parents >= 0, parent_hash(parents), hashes)
    uniform = hashes >> np.uint64(64 - _FRACTION_BITS)
    first = np.uint64(round(train_fraction * 2**_FRACTION_BITS))
    second = np.uint64(round((train_fraction + validation_fraction) * 2**_FRACTION_BITS))
    return (uniform >= first).astype(np.int8) + (uniform >= second).astype(np.int8)


def events_needed(fpr: float, relative_error: float = 0.1) -> int:
    """Return how many background events a test needs at a false positive rate.

    Of N events N x FPR lie above the threshold, with a Poisson error of the square root, so that the relative error
    of the rate is 1 / sqrt(N x FPR).

    Parameters
    ----------
    fpr : float
        False positive rate.
    relative_error : float, optional
        Error of the rate over the rate.

    Raises
    ------
    DataError
        When one of them is not in (0, 1].

    Examples
    --------
    >>> events_needed(1e-5)
    10000000
    """
    if not (0 < fpr <= 1 and 0 < relative_error <= 1):
        raise DataError(f"FPR {fpr} and relative error {relative_error}: expected numbers above 0 and not above 1.")
    # The rounding removes what decimal fractions leave: 100 / 1e-5 would need one event more without it.
    return math.ceil(round(1 / (fpr * relative_error**2), 6))
