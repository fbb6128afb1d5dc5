"""Distances between two samples, each a number that grows with the difference.

Every function takes the reference and the data, float64 arrays of shapes (n, d) and (m, d).
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from l1ad.errors import DataError
from l1ad.validation.kernels import Floats

#: Directions of the sliced distances, and their seed (Grossi and Letizia, arXiv:2409.16336).
DIRECTIONS, DIRECTION_SEED = 100, 0
#: Sizes and subsamples of the extrapolated Frechet distance (arXiv:2211.10295).
_SIZES, _SUBSAMPLES = 10, 20
#: Explicit features are used when there are at most so many.
_FEATURES = 20_000
_BLOCK = 2048


def directions(features: int) -> Floats:
    """Return 100 unit vectors, shape (d, 100), from normalized Gaussian numbers of seed 0."""
    vectors = np.random.default_rng(DIRECTION_SEED).normal(size=(DIRECTIONS, features))
    return np.ascontiguousarray((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).T)


def mean_ks(reference: Floats, data: Floats) -> float:
    """Return the mean over features of the two-sample Kolmogorov-Smirnov distance, times ``sqrt(nm/(n+m))``.

    Examples
    --------
    >>> round(mean_ks(np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]])), 6)
    1.0
    """
    scale = math.sqrt(len(reference) * len(data) / (len(reference) + len(data)))
    return scale * float(np.mean([_ks(a, b) for a, b in zip(reference.T, data.T, strict=True)]))


def sliced_ks(reference: Floats, data: Floats) -> float:
    """Return `mean_ks` of the projections on 100 directions."""
    vectors = directions(reference.shape[1])
    return mean_ks(reference @ vectors, data @ vectors)


def sliced_wasserstein(reference: Floats, data: Floats) -> float:
    r"""Return the mean over slices of the one-dimensional Wasserstein-1 distance, times ``sqrt(nm/((n+m) d))``.

    For ``n = m`` the factor is ``sqrt(n/2d)``. Samples of different sizes are compared at common quantiles.

    References
    ----------
    Grossi, Letizia and Torre, arXiv:2409.16336, section 2.
    """
    vectors = directions(reference.shape[1])
    scale = math.sqrt(len(reference) * len(data) / ((len(reference) + len(data)) * reference.shape[1]))
    a, b = np.sort(reference @ vectors, axis=0), np.sort(data @ vectors, axis=0)
    if len(a) != len(b):
        edges = np.unique(np.r_[np.arange(len(a) + 1) / len(a), np.arange(len(b) + 1) / len(b)])
        middle, lengths = 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)
        a, b = a[(middle * len(a)).astype(np.intp)], b[(middle * len(b)).astype(np.intp)]
        return scale * float((lengths @ np.abs(a - b)).mean())
    return scale * float(np.abs(a - b).mean())


def frechet(reference: Floats, data: Floats) -> float:
    r"""Return the Frechet distance of Gaussians with the moments of the samples.

    .. math:: |\mu_1-\mu_2|^2 + \mathrm{tr}(\Sigma_1 + \Sigma_2 - 2 (\Sigma_1\Sigma_2)^{1/2})

    Raises
    ------
    DataError
        When a sample has fewer than two events.
    """
    if min(len(reference), len(data)) < 2:
        raise DataError("the Frechet distance needs at least two events of each sample.")
    return float(_gaussian_distances(*_moments(reference), *_moments(data))[0])


def frechet_extrapolated(reference: Floats, data: Floats) -> float:
    """Return the Frechet distance extrapolated to infinite samples.

    Twenty subsamples at each of ten sizes N, ``1/N`` evenly spaced from ``3/n`` to ``1/n``, with n the events of the
    smaller sample; the fit ``a + b/N`` with ``a, b >= 0`` to the mean of each size gives ``a``. The events of a
    subsample are drawn without replacement: drawn with replacement, the subsamples keep the bias of the full samples,
    and ``a`` comes out larger.

    References
    ----------
    Kansal et al., "Evaluating generative models in high energy physics", arXiv:2211.10295, section III; settings of
    Grossi, Letizia and Torre, arXiv:2409.16336, appendix on metrics, as in their program GMetrics.
    """
    size = min(len(reference), len(data))
    if size < 30:
        raise DataError(f"the extrapolated Frechet distance needs at least 30 events of each sample; received {size}.")
    rng = np.random.default_rng(DIRECTION_SEED)
    sizes = (1 / np.linspace(3 / size, 1 / size, _SIZES)).astype(np.int64)
    means, covariances = zip(*(_subsample_moments(x, np.repeat(sizes, _SUBSAMPLES), rng) for x in (reference, data)),
                             strict=True)  # fmt: skip
    distances = _gaussian_distances(means[0], covariances[0], means[1], covariances[1])
    values = distances.reshape(_SIZES, _SUBSAMPLES).mean(axis=1)
    design = np.column_stack([np.ones(_SIZES), 1 / sizes])
    return float(nnls(design / design.max(axis=0), np.maximum(values, 0.0))[0][0])


def polynomial_mmd(reference: Floats, data: Floats, degree: int = 4) -> float:
    """Return the unbiased squared maximum mean discrepancy of the kernel ``(x.y/d + 1)^degree``.

    The kernel is a scalar product of all monomials up to `degree`; when these are fewer than the events, the sums
    over pairs become sums over monomials, exact and linear in the number of events.

    References
    ----------
    Kansal et al., arXiv:2211.10295, section III; Gretton et al., JMLR 13 (2012) 723, equation 3.
    """
    n, m, features = len(reference), len(data), reference.shape[1]
    if min(n, m) < 2:
        raise DataError("MMD needs at least two events of each sample.")
    if math.comb(features + degree, degree) <= min(n + m, _FEATURES):
        sums = [_monomial_sums(x, degree) for x in (reference, data)]
        (a, own_a), (b, own_b) = sums
        pairs_a, pairs_b, cross = float(a @ a) - own_a, float(b @ b) - own_b, float(a @ b)
    else:
        pairs_a, pairs_b = (_pair_sum(x, x, degree) - _own_sum(x, degree) for x in (reference, data))
        cross = _pair_sum(reference, data, degree)
    return pairs_a / (n * (n - 1)) + pairs_b / (m * (m - 1)) - 2 * cross / (n * m)


def _ks(a: Floats, b: Floats) -> float:
    """Return the largest difference of two empirical distribution functions."""
    a, b = np.sort(a), np.sort(b)
    both = np.concatenate([a, b])
    difference = np.searchsorted(a, both, side="right") / len(a) - np.searchsorted(b, both, side="right") / len(b)
    return float(np.abs(difference).max())


def _moments(x: Floats) -> tuple[Floats, Floats]:
    """Return mean and covariance, each with an axis of length 1 in front."""
    return x.mean(axis=0)[None], np.atleast_2d(np.cov(x, rowvar=False))[None]


def _subsample_moments(x: Floats, sizes: NDArray[np.int64], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return means (k, d) and covariances (k, d, d) of k random subsamples, each drawn without replacement.

    A subsample is a row of zeros and ones; products of the rows with blocks of events give all sums at once.
    """
    features, pairs = x.shape[1], np.triu_indices(x.shape[1])
    chosen = rng.permuted(np.arange(len(x), dtype=np.int64) < sizes[:, None], axis=1)
    middle = x.mean(axis=0)
    sums = np.zeros((len(sizes), features + len(pairs[0])))
    for begin in range(0, len(x), _BLOCK):
        block = x[begin : begin + _BLOCK] - middle
        products = np.hstack([block, block[:, pairs[0]] * block[:, pairs[1]]])
        sums += chosen[:, begin : begin + _BLOCK].astype(np.float64) @ products
    means = sums[:, :features] / sizes[:, None]
    covariances = np.empty((len(sizes), features, features))
    half = sums[:, features:] - sizes[:, None] * means[:, pairs[0]] * means[:, pairs[1]]
    covariances[:, pairs[0], pairs[1]] = covariances[:, pairs[1], pairs[0]] = half / (sizes[:, None] - 1)
    return means + middle, covariances


