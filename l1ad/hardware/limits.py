"""Limits of a budget file: absolute, percent of the part, of one super logic region, or of a share of the board.

A file is a mapping. Each key is a quantity, and each value a limit, or a list of limits::

    part: xcvu9p              # what percentages refer to; by default the part of the run
    share: 10 %               # what this design may take of the part
    latency_ns: 100
    ii: 1
    lut:
      - 5 %                   # of the part
      - {limit: 20 % of slr, stage: route}
      - 50 % of share
    uram: 0
    slack_ns: {limit: 0, stage: route}

Slack is held from below, everything else from above. A value equal to its limit passes; a limit without a
measurement at its stage does not. An estimate fails when its central value exceeds the limit; when only its band does,
it passes with a warning.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from l1ad.errors import ConfigurationError, DataError, nearest
from l1ad.hardware.budgets import STAGE_ORDER, held_line
from l1ad.hardware.parts import Part, resolve_part
from l1ad.records import BudgetLine, BudgetReport, Measurement, Record

#: Quantity -> unit.
QUANTITIES = {
    "latency_ns": "ns",
    "latency_clocks": "clocks",
    "ii": "clocks",
    "lut": "",
    "ff": "",
    "dsp": "",
    "bram": "RAMB36",
    "uram": "",
    "slack_ns": "ns",
    "clock_ns": "ns",
    "power_w": "W",
}

#: Quantities of which a part holds a number.
RESOURCES = ("lut", "ff", "dsp", "bram", "uram")

#: Quantities that must not be below their limit.
LOWER_BOUNDS = ("slack_ns",)

_PERCENT = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?)\s*%(?:\s*of\s+(part|slr|share))?\s*", flags=re.IGNORECASE)


@dataclass(frozen=True)
class Limit(Record):
    """One limit.

    Attributes
    ----------
    name : str
        Key of `QUANTITIES`.
    bound : float
        A number, or percent when `of` is not empty.
    of : str
        What a percentage refers to: ``part``, ``slr`` or ``share``; empty for an absolute limit.
    stage : str
        Stage that is held against the limit; empty for the best that was measured.
    """

    name: str
    bound: float
    of: str = ""
    stage: str = ""

    def __str__(self) -> str:
        sign = "≥ " if self.name in LOWER_BOUNDS else ""
        written = f"{sign}{self.bound:g}" + (f" % of {self.of}" if self.of else "")
        return written + (f" at {self.stage}" if self.stage else "")


@dataclass(frozen=True)
class Limits(Record):
    """What a budget file says.

    Attributes
    ----------
    limits : tuple of Limit
    share : float
        Percent of the part that this design may take; 100 when the file gives none.
    part : str
        Part that the file names; empty when it names none.
    """

    limits: tuple[Limit, ...]
    share: float = 100.0
    part: str = ""


def read_limits(path: Path) -> Limits:
    """Read a budget file, simple or extended.

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
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path}: expected limits such as 'lut: 5 %'. Known: {', '.join(QUANTITIES)}.")
    try:
        return parse_limits(values)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def parse_limits(values: Mapping[str, Any]) -> Limits:
    """Return the limits of a mapping as a budget file holds it.

    Raises
    ------
    ConfigurationError
        When a limit is unknown or malformed, or there is none.

    Examples
    --------
    >>> [str(limit) for limit in parse_limits({"lut": ["5 %", {"limit": "20 % of slr", "stage": "route"}]}).limits]
    ['5 % of part', '20 % of slr at route']
    """
    rest = dict(values)
    part, share = rest.pop("part", ""), _share(rest.pop("share", "100 %"))
    if not isinstance(part, str):
        raise ConfigurationError(f"part: {part!r} is not the name of a part.")
    if part:
        resolve_part(part)
    found: list[Limit] = []
    for name, value in rest.items():
        if name not in QUANTITIES:
            raise ConfigurationError(f"unknown limit {name!r}. {nearest(str(name), [*QUANTITIES, 'part', 'share'])}")
        found.extend(_limit(name, item) for item in (value if isinstance(value, list) else [value]) if item is not None)
    if not found:
        raise ConfigurationError(f"holds no limit. Known: {', '.join(QUANTITIES)}.")
    return Limits(tuple(found), share, part)


def check_limits(limits: Limits, measurements: Sequence[Measurement], part: Part) -> BudgetReport:
    """Hold `measurements` against `limits`.

    Parameters
    ----------
    limits : Limits
    measurements : sequence of Measurement
        When a quantity comes more than once, the stage first in `STAGE_ORDER` decides, or that of the limit, and
        within a stage the worst value.
    part : Part
        What percentages refer to.

    Returns
    -------
    BudgetReport
        A line for each limit, in the order of the file.

    Raises
    ------
    DataError
        When a measurement is not finite, or negative where nothing negative can be.
    """
    return BudgetReport(tuple(_line(limit, limits.share, measurements, part) for limit in limits.limits))


def band_warnings(report: BudgetReport) -> tuple[str, ...]:
    """Return a warning for each limit that an estimate keeps, but not its whole band."""
    return tuple(crossing(line) for line in report.lines if line.verdict == "inside the band")


