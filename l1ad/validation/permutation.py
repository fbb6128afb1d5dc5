"""Toys that exchange the labels of reference and data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import ConfigurationError
from l1ad.provenance import value_digest
from l1ad.validation.kernels import Floats
from l1ad.validation.logistic import Sample, StoredFeatures, fit, make_sample
from l1ad.validation.nplm import KernelNplm
from l1ad.validation.prepared import PreparedReference
from l1ad.validation.reference import array_digest


@dataclass(frozen=True)
class Relabelling:
    """Draws which events of the pooled sample are called data.

    Attributes
    ----------
    events : int
        Events of the pooled sample.
    data : int
        How many of them are called data.
    """

    events: int
    data: int

    @property
    def digest(self) -> str:
        """SHA-256 of the two numbers."""
        return value_digest(["permutation", self.events, self.data])

    def draw(self, rng: np.random.Generator) -> Floats:
        """Return indices as an array of shape (data, 1)."""
        return rng.permutation(self.events)[: self.data, None].astype(np.float64)


@dataclass
class PermutationTest:
    """The statistic ``t`` as a function of the labels, with centers that do not depend on them.

    Standardization, kernel width and greedy centers come from the pooled sample, so that all labellings are treated
    alike and the permutation p-value is exact.

    Attributes
    ----------
    x : ndarray of float64, shape (n, d)
        Pooled sample: reference first.
    reference_events : int
        How many events of `x` are the reference.
    model : KernelNplm
    widths : tuple of float
    """

    x: Floats
    reference_events: int
    model: KernelNplm
    widths: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.model.centers != "greedy":
            raise ConfigurationError("permutations need centers that do not depend on labels: use centers='greedy'.")
        self._prepared: list[PreparedReference] = []

    def __getstate__(self) -> dict[str, object]:
        """Leave the features out: they are computed again where the test arrives."""
        return {**self.__dict__, "_prepared": []}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the statistics, one a width."""
        return tuple(f"width {prepared.settings.width:.4g}" for prepared in self._all())

    @property
    def digest(self) -> str:
        """SHA-256 of the pooled sample and the settings."""
        return value_digest([array_digest(self.x), self.reference_events, self.model.get_params(), list(self.widths)])

    def observed(self) -> Floats:
        """Return the statistics of the labels as they are."""
        return self.statistics(np.arange(self.reference_events, len(self.x))[:, None].astype(np.float64))

    def statistics(self, data: Floats, seed: int = 0) -> Floats:
        """Return the statistics when the events of the given indices, shape (m, 1), are called data."""
        is_data = np.zeros(len(self.x), dtype=bool)
        is_data[data[:, 0].astype(np.intp)] = True
        return np.array([self._one(prepared, is_data) for prepared in self._all()])

    def _one(self, prepared: PreparedReference, is_data: NDArray[np.bool_]) -> float:
        """Return the statistic of one width.

        The reference is the whole pooled sample with the weight 0 for the data; its Gram matrix is that of the pooled
        sample, computed once, less that of the data.
        """
        count = int(is_data.sum())
        pooled, weight = prepared.sample, count / (len(self.x) - count)
        sample = make_sample(StoredFeatures(pooled.features.take(np.flatnonzero(is_data))), np.ones(count))
        reference = Sample(
            pooled.features,
            np.where(is_data, 0.0, weight),
            weight * (pooled.gram - sample.gram),
            weight * (pooled.total - sample.total),
        )
        settings = prepared.settings
        return fit(reference, sample, settings.penalty, events=len(self.x), solver=settings.solver).statistic

    def _all(self) -> list[PreparedReference]:
        """Return the prepared pooled sample of every width; computed once."""
        if not self._prepared:
            for width in self.widths or (self.model.width,):
                model = KernelNplm(**{**self.model.get_params(), "width": width})
                prepared = model.prepare(self.x, np.ones(len(self.x)))
                self._prepared.append(PreparedReference(model.standardizer_.transform(self.x), np.ones(len(self.x)),
                                                        len(self.x), prepared.settings))  # fmt: skip
        return self._prepared
