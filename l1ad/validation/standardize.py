"""Units of the features, and the kernel width that fits them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import pdist

from l1ad.errors import DataError
from l1ad.validation.kernels import Floats


@dataclass(frozen=True)
class Standardizer:
    """``(x - shift) / scale``, column by column.

    Attributes
    ----------
    shift, scale : ndarray of float64, shape (d,)
    constant : tuple of int
        Columns that hold a single value in the reference; their scale is 1.
    """

    shift: Floats
    scale: Floats
    constant: tuple[int, ...]

    def transform(self, x: Floats) -> Floats:
        """Return events of shape (n, d) in standard units."""
        return (x - self.shift) / self.scale

    def restore(self, z: Floats) -> Floats:
        """Return events of shape (n, d) in standard units in their own units."""
        return np.asarray(z * self.scale + self.shift)


def fit_standardizer(reference: Floats, weights: Floats | None = None) -> Standardizer:
    """Derive the standardization of the NPLM papers from the reference.

    A column with negative values becomes ``(x - mean) / std``; a positive one whose maximum exceeds 1 becomes
    ``x / mean``; another one stays as it is.

    Parameters
    ----------
    reference : ndarray of float64, shape (n, d)
    weights : ndarray of float64, shape (n,), optional
        Event weights; only their ratios count.

    Returns
    -------
    Standardizer

    References
    ----------
    Letizia et al., EPJC 82 (2022) 879, section 4; D'Agnolo and Wulzer, PRD 99 (2019) 015014.

    Examples
    --------
    >>> rule = fit_standardizer(np.array([[-1.0, 2.0, 0.5], [1.0, 6.0, 0.1]]))
    >>> rule.shift.tolist(), rule.scale.tolist()
    ([0.0, 0.0, 0.0], [1.0, 4.0, 1.0])
    """
    mean = np.average(reference, axis=0, weights=weights)
    spread = np.sqrt(np.average((reference - mean) ** 2, axis=0, weights=weights))
    low, high = reference.min(axis=0), reference.max(axis=0)
    signed, large = low < 0, (low >= 0) & (high > 1)
    constant = low == high
    scale = np.where(signed, spread, np.where(large, mean, 1.0))
    scale = np.where(constant | (scale <= 0), 1.0, scale)
    shift = np.where(signed, mean, 0.0)
    return Standardizer(shift, scale, tuple(int(k) for k in np.flatnonzero(constant)))


def unchanged(features: int) -> Standardizer:
    """Return the standardizer that leaves `features` columns as they are."""
    return Standardizer(np.zeros(features), np.ones(features), ())


def distance_quantile(x: Floats, quantile: float = 0.9, *, sample: int = 2000, seed: int = 0) -> float:
    """Return a quantile of the pairwise distances of a part of `x`: the kernel width of the papers.

    Parameters
    ----------
    x : ndarray of float64, shape (n, d)
        Standardized reference events.
    quantile : float, optional
        The papers take 0.9.
    sample, seed : int, optional
        How many events are compared, and the seed of their choice.

    Raises
    ------
    DataError
        When all events are equal.

    References
    ----------
    Letizia et al., EPJC 82 (2022) 879, section 3.2.

    Examples
    --------
    >>> distance_quantile(np.array([[0.0], [1.0], [3.0]]), 0.5)
    2.0
    """
    if len(x) > sample:
        x = x[np.random.default_rng(seed).choice(len(x), sample, replace=False)]
    width = float(np.quantile(pdist(x), quantile)) if len(x) > 1 else 0.0
    if width <= 0:
        raise DataError("the reference: its events are all equal, so no kernel width follows. Give a width.")
    return width


def width_grid(x: Floats, quantiles: tuple[float, ...] = (0.01, 0.25, 0.5, 0.75, 0.99)) -> tuple[float, ...]:
    """Return kernel widths at quantiles of the pairwise distances, doubled beyond the largest.

    References
    ----------
    Grosso and Letizia, arXiv:2408.12296, section 4 (widths at quantiles of the distances).
    """
    widths = [distance_quantile(x, q) for q in quantiles]
    return (*widths, 2 * widths[-1])
