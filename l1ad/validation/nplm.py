"""The new-physics learning machine with kernels, with the manners of a scikit-learn estimator."""

from __future__ import annotations

import logging
import math
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from l1ad.errors import DataError
from l1ad.validation.checks import as_events, as_weights, sample_warnings
from l1ad.validation.compress import compress
from l1ad.validation.kernels import Floats
from l1ad.validation.prepared import PreparedReference, Settings, merge_equal
from l1ad.validation.standardize import Standardizer, distance_quantile, fit_standardizer, unchanged

_logger = logging.getLogger(__name__)

#: Centers at least, when their number is chosen.
_CENTERS = 300


class KernelNplm(ClassifierMixin, BaseEstimator):
    r"""Learns the logarithm of the density ratio of data and reference, and tests whether it is zero.

    The function ``f`` minimizes a logistic loss in which the reference has the weights ``N(R)/N_R``; then
    ``e^f`` estimates the ratio of the densities of data and reference, and

    .. math:: t = 2\left[\sum_{D} w f(x) - \sum_{R} w (e^{f(x)} - 1)\right]

    is the extended log likelihood ratio, evaluated on the sample of the fit. Its null distribution comes from
    `l1ad.validation.calibration`.

    Parameters
    ----------
    width : float or "auto", optional
        Standard deviation of the Gaussian kernel in standard units; ``auto``: the 90th percentile of the pairwise
        distances of the reference.
    penalty : float, optional
        ``lambda`` of the ridge ``lambda/2 |f|^2``.
    centers : {"greedy", "uniform"}, optional
        Nystrom centers: the points that are described worst, or a random draw from the pooled sample.
    n_centers : int or "auto", optional
        Greedy: at most so many centers; uniform: so many are drawn. ``auto``: the square root of the number of
        reference events, as the papers advise, and at least 300.
    solver : {"newton", "one_step"}, optional
        Newton's method with line search, or the single step from ``f = 0`` of the publications.
    standardize : bool, optional
        Whether features are standardized as in the papers, with the moments of the reference.
    tolerance : float, optional
        Residual of the kernel that the centers may leave; by default derived from the penalty.
    memory_mb : float, optional
        Bound for stored features; beyond it they are computed again in every pass.
    random_state : int, optional
        Seed of the choice of centers.

    Attributes
    ----------
    statistic_ : float
        ``t`` of the fit.
    width_ : float
        Kernel width in standard units.
    standardizer_ : Standardizer
    basis_ : Basis
        Centers in standard units.
    theta_ : ndarray of float64, shape (rank,)
        Coefficients of the features of `basis_`.
    n_features_in_ : int
    classes_ : ndarray of int, shape (2,)
        0 the reference, 1 the data.
    warnings_ : list of str

    References
    ----------
    Letizia et al., "Learning new physics efficiently with nonparametric methods", EPJC 82 (2022) 879.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> model = KernelNplm(width=1.0)
    >>> shifted = model.fit_samples(rng.normal(size=(5000, 1)), rng.normal(0.3, 1, (500, 1)))
    >>> shifted.statistic_ > 30
    True
    """

    def __init__(
        self,
        width: float | Literal["auto"] = "auto",
        penalty: float = 1e-6,
        centers: Literal["greedy", "uniform"] = "greedy",
        n_centers: int | Literal["auto"] = "auto",
        solver: Literal["newton", "one_step"] = "newton",
        standardize: bool = True,
        tolerance: float | None = None,
        memory_mb: float = 2048.0,
        random_state: int = 0,
    ) -> None:
        self.width = width
        self.penalty = penalty
        self.centers = centers
        self.n_centers = n_centers
        self.solver = solver
        self.standardize = standardize
        self.tolerance = tolerance
        self.memory_mb = memory_mb
        self.random_state = random_state

    @classmethod
    def paper(cls, **changes: Any) -> Self:
        """Return the setting of the publications: uniform centers and a single Newton step.

        Parameters
        ----------
        **changes
            Parameters that differ from it, such as ``n_centers`` and ``penalty`` of the publication at hand.
        """
        return cls(**{"centers": "uniform", "solver": "one_step", **changes})

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:  # noqa: N803
        """Fit to events of both samples.

        Parameters
        ----------
        X : array of shape (n, d)
            Events.
        y : array of shape (n,)
            0 for the reference, 1 for the data.
        sample_weight : array of shape (n,), optional
            Event weights. Those of the reference sum to the number of data events that it predicts; by default
            they are the ratio of the two numbers of events. The reference may have negative weights.

        Raises
        ------
        DataError
            When an event is not finite, labels are not 0 and 1, or weights do not fit.
        """
        events, labels = as_events(X, "X"), np.asarray(y)
        if labels.shape != (len(events),) or not np.isin(labels, (0, 1)).all():
            raise DataError(f"y: expected {len(events)} labels, 0 for the reference and 1 for the data.")
        if len(np.unique(labels)) < 2:
            raise DataError("y: one of the samples is empty; expected labels 0 and 1.")
        is_data = labels == 1
        weights = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        if weights is not None and weights.shape != (len(events),):
            raise DataError(f"sample_weight: shape {weights.shape}; expected ({len(events)},).")
        return self._fit(
            events[~is_data],
            events[is_data],
            None if weights is None else weights[~is_data],
            None if weights is None else weights[is_data],
        )

    def fit_samples(
        self,
        reference: ArrayLike,
        data: ArrayLike,
        *,
        expected: float | None = None,
        weights: ArrayLike | None = None,
        data_weights: ArrayLike | None = None,
    ) -> Self:
        """Fit to a reference of shape (n, d) and data of shape (m, d).

        Parameters
        ----------
        reference, data : array
        expected : float, optional
            Data events that the reference predicts; by default as many as there are.
        weights, data_weights : array, optional
            Event weights; those of the reference are scaled to `expected`.
        """
        x, d = as_events(reference, "reference"), as_events(data, "data")
        w = as_weights(weights, len(x), "reference", negative=True)
        v = as_weights(data_weights, len(d), "data")
        return self._fit(x, d, w * ((v.sum() if expected is None else expected) / w.sum()), v)

    def _fit(self, reference: Floats, data: Floats, weights: Floats | None, data_weights: Floats | None) -> Self:
        if reference.shape[1] != data.shape[1]:
            raise DataError(f"data: {data.shape[1]} features; the reference has {reference.shape[1]}.")
        w = np.full(len(reference), len(data) / len(reference)) if weights is None else weights
        prepared = self.prepare(reference, as_weights(w, len(reference), "reference", negative=True))
        self.warnings_ = sample_warnings(reference, len(data), self.standardizer_.constant, None)
        for text in self.warnings_:
            _logger.warning("%s", text)
        v = as_weights(data_weights, len(data), "data")
        fitted = prepared.test(self.standardizer_.transform(data), v)
        self.basis_, self.theta_ = fitted.basis, fitted.fit.theta
        self.statistic_ = fitted.fit.statistic
        self.n_steps_ = fitted.fit.steps
        self.n_features_in_ = reference.shape[1]
        self.classes_ = np.array([0, 1])
        return self

    def prepare(self, reference: Floats, weights: Floats) -> PreparedReference:
        """Standardize a reference and fix the kernel width; sets `standardizer_` and `width_`.

        Parameters
        ----------
        reference : ndarray of float64, shape (n, d)
        weights : ndarray of float64, shape (n,)
            They sum to the expected number of data events.
        """
        rule = fit_standardizer(reference, weights) if self.standardize else unchanged(reference.shape[1])
        x = rule.transform(reference)
        width = distance_quantile(x, seed=self.random_state) if self.width == "auto" else float(self.width)
        self.standardizer_: Standardizer = rule
        self.width_ = width
        return prepare_reference(x, weights, self.settings(width, len(x)))

    def settings(self, width: float, events: int) -> Settings:
        """Return the settings of the fit at a kernel width, for a reference of `events`."""
        few = min(max(_CENTERS, math.ceil(math.sqrt(events))), events)
        return Settings(
            width=width,
            penalty=self.penalty,
            centers=self.centers,
            n_centers=few if self.n_centers == "auto" else self.n_centers,
            solver=self.solver,
            tolerance=self.tolerance,
            memory_mb=self.memory_mb,
            seed=self.random_state,
        )

    def decision_function(self, X: ArrayLike) -> Floats:  # noqa: N803
        """Return ``f``, the logarithm of the density ratio, of events of shape (n, d).

        Raises
        ------
        DataError
            When the model is not fitted, or the features differ in number.
        """
        if not hasattr(self, "theta_"):
            raise DataError("KernelNplm: not fitted. Call fit before decision_function.")
        events = as_events(X, "X")
        if events.shape[1] != self.n_features_in_:
            raise DataError(f"X: {events.shape[1]} features; the fit had {self.n_features_in_}.")
        x = self.standardizer_.transform(events)
        blocks = [self.theta_ @ self.basis_.transform(x[k : k + 65536]) for k in range(0, len(x), 65536)]
        return np.concatenate(blocks)

    def density_ratio(self, X: ArrayLike) -> Floats:  # noqa: N803
        """Return ``e^f``, the ratio of the densities of data and reference."""
        return np.exp(self.decision_function(X))

    def predict_proba(self, X: ArrayLike) -> Floats:  # noqa: N803
        """Return the probabilities of reference and data, shape (n, 2), for samples of the given weights."""
        probability = 1.0 / (1.0 + np.exp(-self.decision_function(X)))
        return np.stack([1.0 - probability, probability], axis=1)

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:  # noqa: N803
        """Return 1 where ``f > 0``, else 0."""
        return (self.decision_function(X) > 0).astype(np.int64)


def prepare_reference(x: Floats, weights: Floats, settings: Settings) -> PreparedReference:
    """Return a reference in standard units, with equal rows merged and one feature compressed."""
    rows, merged = merge_equal(x, weights)
    points, sums = compress(rows, merged, settings.width)
    return PreparedReference(points, sums, len(x), settings, rows if settings.centers == "uniform" else None)
