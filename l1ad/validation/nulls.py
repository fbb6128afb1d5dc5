"""p-values and significances of an observed statistic: four models of the null, side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincc, gammaln, ndtri_exp
from scipy.stats import gamma

from l1ad.errors import DataError
from l1ad.records import Record
from l1ad.validation.kernels import Floats
from l1ad.validation.weighted_chi2 import log_survival

#: Resamples of the toys that give the error of Z.
_RESAMPLES = 200
#: Toys below which no two moments are quoted.
_FEWEST_TOYS = 10
#: Share of positive toys that a statistic needs for a Gamma model.
_POSITIVE = 0.9
#: Logarithm below which a probability is near the smallest float.
_UNDERFLOW = -600.0
#: Terms of the continued fraction; at such arguments a few give double precision.
_TERMS = 30


@dataclass(frozen=True)
class Significance(Record):
    """What one model of the null says.

    Attributes
    ----------
    model : str
        ``empirical``, ``gamma``, ``chi2`` or ``weighted_chi2``.
    log_p : float
        Natural logarithm of the p-value.
    z : float
        One-sided significance in standard deviations.
    z_error : float
        Standard deviation of `z` from the number of toys; 0 for the analytic null.
    is_bound : bool
        Whether the toys are exhausted: none is as large as the observed value, so `z` is a lower bound.
    """

    model: str
    log_p: float
    z: float
    z_error: float
    is_bound: bool = False

    @property
    def p(self) -> float:
        """The p-value; 0 when it is below the smallest float."""
        return math.exp(self.log_p)

    def __str__(self) -> str:
        if self.is_bound:
            return f"Z > {self.z:.2f}"
        return f"Z = {self.z:.2f} +- {self.z_error:.2f}"


def significance(log_p: float) -> float:
    """Return Z with ``P(z > Z) = p`` of a standard normal z.

    Examples
    --------
    >>> round(significance(math.log(0.0013498980316301)), 4)
    3.0
    """
    return float(-ndtri_exp(min(log_p, -1e-300)))


def significances(t: float, toys: Floats, weights: Floats | None = None) -> tuple[Significance, ...]:
    """Return the models of the null for an observed statistic.

    Parameters
    ----------
    t : float
        Observed statistic.
    toys : ndarray of float64, shape (N,)
        Statistics of null toys; with fewer than 10, only the analytic null is given.
    weights : ndarray of float64, optional
        Weights of the analytic null, see `analytic_weights`.

    Returns
    -------
    tuple of Significance
        Empirical, Gamma and chi-squared of the toys, weighted chi-squared of `weights`; those that there are. A
        statistic that is often negative, such as MMD, has no Gamma and no chi-squared model.

    Raises
    ------
    DataError
        When `t` or a toy is not finite, or there is neither a toy nor a weight.
    """
    if not np.isfinite(t) or not np.isfinite(toys).all():
        raise DataError("a statistic is NaN or infinite, so it has no p-value.")
    found = []
    if len(toys) >= _FEWEST_TOYS:
        found.append(empirical(t, toys))
        if float((toys > 0).mean()) > _POSITIVE:
            found += [gamma_model(t, toys), chi2_model(t, toys)]
    if weights is not None:
        log_p = log_survival(t, weights)
        found.append(Significance("weighted_chi2", log_p, significance(log_p), 0.0))
    if not found:
        raise DataError(f"{len(toys)} toys and no analytic null; expected at least {_FEWEST_TOYS} toys.")
    return tuple(found)


def empirical(t: float, toys: Floats) -> Significance:
    """Return ``p = (toys at or above t + 1) / (toys + 1)``; a lower bound of Z when there is none.

    Examples
    --------
    >>> str(empirical(5.0, np.arange(4.0)))
    'Z > 0.84'
    """
    above, count = int((toys >= t).sum()), len(toys)
    p = (above + 1) / (count + 1)
    z = significance(math.log(p))
    density = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    error = math.sqrt(p * (1 - p) / count) / density if above < count else 0.0
    return Significance("empirical", math.log(p), z, error, above == 0)


def gamma_model(t: float, toys: Floats) -> Significance:
    """Return the Gamma distribution with the mean and the variance of the toys."""
    shape, scale = _gamma_moments(toys)
    log_p = float(log_gamma_survival(np.array(t / scale), np.array(shape)))
    resampled = _resampled(toys)
    mean, variance = resampled.mean(axis=1), resampled.var(axis=1, ddof=1)
    shifted = log_gamma_survival(t * mean / variance, mean**2 / variance)
    return Significance("gamma", log_p, significance(log_p), _spread(shifted))


def chi2_model(t: float, toys: Floats) -> Significance:
    """Return the chi-squared distribution with the mean of the toys, as the papers use it."""
    if toys.mean() <= 0:
        raise DataError(f"toys with mean {toys.mean():g} have no chi-squared model. Check the pool.")
    log_p = float(log_gamma_survival(np.array(t / 2), np.array(toys.mean() / 2)))
    shifted = log_gamma_survival(np.array(t / 2), _resampled(toys).mean(axis=1) / 2)
    return Significance("chi2", log_p, significance(log_p), _spread(shifted))


def log_gamma_survival(x: Floats, shape: Floats) -> Floats:
    """Return ``log Q(shape, x)`` of the regularized incomplete gamma function, far into the tail as well.

    Where the function underflows, its continued fraction gives the logarithm.

    Parameters
    ----------
    x, shape : ndarray of float64
        They broadcast; x of 0 or less gives 0.

    References
    ----------
    NIST Digital Library of Mathematical Functions, 8.9.2 (continued fraction).

    Examples
    --------
    >>> log_gamma_survival(np.array([1.0, 2000.0]), np.array([1.0, 1.0])).round(9).tolist()
    [-1.0, -2000.0]
    """
    x, shape = np.broadcast_arrays(np.maximum(x, 0.0), shape)
    with np.errstate(divide="ignore"):
        result = np.log(gammaincc(shape, x))
    far = result < _UNDERFLOW
    if far.any():
        y, a = x[far], shape[far]
        fraction = y + 2 * _TERMS + 1 - a
        for k in range(_TERMS, 0, -1):
            fraction = y + 2 * k - 1 - a - k * (k - a) / fraction
        result = np.where(far, 0.0, result)
        result[far] = a * np.log(y) - y - gammaln(a) - np.log(fraction)
    return np.asarray(result)


def gamma_threshold(toys: Floats, false_alarm_rate: float) -> float:
    """Return the statistic that the Gamma model exceeds at the given rate."""
    shape, scale = _gamma_moments(toys)
    return float(gamma.isf(false_alarm_rate, shape, scale=scale))


def analytic_weights(gram: Floats, weights: Floats, penalty: float, events: float) -> Floats:
    r"""Return the weights of the chi-squared sum that the statistic follows without toys.

    To second order in ``f``, for data of Poisson number and an independent reference,
    :math:`a_i = (1+w)(2 s_i - s_i^2)` with :math:`s_i = (N c_i/2)/(N c_i/2 + n\lambda)`, where ``N c_i`` are the
    eigenvalues of the weighted Gram matrix of the reference and ``w = sum w_i^2 / sum w_i``.

    Parameters
    ----------
    gram : ndarray of float64, shape (rank, rank)
        ``sum_i w_i F_i F_i^T`` over the reference.
    weights : ndarray of float64, shape (n,)
        Reference weights, with the sum N.
    penalty : float
        ``lambda``.
    events : float
        ``n``, reference and data events.

    References
    ----------
    Own derivation: one Newton step from f = 0 in the eigenbasis of the Gram matrix.
    """
    eigenvalues = np.maximum(np.linalg.eigvalsh(gram), 0.0)
    shrink = 0.5 * eigenvalues / (0.5 * eigenvalues + events * penalty)
    ratio = float((weights**2).sum() / weights.sum())
    return np.asarray((1 + ratio) * (2 * shrink - shrink**2))


def _gamma_moments(toys: Floats) -> tuple[float, float]:
    """Return shape and scale of the Gamma distribution with the moments of the toys."""
    mean, variance = float(toys.mean()), float(toys.var(ddof=1))
    if mean <= 0 or variance <= 0:
        raise DataError(f"toys with mean {mean:g} and variance {variance:g} have no Gamma model. Check the pool.")
    return mean**2 / variance, variance / mean


def _resampled(toys: Floats) -> Floats:
    """Return resamples of the toys, shape (200, N); the same for the same toys."""
    index = np.random.default_rng(len(toys)).integers(0, len(toys), (_RESAMPLES, len(toys)))
    return np.asarray(toys[index])


def _spread(log_p: Floats) -> float:
    """Return the standard deviation of Z over resamples."""
    return float(np.std([significance(float(value)) for value in log_p]))
