"""Numbers with unit, stage and source, those that were calculated with their band, and budgets that hold them."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from typing import Any, Self

from l1ad.errors import DataError
from l1ad.records.base import Record
from l1ad.units import estimate_text


@dataclass(frozen=True)
class Measurement(Record):
    """A number, its unit, and where it comes from.

    Attributes
    ----------
    name : str
        ``lut``, ``ff``, ``dsp``, ``bram``, ``latency_clocks``, ``latency_ns``, ``ii`` ...
    value : float
        The number in `unit`.
    unit : str
        Unit, empty for a count.
    stage : str
        ``csynth``, ``cosim``, ``synth``, ``place``, ``route``, ``simulation`` or ``measured``; never mixed.
        ``estimate`` is that of an `Estimate`. ``netlist`` counts what an open tool mapped, and ``model`` is what a
        generator says of its own output: neither is a figure of a vendor tool.
    source : str
        Tool and version, and the file when there is one.
    """

    name: str
    value: float
    unit: str
    stage: str
    source: str

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build the record from what `to_dict` returned; with a band it is an `Estimate`."""
        if cls is Measurement and "low" in values:
            return typing.cast(Self, Estimate.from_dict(values))
        return super().from_dict(values)

    def __str__(self) -> str:
        return f"{self.value:g}{' ' if self.unit else ''}{self.unit}"


@dataclass(frozen=True)
class Estimate(Measurement):
    """A number that was calculated instead of measured, with its band; its stage is ``estimate``.

    Attributes
    ----------
    low, high : float
        Band in which the value of a vendor tool is expected, 95 % unless `source` says otherwise.
    extrapolated : bool
        Whether the design lies outside the designs that the calibration rests on; the band is wider then.

    Raises
    ------
    DataError
        When the band does not hold the value, or the stage is another.

    Examples
    --------
    >>> str(Estimate("lut", 26_200.0, "", "estimate", "Yosys 0.70", 21_600.0, 29_900.0, True))
    'estimate 26,200, band 21,600 to 29,900, extrapolated'
    """

    low: float
    high: float
    extrapolated: bool = False

    def __post_init__(self) -> None:
        if self.stage != "estimate" or not self.low <= self.value <= self.high:
            raise DataError(
                f"{self.source}: {self.name} {self.value} with band {self.low} to {self.high} at stage {self.stage!r}; "
                "expected stage 'estimate' and a band that holds the value."
            )

    def __str__(self) -> str:
        return estimate_text(self.value, self.low, self.high, self.unit, extrapolated=self.extrapolated)


@dataclass(frozen=True)
class BudgetLine(Record):
    """One limit of a budget and what was measured against it; `low` and `high` are the band of an estimate."""

    name: str
    limit: float
    unit: str
    value: float | None
    passed: bool
    stage: str
    source: str
    written_as: str
    low: float | None = None
    high: float | None = None
    extrapolated: bool = False

    @property
    def verdict(self) -> str:
        """Return ``not measured``, ``fail``, ``pass`` or ``inside the band``.

        The central value decides: above the limit an estimate fails. Below it, when the band crosses the limit, it
        passes with a warning: it lies inside the band.
        """
        if self.value is None:
            return "not measured"
        crosses = self.low is not None and self.high is not None and self.low <= self.limit < self.high
        return "fail" if not self.passed else "inside the band" if crosses else "pass"

    @property
    def measurement(self) -> Measurement | None:
        """Return what was held against the limit; None when nothing was measured."""
        if self.value is None:
            return None
        found = (self.name, self.value, self.unit, self.stage, self.source)
        if self.low is None or self.high is None:
            return Measurement(*found)
        return Estimate(*found, self.low, self.high, self.extrapolated)


@dataclass(frozen=True)
class BudgetReport(Record):
    """Every limit of a budget file against the measurements of a run."""

    lines: tuple[BudgetLine, ...]

    @property
    def passed(self) -> bool:
        """Whether no limit is exceeded and every limit has a measurement."""
        return all(line.passed for line in self.lines)
