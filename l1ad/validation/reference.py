"""The reference sample, and the NPLM test of data against it at one or several kernel widths."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from l1ad.errors import ConfigurationError, DataError
from l1ad.provenance import value_digest
from l1ad.validation.checks import as_events, as_weights, check_columns, sample_warnings
from l1ad.validation.kernels import Floats
from l1ad.validation.nplm import KernelNplm
from l1ad.validation.nuisances import Nuisance
from l1ad.validation.nulls import analytic_weights
from l1ad.validation.prepared import PreparedReference
from l1ad.validation.profile import NUISANCE_FITS, Profile, ProfiledReference
from l1ad.validation.standardize import Standardizer

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reference:
    """What the data are compared with.

    Attributes
    ----------
    x : ndarray of float64, shape (n, d)
        Events.
    expected : float
        Data events that the reference predicts.
    weights : ndarray of float64, shape (n,), or None
        Event weights; they are scaled to the sum `expected`. Some may be negative.
    names : tuple of str or None
        Names of the features.
    """

    x: Floats
    expected: float
    weights: Floats | None = None
    names: tuple[str, ...] | None = None

    @property
    def event_weights(self) -> Floats:
        """Weights with the sum `expected`."""
        raw = as_weights(self.weights, len(self.x), "reference", negative=True)
        return np.asarray(raw * (self.expected / raw.sum()))

    @property
    def digest(self) -> str:
        """SHA-256 of events, weights, names and the expected number."""
        parts = [array_digest(self.x), array_digest(self.event_weights)]
        return value_digest([*parts, list(self.names or ()), self.expected])


def make_reference(
    x: ArrayLike, *, expected: float, weights: ArrayLike | None = None, names: Sequence[str] | None = None
) -> Reference:
    """Check events and weights and return the reference.

    Raises
    ------
    DataError
        When events are not finite, weights do not fit, or `expected` is not positive.

    Examples
    --------
    >>> make_reference([[0.0], [1.0]], expected=5).event_weights.tolist()
    [2.5, 2.5]
    """
    events = as_events(x, "reference")
    if not np.isfinite(expected) or expected <= 0:
        raise DataError(f"expected: {expected}; a positive number of data events.")
    if weights is not None:
        weights = as_weights(weights, len(events), "reference", negative=True)
    if names is not None and len(names) != events.shape[1]:
        raise DataError(f"reference: {len(names)} feature names for {events.shape[1]} features.")
    return Reference(events, float(expected), weights, tuple(names) if names is not None else None)


@dataclass
class NplmTest:
    """The statistic ``t`` of data against a fixed reference, at every kernel width.

    With nuisances the statistic is ``tau - Delta``, see `l1ad.validation.profile.ProfiledReference`.

    Attributes
    ----------
    reference : Reference
    model : KernelNplm
        Its parameters; its own width counts when `widths` is empty.
    widths : tuple of float
        Kernel widths in standard units.
    nuisances : tuple of Nuisance
        Systematic uncertainties of the reference.
    nuisance_fit : {"fixed", "free"}
        Whether the nuisance parameters stay where they fit without ``f``, or are fitted with it as published.
    """

    reference: Reference
    model: KernelNplm = field(default_factory=KernelNplm)
    widths: tuple[float, ...] = ()
    nuisances: tuple[Nuisance, ...] = ()
    nuisance_fit: str = "fixed"

    def __post_init__(self) -> None:
        if any(not width > 0 for width in self.widths):
            raise ConfigurationError(f"widths: {self.widths}; expected positive numbers.")
        if self.nuisance_fit not in NUISANCE_FITS:
            raise ConfigurationError(f"nuisance fit: {self.nuisance_fit!r}; expected 'fixed' or 'free'.")
        self._prepared: list[PreparedReference] = []
        self._profiled: list[ProfiledReference] = []
        self._standardizer: Standardizer | None = None

    def __getstate__(self) -> dict[str, object]:
        """Leave the features out: they are computed again where the test arrives."""
        names = ("reference", "model", "widths", "nuisances", "nuisance_fit")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._prepared, self._profiled, self._standardizer = [], [], None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the statistics, one a width."""
        return tuple(f"width {prepared.settings.width:.4g}" for prepared in self.prepared())

    @property
    def digest(self) -> str:
        """SHA-256 of the reference and of all that determines the statistic."""
        systematics: list[Any] = [nuisance.digest for nuisance in self.nuisances]
        systematics += [self.nuisance_fit] if systematics else []
        return value_digest([self.reference.digest, self.model.get_params(), list(self.widths), *systematics])

    @property
    def standardizer(self) -> Standardizer:
        """Standard units of the reference."""
        self.prepared()
        if self._standardizer is None:
            raise DataError("the reference has not been standardized.")
        return self._standardizer

    def prepared(self) -> list[PreparedReference]:
        """Return the prepared reference of every width; computed once."""
        if not self._prepared:
            weights = self.reference.event_weights
            for width in self.widths or (self.model.width,):
                model = KernelNplm(**{**self.model.get_params(), "width": width})
                self._prepared.append(model.prepare(self.reference.x, weights))
                self._standardizer = model.standardizer_
            self._warn()
        return self._prepared

    def _warn(self) -> None:
        """Say what is doubtful about the reference."""
        constant = () if self._standardizer is None else self._standardizer.constant
        reference = self.reference
        for text in sample_warnings(reference.x, round(reference.expected), constant, reference.names):
            _logger.warning("%s", text)

    def statistics(self, data: Floats, seed: int = 0) -> Floats:
        """Return ``t`` of data of shape (m, d), one a width.

        Parameters
        ----------
        data : ndarray of float64, shape (m, d)
        seed : int, optional
            Seed of uniform centers.
        """
        if self.nuisances:
            return np.array([found.statistic for found in self.profiles(data, seed)])
        x = self.standardizer.transform(data)
        return np.array([prepared.test(x, seed=seed).fit.statistic for prepared in self.prepared()])

    def profiles(self, data: Floats, seed: int = 0) -> list[Profile]:
        """Return both fits with nuisance parameters, one a width.

        Raises
        ------
        ConfigurationError
            When the test has no nuisances.
        """
        if not self.nuisances:
            raise ConfigurationError("the test has no nuisances, so there is nothing to profile.")
        if not self._profiled:
            self._profiled = [
                ProfiledReference(p, self.standardizer, self.nuisances, self.nuisance_fit) for p in self.prepared()
            ]
        x = self.standardizer.transform(data)
        return [profiled.test(x, seed=seed) for profiled in self._profiled]

    def check(self, data: ArrayLike, names: Sequence[str] | None = None) -> Floats:
        """Return `data` as events of this reference.

        Raises
        ------
        DataError
            When an event is not finite or the features differ from those of the reference.
        """
        events = as_events(data, "data")
        check_columns(self.reference.x, events, self.reference.names, names)
        return events

    def analytic(self) -> list[Floats]:
        """Return the weights of the analytic null, one array a width; needs greedy centers."""
        if self.model.centers != "greedy":
            raise ConfigurationError("the analytic null needs fixed centers: use centers='greedy'.")
        if self.nuisances:
            raise ConfigurationError("the analytic null knows no nuisances: calibrate with toys.")
        return [
            analytic_weights(
                prepared.sample.gram,
                self.reference.event_weights,
                prepared.settings.penalty,
                len(self.reference.x) + self.reference.expected,
            )
            for prepared in self.prepared()
        ]


def array_digest(values: Floats) -> str:
    """Return the SHA-256 of an array: its type, its shape and its bytes."""
    found = hashlib.sha256(f"{values.dtype.str} {values.shape} ".encode())
    found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()
