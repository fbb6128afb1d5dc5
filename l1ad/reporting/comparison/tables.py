"""Tables of a comparison, for the page, the terminal, Markdown and CSV."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from l1ad.reporting.cells import Cell, Table, fixed_width, missing, number_with_error, plain_number, words
from l1ad.reporting.comparison.judge import row_name
from l1ad.reporting.comparison.records import (
    BASELINE,
    MODULES,
    NOT_COMPARED,
    PHYSICS,
    REGRESSION,
    RESOURCES,
    SAME,
    Comparison,
    Row,
    Value,
)
from l1ad.reporting.designs import design_name
from l1ad.reporting.formatting import number, percent, with_error
from l1ad.reporting.labels import quantity_name, unit_of
from l1ad.reporting.verdict import FAILED, PASSED, WARNING
from l1ad.units import rounded

#: Status word of a check -> what is read.
_CHECK_WORDS = {"passed": "passed", "failed": "failed", "missing": "not measured", "warning": "warning"}

#: Quantities of the table of resources; what else tools say stands in a table of its own.
_MAIN = ("clock_target_ns", "lut", "ff", "dsp", "bram", "uram", "latency_clocks", "latency_ns", "ii", "clock_ns",
         "slack_ns", "power_w", "cost")  # fmt: skip

#: Columns of the CSV file: one line a quantity and run.
CSV_COLUMNS = (
    "run",
    "group",
    "quantity",
    "subject",
    "design",
    "stage",
    "tool",
    "unit",
    "value",
    "error",
    "low",
    "high",
    "baseline",
    "difference",
    "verdict",
    "source",
)


def runs_table(comparison: Comparison) -> Table:
    """Return the runs, the baseline first."""
    rows = tuple(
        (
            Cell(run.label, note="baseline" if place == 0 else ""),
            words(run.sample or "not recorded"),
            fixed_width(run.data_digest or "not recorded"),
            words(run.score or "not evaluated"),
            fixed_width(run.part or "no firmware"),
            words(run.created),
            words(run.source),
        )
        for place, run in enumerate(comparison.runs)
    )
    return Table(("Run", "Events", "Digest of the events", "Score", "Part", "Report made", "Read from"), rows)


def physics_table(comparison: Comparison) -> Table:
    """Return AUC, TPR and rate of all runs."""
    labels = [run.label for run in comparison.runs]
    rows = tuple((words(row_name(row)), *_cells(row)) for row in comparison.rows if row.group == PHYSICS)
    return Table(("Quantity", *labels), rows)


def resources_table(comparison: Comparison, *, further: bool = False) -> Table:
    """Return resources and timing of all runs; one row is one design at one stage.

    Parameters
    ----------
    comparison : Comparison
    further : bool, optional
        Return what tools say besides: kinds of cells, smallest latencies, slacks of other kinds.
    """
    labels = [run.label for run in comparison.runs]
    rows = tuple(
        (
            words(quantity_name(row.quantity)),
            words(design_name(row.design)),
            Cell(row.tool or ("" if row.stage else "asked for"), stage=row.stage),
            *_cells(row),
        )
        for row in comparison.rows
        if row.group == RESOURCES and (row.quantity in _MAIN) != further
    )
    return Table(("Quantity", "Design", "Stage", *labels), rows)


def modules_table(comparison: Comparison) -> Table:
    """Return the resources of the modules that are not the same in all runs."""
    labels = [run.label for run in comparison.runs]
    rows = tuple(
        (
            fixed_width(row.subject),
            words(quantity_name(row.quantity)),
            words(design_name(row.design)),
            Cell(row.tool, stage=row.stage),
            *_cells(row),
        )
        for row in comparison.rows
        if row.group == MODULES and set(row.verdicts[1:]) != {SAME}
    )
    return Table(("Module", "Quantity", "Design", "Stage", *labels), rows)


def checks_table(comparison: Comparison) -> Table:
    """Return bit agreement and budgets of all runs."""
    labels = [run.label for run in comparison.runs]
    rows = tuple(
        (
            words(check.name),
            *(
                dataclasses.replace(words(_CHECK_WORDS[status], status), note=text)
                for status, text in zip(check.status, check.text, strict=True)
            ),
        )
        for check in comparison.checks
    )
    return Table(("Check", *labels), rows)


def changes_table(comparison: Comparison) -> Table:
    """Return what is not the same in all runs."""
    labels = [run.label for run in comparison.runs]
    rows = tuple(
        (words(change.kind), fixed_width(change.key), *(fixed_width(value) for value in change.values))
        for change in comparison.changes
    )
    return Table(("What", "Key", *labels), rows)


def csv_rows(comparison: Comparison) -> list[list[str]]:
    """Return the rows of a CSV file, the names of the columns first; a number that does not exist is empty."""
    found = [list(CSV_COLUMNS)]
    for row in comparison.rows:
        first = row.values[0]
        for run, value, verdict in zip(comparison.runs, row.values, row.verdicts, strict=True):
            numbers = (None,) * 6 if value is None else _numbers(value, first)
            key = (row.group, row.quantity, row.subject, row.design, row.stage, row.tool, row.unit)
            source = "" if value is None else value.source
            found.append([run.label, *key, *("" if n is None else repr(n) for n in numbers), verdict, source])
    return found


def _numbers(value: Value, first: Value | None) -> tuple[float | None, ...]:
    """Return value, error, band, value of the baseline, and difference."""
    baseline = None if first is None else first.value
    return (
        value.value,
        value.error,
        value.low,
        value.high,
        baseline,
        None if baseline is None else value.value - baseline,
    )


def _cells(row: Row) -> Sequence[Cell]:
    """Return the cell of each run: the number, and how it stands to the baseline."""
    first = row.values[0]
    return [_cell(row, first, value, verdict) for value, verdict in zip(row.values, row.verdicts, strict=True)]


def _cell(row: Row, first: Value | None, value: Value | None, verdict: str) -> Cell:
    """Return one value with its change."""
    if value is None:
        return missing()
    unit = unit_of(row.quantity, row.unit, value.value)
    cell = plain_number(value.value, unit)
    if value.error is not None:
        cell = number_with_error(value.value, value.error, unit)
    if value.low is not None and value.high is not None:
        cell = dataclasses.replace(cell, text=rounded(value.value), low=value.low, high=value.high)
    if verdict == BASELINE or first is None:
        return cell
    if verdict == NOT_COMPARED:
        return dataclasses.replace(cell, note=NOT_COMPARED, note_status=WARNING)
    text = verdict if verdict == SAME else f"{_signed(first, value)}, {verdict}"
    status = FAILED if verdict == REGRESSION else PASSED if verdict == "better" else ""
    return dataclasses.replace(cell, note=text, note_status=status)


def _signed(first: Value, value: Value) -> str:
    """Return the change with its sign, in percent where the numbers have no errors."""
    difference = value.value - first.value
    sign = "+" if difference > 0 else "\N{MINUS SIGN}"
    if value.error is not None:
        return f"{sign}{with_error(abs(difference), value.error)[0]}"
    if not first.value:
        return f"{sign}{number(abs(difference))}"
    return f"{sign}{percent(abs(difference / first.value))}"
