"""Two-sample tests on one interface: a name, a statistic, and its null."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from l1ad.errors import ConfigurationError, nearest
from l1ad.provenance import value_digest
from l1ad.validation.calibration import Assessment, CalibratedNull
from l1ad.validation.checks import as_events, check_columns, check_independent
from l1ad.validation.classifier import ClassifierTest
from l1ad.validation.distances import (
    frechet,
    frechet_extrapolated,
    mean_ks,
    polynomial_mmd,
    sliced_ks,
    sliced_wasserstein,
)
from l1ad.validation.kernels import Floats
from l1ad.validation.permutation import Relabelling
from l1ad.validation.reference import Reference, array_digest
from l1ad.validation.toys import run_toys

Statistic = Callable[[Floats, Floats], float]


def _accuracy(reference: Floats, data: Floats) -> float:
    return ClassifierTest().statistics(reference, data).accuracy


def _auc(reference: Floats, data: Floats) -> float:
    return ClassifierTest().statistics(reference, data).auc


#: Statistics by name; each takes reference and data and grows with their difference.
STATISTICS: dict[str, Statistic] = {
    "ks": mean_ks,
    "sliced_ks": sliced_ks,
    "sliced_wasserstein": sliced_wasserstein,
    "frechet": frechet,
    "frechet_extrapolated": frechet_extrapolated,
    "mmd": polynomial_mmd,
    "classifier_accuracy": _accuracy,
    "classifier_auc": _auc,
}


@dataclass(frozen=True)
class DistanceTest:
    """Distances of data to a fixed reference; calibrated like NPLM.

    Attributes
    ----------
    reference : Reference
    names : tuple of str
        Keys of `STATISTICS`.
    """

    reference: Reference
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in self.names:
            statistic(name)

    @property
    def digest(self) -> str:
        """SHA-256 of the reference and the names."""
        return value_digest([self.reference.digest, list(self.names)])

    def statistics(self, data: Floats, seed: int = 0) -> Floats:
        """Return the distances of data of shape (m, d); the seed is not used."""
        return np.array([STATISTICS[name](self.reference.x, data) for name in self.names])


@dataclass(frozen=True)
class PermutedDistances:
    """Distances as a function of the labels of a pooled sample."""

    x: Floats
    names: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the pooled sample and the names."""
        return value_digest([array_digest(self.x), list(self.names)])

    def statistics(self, data: Floats, seed: int = 0) -> Floats:
        """Return the distances when the events of the given indices, shape (m, 1), are called data."""
        is_data = np.zeros(len(self.x), dtype=bool)
        is_data[data[:, 0].astype(np.intp)] = True
        return np.array([STATISTICS[name](self.x[~is_data], self.x[is_data]) for name in self.names])


def statistic(name: str) -> Statistic:
    """Return a statistic by its name.

    Raises
    ------
    ConfigurationError
        When there is none.
    """
    if name not in STATISTICS:
        raise ConfigurationError(f"two-sample test {name!r}: unknown. {nearest(name, STATISTICS)}")
    return STATISTICS[name]


def compare_samples(
    reference: ArrayLike,
    data: ArrayLike,
    names: Sequence[str] = ("sliced_ks", "sliced_wasserstein", "mmd"),
    *,
    toys: int = 199,
    seed: int = 0,
    workers: int = 1,
) -> Assessment:
    """Test whether two samples come from one distribution, with permutations as the null.

    Parameters
    ----------
    reference, data : array of shapes (n, d) and (m, d)
    names : sequence of str, optional
        Keys of `STATISTICS`.
    toys, seed, workers : optional
        Permutations, their seed, and processes.

    Returns
    -------
    Assessment
        The empirical p-value of every statistic is exact.

    Raises
    ------
    DataError
        When samples are not usable or share events.
    ConfigurationError
        When a name is unknown.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> result = compare_samples(rng.normal(size=(200, 2)), rng.normal(1.0, 1, (200, 2)), ["ks"], toys=99)
    >>> str(result.statistics[0].models[0])
    'Z > 2.33'
    """
    x, y = as_events(reference, "reference"), as_events(data, "data")
    check_columns(x, y, None, None)
    check_independent(x, y)
    for name in names:
        statistic(name)
    test = PermutedDistances(np.concatenate([x, y]), tuple(names))
    values = run_toys(test, Relabelling(len(test.x), len(y)), toys, seed=seed, workers=workers)
    observed = test.statistics(np.arange(len(x), len(test.x), dtype=np.float64)[:, None])
    return CalibratedNull(test.names, values, (), "permutation", test.digest).assess(observed)
