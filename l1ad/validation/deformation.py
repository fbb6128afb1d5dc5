"""Deformations of a sample, and the smallest one that a test excludes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from l1ad.errors import ConfigurationError, DataError, nearest
from l1ad.records import Record
from l1ad.validation.kernels import Floats
from l1ad.validation.two_sample import statistic

#: Where the search ends: a feature of few values is told apart after any shift, since equal values are then gone.
_SMALLEST = 1e-4

Deformation = Callable[[Floats, float, np.random.Generator], Floats]


def shift_mean(x: Floats, size: float, rng: np.random.Generator) -> Floats:
    """Move the sample by `size` along the direction of its mean, or of (1, ..., 1) when the mean is 0."""
    mean = x.mean(axis=0)
    length = float(np.linalg.norm(mean))
    direction = mean / length if length > 0 else np.full(x.shape[1], x.shape[1] ** -0.5)
    return np.asarray(x + size * direction)


def shift_features(x: Floats, size: float, rng: np.random.Generator) -> Floats:
    """Move every feature by `size`."""
    return x + size


def scale(x: Floats, size: float, rng: np.random.Generator) -> Floats:
    """Multiply deviations from the mean by ``1 + size``."""
    mean = x.mean(axis=0)
    return np.asarray(mean + (1 + size) * (x - mean))


def smear(x: Floats, size: float, rng: np.random.Generator) -> Floats:
    """Add Gaussian noise of standard deviation `size` to every feature."""
    return x + size * rng.normal(size=x.shape)


def smear_uniform(x: Floats, size: float, rng: np.random.Generator) -> Floats:
    """Add noise, uniform between ``-size`` and ``size``, to every feature."""
    return x + rng.uniform(-size, size, x.shape)


def power(x: Floats, size: float, rng: np.random.Generator) -> Floats:
    """Replace x by ``sign(x) |x|^(1 + size)``."""
    return np.asarray(np.sign(x) * np.abs(x) ** (1 + size))


def power_down(x: Floats, size: float, rng: np.random.Generator) -> Floats:
    """Replace x by ``sign(x) |x|^(1 - size)``."""
    return power(x, -size, rng)


def decorrelate(x: Floats, size: float, rng: np.random.Generator) -> Floats:
    """Permute each feature among the same share `size` of the events: marginals stay, correlations shrink by it."""
    result = x.copy()
    chosen = rng.choice(len(x), round(min(size, 1.0) * len(x)), replace=False)
    for column in range(x.shape[1]):
        result[chosen, column] = x[rng.permutation(chosen), column]
    return result


def shift_along(direction: ArrayLike) -> Deformation:
    """Return a deformation that moves the sample by ``size * direction``; the direction has any length.

    arXiv:2409.16336 shifts the mean along a vector drawn between -1 and 1 in every feature.

    Examples
    --------
    >>> shift_along([1.0, -0.5])(np.zeros((1, 2)), 0.2, np.random.default_rng(0)).tolist()
    [[0.2, -0.1]]
    """
    vector = np.asarray(direction, dtype=np.float64)

    def deform(x: Floats, size: float, rng: np.random.Generator) -> Floats:
        if vector.shape != x.shape[1:]:
            raise DataError(f"direction of shape {vector.shape}; expected ({x.shape[1]},), one number a feature.")
        return np.asarray(x + size * vector)

    return deform


def scale_along(direction: ArrayLike) -> Deformation:
    """Return a deformation that multiplies deviations from the mean by ``1 + size * direction``, feature by feature."""
    vector = np.asarray(direction, dtype=np.float64)

    def deform(x: Floats, size: float, rng: np.random.Generator) -> Floats:
        if vector.shape != x.shape[1:]:
            raise DataError(f"direction of shape {vector.shape}; expected ({x.shape[1]},), one number a feature.")
        mean = x.mean(axis=0)
        return np.asarray(mean + (1 + size * vector) * (x - mean))

    return deform


#: Deformations by name; size 0 changes nothing.
DEFORMATIONS: dict[str, Deformation] = {
    "mean_shift": shift_mean,
    "feature_shift": shift_features,
    "scale": scale,
    "smear": smear,
    "smear_uniform": smear_uniform,
    "power": power,
    "power_down": power_down,
    "decorrelate": decorrelate,
}


def named_deformation(deformation: str | Deformation) -> tuple[str, Deformation]:
    """Return name and function of a deformation.

    Raises
    ------
    ConfigurationError
        When there is none of that name.
    """
    if callable(deformation):
        return getattr(deformation, "__qualname__", "deformation").partition(".")[0], deformation
    if deformation not in DEFORMATIONS:
        raise ConfigurationError(f"deformation {deformation!r}: unknown. {nearest(deformation, DEFORMATIONS)}")
    return deformation, DEFORMATIONS[deformation]


@dataclass(frozen=True)
class Exclusion(Record):
    """The smallest deformation that a test excludes.

    Attributes
    ----------
    test, deformation : str
    level : float
        Confidence level, such as 0.95.
    threshold : float
        Statistic at that level under the null.
    size : float
        Deformation at which the mean statistic reaches the threshold.
    size_error : float
        From the spread of the statistic over repetitions at that deformation, and of the threshold over the toys.
    """

    test: str
    deformation: str
    level: float
    threshold: float
    size: float
    size_error: float


@dataclass(frozen=True)
class PoolDraw:
    """Draws events of a finite sample without replacement: the two samples of a pair share none.

    Attributes
    ----------
    x : ndarray of float64, shape (n, d)
    """

    x: Floats

    def __call__(self, rng: np.random.Generator, n: int) -> Floats:
        """Return n events.

        Raises
        ------
        DataError
            When there are fewer.
        """
        if n > len(self.x):
            raise DataError(f"a pair of samples needs {n} events, the pool has {len(self.x)}. Make samples smaller.")
        return self.x[rng.choice(len(self.x), n, replace=False)]


@dataclass(frozen=True)
class Scan:
    """Settings of a search for the smallest excluded deformation.

    Attributes
    ----------
    generator : callable
        ``generator(rng, n)`` returns n events of shape (n, d); `PoolDraw` makes one from a finite sample.
    events : int
        Events of each sample. Both samples of a pair come from one call.
    toys : int
        Pairs of samples that give the null.
    repetitions : int
        Pairs of samples at each deformation.
    seed : int
    """

    generator: Callable[[np.random.Generator, int], Floats]
    events: int
    toys: int = 200
    repetitions: int = 20
    seed: int = 0

    def null(self, test: str) -> Floats:
        """Return the statistic of pairs of equal samples, shape (toys,)."""
        function, rng = statistic(test), np.random.default_rng(self.seed)
        return np.array([function(*self._pair(rng)) for _ in range(self.toys)])

    def exclude(
        self, test: str, deformation: str | Deformation, null: Floats, level: float = 0.95, *, largest: float = 10.0
    ) -> Exclusion:
        """Bisect the size of a deformation until the mean statistic equals its quantile under the null.

        Parameters
        ----------
        test : str
            Key of `l1ad.validation.two_sample.STATISTICS`.
        deformation : str or callable
            Key of `DEFORMATIONS`, or a function such as `shift_along` gives.
        null : ndarray of float64
            From `null`.
        level : float, optional
            0.95 or 0.99.
        largest : float, optional
            Deformation that is surely excluded.

        Raises
        ------
        ConfigurationError
            When the deformation is unknown.
        DataError
            When the largest deformation is not excluded.

        References
        ----------
        Grossi, Letizia and Torre, arXiv:2409.16336, section 4.
        """
        name, deform = named_deformation(deformation)
        threshold = float(np.quantile(null, level))
        low, high = 0.0, largest
        if self._values(test, deform, high).mean() < threshold:
            raise DataError(f"{test}: {name} of {largest:g} is not excluded at {level:g}. Give a larger one.")
        while high - low > max(0.01 * high, _SMALLEST):
            middle = 0.5 * (low + high)
            if self._values(test, deform, middle).mean() < threshold:
                low = middle
            else:
                high = middle
        return Exclusion(test, name, level, threshold, high, self._error(test, deform, high, null, level))

    def exclude_levels(
        self, test: str, deformation: str | Deformation, null: Floats, levels: Sequence[float], *, largest: float = 10.0
    ) -> list[Exclusion]:
        """Return `exclude` at every level; a deformation whose largest size is not excluded has an infinite one."""
        found = []
        for level in levels:
            try:
                found.append(self.exclude(test, deformation, null, level, largest=largest))
            except DataError:
                threshold = float(np.quantile(null, level))
                found.append(Exclusion(test, named_deformation(deformation)[0], level, threshold, math.inf, math.inf))
        return found

    def _pair(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Return two samples of the generator."""
        both = self.generator(rng, 2 * self.events)
        return both[: self.events], both[self.events :]

    def _values(self, test: str, deform: Deformation, size: float) -> Floats:
        """Return the statistic over repetitions; the same samples for every size."""
        function = statistic(test)
        rng = np.random.default_rng([self.seed, 1])
        values = []
        for _ in range(self.repetitions):
            reference, data = self._pair(rng)
            values.append(function(reference, deform(data, size, rng)))
        return np.array(values)

    def _error(self, test: str, deform: Deformation, size: float, null: Floats, level: float) -> float:
        """Return the error of the size, from those of the mean statistic and the quantile."""
        values, below = self._values(test, deform, size), self._values(test, deform, 0.9 * size)
        slope = float(values.mean() - below.mean()) / (0.1 * size)
        draws = np.random.default_rng(self.seed).integers(0, len(null), (200, len(null)))
        quantile = float(np.std(np.quantile(null[draws], level, axis=1)))
        spread = float(np.hypot(values.std(ddof=1) / np.sqrt(len(values)), quantile))
        return spread / abs(slope) if slope else float("inf")