def _gaussian_distances(mean_a: Floats, cov_a: Floats, mean_b: Floats, cov_b: Floats) -> Floats:
    """Return the distances of k pairs of Gaussians; the trace of the root from eigenvalues, which are not negative."""
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]) @ vectors.transpose(0, 2, 1)
    eigenvalues = np.linalg.eigvalsh(root @ cov_b @ root)
    overlap = 2 * np.sqrt(np.maximum(eigenvalues, 0.0)).sum(axis=1)
    traces = np.trace(cov_a, axis1=1, axis2=2) + np.trace(cov_b, axis1=1, axis2=2)
    return np.asarray(((mean_a - mean_b) ** 2).sum(axis=1) + traces - overlap)


def _monomial_sums(x: Floats, degree: int) -> tuple[Floats, float]:
    """Return the sum over events of every weighted monomial, and the sum of ``k(x, x)``."""
    features = x.shape[1]
    extended = np.column_stack([np.ones(len(x)), x / math.sqrt(features)])
    sums = []
    columns: dict[tuple[int, ...], Floats] = {(k,): extended[:, k] for k in range(features + 1)}
    for _ in range(2, degree + 1):
        columns = {
            (*key, k): value * extended[:, k] for key, value in columns.items() for k in range(key[-1], features + 1)
        }
    for key, value in columns.items():
        repeats = [len(list(group)) for _, group in itertools.groupby(key)]
        ways = math.factorial(degree) / math.prod(math.factorial(r) for r in repeats)
        sums.append(math.sqrt(ways) * float(value.sum()))
    return np.array(sums), _own_sum(x, degree)


def _own_sum(x: Floats, degree: int) -> float:
    """Return ``sum_i k(x_i, x_i)``."""
    return float((((x**2).sum(axis=1) / x.shape[1] + 1) ** degree).sum())


def _pair_sum(x: Floats, y: Floats, degree: int) -> float:
    """Return the sum of the kernel over all pairs, block by block."""
    total = 0.0
    for begin in range(0, len(x), _BLOCK):
        total += float(((x[begin : begin + _BLOCK] @ y.T / x.shape[1] + 1) ** degree).sum())
    return total
