"""Deformations of a sample, and the smallest one that a test excludes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from l1ad.errors import ConfigurationError, DataError, nearest
from l1ad.records import Record
from l1ad.validation.kernels import Floats
from l1ad.validation.two_sample import statistic

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


def power(x: Floats, size: float, rng: np.random.Generator) -> Floats:
    """Replace x by ``sign(x) |x|^(1 + size)``."""
    return np.asarray(np.sign(x) * np.abs(x) ** (1 + size))


def decorrelate(x: Floats, size: float, rng: np.random.Generator) -> Floats:
    """Permute each feature among a share `size` of the events: marginals stay, correlations shrink."""
    result, count = x.copy(), round(min(size, 1.0) * len(x))
    for column in range(x.shape[1]):
        chosen = rng.choice(len(x), count, replace=False)
        result[chosen, column] = x[rng.permutation(chosen), column]
    return result


#: Deformations by name; size 0 changes nothing.
DEFORMATIONS: dict[str, Deformation] = {
    "mean_shift": shift_mean,
    "feature_shift": shift_features,
    "scale": scale,
    "smear": smear,
    "power": power,
    "decorrelate": decorrelate,
}


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
class Scan:
    """Settings of a search for the smallest excluded deformation.

    Attributes
    ----------
    generator : callable
        ``generator(rng, n)`` returns n events of shape (n, d).
    events : int
        Events of each sample.
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
        return np.array(
            [function(self.generator(rng, self.events), self.generator(rng, self.events)) for _ in range(self.toys)]
        )

    def exclude(
        self, test: str, deformation: str, null: Floats, level: float = 0.95, *, largest: float = 10.0
    ) -> Exclusion:
        """Bisect the size of a deformation until the mean statistic equals its quantile under the null.

        Parameters
        ----------
        test : str
            Key of `l1ad.validation.two_sample.STATISTICS`.
        deformation : str
            Key of `DEFORMATIONS`.
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
        if deformation not in DEFORMATIONS:
            raise ConfigurationError(f"deformation {deformation!r}: unknown. {nearest(deformation, DEFORMATIONS)}")
        threshold = float(np.quantile(null, level))
        low, high = 0.0, largest
        if self._values(test, deformation, high).mean() < threshold:
            raise DataError(f"{test}: {deformation} of {largest:g} is not excluded at {level:g}. Give a larger one.")
        while high - low > 0.01 * high:
            middle = 0.5 * (low + high)
            if self._values(test, deformation, middle).mean() < threshold:
                low = middle
            else:
                high = middle
        return Exclusion(test, deformation, level, threshold, high, self._error(test, deformation, high, null, level))

    def _values(self, test: str, deformation: str, size: float) -> Floats:
        """Return the statistic over repetitions; the same samples for every size."""
        function, deform = statistic(test), DEFORMATIONS[deformation]
        rng = np.random.default_rng([self.seed, 1])
        values = []
        for _ in range(self.repetitions):
            reference, data = self.generator(rng, self.events), self.generator(rng, self.events)
            values.append(function(reference, deform(data, size, rng)))
        return np.array(values)

    def _error(self, test: str, deformation: str, size: float, null: Floats, level: float) -> float:
        """Return the error of the size, from those of the mean statistic and the quantile."""
        values, below = self._values(test, deformation, size), self._values(test, deformation, 0.9 * size)
        slope = (values.mean() - below.mean()) / (0.1 * size)
        draws = np.random.default_rng(self.seed).integers(0, len(null), (200, len(null)))
        quantile = float(np.std(np.quantile(null[draws], level, axis=1)))
        spread = float(np.hypot(values.std(ddof=1) / np.sqrt(len(values)), quantile))
        return spread / abs(slope) if slope else float("inf")
