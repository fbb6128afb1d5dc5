"""Physics against resources: one panel a signal, one point a run, with error bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from l1ad.reporting.collect import stage_rank
from l1ad.reporting.comparison.judge import row_name
from l1ad.reporting.comparison.records import PHYSICS, RESOURCES, Comparison, Row, Value
from l1ad.reporting.figures import Tick, linear_scale, nice_ticks
from l1ad.reporting.formatting import number
from l1ad.reporting.labels import signal_name, unit_of

WIDTH, HEIGHT = 360, 280
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 30, 52

#: What physics is drawn against.
_AXES = ("lut", "latency_ns")

#: Share of the range that is left free at both ends.
_MARGIN = 0.12


@dataclass(frozen=True)
class Point:
    """One run in a panel: its place, the ends of its bars in SVG units, and the numbers of all runs at its place."""

    x: float
    y: float
    left: float
    right: float
    top: float
    bottom: float
    run: int
    label: str
    text: str


@dataclass(frozen=True)
class Panel:
    """One signal against one resource."""

    title: str
    x_title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    points: tuple[Point, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    top: int = TOP
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


@dataclass(frozen=True)
class Plot:
    """The panels of one resource, and the runs that could not be drawn."""

    title: str
    panels: tuple[Panel, ...]
    absent: tuple[str, ...]


def physics_plots(comparison: Comparison) -> tuple[Plot, ...]:
    """Return a plot for LUT and one for the latency, each where a run has both the resource and an AUC.

    Of several designs and stages the one is drawn that most runs have, and of these the most true stage.
    """
    plots = [_plot(comparison, row) for name in _AXES if (row := _axis(comparison, name)) is not None]
    return tuple(plot for plot in plots if plot.panels)


def _axis(comparison: Comparison, quantity: str) -> Row | None:
    """Return the row that is drawn as abscissa."""
    found = [row for row in comparison.rows if row.group == RESOURCES and row.quantity == quantity]
    return min(found, key=lambda row: (sum(v is None for v in row.values), stage_rank(row.stage)), default=None)


def _plot(comparison: Comparison, axis: Row) -> Plot:
    """Return the panels of all signals against `axis`."""
    labels = [run.label for run in comparison.runs]
    rows = [row for row in comparison.rows if row.group == PHYSICS and row.quantity == "auc"]
    panels = [panel for row in rows if (panel := _panel(row, axis, labels)) is not None]
    absent = [label for label, value in zip(labels, axis.values, strict=True) if value is None]
    return Plot(f"AUC against {row_name(axis)}", tuple(panels), tuple(absent))


def _panel(row: Row, axis: Row, labels: Sequence[str]) -> Panel | None:
    """Return one panel, or None when no run has both numbers."""
    found = [
        (place, x, y)
        for place, (x, y) in enumerate(zip(axis.values, row.values, strict=True))
        if x is not None and y is not None
    ]
    if not found:
        return None
    x_scale, x_ticks = _scale([end for _, x, _ in found for end in _ends(x)], LEFT, WIDTH - RIGHT, 4)
    y_scale, y_ticks = _scale([end for _, _, y in found for end in _ends(y)], HEIGHT - BOTTOM, TOP, 5)
    unit = unit_of(axis.quantity, axis.unit, 2.0)
    return Panel(
        title=signal_name(row.subject),
        x_title=row_name(axis).split(" (")[0] + (f" / {unit}" if unit else ""),
        x_ticks=tuple(Tick(x_scale(tick), number(tick)) for tick in x_ticks),
        y_ticks=tuple(Tick(y_scale(tick), text) for tick, text in zip(y_ticks, tick_texts(y_ticks), strict=True)),
        points=_labelled([_point(place, x, y, x_scale, y_scale, labels[place]) for place, x, y in found]),
    )


def _labelled(points: Sequence[Point]) -> tuple[Point, ...]:
    """Return the points; of those at one place the first bears the numbers of all."""
    numbers: dict[tuple[float, float], list[str]] = {}
    for point in points:
        numbers.setdefault((point.x, point.y), []).append(str(point.run + 1))
    shared = [", ".join(numbers.pop((point.x, point.y), [])) for point in points]
    return tuple(replace(point, label=label) for point, label in zip(points, shared, strict=True))


def tick_texts(ticks: Sequence[float]) -> list[str]:
    """Return ticks as text, all with the same number of decimals.

    Examples
    --------
    >>> tick_texts([0.4, 0.45, 0.5])
    ['0.40', '0.45', '0.50']
    """
    decimals = max((len(f"{tick:.6f}".rstrip("0").partition(".")[2]) for tick in ticks), default=0)
    return [f"{tick:.{decimals}f}" for tick in ticks]


def _point(
    place: int, x: Value, y: Value, x_scale: Callable[[float], float], y_scale: Callable[[float], float], label: str
) -> Point:
    """Return a run as a point with bars."""
    left, right = (x_scale(end) for end in _ends(x))
    bottom, top = (y_scale(end) for end in _ends(y))
    error = f" ± {y.error:.2g}" if y.error is not None else ""
    text = f"{label}: AUC {y.value:.4f}{error}, {number(x.value)}"
    return Point(x_scale(x.value), y_scale(y.value), left, right, top, bottom, place, "", text)


def _ends(value: Value) -> tuple[float, float]:
    """Return the ends of the bar of a value: one standard error to both sides, or its band."""
    if value.low is not None and value.high is not None:
        return value.low, value.high
    error = value.error or 0.0
    return value.value - error, value.value + error


def _scale(
    ends: Sequence[float], start: float, stop: float, wanted: int
) -> tuple[Callable[[float], float], list[float]]:
    """Return a linear scale with a margin, and the ticks that lie on it."""
    low, high = min(ends), max(ends)
    margin = _MARGIN * (high - low) or 0.05 * abs(high) or 1.0
    low, high = low - margin, high + margin
    ticks = [tick for tick in nice_ticks(low, high, wanted) if low <= tick <= high]
    return linear_scale(low, high, start, stop), ticks
