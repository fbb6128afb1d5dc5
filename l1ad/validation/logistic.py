"""The weighted logistic loss of the new-physics learning machine, its minimum, and the statistic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from l1ad.errors import DataError
from l1ad.validation.kernels import Floats
from l1ad.validation.nystrom import Basis

#: Events at a time, and numbers at a time: features of a block stay in the cache of one core.
_BLOCK, _SMALL_BLOCK, _NUMBERS = 4096, 256, 2**17
#: Events with |f| below this keep the Hessian of f = 0; its relative error is f^2/4, below 6 %.
_FLAT = 0.5
#: Newton stops when half the squared decrement, in units of the statistic, is below this.
_PRECISION = 1e-6
_STEPS, _HALVINGS = 50, 30


class Features(Protocol):
    """Features of a sample, stored or computed when they are asked for."""

    def __len__(self) -> int:
        """Return the number of events."""

    def take(self, part: slice | NDArray[np.intp]) -> Floats:
        """Return the features of some events, shape (rank, k)."""

    def groups(self, part: slice) -> tuple[Floats, ...]:
        """Return the same in groups of rows, so that nothing is copied."""


@dataclass(frozen=True)
class StoredFeatures:
    """Features that fit into the memory, shape (rank, n)."""

    values: Floats

    def __len__(self) -> int:
        return int(self.values.shape[1])

    def take(self, part: slice | NDArray[np.intp]) -> Floats:
        """Return the features of some events, shape (rank, k)."""
        return self.values[:, part]

    def groups(self, part: slice) -> tuple[Floats, ...]:
        """Return the features of some events as one group."""
        return (self.values[:, part],)


@dataclass(frozen=True)
class StreamedFeatures:
    """Features that are computed block by block, again in every pass: slower, in little memory."""

    basis: Basis
    x: Floats

    def __len__(self) -> int:
        return len(self.x)

    def take(self, part: slice | NDArray[np.intp]) -> Floats:
        """Return the features of some events, shape (rank, k)."""
        return self.basis.transform(self.x[part])

    def groups(self, part: slice) -> tuple[Floats, ...]:
        """Return the features of some events as one group."""
        return (self.take(part),)


@dataclass(frozen=True)
class JoinedFeatures:
    """Features with further rows below them, shape (k, n)."""

    first: Features
    more: Floats

    def __len__(self) -> int:
        return len(self.first)

    def take(self, part: slice | NDArray[np.intp]) -> Floats:
        """Return the features of some events, shape (rank + k, m)."""
        return np.concatenate([self.first.take(part), self.more[:, part]])

    def groups(self, part: slice) -> tuple[Floats, ...]:
        """Return the features of some events, the further rows as a group of their own."""
        return (*self.first.groups(part), self.more[:, part])


@dataclass(frozen=True)
class Sample:
    """Features and weights of one sample.

    Attributes
    ----------
    features : Features
        Of n events.
    weights : ndarray of float64, shape (n,)
    gram : ndarray of float64, shape (rank, rank)
        ``sum_i w_i F_i F_i^T``.
    total : ndarray of float64, shape (rank,)
        ``sum_i w_i F_i``.
    """

    features: Features
    weights: Floats
    gram: Floats
    total: Floats


def make_sample(features: Features, weights: Floats) -> Sample:
    """Return the sample with its moments; a fixed reference is made once and used for every toy."""
    total = sum(features.take(part) @ weights[part] for part in _blocks(len(weights)))
    return Sample(features, weights, weighted_gram(features, weights), np.asarray(total))


def extend_sample(sample: Sample, count: int, more: Callable[[slice, tuple[Floats, ...]], Floats]) -> Sample:
    """Return the sample with further features; only these and their moments are computed, in one pass.

    Parameters
    ----------
    sample : Sample
    count : int
        How many further features there are.
    more : callable
        ``more(part, groups)`` returns them, shape (count, k), for some events whose features are known.
    """
    weights, added = sample.weights, np.empty((count, len(sample.weights)))
    cross: Floats = np.zeros((count, len(sample.total) + count + 1))
    for part in _blocks(len(weights), len(sample.total)):
        known = sample.features.groups(part)
        new = added[:, part] = more(part, known)
        scaled = new * weights[part]
        cross += np.hstack([*(scaled @ rows.T for rows in (*known, new)), scaled.sum(axis=1, keepdims=True)])
    old, rank = len(sample.total), len(sample.total) + count
    gram = np.empty((rank, rank))
    gram[:old, :old], gram[old:], gram[:, old:] = sample.gram, cross[:, :rank], cross[:, :rank].T
    features = JoinedFeatures(sample.features, added)
    return Sample(features, weights, gram, np.concatenate([sample.total, cross[:, rank]]))


@dataclass(frozen=True)
class Fit:
    """The minimum of the loss.

    Attributes
    ----------
    theta : ndarray of float64, shape (rank,)
        Coefficients of the features.
    statistic : float
        ``t = 2 [sum_D w f - sum_R w (e^f - 1)]``.
    reference_values, data_values : ndarray of float64
        ``f`` on the two samples.
    steps : int
        Newton steps taken.
    """

    theta: Floats
    statistic: float
    reference_values: Floats
    data_values: Floats
    steps: int


def fit(reference: Sample, data: Sample, penalty: float | Floats, *, events: float, solver: str = "newton") -> Fit:
    r"""Minimize the loss over functions ``f = theta . F``.

    .. math:: \frac1n\left[\sum_R w \log(1+e^f) + \sum_D w \log(1+e^{-f})\right] + \frac\lambda2 |\theta|^2

    Newton's method with a line search. The Hessian of ``f = 0`` comes from the Gram matrices; only events with
    ``|f| > 0.5`` correct it, so that a step costs little more than two passes over the features.

    Parameters
    ----------
    reference, data : Sample
        Label 0 and label 1, features of the same basis.
    penalty : float or ndarray of float64, shape (rank,)
        ``lambda``, one for all features or one for each.
    events : float
        ``n``, the number of events of both samples.
    solver : {"newton", "one_step"}
        ``one_step`` is a single Newton step from ``f = 0`` without line search.

    Returns
    -------
    Fit

    Raises
    ------
    DataError
        When the loss has no minimum, which negative weights can cause.

    References
    ----------
    Letizia et al., EPJC 82 (2022) 879, equations 6 and 7 (statistic, loss).
    """
    problem = _Problem(reference, data, penalty, events)
    gradient = (reference.total - data.total) / (2 * events)
    start = _factor(problem.flat_hessian)
    point = problem.at(-cho_solve(start, gradient))
    if solver == "one_step":
        return problem.result(point, 1)
    zero_loss = np.log(2.0) * (reference.weights.sum() + data.weights.sum()) / events
    point = problem.shorten(point, zero_loss)
    for step in range(2, _STEPS + 2):
        direction = -cho_solve(_factor(problem.hessian(point)), point.gradient)
        decrement = -float(direction @ point.gradient)
        if events * decrement < _PRECISION:
            return problem.result(point, step)
        point = problem.search(point, direction, decrement)
    lowest = float(np.min(penalty))
    raise DataError(f"the fit has not converged in {_STEPS} Newton steps. Raise the penalty (now {lowest:g}).")


@dataclass(frozen=True)
class _Point:
    """A point of the descent, with all that one pass over the features gives."""

    theta: Floats
    values: tuple[Floats, Floats]
    loss: float
    gradient: Floats


@dataclass(frozen=True)
class _Problem:
    """Two samples, the penalty and the normalization."""

    reference: Sample
    data: Sample
    penalty: float | Floats
    events: float

    @property
    def flat_hessian(self) -> Floats:
        """Hessian at f = 0."""
        gram = (self.reference.gram + self.data.gram) / (4 * self.events)
        gram[np.diag_indices_from(gram)] += self.penalty
        return gram

    def at(self, theta: Floats) -> _Point:
        """Return loss and gradient at `theta`."""
        values_r, loss_r, gradient_r = _pass(self.reference, theta, 1.0)
        values_d, loss_d, gradient_d = _pass(self.data, theta, -1.0)
        loss = (loss_r + loss_d) / self.events + 0.5 * float((self.penalty * theta) @ theta)
        gradient = (gradient_r + gradient_d) / self.events + self.penalty * theta
        return _Point(theta, (values_r, values_d), loss, gradient)

    def hessian(self, point: _Point) -> Floats:
        """Return the Hessian, with the events of small |f| taken as f = 0."""
        hessian = self.flat_hessian
        for sample, values in zip((self.reference, self.data), point.values, strict=True):
            steep = np.flatnonzero(np.abs(values) > _FLAT)
            if len(steep):
                missing = 0.25 * np.tanh(0.5 * values[steep]) ** 2 * sample.weights[steep]
                hessian -= _steep_gram(sample.features, steep, missing) / self.events
        return hessian

    def search(self, point: _Point, direction: Floats, decrement: float) -> _Point:
        """Return the first point on the halved steps along `direction` whose loss is lower (Armijo's rule)."""
        length = 1.0
        # Near the minimum the differences of the loss are rounding errors.
        slack = 64 * np.finfo(float).eps * abs(point.loss)
        for _ in range(_HALVINGS):
            found = self.at(point.theta + length * direction)
            if found.loss <= point.loss - 1e-4 * length * decrement + slack:
                return found
            length /= 2
        raise DataError("the fit finds no lower loss along its descent; negative weights may have no minimum.")

    def shorten(self, point: _Point, zero_loss: float) -> _Point:
        """Halve the first step until its loss is below that of f = 0."""
        for _ in range(_HALVINGS):
            if point.loss <= zero_loss * (1 + 1e-12):
                return point
            point = self.at(0.5 * point.theta)
        raise DataError("the fit finds no loss below that of f = 0; negative weights may have no minimum.")

    def result(self, point: _Point, steps: int) -> Fit:
        """Return the fit with its statistic."""
        values_r, values_d = point.values
        with np.errstate(over="ignore"):
            growth = float(self.reference.weights @ np.expm1(values_r))
        statistic = 2 * (float(self.data.weights @ values_d) - growth)
        return Fit(point.theta, statistic, values_r, values_d, steps)


def weighted_gram(features: Features, weights: Floats) -> Floats:
    """Return ``sum_i w_i F_i F_i^T``, shape (rank, rank); weights may be negative."""
    equal = bool(weights.size and (weights == weights[0]).all())
    result = sum(_gram(features.take(part), None if equal else weights[part]) for part in _blocks(len(weights)))
    return np.asarray(weights[0] * result if equal else result)


def _steep_gram(features: Features, chosen: NDArray[np.intp], weights: Floats) -> Floats:
    """Return ``sum_i w_i F_i F_i^T`` over chosen events."""
    return np.asarray(sum(_gram(features.take(chosen[part]), weights[part]) for part in _blocks(len(chosen))))


def _gram(values: Floats, weights: Floats | None) -> Floats:
    """Return ``sum_i w_i F_i F_i^T`` of a block; without weights they are 1."""
    if weights is None:
        return values @ values.T
    if weights.min() >= 0:
        scaled = values * np.sqrt(weights)
        return scaled @ scaled.T
    return (values * weights) @ values.T


def _blocks(events: int, rank: int = 1) -> Iterator[slice]:
    """Yield slices that cover `events`, shorter for many features."""
    size = min(max(_NUMBERS // max(rank, 1), _SMALL_BLOCK), _BLOCK)
    for begin in range(0, events, size):
        yield slice(begin, min(begin + size, events))


def _pass(sample: Sample, theta: Floats, sign: float) -> tuple[Floats, float, Floats]:
    """Return f, the summed loss ``w log(1 + e^(sign f))`` and its gradient, in one pass over the features."""
    values = np.empty(len(sample.weights))
    gradient, loss = np.zeros(len(theta)), 0.0
    for part in _blocks(len(values), len(theta)):
        groups, weights = sample.features.groups(part), sample.weights[part]
        ends = np.cumsum([len(rows) for rows in groups])
        f = np.asarray(sum(theta[end - len(rows) : end] @ rows for end, rows in zip(ends, groups, strict=True)))
        small = np.exp(-np.abs(f))
        signed = sign * f
        loss += float(weights @ (np.log1p(small) + np.maximum(signed, 0.0)))
        slope = np.where(signed > 0, 1.0, small) / (1.0 + small)
        slope *= sign * weights
        for end, rows in zip(ends, groups, strict=True):
            gradient[end - len(rows) : end] += rows @ slope
        values[part] = f
    return values, loss, gradient


def _factor(hessian: Floats) -> tuple[NDArray[np.float64], bool]:
    """Return the Cholesky factor of a Hessian.

    Raises
    ------
    DataError
        When it is not positive definite.
    """
    try:
        factor: tuple[NDArray[np.float64], bool] = cho_factor(hessian, lower=True)
    except LinAlgError as error:
        raise DataError(
            "the Hessian of the loss is not positive definite: too many negative weights, or a penalty of 0. "
            "Raise the penalty."
        ) from error
    return factor
