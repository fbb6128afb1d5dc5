"""Verdicts on the rows of a comparison, and the regressions."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

from l1ad.reporting.comparison.records import (
    BASELINE,
    BETTER,
    CHANGED,
    MODULES,
    NOT_COMPARED,
    NOT_MEASURED,
    PHYSICS,
    REGRESSION,
    RESOURCES,
    SAME,
    WORSE,
    Regression,
    Row,
    Value,
)
from l1ad.reporting.comparison.tolerance import MORE_IS_BETTER, NEUTRAL, Tolerance
from l1ad.reporting.designs import design_name
from l1ad.reporting.formatting import number, percent, power, with_error
from l1ad.reporting.labels import quantity_name, signal_name, unit_of
from l1ad.units import rounded


@dataclasses.dataclass(frozen=True)
class Alike:
    """What of a run may be held against the baseline.

    Attributes
    ----------
    physics : bool
        Both scored the same events.
    resources : bool
        Both are for parts of one family.
    clock : dict of str to bool
        Design -> whether both have the same clock: only then are cycles as long as those of the baseline.
    """

    physics: bool
    resources: bool
    clock: dict[str, bool]

    def holds(self, row: Row) -> bool:
        """Return whether the numbers of `row` may be compared."""
        if row.group == PHYSICS:
            return self.physics
        if row.quantity == "latency_clocks" and not self.clock.get(row.design, True):
            return False
        return self.resources


def judged(row: Row, alike: Sequence[Alike], tolerances: Mapping[str, Tolerance]) -> Row:
    """Return `row` with a verdict for each run.

    Parameters
    ----------
    row : Row
    alike : sequence of Alike
        One a run; the first, that of the baseline, is not looked at.
    tolerances : mapping
        Quantity -> tolerance; a quantity that is not in it is never a regression. Modules are not judged.
    """
    first = row.values[0]
    verdicts = [BASELINE if first is not None else NOT_MEASURED]
    for value, what in zip(row.values[1:], alike[1:], strict=True):
        if value is None:
            verdicts.append(NOT_MEASURED)
        elif first is None or not what.holds(row):
            verdicts.append(NOT_COMPARED)
        else:
            verdicts.append(_verdict(row, first, value, None if row.group == MODULES else tolerances.get(row.quantity)))
    return dataclasses.replace(row, verdicts=tuple(verdicts))


def combined_error(first: Value, second: Value) -> float:
    """Return the standard error of the difference of two independent values.

    On the same events the two are correlated, and the error of the difference is smaller than this.
    """
    return math.hypot(first.error or 0.0, second.error or 0.0)


def row_regressions(row: Row, labels: Sequence[str], tolerances: Mapping[str, Tolerance]) -> Iterator[Regression]:
    """Yield a line for each run in which the quantity of `row` is a regression."""
    first = row.values[0]
    for label, value, verdict in zip(labels[1:], row.values[1:], row.verdicts[1:], strict=True):
        if verdict != REGRESSION or first is None or value is None:
            continue
        unit = unit_of(row.quantity, row.unit, value.value)
        unit = f" {unit}" if unit else ""
        text = f"{label}: {row_name(row)} is {value_text(value)}{unit}, {labels[0]} has {value_text(first)}{unit}: "
        text += f"{loss_text(row, first, value)} (tolerance {tolerances[row.quantity]})"
        yield Regression(label, row.quantity, text)


def lost(rows: Sequence[Row], labels: Sequence[str], tolerances: Mapping[str, Tolerance]) -> Iterator[Regression]:
    """Yield a line for each judged quantity of a design that the baseline measured and a run cannot show at all.

    A quantity counts as shown when one stage of the design has it in both runs.
    """
    groups: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in rows:
        if row.quantity in tolerances and row.group in (PHYSICS, RESOURCES):
            groups.setdefault((row.group, row.design, row.quantity, row.subject), []).append(row)
    for (_, design, quantity, subject), members in groups.items():
        for place, label in enumerate(labels[1:], start=1):
            measured = [row for row in members if row.values[0] is not None]
            if not measured or any(row.values[place] is not None for row in measured):
                continue
            name = " ".join(word for word in (quantity_name(quantity), signal_name(subject)) if word)
            stages = ", ".join(row.stage for row in measured if row.stage)
            of = f" of {design_name(design)}" if design else ""
            at = f" ({stages})" if stages else ""
            yield Regression(label, quantity, f"{label}: {name}{of}{at} is not measured; {labels[0]} has it")


def row_name(row: Row) -> str:
    """Return quantity, signal or module, design and stage of a row for people."""
    subject = signal_name(row.subject) if row.subject else ""
    name = " ".join(word for word in (quantity_name(row.quantity), subject) if word)
    if row.group == PHYSICS:
        return f"{name} at FPR {power(float(row.tool.split()[-1]))}" if row.tool else name
    where = ", ".join(word for word in (design_name(row.design), row.stage, row.tool) if word)
    return f"{name} ({where})"


def value_text(value: Value) -> str:
    """Return a value with its error or band."""
    if value.error is not None:
        text, error = with_error(value.value, value.error)
        return f"{text} ± {error}"
    if value.low is not None and value.high is not None:
        return f"{rounded(value.value)} (band {rounded(value.low)} to {rounded(value.high)})"
    return number(value.value)


def loss_text(row: Row, first: Value, value: Value) -> str:
    """Return by how much a value differs from the baseline, with the number of combined errors where it has one."""
    difference = value.value - first.value
    amount = number(abs(difference)) if value.error is None else with_error(abs(difference), value.error)[0]
    text = f"{'more' if difference > 0 else 'less'} by {amount}"
    if first.value and value.error is None:
        text += f", {percent(abs(difference / first.value))}"
    error = combined_error(first, value)
    return f"{text}, {abs(difference) / error:.1f} sigma" if error > 0 else text


def _verdict(row: Row, first: Value, value: Value, tolerance: Tolerance | None) -> str:
    """Return the verdict of two values that are alike."""
    difference = value.value - first.value
    if abs(difference) <= 1e-12 * max(abs(first.value), abs(value.value)):
        return SAME
    if row.quantity in NEUTRAL:
        return CHANGED
    loss = -difference if row.quantity in MORE_IS_BETTER else difference
    if loss < 0:
        return BETTER
    if tolerance is not None and tolerance.exceeded(loss, first.value, combined_error(first, value)):
        return REGRESSION
    return WORSE
