"""Geometry of the figures of the page; the templates turn it into SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from l1ad.records import BudgetLine, EvaluationReport
from l1ad.reporting.formatting import number, power
from l1ad.reporting.labels import signal_name
from l1ad.reporting.tables import working_threshold
from l1ad.reporting.verdict import line_status

WIDTH, HEIGHT = 480, 400
LEFT, RIGHT, TOP, BOTTOM = 66, 14, 24, 56

#: Left end of the FPR axis of a ROC.
LOWEST_FPR = 1e-5

#: Background events left of which a ROC is drawn on grey: their FPR has an error above 10 %.
_EVENTS_WANTED = 100


@dataclass(frozen=True)
class Tick:
    """A tick: its place in SVG units and its text."""

    place: float
    text: str


@dataclass(frozen=True)
class Line:
    """A curve: points of an SVG polyline, the number of its style, and marks on it."""

    name: str
    points: str
    style: int
    marks: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Chart:
    """What a chart template needs. Places are in SVG units."""

    title: str
    x_title: str
    y_title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    diagonal: str = ""
    shade_to: float | None = None
    shade_text: str = ""
    vertical: Tick | None = None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    top: int = TOP
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


@dataclass(frozen=True)
class Bar:
    """A budget bar on a scale of 0 to 100: filled part, place of the limit, status, and text for readers."""

    fill: float
    limit: float
    status: str
    text: str


def budget_bar(line: BudgetLine) -> Bar:
    """Return the bar of one limit. Within the limit the scale ends at the limit, beyond it at the value."""
    status = line_status(line)
    if line.value is None:
        return Bar(0.0, 100.0, status, "not measured")
    if line.limit <= 0:
        used = "0 used of 0 allowed" if line.value <= 0 else f"{number(line.value)} used, 0 allowed"
        return Bar(0.0 if line.value <= 0 else 100.0, 100.0 if line.value <= 0 else 0.0, status, used)
    ratio = line.value / line.limit
    scale = max(ratio, 1.0)
    return Bar(100 * ratio / scale, 100 / scale, status, f"{100 * ratio:.3g} % of the limit")


def roc_chart(evaluation: EvaluationReport) -> Chart | None:
    """Return the ROC curves on logarithmic axes, or None when there is no point to draw."""
    curves = [
        (curve.signal, [(f, t) for f, t in zip(curve.fpr, curve.tpr, strict=True) if f >= LOWEST_FPR and t > 0])
        for curve in evaluation.curves
    ]
    lowest = min((t for _, points in curves for _, t in points), default=None)
    if lowest is None:
        return None
    x = _log_scale(LOWEST_FPR, 1.0, LEFT, WIDTH - RIGHT)
    decade = 10.0 ** max(math.floor(math.log10(lowest)), -6)
    y = _log_scale(min(decade, LOWEST_FPR), 1.0, HEIGHT - BOTTOM, TOP)
    working = working_threshold(evaluation)
    marks = {r.signal: ((x(working.fpr), y(r.tpr)),) for r in evaluation.signals if working and r.tpr > 0}
    few = min(_EVENTS_WANTED / evaluation.background_events, 1.0)
    lines = tuple(
        Line(signal_name(signal), _polyline([(x(f), y(t)) for f, t in points]), index, marks.get(signal, ()))
        for index, (signal, points) in enumerate(curves)
    )
    return Chart(
        title="True positive rate against false positive rate",
        x_title="False positive rate",
        y_title="True positive rate",
        x_ticks=_decades(LOWEST_FPR, x),
        y_ticks=_decades(min(decade, LOWEST_FPR), y),
        lines=lines,
        diagonal=_polyline([(x(LOWEST_FPR), y(LOWEST_FPR)), (x(1.0), y(1.0))]),
        shade_to=x(few) if few > LOWEST_FPR else None,
        shade_text=f"fewer than {_EVENTS_WANTED} background events",
        vertical=Tick(x(working.fpr), "working point") if working and working.fpr >= LOWEST_FPR else None,
    )


def history_chart(history: object) -> Chart | None:
    """Return the losses against the epoch, or None when the history has no curve of two points.

    Parameters
    ----------
    history : dict of str to list of float
        ``loss`` and ``val_loss`` are drawn, and ``float_loss`` and ``float_val_loss`` when a float model was trained
        first, whose loss has other terms; None in a list is a gap.
    """
    if not isinstance(history, dict):
        return None
    names = {
        "loss": "training",
        "val_loss": "validation",
        "float_loss": "training, float model",
        "float_val_loss": "validation, float model",
    }
    series = {text: _points(history[key]) for key, text in names.items() if isinstance(history.get(key), list)}
    series = {text: points for text, points in series.items() if len(points) > 1}
    if not series:
        return None
    values = [value for points in series.values() for _, value in points]
    last = max(epoch for points in series.values() for epoch, _ in points)
    y_ticks = nice_ticks(min(values), max(values))
    x_ticks = [tick for tick in nice_ticks(1, last) if tick >= 1 and float(tick).is_integer()]
    x = linear_scale(1, last, LEFT, WIDTH - RIGHT)
    y = linear_scale(min(*y_ticks, *values), max(*y_ticks, *values), HEIGHT - BOTTOM, TOP)
    return Chart(
        title="Loss against epoch",
        x_title="Epoch",
        y_title="Loss",
        x_ticks=tuple(Tick(x(tick), number(tick)) for tick in x_ticks if tick <= last),
        y_ticks=tuple(Tick(y(tick), f"{tick:.6g}") for tick in y_ticks),
        lines=tuple(
            Line(text, _polyline([(x(epoch), y(value)) for epoch, value in points]), index)
            for index, (text, points) in enumerate(series.items())
        ),
    )


def nice_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Return ticks of 1, 2 or 5 times a power of ten that lie around [low, high].

    Examples
    --------
    >>> nice_ticks(0.13, 0.92)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    >>> nice_ticks(2.0, 2.0)
    [1.0, 2.0, 3.0]
    """
    if high <= low:
        return [low - 1.0, low, low + 1.0]
    raw = (high - low) / wanted
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= raw * (1 - 1e-9))
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _points(values: Sequence[object]) -> list[tuple[int, float]]:
    """Return (epoch, value) of the entries that are numbers, epochs from 1."""
    return [(i, float(v)) for i, v in enumerate(values, start=1) if isinstance(v, int | float)]


def _log_scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Return a map of [low, high] to [start, end], logarithmic; values below `low` go to `start`."""
    span = math.log10(high / low)
    return lambda value: round(start + (end - start) * math.log10(max(value, low) / low) / span, 2)


def linear_scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Return a linear map of [low, high] to [start, end]."""
    return lambda value: round(start + (end - start) * (value - low) / (high - low), 2)


def _decades(low: float, scale: Callable[[float], float]) -> tuple[Tick, ...]:
    """Return a tick at each power of ten from `low` to 1."""
    exponents = range(round(math.log10(low)), 1)
    return tuple(Tick(scale(10.0**e), power(10.0**e) if e else "1") for e in exponents)


def _polyline(points: Sequence[tuple[float, float]]) -> str:
    """Return the points as SVG writes them."""
    return " ".join(f"{x:g},{y:g}" for x, y in points)
