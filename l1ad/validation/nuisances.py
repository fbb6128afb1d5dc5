"""Systematic uncertainties of a reference: how the logarithm of its density moves with a nuisance parameter.

A nuisance parameter ``nu`` counts standard deviations of its auxiliary measurement. It changes the density of the
reference by the factor ``e^(nu delta(x))``; ``delta`` is the logarithm of the ratio at one standard deviation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from l1ad.errors import ConfigurationError, DataError
from l1ad.provenance import value_digest
from l1ad.validation.checks import as_events
from l1ad.validation.kernels import Floats
from l1ad.validation.nplm import KernelNplm
from l1ad.validation.nystrom import Basis
from l1ad.validation.standardize import Standardizer

#: Penalty and memory of the fits that learn a shape. Shapes are smooth; a wide kernel takes few features.
_PENALTY = 1e-7
#: Standard deviations of relative scales above which a linear ``delta`` says little.
_LARGEST_SCALE = 0.5


class Nuisance(Protocol):
    """One systematic uncertainty."""

    @property
    def name(self) -> str:
        """Name in tables and files."""

    @property
    def digest(self) -> str:
        """SHA-256 of all that determines ``delta``."""

    def delta(self, x: Floats) -> Floats:
        """Return ``log p(x | nu = 1) - log p(x | nu = 0)`` of events of shape (n, d), as an array of shape (n,)."""


@dataclass(frozen=True)
class Normalisation:
    """Uncertainty of the expected number of events: ``delta = log(1 + sigma)`` everywhere.

    Attributes
    ----------
    sigma : float
        Relative standard deviation, such as 0.02.
    name : str

    Examples
    --------
    >>> Normalisation(0.02).delta(np.zeros((2, 1))).round(4).tolist()
    [0.0198, 0.0198]
    """

    sigma: float
    name: str = "normalisation"

    def __post_init__(self) -> None:
        _check_sigma(self.name, self.sigma, 10.0)

    @property
    def digest(self) -> str:
        """SHA-256 of name and sigma."""
        return value_digest(["normalisation", self.name, self.sigma])

    def delta(self, x: Floats) -> Floats:
        """Return the constant for events of shape (n, d)."""
        return np.full(len(x), math.log1p(self.sigma))


@dataclass(frozen=True)
class LogRatio:
    """A learned logarithm of a density ratio.

    Attributes
    ----------
    standardizer : Standardizer
    basis : Basis
    theta : ndarray of float64, shape (rank,)
    """

    standardizer: Standardizer
    basis: Basis
    theta: Floats

    def values(self, x: Floats) -> Floats:
        """Return the logarithm for events of shape (n, d)."""
        z = self.standardizer.transform(x)
        blocks = (self.theta @ self.basis.transform(z[k : k + 65536]) for k in range(0, len(z), 65536))
        return np.concatenate([*blocks, np.empty(0)])


@dataclass(frozen=True)
class LearnedShape:
    """A shape uncertainty whose ``delta`` was learned from samples at plus and minus one standard deviation.

    Attributes
    ----------
    name : str
    up, down : LogRatio
        Of the varied samples to the reference. ``delta`` is half their difference, so that a second-order effect of
        the nuisance parameter cancels.
    """

    name: str
    up: LogRatio
    down: LogRatio

    @property
    def digest(self) -> str:
        """SHA-256 of name and coefficients."""
        return value_digest([self.name, [[values.tolist() for values in _arrays(r)] for r in (self.up, self.down)]])

    def delta(self, x: Floats) -> Floats:
        """Return half the difference of the two logarithms for events of shape (n, d)."""
        return 0.5 * (self.up.values(x) - self.down.values(x))


def learn_shape(name: str, reference: ArrayLike, up: ArrayLike, down: ArrayLike) -> LearnedShape:
    """Learn a shape uncertainty from samples at plus and minus one standard deviation.

    Only the shape is learned: the numbers of events do not count, `Normalisation` is a nuisance of its own. The same
    simulated events in all three samples, varied, give the smallest statistical error.

    Parameters
    ----------
    name : str
    reference, up, down : array of shapes (n, d), (k, d) and (m, d)

    Raises
    ------
    DataError
        When an event is not finite, or the features differ in number.

    References
    ----------
    D'Agnolo et al., "Learning new physics from an imperfect machine", EPJC 82 (2022) 275, arXiv:2111.13633,
    section 3.2 (learned nuisance dependence). With kernels here.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(20_000, 1))
    >>> shape = learn_shape("shift", x, x + 0.1, x - 0.1)
    >>> shape.delta(np.array([[1.0], [-1.0]])).round(1).tolist()
    [0.1, -0.1]
    """
    x = as_events(reference, "reference")
    return LearnedShape(name, _learn(name, x, as_events(up, f"{name}, up")), _learn(name, x, as_events(down, name)))


def learn_scale(
    reference: ArrayLike, sigma: float, *, features: Sequence[int] | None = None, name: str = "scale"
) -> LearnedShape:
    """Learn the uncertainty of the scale of features: events multiplied by ``1 + sigma`` and ``1 - sigma``.

    Parameters
    ----------
    reference : array of shape (n, d)
    sigma : float
        Relative standard deviation.
    features : sequence of int, optional
        Columns that scale together; by default all.
    name : str, optional

    Raises
    ------
    ConfigurationError
        When `sigma` is not between 0 and 0.5, or a column does not exist.
    """
    _check_sigma(name, sigma, _LARGEST_SCALE)
    x = as_events(reference, "reference")
    columns = list(range(x.shape[1])) if features is None else list(features)
    if any(not 0 <= column < x.shape[1] for column in columns):
        raise ConfigurationError(f"nuisance {name}: feature {max(columns)}; the reference has {x.shape[1]}.")
    up, down = x.copy(), x.copy()
    up[:, columns] *= 1 + sigma
    down[:, columns] *= 1 - sigma
    return learn_shape(name, x, up, down)


def deltas(nuisances: Sequence[Nuisance], x: Floats) -> Floats:
    """Return ``delta`` of every nuisance for events of shape (n, d), as an array of shape (k, n).

    Raises
    ------
    DataError
        When a value is not finite.
    """
    rows = np.array([nuisance.delta(x) for nuisance in nuisances]).reshape(len(nuisances), len(x))
    if not np.isfinite(rows).all():
        bad = nuisances[int(np.argmin(np.isfinite(rows).all(axis=1)))].name
        raise DataError(f"nuisance {bad}: delta is NaN or infinite for an event. Check its varied samples.")
    return rows


def nuisance_arrays(nuisance: Nuisance) -> dict[str, Any]:
    """Return a nuisance as arrays for an ``.npz`` file.

    Raises
    ------
    ConfigurationError
        When it is of a kind of the user's own.
    """
    if isinstance(nuisance, Normalisation):
        return {"name": np.array(nuisance.name), "sigma": np.array(nuisance.sigma)}
    if isinstance(nuisance, LearnedShape):
        sides = {"up": nuisance.up, "down": nuisance.down}
        arrays = {f"{side}_{k}": values for side, r in sides.items() for k, values in enumerate(_arrays(r))}
        return {"name": np.array(nuisance.name), **arrays}
    raise ConfigurationError(f"nuisance {nuisance.name}: only a normalisation and learned shapes can be stored.")


def nuisance_from_arrays(arrays: dict[str, Any]) -> Nuisance:
    """Return the nuisance that `nuisance_arrays` described."""
    name = str(arrays["name"])
    if "sigma" in arrays:
        return Normalisation(float(arrays["sigma"]), name)
    up, down = ([arrays[f"{side}_{k}"] for k in range(6)] for side in ("up", "down"))
    return LearnedShape(name, _ratio(up), _ratio(down))


def _learn(name: str, reference: Floats, varied: Floats) -> LogRatio:
    """Return the learned ratio of a varied sample to the reference."""
    if varied.shape[1] != reference.shape[1]:
        raise DataError(f"nuisance {name}: {varied.shape[1]} features; the reference has {reference.shape[1]}.")
    model = KernelNplm(penalty=_PENALTY)
    prepared = model.prepare(reference, np.ones(len(reference)))
    rule = model.standardizer_
    weights = np.full(len(varied), len(reference) / len(varied))
    fitted = prepared.test(rule.transform(varied), weights)
    return LogRatio(rule, fitted.basis, fitted.fit.theta)


def _arrays(ratio: LogRatio) -> list[Floats]:
    """Return the numbers of a ratio."""
    rule, basis = ratio.standardizer, ratio.basis
    return [rule.shift, rule.scale, basis.centers, basis.factor, np.array([basis.width, basis.residual]), ratio.theta]


def _ratio(arrays: list[Floats]) -> LogRatio:
    """Return the ratio of `_arrays`."""
    shift, scale, centers, factor, kernel, theta = arrays
    basis = Basis(centers, np.asfortranarray(factor), float(kernel[0]), float(kernel[1]))
    return LogRatio(Standardizer(shift, scale, ()), basis, theta)


def _check_sigma(name: str, sigma: float, largest: float) -> None:
    """Check a relative standard deviation."""
    if not 0 < sigma <= largest:
        raise ConfigurationError(f"nuisance {name}: sigma {sigma:g}; expected a number above 0, at most {largest:g}.")
