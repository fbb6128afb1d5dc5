"""Several statistics as one: min-p, product-p, average-p and smooth-max-t, calibrated together.

The p-values of several kernel widths are correlated, so their combination is calibrated on the same null toys: every
toy is treated as data, with the other toys as its null.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from l1ad.errors import DataError
from l1ad.validation.kernels import Floats
from l1ad.validation.nulls import Significance, empirical

#: Temperature of smooth-max-t in the publication; at 1 it follows the width with the largest statistic.
TEMPERATURE = 1.0
METHODS = ("min_p", "product_p", "average_p", "smooth_max_t")


@dataclass(frozen=True)
class Aggregated:
    """One combination: its value on the data and its distribution on the toys.

    Attributes
    ----------
    method : str
        One of `METHODS`.
    value : float
    toys : ndarray of float64, shape (N,)
    """

    method: str
    value: float
    toys: Floats

    @property
    def significance(self) -> Significance:
        """Calibrated p-value and Z of the combination."""
        return empirical(self.value, self.toys)


def toy_p_values(toys: Floats) -> Floats:
    """Return the p-value of every toy with the others as its null, shape (N, statistics).

    ``p_ij = (#{k != i: t_kj > t_ij} + 1) / N``.

    References
    ----------
    Grosso and Letizia, "Multiple testing for signal-agnostic searches", arXiv:2408.12296, section 3.

    Examples
    --------
    >>> toy_p_values(np.array([[1.0], [2.0], [3.0], [4.0]])).ravel().tolist()
    [1.0, 0.75, 0.5, 0.25]
    """
    above = np.stack([_above(column, column) for column in toys.T], axis=1)
    return (above + 1) / len(toys)


def data_p_values(t: Floats, toys: Floats) -> Floats:
    """Return the p-value of every statistic of the data, ``(#{k: t_kj > t_j} + 1) / (N + 1)``, shape (statistics,)."""
    above = np.array([_above(np.atleast_1d(value), column)[0] for value, column in zip(t, toys.T, strict=True)])
    return (above + 1) / (len(toys) + 1)


def aggregate(t: Floats, toys: Floats, temperature: float = TEMPERATURE) -> tuple[Aggregated, ...]:
    """Combine the statistics of several kernel widths in four ways.

    min-p is ``-min p``, product-p ``-sum log p``, average-p ``-log mean p``, and smooth-max-t
    ``T log mean e^(t/T)``; larger values are less likely under the null in all of them.

    Parameters
    ----------
    t : ndarray of float64, shape (statistics,)
        Observed.
    toys : ndarray of float64, shape (N, statistics)
        Null toys; a row is one toy.
    temperature : float, optional
        T of smooth-max-t.

    Raises
    ------
    DataError
        When the shapes disagree.
    """
    if toys.ndim != 2 or t.shape != toys.shape[1:]:
        raise DataError(f"statistics of shape {t.shape}, toys of shape {toys.shape}; expected (k,) and (N, k).")
    p, p_toys = data_p_values(t, toys)[None], toy_p_values(toys)
    found = []
    for method in METHODS:
        if method == "smooth_max_t":
            value, null = _smooth_max(t[None], temperature), _smooth_max(toys, temperature)
        else:
            value, null = _combine(p, method), _combine(p_toys, method)
        found.append(Aggregated(method, float(value[0]), null))
    return tuple(found)


def _above(values: Floats, toys: Floats) -> Floats:
    """Return how many toys are strictly above each value."""
    return np.asarray(len(toys) - np.searchsorted(np.sort(toys), values, side="right"), dtype=np.float64)


def _combine(p: Floats, method: str) -> Floats:
    """Return the combination of p-values along the last axis."""
    if method == "min_p":
        return np.asarray(-p.min(axis=1))
    if method == "product_p":
        return np.asarray(-np.log(p).sum(axis=1))
    return np.asarray(-np.log(p.mean(axis=1)))


def _smooth_max(t: Floats, temperature: float) -> Floats:
    """Return ``T log mean e^(t/T)`` along the last axis."""
    return np.asarray(temperature * (logsumexp(t / temperature, axis=1) - math.log(t.shape[1])))
