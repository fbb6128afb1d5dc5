"""Budgets: limits on latency, interval and resources, against what was measured.

The simple form, a mapping of six quantities to numbers or percentages of the part, belongs to a run's configuration.
What a budget file can say beyond it is in `l1ad.hardware.limits`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from l1ad.config import BudgetConfig
from l1ad.errors import ConfigurationError, DataError, nearest
from l1ad.hardware.parts import Part
from l1ad.records import BudgetLine, BudgetReport, Estimate, Measurement

#: Limit -> unit that a report shows.
UNITS = {"latency_ns": "ns", "ii": "clocks", "lut": "", "ff": "", "dsp": "", "bram": "RAMB36"}

#: Stages of a measurement, best first. When several tools measured one quantity, the best stage decides.
STAGE_ORDER = (
    "measured",
    "route",
    "place",
    "synth",
    "cosim",
    "simulation",
    "csynth",
    "estimate",
    "netlist",
    "model",
)

_PERCENT = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?)\s*%\s*")


def check_budget(
    limits: BudgetConfig | Mapping[str, Any], measurements: Sequence[Measurement], part: Part
) -> BudgetReport:
    """Compare `measurements` with the `limits` of a budget.

    Parameters
    ----------
    limits : BudgetConfig or mapping
        ``latency_ns``, ``ii``, ``lut``, ``ff``, ``dsp``, ``bram``: a number, a text such as ``5 %`` of the part, or
        None for no limit. Percent of ``bram`` is of 36-kbit block RAMs.
    measurements : sequence of Measurement
        What tools say. When one quantity comes more than once, the stage first in `STAGE_ORDER` decides, and within
        a stage the largest value.
    part : Part
        What a percentage refers to.

    Returns
    -------
    BudgetReport
        A line for each limit. A limit without a measurement does not pass. A value equal to its limit passes. Of an
        estimate the central value decides; see `BudgetLine.verdict` for a band that crosses the limit.

    Raises
    ------
    ConfigurationError
        When a limit is unknown, negative, or not a number or percentage.
    DataError
        When a measurement is NaN or negative.
    """
    values = limits.model_dump() if isinstance(limits, BudgetConfig) else dict(limits)
    _check_names(values, "budget")
    return BudgetReport(
        tuple(_line(name, values[name], measurements, part) for name in UNITS if values.get(name) is not None)
    )


def read_budget(path: Path) -> dict[str, float | str]:
    """Read the limits of a budget file.

    Parameters
    ----------
    path : Path
        YAML file such as ``{latency_ns: 100, ii: 1, lut: 5 %, dsp: 0}``.

    Raises
    ------
    ConfigurationError
        When the file is absent or not YAML, holds no limit, or one that is unknown or malformed.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path}: no such budget file.") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path}: not readable as YAML ({error}).") from error
    if not isinstance(values, dict) or not values:
        raise ConfigurationError(f"{path}: expected limits such as 'lut: 5 %'. Known: {', '.join(UNITS)}.")
    _check_names(values, str(path))
    for name, value in values.items():
        _parse(name, value)
    return dict(values)


def limit_value(name: str, limit: float | str, part: Part) -> float:
    """Return the `limit` called `name` as a number in its unit.

    Examples
    --------
    >>> from l1ad.hardware.parts import resolve_part
    >>> limit_value("bram", "5 %", resolve_part("xcvu9p"))
    108.0
    """
    number, percent = _parse(name, limit)
    if not percent:
        return number
    capacity = {"lut": part.lut, "ff": part.ff, "dsp": part.dsp, "bram": part.bram36}[name]
    return number * capacity / 100


def _parse(name: str, limit: Any) -> tuple[float, bool]:
    """Return the number of a limit and whether it is a percentage."""
    matched = _PERCENT.fullmatch(limit) if isinstance(limit, str) else None
    if matched is not None and name in ("lut", "ff", "dsp", "bram"):
        return float(matched[1]), True
    if isinstance(limit, int | float) and not isinstance(limit, bool) and 0 <= limit < float("inf"):
        return float(limit), False
    expected = "a number that is not negative"
    if name in ("lut", "ff", "dsp", "bram"):
        expected += ", or a text such as '5 %'"
    raise ConfigurationError(f"budget limit {name}: {limit!r} is not usable. Expected {expected}.")


def _check_names(values: Mapping[str, Any], where: str) -> None:
    for name in values:
        if name not in UNITS:
            raise ConfigurationError(f"{where}: unknown limit {name!r}. {nearest(str(name), UNITS)}")


def _line(name: str, limit: Any, measurements: Sequence[Measurement], part: Part) -> BudgetLine:
    bound = limit_value(name, limit, part)
    found = _decisive(name, measurements)
    empty = BudgetLine(name, bound, UNITS[name], None, False, "", "not measured", str(limit))
    return empty if found is None else held_line(empty, found, passed=found.value <= bound)


def held_line(line: BudgetLine, found: Measurement, *, passed: bool) -> BudgetLine:
    """Return the `line` of a limit with the measurement that is held against it, and its band when it has one."""
    band = (found.low, found.high, found.extrapolated) if isinstance(found, Estimate) else (None, None, False)
    low, high, extrapolated = band
    return replace(
        line,
        value=found.value,
        passed=passed,
        stage=found.stage,
        source=found.source,
        low=low,
        high=high,
        extrapolated=extrapolated,
    )


def _decisive(name: str, measurements: Sequence[Measurement]) -> Measurement | None:
    """Return the measurement of the best stage, the largest when there are several."""
    found = [measurement for measurement in measurements if measurement.name == name]
    for measurement in found:
        if not 0 <= measurement.value < float("inf"):
            raise DataError(f"{measurement.source}: {name} is {measurement.value}; expected a number from 0 on.")
        if measurement.stage not in STAGE_ORDER:
            raise DataError(f"{measurement.source}: unknown stage {measurement.stage!r} of {name}.")
    return min(found, key=lambda m: (STAGE_ORDER.index(m.stage), -m.value), default=None)
