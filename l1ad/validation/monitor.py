"""Data quality, batch by batch, on a stored null."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom, ks_2samp

from l1ad.errors import ConfigurationError, DataError
from l1ad.records import Record
from l1ad.validation.aggregate import aggregate
from l1ad.validation.calibration import CalibratedNull
from l1ad.validation.kernels import Floats
from l1ad.validation.nulls import gamma_threshold
from l1ad.validation.reference import NplmTest

#: Standard deviations by which the size of a batch may differ from what the null was calibrated for.
_SIZE_SIGMAS = 5.0
#: Events of the reference that the search for the moved feature looks at.
_LOOK = 20_000


@dataclass(frozen=True)
class BatchResult(Record):
    """One batch on the control chart.

    Attributes
    ----------
    batch : int
        Number, from 0.
    events : int
    statistics : tuple of float
        One a kernel width.
    z : float
        Significance of the batch; for several widths that of min-p.
    alarm : bool
    feature : str
        The feature whose distribution differs most from the reference (Kolmogorov-Smirnov).
    feature_p : float
        Its p-value, not corrected for the number of features.
    overflows : int
        Events with a value at or above the stated maximum; 0 without one.
    overflow_p : float
        p-value of so many, given how many the reference has; 1 without a maximum.
    """

    batch: int
    events: int
    statistics: tuple[float, ...]
    z: float
    alarm: bool
    feature: str
    feature_p: float
    overflows: int = 0
    overflow_p: float = 1.0


@dataclass
class Monitor:
    """Tests batches against a reference with a stored null.

    Attributes
    ----------
    test : NplmTest
    null : CalibratedNull
    false_alarm_rate : float
        Probability that a batch like the reference raises an alarm.
    overflow : float, optional
        Value at which the firmware saturates. Events at or above it are counted, because NPLM does not see rare ones;
        NPLM and the counter then have half of the false-alarm rate each.
    """

    test: NplmTest
    null: CalibratedNull
    false_alarm_rate: float = 1e-3
    overflow: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.false_alarm_rate < 1:
            raise ConfigurationError(f"false_alarm_rate: {self.false_alarm_rate}; expected a number between 0 and 1.")
        if len(self.null.names) > 1 and self.nplm_rate * (len(self.null.toys) + 1) < 1:
            raise ConfigurationError(
                f"false_alarm_rate: {self.nplm_rate:g} is below what {len(self.null.toys)} toys resolve for "
                f"{len(self.null.names)} widths. Calibrate with at least {math.ceil(1 / self.nplm_rate)} toys."
            )
        if not len(self.null.toys):
            raise ConfigurationError(
                "a monitor needs a null with toys: the reference is fixed, the analytic null is not."
            )
        self.null.check_belongs(self.test)
        self._done = 0

    @property
    def nplm_rate(self) -> float:
        """False-alarm rate of NPLM alone."""
        return self.false_alarm_rate if self.overflow is None else 0.5 * self.false_alarm_rate

    @property
    def threshold(self) -> float:
        """Statistic at which a batch raises an alarm; for one kernel width."""
        if len(self.null.names) > 1:
            raise ConfigurationError("several widths have no threshold of their own: their min-p raises the alarm.")
        return gamma_threshold(self.null.toys[:, 0], self.nplm_rate)

    def check(self, batch: ArrayLike, names: tuple[str, ...] | None = None) -> BatchResult:
        """Test one batch of shape (m, d).

        Raises
        ------
        DataError
            When an event is not finite, features differ, or the batch is not of the calibrated size.
        """
        events = self.test.check(batch, names)
        expected = self.test.reference.expected
        if abs(len(events) - expected) > _SIZE_SIGMAS * math.sqrt(expected):
            raise DataError(
                f"a batch of {len(events)} events; the null is calibrated for {expected:g}. Make batches of that size."
            )
        values = self.test.statistics(events)
        assessment = self.null.assess(values)
        if len(values) == 1:
            z, alarm = assessment.statistics[0].quoted.z, bool(values[0] > self.threshold)
        else:
            combined = aggregate(values, self.null.toys)[0].significance
            z, alarm = combined.z, combined.p <= self.nplm_rate
        feature, p = self._moved(events)
        count, overflow_p = self._overflows(events)
        alarm = alarm or overflow_p <= 0.5 * self.false_alarm_rate
        result = BatchResult(self._done, len(events), tuple(values.tolist()), z, alarm, feature, p, count, overflow_p)
        self._done += 1
        return result

    def _overflows(self, events: Floats) -> tuple[int, float]:
        """Return the events at or above the maximum and their p-value.

        Given all such events of batch and reference, those of the batch are binomial: exact for any number.
        """
        if self.overflow is None:
            return 0, 1.0
        x = self.test.reference.x
        known, count = (int((values >= self.overflow).any(axis=1).sum()) for values in (x, events))
        return count, float(binom.sf(count - 1, count + known, len(events) / (len(events) + len(x))))

    def _moved(self, events: Floats) -> tuple[str, float]:
        """Return the feature that differs most, and the p-value of its distance."""
        reference = self.test.reference
        x = reference.x[:: max(len(reference.x) // _LOOK, 1)]
        p = [ks_2samp(a, b, method="asymp").pvalue for a, b in zip(x.T, events.T, strict=True)]
        worst = int(np.argmin(p))
        return (reference.names[worst] if reference.names else str(worst)), float(p[worst])
