"""NPLM with a network on the interface of the two-sample tests: the seam between networks and validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from l1ad.networks.nplm_network import NplmNetwork
from l1ad.provenance import value_digest
from l1ad.validation.checks import as_events, check_columns
from l1ad.validation.kernels import Floats
from l1ad.validation.reference import Reference
from l1ad.validation.standardize import Standardizer, fit_standardizer


@dataclass
class NetworkTest:
    """The statistic of a network against a fixed reference; calibrated like that of kernels.

    Attributes
    ----------
    reference : Reference
    network : NplmNetwork
    """

    reference: Reference
    network: NplmNetwork = field(default_factory=NplmNetwork)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of the statistic."""
        return (f"network {'-'.join(str(units) for units in self.network.layers)}",)

    @property
    def digest(self) -> str:
        """SHA-256 of the reference and the settings of the network."""
        return value_digest([self.reference.digest, self.network.digest])

    @property
    def standardizer(self) -> Standardizer:
        """Standard units of the reference."""
        return fit_standardizer(self.reference.x, self.reference.event_weights)

    def statistics(self, data: Floats, seed: int = 0) -> Floats:
        """Return ``t`` of data of shape (m, d); the seed is that of the initial weights."""
        rule = self.standardizer
        x = rule.transform(self.reference.x)
        return np.array([self.network.fit(x, self.reference.event_weights, rule.transform(data), seed)[0]])

    def check(self, data: ArrayLike, names: Sequence[str] | None = None) -> Floats:
        """Return `data` as events of this reference; see `l1ad.validation.reference.NplmTest.check`."""
        events = as_events(data, "data")
        check_columns(self.reference.x, events, self.reference.names, names)
        return events
