"""A reference whose features are computed once and used for every data sample."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from l1ad.errors import ConfigurationError
from l1ad.validation.kernels import Floats
from l1ad.validation.logistic import (
    Features,
    Fit,
    Sample,
    StoredFeatures,
    StreamedFeatures,
    extend_sample,
    fit,
    make_sample,
)
from l1ad.validation.nystrom import Basis, greedy_basis, part_with_tails, uniform_basis

#: Residuals that change no statistic, in units of ``n lambda``: residual r moves t by about ``r / n lambda``.
_GREEDY_TOLERANCE, _UNIFORM_TOLERANCE = 1e-3, 5e-9
_TOLERANCE_RANGE = (1e-12, 1e-2)
#: Centers that the data may add to those of a fixed reference.
_EXTRA_CENTERS = 64
#: Residual of a data event, in units of the tolerance, above which it becomes a center.
_EXTRA_TOLERANCE = 30.0


@dataclass(frozen=True)
class Settings:
    """What determines the fit, besides the samples.

    Attributes
    ----------
    width : float
        Kernel width in standard units.
    penalty : float
        ``lambda``.
    centers : {"greedy", "uniform"}
    n_centers : int
        Greedy: at most so many; uniform: exactly so many are drawn.
    solver : {"newton", "one_step"}
    tolerance : float or None
        Residual of the kernel that may be left; None derives it from the penalty.
    memory_mb : float
        Bound for stored features; beyond it they are computed again in every pass.
    seed : int
    """

    width: float
    penalty: float = 1e-6
    centers: Literal["greedy", "uniform"] = "greedy"
    n_centers: int = 1000
    solver: Literal["newton", "one_step"] = "newton"
    tolerance: float | None = None
    memory_mb: float = 2048.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in (("width", self.width), ("penalty", self.penalty), ("memory_mb", self.memory_mb)):
            if not value > 0:
                raise ConfigurationError(f"{name}: {value}; expected a positive number.")
        if self.n_centers < 1:
            raise ConfigurationError(f"n_centers: {self.n_centers}; expected at least 1.")
        if self.centers not in ("greedy", "uniform"):
            raise ConfigurationError(f"centers: {self.centers!r}; expected 'greedy' or 'uniform'.")
        if self.solver not in ("newton", "one_step"):
            raise ConfigurationError(f"solver: {self.solver!r}; expected 'newton' or 'one_step'.")

    def kernel_tolerance(self, events: int) -> float:
        """Return the residual that may be left for a sample of `events`."""
        if self.tolerance is not None:
            return self.tolerance
        factor = _GREEDY_TOLERANCE if self.centers == "greedy" else _UNIFORM_TOLERANCE
        return float(np.clip(factor * events * self.penalty, *_TOLERANCE_RANGE))


@dataclass(frozen=True)
class Fitted:
    """A fit with the basis it lives in."""

    basis: Basis
    fit: Fit


@dataclass(frozen=True)
class Pair:
    """Reference and data in one basis.

    Attributes
    ----------
    basis : Basis
    reference, data : Sample
    x : ndarray of float64, shape (k, d)
        Rows of the data in standard units; equal ones are merged when they repeat.
    events : int
        Events of both samples before equal rows were merged.
    """

    basis: Basis
    reference: Sample
    data: Sample
    x: Floats
    events: int


@dataclass
class PreparedReference:
    """A reference in standard units, ready for data samples.

    With greedy centers the basis describes the reference; each data sample adds centers where the reference has no
    events. The rule is the same for the observed data and for every toy. Uniform centers are drawn anew from the
    pooled sample each time, as in the papers.

    Attributes
    ----------
    x : ndarray of float64, shape (n, d)
        Standardized events; equal rows are merged when they repeat, and many events of one feature are compressed.
    weights : ndarray of float64, shape (n,)
        Their weights sum to the expected number of data events.
    events : int
        Events before equal rows were merged.
    settings : Settings
    candidates : ndarray of float64, shape (k, d), optional
        Events that uniform centers are drawn from, besides the data; by default `x`.
    """

    x: Floats
    weights: Floats
    events: int
    settings: Settings
    candidates: Floats | None = None
    _basis: Basis | None = field(default=None, init=False, repr=False)
    _sample: Sample | None = field(default=None, init=False, repr=False)

    @property
    def basis(self) -> Basis:
        """Greedy centers of the reference."""
        return self._greedy()[0]

    @property
    def sample(self) -> Sample:
        """Features of the reference in `basis`."""
        return self._greedy()[1]

    def test(self, data: Floats, weights: Floats | None = None, *, seed: int | None = None) -> Fitted:
        """Fit data of shape (m, d) in standard units; the statistic is in the result.

        Parameters
        ----------
        data : ndarray of float64, shape (m, d)
        weights : ndarray of float64, shape (m,), optional
        seed : int, optional
            Seed of uniform centers; by default that of the settings.
        """
        pair = self.against(data, weights, seed=seed)
        settings = self.settings
        result = fit(pair.reference, pair.data, settings.penalty, events=pair.events, solver=settings.solver)
        return Fitted(pair.basis, result)

    def against(self, data: Floats, weights: Floats | None = None, *, seed: int | None = None) -> Pair:
        """Return reference and data in the basis that `test` fits them in."""
        count = len(data)
        data, weights = merge_equal(data, np.ones(count) if weights is None else weights)
        basis, reference, sample = (
            self._against_greedy(data, weights)
            if self.settings.centers == "greedy"
            else self._against_uniform(data, weights, self.settings.seed if seed is None else seed)
        )
        return Pair(basis, reference, sample, data, self.events + count)

    def _greedy(self) -> tuple[Basis, Sample]:
        """Choose the centers of the reference and compute its features, once."""
        if self._basis is None or self._sample is None:
            settings, tolerance = self.settings, self.settings.kernel_tolerance(self.events)
            fitting = int(settings.memory_mb * 2**20 / (8 * settings.n_centers))
            features: Features
            if len(self.x) <= fitting:
                self._basis, values = greedy_basis(
                    self.x, settings.width, tolerance=tolerance, max_rank=settings.n_centers, seed=settings.seed
                )
                features = StoredFeatures(values)
            else:
                part = self.x[part_with_tails(self.x, max(fitting, 1), np.random.default_rng(settings.seed))]
                self._basis, _ = greedy_basis(
                    part, settings.width, tolerance=tolerance, max_rank=settings.n_centers, seed=settings.seed
                )
                features = self._features(self._basis, self.x)
            self._sample = make_sample(features, self.weights)
        return self._basis, self._sample

    def _features(self, basis: Basis, x: Floats) -> Features:
        """Return stored features when they fit into the memory, else streamed ones."""
        if basis.rank * len(x) * 8 <= self.settings.memory_mb * 2**20:
            return StoredFeatures(basis.transform(x))
        return StreamedFeatures(basis, x)

    def _against_greedy(self, data: Floats, weights: Floats) -> tuple[Basis, Sample, Sample]:
        """Return the basis, extended where the data need it, and both samples in it."""
        basis, reference = self._greedy()
        allowed = max(_EXTRA_TOLERANCE * self.settings.kernel_tolerance(self.events), basis.residual)
        extended, values = basis.extend(data, basis.transform(data), tolerance=allowed, more=_EXTRA_CENTERS)
        if extended.rank > basis.rank:
            stored = reference.features
            if isinstance(stored, StoredFeatures):
                count = extended.rank - basis.rank
                reference = extend_sample(
                    reference, count, lambda part, known: extended.further(known[0], self.x[part])
                )
            else:
                reference = make_sample(StreamedFeatures(extended, self.x), reference.weights)
        return extended, reference, make_sample(StoredFeatures(values), weights)

    def _against_uniform(self, data: Floats, weights: Floats, seed: int) -> tuple[Basis, Sample, Sample]:
        """Return a basis of centers drawn from the pooled sample, and both samples in it."""
        settings = self.settings
        pooled = np.concatenate([self.x if self.candidates is None else self.candidates, data])
        tolerance = settings.kernel_tolerance(self.events + len(data))
        basis = uniform_basis(pooled, settings.width, centers=settings.n_centers, tolerance=tolerance, seed=seed)
        reference = make_sample(self._features(basis, self.x), self.weights)
        return basis, reference, make_sample(self._features(basis, data), weights)


def merge_equal(x: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Merge equal rows and add their weights, when a look at the first rows shows that rows repeat.

    The fit is the same; a score of few distinct integers becomes many times smaller.

    Parameters
    ----------
    x : ndarray of float64, shape (n, d)
    weights : ndarray of float64, shape (n,)

    Examples
    --------
    >>> merge_equal(np.array([[1.0], [2.0], [1.0]]), np.ones(3))
    (array([[1.],
           [2.]]), array([2., 1.]))
    """
    probe = x[:1000]
    if len(np.unique(probe, axis=0)) > 0.9 * len(probe):
        return x, weights
    rows, inverse = np.unique(x, axis=0, return_inverse=True)
    merged = np.bincount(inverse.reshape(-1), weights=weights, minlength=len(rows))
    return rows, merged.astype(np.float64)
