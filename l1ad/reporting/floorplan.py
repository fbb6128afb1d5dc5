"""The part of a design as its super logic regions, with the share of each resource that the design takes."""

from __future__ import annotations

from dataclasses import dataclass

from l1ad.hardware.limits import RESOURCES
from l1ad.records import BudgetLine, Estimate, Measurement
from l1ad.reporting.cells import Cell, measurement_cell, missing, plain_percent
from l1ad.reporting.collect import RunReport
from l1ad.reporting.formatting import number, percent
from l1ad.reporting.labels import quantity_name, unit_of
from l1ad.reporting.verdict import MISSING, line_status

#: Narrowest bar of a resource that is used, in percent of the part: it must not look like none.
_VISIBLE = 0.4


@dataclass(frozen=True)
class Region:
    """A super logic region: its name, and where it lies on a scale of 0 to 100."""

    name: str
    start: float
    width: float


@dataclass(frozen=True)
class FloorPlan:
    """One resource of the part.

    Attributes
    ----------
    resource : str
        Name for people.
    used : Cell
        What the design takes, with its stage.
    share, region_share : Cell or None
        Share of the part and of one region, the smallest; None when nothing was measured or the part has one region.
    fill : float
        Share of the part in percent, at most 100.
    band : tuple of float or None
        Ends of the band of an estimate in percent of the part, at most 100; None for a number without a band.
    limit : float or None
        Where the limit is, in percent of the part; None without one, or when it lies beyond the part.
    limit_text : str
        The limit in words; empty without one.
    status : str
        ``passed``, ``failed``, ``missing``, or empty without a limit.
    regions : tuple of Region
        From left to right; they fill 0 to 100.
    text : str
        What a reader who sees no picture is told.
    """

    resource: str
    used: Cell
    share: Cell | None
    region_share: Cell | None
    fill: float
    band: tuple[float, float] | None
    limit: float | None
    limit_text: str
    status: str
    regions: tuple[Region, ...]
    text: str


def floor_plans(report: RunReport, design: str) -> tuple[FloorPlan, ...]:
    """Return a plan for each resource whose capacity the report knows.

    Parameters
    ----------
    report : RunReport
    design : str
        Backend of the firmware project.
    """
    return tuple(_plan(report, design, resource) for resource in RESOURCES if report.capacity.get(resource))


def region_layout(regions: int, capacity: float, smallest: float) -> tuple[Region, ...]:
    """Return the regions on a scale of 0 to 100; when they differ, the smallest is the last one.

    Examples
    --------
    >>> [round(region.width, 1) for region in region_layout(3, 1200.0, 300.0)]
    [37.5, 37.5, 25.0]
    """
    if regions < 2:
        return (Region("", 0.0, 100.0),)
    last = 100 * min(smallest / capacity, 1 / regions)
    widths = [(100 - last) / (regions - 1)] * (regions - 1) + [last]
    return tuple(Region(f"SLR {i}", sum(widths[:i]), width) for i, width in enumerate(widths))


def _plan(report: RunReport, design: str, resource: str) -> FloorPlan:
    """Return the plan of one resource."""
    capacity = report.capacity[resource]
    smallest = report.region_capacity.get(resource, capacity / report.regions)
    measurement = report.headline(resource, design)
    budget = report.held_budgets().get(design)
    line = next((line for line in budget.lines if line.name == resource), None) if budget is not None else None
    limit = None if line is None else 100 * line.limit / capacity
    fill = 0.0 if measurement is None else min(100 * measurement.value / capacity, 100.0)
    return FloorPlan(
        resource=quantity_name(resource),
        used=measurement_cell(measurement),
        share=None if measurement is None else plain_percent(measurement.value / capacity),
        region_share=_region_share(measurement, smallest, report.regions),
        fill=max(fill, _VISIBLE) if fill > 0 else 0.0,
        band=_band(measurement, capacity),
        limit=limit if limit is not None and limit <= 100 else None,
        limit_text=_limit_text(line, capacity),
        status=MISSING if measurement is None else (line_status(line) if line is not None else ""),
        regions=region_layout(report.regions, capacity, smallest),
        text=_text(measurement, capacity),
    )


def _region_share(measurement: Measurement | None, smallest: float, regions: int) -> Cell | None:
    """Return the share of the smallest region; None where there is one region or no measurement."""
    if measurement is None or regions < 2:
        return None
    return plain_percent(measurement.value / smallest)


def _band(measurement: Measurement | None, capacity: float) -> tuple[float, float] | None:
    """Return the ends of a band in percent of the part."""
    if not isinstance(measurement, Estimate) or measurement.high <= 0:
        return None
    return min(100 * measurement.low / capacity, 100.0), min(100 * measurement.high / capacity, 100.0)


def _limit_text(line: BudgetLine | None, capacity: float) -> str:
    """Return the limit as a number and as a share of the part."""
    if line is None:
        return ""
    unit = unit_of(line.name, line.unit, line.limit)
    return f"limit {number(line.limit)}{f' {unit}' if unit else ''}, {percent(line.limit / capacity)} of the part"


def _text(measurement: Measurement | None, capacity: float) -> str:
    """Return the used share in words."""
    if measurement is None:
        return missing().text
    return f"{percent(measurement.value / capacity)} of the part used, {measurement.stage}"
