"""Few features that stand for the kernel: Nystrom centers and pivoted Cholesky.

The Gram matrix of a Gaussian kernel has a small numerical rank. With centers ``c`` and ``K_cc = L L^T`` the features
``F(x) = L^-1 K(c, x)`` satisfy ``F(x) . F(y) ~ k(x, y)``, and a function ``f = theta . F`` has the norm ``|theta|``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

from l1ad.errors import DataError
from l1ad.validation.kernels import Floats, gaussian_kernel

#: Candidates of one round of the greedy choice.
_POOL = 256
#: A round takes centers until the largest residual among its candidates has fallen by this factor.
_ROUND = 0.2
#: A larger sample is first described by a part of it, of this size; what that leaves out follows.
_FIRST = 8192
#: Points at a time: their features stay in the cache of one core.
_BLOCK = 4096


@dataclass(frozen=True)
class Basis:
    """Centers and the factor that turns kernel values into features.

    Attributes
    ----------
    centers : ndarray of float64, shape (rank, d)
    factor : ndarray of float64, shape (rank, rank)
        Lower triangle ``L`` of ``K_cc = L L^T``.
    width : float
        Kernel width.
    residual : float
        Largest ``k(x, x) - |F(x)|^2`` of the points the centers were chosen from.
    """

    centers: Floats
    factor: Floats
    width: float
    residual: float

    @property
    def rank(self) -> int:
        """Number of features."""
        return len(self.centers)

    def transform(self, x: Floats) -> Floats:
        """Return the features of events `x` of shape (n, d), as an array of shape (rank, n)."""
        return self.further(np.empty((0, len(x))), x)

    def further(self, known: Floats, x: Floats) -> Floats:
        """Return the features of `x` beyond those of the first ``len(known)`` centers, which are known.

        Parameters
        ----------
        known : ndarray of float64, shape (k, n)
        x : ndarray of float64, shape (n, d)

        Returns
        -------
        ndarray of float64, shape (rank - k, n)
        """
        used = len(known)
        result = np.empty((self.rank - used, len(x)))
        left, factor = self.factor[used:, :used], np.asfortranarray(self.factor[used:, used:])
        for begin in range(0, len(x), _BLOCK):
            part = slice(begin, begin + _BLOCK)
            new = gaussian_kernel(self.centers[used:], x[part], self.width)
            if used:
                new -= left @ known[:, part]
            _solve_lower(factor, new)
            result[:, part] = new
        return result

    def extend(self, x: Floats, features: Floats, *, tolerance: float, more: int) -> tuple[Basis, Floats]:
        """Take points of another sample as centers where this basis does not describe it.

        Parameters
        ----------
        x : ndarray of float64, shape (n, d)
            The other sample.
        features : ndarray of float64, shape (rank, n)
            What `transform` gives for `x`.
        tolerance : float
            Residual that may be left on `x`.
        more : int
            At most so many new centers.

        Returns
        -------
        Basis
            This one when nothing is above the tolerance.
        ndarray of float64
            Features of `x` in it.
        """
        state = _State(x, self.width, self.rank + more, features)
        state.grow(tolerance, np.random.default_rng(0))
        if not state.pivots:
            return self, features
        rows = state.features[: state.rank, state.pivots].T
        rows[:, self.rank :] = np.tril(rows[:, self.rank :])
        factor = np.zeros((state.rank, state.rank), order="F")
        factor[: self.rank, : self.rank], factor[self.rank :] = self.factor, rows
        centers = np.vstack([self.centers, x[state.pivots]])
        return Basis(centers, factor, self.width, self.residual), state.features[: state.rank]


def greedy_basis(x: Floats, width: float, *, tolerance: float, max_rank: int, seed: int = 0) -> tuple[Basis, Floats]:
    """Choose centers among all points, the worst described first, tails included.

    A pivoted Cholesky factorization of the kernel matrix of all points, in blocks: a round looks at up to 256 points
    whose residual is near the largest (the worst point always among them), factorizes their residual matrix with
    pivots, and only then touches all points, with matrix products.

    Parameters
    ----------
    x : ndarray of float64, shape (n, d)
        Points.
    width : float
        Kernel width.
    tolerance : float
        Largest residual ``k(x, x) - |F(x)|^2`` that may be left.
    max_rank : int
        At most so many centers.
    seed : int, optional
        Seed of the choice of candidates among equally bad points.

    Returns
    -------
    Basis
    ndarray of float64, shape (rank, n)
        Features of `x`.

    References
    ----------
    Harbrecht, Peters and Schneider, Appl. Numer. Math. 62 (2012) 428, algorithm 1 (pivoted Cholesky).
    """
    limit = min(max_rank, len(x))
    rng = np.random.default_rng(seed)
    state = _State(x, width, limit)
    if len(x) > 4 * _FIRST:
        sample = part_with_tails(x, _FIRST, rng)
        first = _State(x[sample], width, max(limit * 9 // 10, 1))
        first.grow(tolerance, rng)
        state.append([int(sample[k]) for k in first.pivots], first.basis().factor)
    state.grow(tolerance, rng)
    return state.basis(), state.features[: state.rank]


def uniform_basis(x: Floats, width: float, *, centers: int, tolerance: float, seed: int = 0) -> Basis:
    """Draw centers without replacement and keep those that span the rest.

    Parameters
    ----------
    x : ndarray of float64, shape (n, d)
        Points.
    width : float
        Kernel width.
    centers : int
        How many are drawn.
    tolerance : float
        Largest residual of a drawn center that is left out.
    seed : int, optional
        ``numpy.random.default_rng(seed).choice(n, centers, replace=False)`` makes the draw.

    Raises
    ------
    DataError
        When there are fewer points than centers.
    """
    if centers > len(x):
        raise DataError(
            f"{centers} centers asked for, {len(x)} events given. Ask for fewer centers or give more events."
        )
    drawn = x[np.random.default_rng(seed).choice(len(x), centers, replace=False)]
    return greedy_basis(drawn, width, tolerance=tolerance, max_rank=centers, seed=seed)[0]


class _State:
    """A pivoted Cholesky factorization that grows."""

    def __init__(self, x: Floats, width: float, limit: int, known: Floats | None = None) -> None:
        self.x, self.width, self.limit = x, width, limit
        self.pivots: list[int] = []
        self.features = np.empty((0, len(x))) if known is None else known
        self.rank = len(self.features)
        self.residual = 1.0 - np.einsum("ij,ij->j", self.features, self.features)

    def grow(self, tolerance: float, rng: np.random.Generator) -> None:
        """Take centers until no residual is above `tolerance` or the limit is reached."""
        while self.rank < self.limit:
            worst = float(self.residual.max())
            if worst <= tolerance:
                return
            self.append(*self._choose(max(tolerance, _ROUND * worst), rng))

    def append(self, chosen: list[int], factor: Floats) -> None:
        """Add points as centers; `factor` is the Cholesky factor of their residual matrix."""
        used = self.rank
        self._make_room(used + len(chosen))
        centers, known = self.x[chosen], self.features[:used, chosen].T.copy()
        for begin in range(0, len(self.x), _BLOCK):
            part = slice(begin, begin + _BLOCK)
            new = gaussian_kernel(centers, self.x[part], self.width)
            if used:
                new -= known @ self.features[:used, part]
            _solve_lower(factor, new)
            self.features[used : used + len(chosen), part] = new
            self.residual[part] -= np.einsum("ij,ij->j", new, new)
        self.residual[chosen] = 0.0
        self.rank += len(chosen)
        self.pivots += chosen

    def basis(self) -> Basis:
        """Return the centers so far. Their features are the rows of the factor."""
        factor = np.tril(self.features[: self.rank, self.pivots].T)
        worst = float(max(self.residual.max(), 0.0))
        return Basis(self.x[self.pivots], np.asfortranarray(factor), self.width, worst)

    def _choose(self, stop: float, rng: np.random.Generator) -> tuple[list[int], Floats]:
        """Return the next centers and the Cholesky factor of their residual matrix."""
        candidates = np.flatnonzero(self.residual > stop)
        if len(candidates) > _POOL:
            worst = candidates[np.argmax(self.residual[candidates])]
            candidates = np.unique(np.append(rng.choice(candidates, _POOL - 1, replace=False), worst))
        block = gaussian_kernel(self.x[candidates], self.x[candidates], self.width)
        known = self.features[: self.rank, candidates]
        block -= known.T @ known
        local, factor = _pivoted_cholesky(block, stop, self.limit - self.rank)
        return [int(candidates[k]) for k in local], factor

    def _make_room(self, rank: int) -> None:
        """Let `features` have room for `rank` rows."""
        if rank > len(self.features):
            rows = min(self.limit, rank + max(8, self.rank // 2))
            larger = np.empty((rows, len(self.x)))
            larger[: self.rank] = self.features[: self.rank]
            self.features = larger


def part_with_tails(x: Floats, size: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return indices of a random part of `x` of about `size` events, with the ends of every feature."""
    size = min(size, len(x))
    drawn = rng.choice(len(x), size, replace=False)
    ends = min(max(size // (8 * x.shape[1]), 1), len(x) - 1)
    order = [np.argpartition(column, (ends, len(x) - ends)) for column in x.T]
    return np.unique(np.concatenate([drawn, *(o[:ends] for o in order), *(o[-ends:] for o in order)]))


def _pivoted_cholesky(matrix: Floats, stop: float, limit: int) -> tuple[list[int], Floats]:
    """Return the pivots of `matrix` until its largest residual is at most `stop`, and their factor."""
    diagonal = matrix.diagonal().copy()
    rows = np.empty((min(limit, len(matrix)), len(matrix)))
    pivots: list[int] = []
    while len(pivots) < len(rows):
        pivot = int(np.argmax(diagonal))
        if pivots and diagonal[pivot] <= stop:
            break
        k = len(pivots)
        rows[k] = (matrix[pivot] - rows[:k, pivot] @ rows[:k]) / np.sqrt(max(diagonal[pivot], np.finfo(float).tiny))
        diagonal -= rows[k] ** 2
        diagonal[pivot] = 0.0
        pivots.append(pivot)
    return pivots, np.asfortranarray(np.tril(rows[: len(pivots), pivots].T))


def _solve_lower(factor: Floats, values: Floats) -> None:
    """Replace `values` by ``L^-1 values``, in place."""
    solved = blas.dtrsm(1.0, factor, values.T, side=1, lower=1, trans_a=1, overwrite_b=1)
    if not np.shares_memory(solved, values):
        values[...] = solved.T
