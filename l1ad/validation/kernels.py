"""The Gaussian kernel in double precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def gaussian_kernel(centers: Floats, x: Floats, width: float, out: Floats | None = None) -> Floats:
    r"""Return ``exp(-|c - x|^2 / (2 width^2))`` for every center and every event.

    The exponent is one matrix product of extended vectors, ``[c, |c|^2, 1] . [x, 1, |x|^2]`` with factors. In single
    precision the cancellation in it doubles the statistic at five features, so everything here is double precision.

    Parameters
    ----------
    centers : ndarray of float64, shape (M, d)
    x : ndarray of float64, shape (n, d)
        Events, in the same units. Values should be of order of the width: standardized features are.
    width : float
        Standard deviation of the Gaussian.
    out : ndarray of float64, shape (M, n), optional
        Where the result goes.

    Returns
    -------
    ndarray of float64, shape (M, n)
        Between 0 and 1.

    References
    ----------
    Letizia et al., EPJC 82 (2022) 879, equation 10.

    Examples
    --------
    >>> gaussian_kernel(np.array([[0.0]]), np.array([[0.0], [1.0]]), 1.0).round(4).tolist()
    [[1.0, 0.6065]]
    """
    result = np.empty((len(centers), len(x))) if out is None else out
    scale = -0.5 / width**2
    if x.shape[1] == 1:
        np.subtract(centers, x[:, 0], out=result)
        np.square(result, out=result)
        np.multiply(result, scale, out=result)
    else:
        np.matmul(_left(centers, scale), _right(x).T, out=result)
        np.minimum(result, 0.0, out=result)
    return np.exp(result, out=result)


def _left(centers: Floats, scale: float) -> Floats:
    """Return ``scale * [-2c, |c|^2, 1]``, shape (M, d + 2)."""
    ones = np.ones((len(centers), 1))
    return scale * np.hstack([-2.0 * centers, (centers**2).sum(1, keepdims=True), ones])


def _right(x: Floats) -> Floats:
    """Return ``[x, 1, |x|^2]``, shape (n, d + 2)."""
    return np.hstack([x, np.ones((len(x), 1)), np.einsum("ij,ij->i", x, x)[:, None]])