def bound_value(limit: Limit, share: float, part: Part) -> float:
    """Return `limit` as a number in the unit of its quantity.

    Examples
    --------
    >>> from l1ad.hardware.parts import resolve_part
    >>> part = resolve_part("xcvu9p")
    >>> bound_value(Limit("lut", 5, "part"), 10, part), bound_value(Limit("lut", 50, "share"), 10, part)
    (59112.0, 59112.0)
    >>> bound_value(Limit("lut", 20, "slr"), 10, part)
    78816.0
    """
    if not limit.of:
        return limit.bound
    capacity = part.region(limit.name) if limit.of == "slr" else part.capacity(limit.name)
    return limit.bound * capacity / 100 * (share / 100 if limit.of == "share" else 1.0)


def excess(line: BudgetLine) -> str:
    """Return what a line that did not pass exceeds, by how much, and which file says so.

    Examples
    --------
    >>> excess(BudgetLine("lut", 100.0, "", 150.0, False, "route", "Vivado 2023.2, a.rpt", "100"))
    'lut: 150 exceeds the limit 100 by 50 (50 %), route, Vivado 2023.2, a.rpt'
    """
    unit = f" {line.unit}" if line.unit else ""
    limit = f"{line.limit:g}{unit}"
    written = limit if line.written_as.removeprefix("≥ ") == f"{line.limit:g}" else f"{limit} ({line.written_as})"
    if line.value is None:
        return f"{line.name}: not measured, limit {written}" + (f"; {line.source}" if line.source else "")
    below = line.name in LOWER_BOUNDS
    by = line.limit - line.value if below else line.value - line.limit
    share = f" ({100 * by / abs(line.limit):.3g} %)" if line.limit else ""
    verb = "is below" if below else "exceeds"
    place = f"{line.stage}, {line.source}"
    shown = str(line.measurement) if line.low is not None else f"{line.value:g}{unit}"
    return f"{line.name}: {shown} {verb} the limit {written} by {by:g}{unit}{share}, {place}"


def crossing(line: BudgetLine) -> str:
    """Return what a reader has to know of a line that passed, but whose band crosses the limit.

    Examples
    --------
    >>> crossing(BudgetLine("lut", 59_000.0, "", 57_000.0, True, "estimate", "Yosys 0.70", "5 %", 51_000.0, 63_000.0))
    'lut: estimate 57,000, band 51,000 to 63,000: the limit 59000 (5 %) lies inside the band'
    """
    unit = f" {line.unit}" if line.unit else ""
    return f"{line.name}: {line.measurement}: the limit {line.limit:g}{unit} ({line.written_as}) lies inside the band"


def _share(value: Any) -> float:
    matched = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if matched is None or matched[2] or not 0 < float(matched[1]) <= 100:
        raise ConfigurationError(f"share: {value!r} is not usable. Expected a percentage of the part such as '10 %'.")
    return float(matched[1])


def _limit(name: str, value: Any) -> Limit:
    stage = ""
    if isinstance(value, dict):
        unknown = sorted(set(map(str, value)) - {"limit", "stage", "of"})
        if unknown or "limit" not in value:
            raise ConfigurationError(f"{name}: expected {{limit: ..., stage: ...}}, received {value!r}.")
        stage = str(value.get("stage") or "")
        if stage and stage not in STAGE_ORDER:
            raise ConfigurationError(f"{name}: unknown stage {stage!r}. {nearest(stage, STAGE_ORDER)}")
        value = f"{value['limit']} of {value['of']}" if "of" in value else value["limit"]
    matched = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if matched is not None and name in RESOURCES:
        return Limit(name, float(matched[1]), (matched[2] or "part").lower(), stage)
    plain = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if plain and (value >= 0 or name in LOWER_BOUNDS):
        return Limit(name, float(value), "", stage)
    expected = "a number" if name in LOWER_BOUNDS else "a number that is not negative"
    if name in RESOURCES:
        expected += ", or a text such as '5 %', '20 % of slr' or '50 % of share'"
    raise ConfigurationError(f"{name}: {value!r} is not usable. Expected {expected}.")


def _line(limit: Limit, share: float, measurements: Sequence[Measurement], part: Part) -> BudgetLine:
    bound, below = bound_value(limit, share, part), limit.name in LOWER_BOUNDS
    found = _decisive(limit, measurements)
    passed = found is not None and (found.value >= bound if below else found.value <= bound)
    empty = BudgetLine(limit.name, bound, QUANTITIES[limit.name], None, False, limit.stage, "", str(limit))
    return empty if found is None else held_line(empty, found, passed=passed)


def _decisive(limit: Limit, measurements: Sequence[Measurement]) -> Measurement | None:
    """Return the measurement of the stage of the limit, or of the best stage; of several the worst."""
    found = [m for m in measurements if m.name == limit.name and limit.stage in ("", m.stage)]
    below = limit.name in LOWER_BOUNDS
    for m in found:
        if not math.isfinite(m.value) or (m.value < 0 and not below):
            raise DataError(f"{m.source}: {m.name} is {m.value}; expected a number from 0 on.")
        if m.stage not in STAGE_ORDER:
            raise DataError(f"{m.source}: unknown stage {m.stage!r} of {m.name}.")
    return min(found, key=lambda m: (STAGE_ORDER.index(m.stage), m.value if below else -m.value), default=None)
