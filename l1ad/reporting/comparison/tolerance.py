"""How much worse a quantity may become before it counts as a regression."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from l1ad.errors import ConfigurationError, nearest
from l1ad.records import Record

#: Quantities of which more is better; of all others less is.
MORE_IS_BETTER = ("auc", "tpr", "slack_ns", "hold_slack_ns")

#: Quantities of which neither more nor less is better.
NEUTRAL = (
    "rate_khz",
    "clock_target_ns",
    "clock_uncertainty_ns",
    "register_bits",
    "endpoints",
    "total_clocks",
    "instances",
)

_WRITTEN = re.compile(r"([A-Za-z_0-9]+)\s*=\s*([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*(%?)")


@dataclass(frozen=True)
class Tolerance(Record):
    """How much worse is still tolerated: more than `amount`, and more than `sigmas` combined errors, is a regression.

    Attributes
    ----------
    amount : float
        In the unit of the quantity, or a fraction of the baseline when `relative`.
    relative : bool
    sigmas : float
        Combined standard errors that a loss has to exceed as well; 0 when the errors do not count.
    """

    amount: float
    relative: bool = False
    sigmas: float = 0.0

    def exceeded(self, loss: float, baseline: float, error: float) -> bool:
        """Return whether a loss is beyond the tolerance.

        Parameters
        ----------
        loss : float
            By how much the value is worse than `baseline`; negative when it is better.
        baseline : float
        error : float
            Combined standard error of the two values; 0 when they have none.

        Examples
        --------
        >>> percent = Tolerance(0.02, relative=True)
        >>> percent.exceeded(21.0, 1000.0, 0.0), percent.exceeded(20.0, 1000.0, 0.0)
        (True, False)
        >>> Tolerance(0.005, sigmas=3).exceeded(0.007, 0.8, 0.003)
        False
        """
        allowed = self.amount * abs(baseline) if self.relative else self.amount
        # A rounding error of the subtraction is no loss.
        slack = 1e-9 * max(abs(baseline), abs(loss))
        return loss > allowed + slack and loss > self.sigmas * error

    def __str__(self) -> str:
        amount = f"{100 * self.amount:g} %" if self.relative else f"{self.amount:g}"
        return f"{self.sigmas:g} sigma and {amount}" if self.sigmas else amount


#: AUC: beyond what the two errors explain, and beyond what matters. Cycles: none. Resources: the scatter between two
#: runs of one tool. A quantity that is not listed is shown and not judged.
DEFAULT: dict[str, Tolerance] = {
    "auc": Tolerance(0.005, sigmas=3.0),
    "latency_clocks": Tolerance(0.0),
    "latency_ns": Tolerance(0.0),
    "ii": Tolerance(0.0),
    **{name: Tolerance(0.02, relative=True) for name in ("lut", "ff", "dsp", "bram", "uram", "clock_ns")},
}

#: What can be named besides: shown, and judged only with a tolerance that the user gives.
_KNOWN = (*DEFAULT, "tpr", "power_w", "slack_ns", "cost")

#: One name for several quantities.
_GROUPS = {"latency": ("latency_clocks", "latency_ns"), "resources": ("lut", "ff", "dsp", "bram", "uram")}


def parse_tolerances(written: Sequence[str]) -> dict[str, Tolerance]:
    """Return the tolerances of the defaults and of what a user wrote.

    Parameters
    ----------
    written : sequence of str
        Such as ``auc=0.01`` or ``lut=5%``, several separated by commas. Each takes the place of the default: with
        ``auc=0.01`` the errors do not count any more. ``latency`` and ``resources`` stand for several quantities.

    Raises
    ------
    ConfigurationError
        When a quantity is not known, or its tolerance is not a number from 0 on or a percentage.

    Examples
    --------
    >>> found = parse_tolerances(["auc=0.01,lut=5%"])
    >>> str(found["auc"]), str(found["lut"]), str(found["ff"])
    ('0.01', '5 %', '2 %')
    """
    found = dict(DEFAULT)
    for text in (part.strip() for line in written for part in line.split(",")):
        matched = _WRITTEN.fullmatch(text)
        if matched is None or not math.isfinite(float(matched[2])):
            raise ConfigurationError(f"tolerance {text!r} is not usable. Expected for example auc=0.01 or lut=5%.")
        name, amount = matched[1].lower(), float(matched[2])
        if name not in _KNOWN and name not in _GROUPS:
            raise ConfigurationError(f"tolerance {text!r}: unknown quantity. {nearest(name, [*_KNOWN, *_GROUPS])}")
        tolerance = Tolerance(amount / 100, relative=True) if matched[3] else Tolerance(amount)
        found |= dict.fromkeys(_GROUPS.get(name, (name,)), tolerance)
    return found


def describe(tolerances: Mapping[str, Tolerance]) -> dict[str, str]:
    """Return quantity -> tolerance in words."""
    return {name: str(tolerance) for name, tolerance in tolerances.items()}
