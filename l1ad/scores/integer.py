"""Scores as exact integer arithmetic. This is the definition; everything else must agree with it.

R_z = sum_i mu_i^2 / sigma_i^2 (arXiv:2108.03986, section 3) becomes

    (sum_i mu_i^2 * T[log sigma_i^2]) >> shift, saturated to the score's width,

with T the unsigned table of exp(-log sigma^2), addressed by the bits of the quantized log sigma^2.
The largest entry of T is the floor on sigma that the score needs: events with a tiny sigma cannot dominate.

KL = -1/2 sum_i (1 + log sigma_i^2 - mu_i^2 - sigma_i^2) (the same section) is half of a sum of terms that are not
negative, mu^2 and sigma^2 - log sigma^2 - 1, so that it needs one table and no subtraction:

    (sum_i ((mu_i^2 << a) + (K[log sigma_i^2] << b))) >> shift, saturated,

with K the unsigned table of sigma^2 - log sigma^2 - 1; a and b bring both to the same unit, the half is in the shift.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError
from l1ad.records import FixedType
from l1ad.scores.spec import ScoreSpec


def score_table(spec: ScoreSpec) -> NDArray[np.int64]:
    """Return the raw entries of the table of a score that reads log sigma^2, in the order of the address.

    Examples
    --------
    >>> byte = FixedType(True, 8, 4)
    >>> kl = ScoreSpec("kl", 2, byte, FixedType(True, 4, 2), FixedType(False, 10, 5), FixedType(False, 16, 12))
    >>> score_table(kl)[[0, 4, 12]].tolist()  # log sigma^2 of 0, 1 and -1; e - 2 and 1/e in units of 1/32
    [0, 23, 12]
    """
    function = inverse_variance_table if spec.kind == "rz" else divergence_table
    return function(spec.log_variance, spec.table)


def divergence_table(log_variance: FixedType, table: FixedType) -> NDArray[np.int64]:
    """Return K, the raw entries of exp(v) - v - 1 with v = log sigma^2, in the order of the address.

    Parameters
    ----------
    log_variance, table : FixedType
        As for `inverse_variance_table`.

    Returns
    -------
    ndarray of int64, shape (2**log_variance.width,)
    """
    values = _addressed(log_variance)
    with np.errstate(over="ignore"):  # infinity saturates like every large entry
        # expm1: near 0 the difference of exp and 1 would lose the digits that are left.
        exact = (np.expm1(values) - values) * 2.0**table.fraction
    return np.minimum(np.rint(exact), float(table.maximum)).astype(np.int64)


def _addressed(log_variance: FixedType) -> NDArray[np.float64]:
    """Return the value of log sigma^2 of every address: its raw bits, read as an unsigned number."""
    raw = np.arange(1 << log_variance.width, dtype=np.int64)
    if log_variance.signed:
        half = 1 << (log_variance.width - 1)
        raw = np.where(raw >= half, raw - 2 * half, raw)
    return np.asarray(raw * 2.0**-log_variance.fraction, dtype=np.float64)


def inverse_variance_table(log_variance: FixedType, table: FixedType) -> NDArray[np.int64]:
    """Return T, the raw entries of exp(-log sigma^2), in the order of the address.

    Parameters
    ----------
    log_variance : FixedType
        Type of the quantized log sigma^2; its raw bits, read as an unsigned number, are the address.
    table : FixedType
        Unsigned type of an entry. Entries are rounded to nearest even and saturate.

    Returns
    -------
    ndarray of int64, shape (2**log_variance.width,)

    Examples
    --------
    >>> t = inverse_variance_table(FixedType(True, 4, 2), FixedType(False, 10, 5))
    >>> int(t[0]), len(t)
    (32, 16)
    """
    with np.errstate(over="ignore"):  # infinity saturates like every large entry
        exact = np.exp(-_addressed(log_variance)) * 2.0**table.fraction
    return np.minimum(np.rint(exact), float(table.maximum)).astype(np.int64)


def score_raw(
    mean: NDArray[np.integer], log_variance: NDArray[np.integer] | None, spec: ScoreSpec
) -> NDArray[np.int64]:
    """Return the raw integer score of events.

    Parameters
    ----------
    mean : integer ndarray, shape (N, latent)
        Raw latent means in ``spec.mean``.
    log_variance : integer ndarray, shape (N, latent), or None
        Raw log sigma^2 in ``spec.log_variance``; not needed by ``mu2``.
    spec : ScoreSpec
        Kind and types.

    Returns
    -------
    ndarray of int64, shape (N,)
        Raw scores in ``spec.score``.

    Raises
    ------
    DataError
        When shapes are wrong or differ, or a value does not fit its type.
    """
    mean_raw = _checked(mean, spec.mean, spec.latent, "mean")
    terms = mean_raw * mean_raw
    if spec.reads_log_variance:
        if log_variance is None:
            raise DataError(f"score {spec.kind}: log_variance is missing; it needs mean and log sigma^2.")
        log_variance_raw = _checked(log_variance, spec.log_variance, spec.latent, "log_variance")
        if len(log_variance_raw) != len(mean_raw):
            raise DataError(f"score: {len(mean_raw)} events of mean, {len(log_variance_raw)} of log_variance.")
        entries = score_table(spec)[log_variance_raw & ((1 << spec.log_variance.width) - 1)]
        left = spec.aligned
        terms = terms * entries if spec.kind == "rz" else (terms << left[0]) + (entries << left[1])
    total = terms.sum(axis=1)
    shifted = total >> spec.shift if spec.shift >= 0 else total << -spec.shift
    return np.minimum(shifted, spec.score.maximum)


def _checked(values: NDArray[np.integer], fixed_type: FixedType, latent: int, name: str) -> NDArray[np.int64]:
    """Return `values` as int64 after checking shape and range."""
    if values.ndim != 2 or values.shape[1] != latent:
        raise DataError(f"score: {name} has shape {values.shape}; expected (N, {latent}).")
    if not np.issubdtype(values.dtype, np.integer):
        raise DataError(f"score: {name} has type {values.dtype}; expected raw integers of {fixed_type}.")
    if values.size and (values.min() < fixed_type.minimum or values.max() > fixed_type.maximum):
        raise DataError(f"score: {name} spans {values.min()} to {values.max()}, outside {fixed_type}.")
    return values.astype(np.int64)
