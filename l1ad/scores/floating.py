"""Scores in floating point, for the float twin of a model and for people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from l1ad.scores.spec import ScoreSpec


def score_float(mean: NDArray[np.floating], log_variance: NDArray[np.floating], spec: ScoreSpec) -> NDArray[np.float64]:
    """Return the score without quantization of the latent space.

    R_z = sum_i mu_i^2 / sigma_i^2, mu2 = sum_i mu_i^2 and KL = 1/2 sum_i (mu_i^2 + sigma_i^2 - log sigma_i^2 - 1)
    (arXiv:2108.03986, section 3). 1/sigma^2 has the same ceiling as the firmware's table, and so have the last three
    terms of KL together, because the ceiling is part of the score and not of its precision.

    Parameters
    ----------
    mean, log_variance : float ndarray, shape (N, latent)
    spec : ScoreSpec
        Kind, and the table type that gives the ceiling.

    Returns
    -------
    ndarray of float64, shape (N,)

    Examples
    --------
    >>> from l1ad.records import FixedType
    >>> latent = FixedType(True, 8, 4)
    >>> spec = ScoreSpec("rz", 2, latent, latent, FixedType(False, 10, 5), FixedType(False, 16, 12))
    >>> float(score_float(np.array([[1.0, 2.0]]), np.array([[0.0, 0.0]]), spec)[0])
    5.0
    """
    squares = np.square(mean.astype(np.float64))
    if spec.kind == "mu2":
        return np.asarray(squares.sum(axis=1))
    ceiling = spec.table.maximum * 2.0**-spec.table.fraction
    values = log_variance.astype(np.float64)
    if spec.kind == "kl":
        with np.errstate(over="ignore"):  # infinity meets the ceiling
            return np.asarray(0.5 * (squares + np.minimum(np.expm1(values) - values, ceiling)).sum(axis=1))
    with np.errstate(over="ignore"):  # infinity meets the ceiling
        weights = np.minimum(np.exp(-values), ceiling)
    return np.asarray((squares * weights).sum(axis=1))
