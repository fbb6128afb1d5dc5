"""The table that says where every number of a report comes from."""

from __future__ import annotations

from collections.abc import Iterator

from l1ad.records import EvaluationReport, RungReport, SynthesisReport
from l1ad.reporting.cells import (
    Cell,
    Table,
    measurement_cell,
    number_with_error,
    percent_with_error,
    plain_number,
    value_cell,
    words,
)
from l1ad.reporting.collect import RunReport
from l1ad.reporting.designs import design_name
from l1ad.reporting.formatting import power, short_digest
from l1ad.reporting.labels import RUNGS, SCORES, TRAINING, TRAINING_UNITS, plain_name, quantity_name, signal_name
from l1ad.reporting.tables import rate_cell

_Row = tuple[Cell, ...]


def provenance_table(report: RunReport) -> Table:
    """Return quantity, value with unit, stage label and source of every number of the report."""
    rows: list[_Row] = []
    designs = {project.digest: project.backend for project in report.firmware}
    if report.evaluation is not None:
        rows += _evaluation_rows(report.evaluation)
    for rung in report.bits.rungs if report.bits is not None else ():
        rows += _rung_rows(rung)
    for measurement in report.bits.measurements if report.bits is not None else ():
        rows.append(_row(quantity_name(measurement.name), measurement_cell(measurement, stage=False),
                         measurement.stage, measurement.source))  # fmt: skip
    for synthesis in report.synthesis:
        rows += _synthesis_rows(synthesis, design_name(designs.get(synthesis.project_digest, "")))
    for project in report.firmware:
        for measurement in project.estimates:
            source = f"{measurement.source}; {design_name(project.backend)} project {short_digest(project.digest)}"
            rows.append(_row(quantity_name(measurement.name), measurement_cell(measurement, stage=False),
                             measurement.stage, source))  # fmt: skip
    rows += _training_rows(report)
    return Table(("Quantity", "Value", "Stage", "Source"), tuple(rows))


def _row(quantity: str, value: Cell, stage: str, source: str) -> _Row:
    """Return one row; the stage is a label."""
    return (words(quantity), value, Cell("", stage=stage), words(source))


def _evaluation_rows(evaluation: EvaluationReport) -> Iterator[_Row]:
    """Yield AUC, TPR and rates."""
    score = SCORES.get(evaluation.score, evaluation.score)
    source = f"{score} as {evaluation.score_type}, {evaluation.sample}"
    working = power(evaluation.working_fpr)
    yield _row("Background events", plain_number(evaluation.background_events), "measured", evaluation.sample)
    for result in evaluation.signals:
        name, events = signal_name(result.signal), f"{source}; {result.events:,} signal events"
        yield _row(f"AUC, {name}", number_with_error(result.auc, result.auc_error), "measured",
                   f"{events}; error of Hanley and McNeil 1982")  # fmt: skip
        yield _row(f"TPR at FPR {working}, {name}", percent_with_error(result.tpr, result.tpr_error), "measured",
                   f"{events}; binomial error")  # fmt: skip
    for threshold in evaluation.thresholds:
        behind = f"{source}; raw threshold {threshold.raw}; {threshold.background_events:,} background events behind it"
        yield _row(f"Trigger rate at FPR {power(threshold.target_fpr)}", rate_cell(threshold), "measured", behind)


def _rung_rows(rung: RungReport) -> Iterator[_Row]:
    """Yield equal events and throughput of a rung."""
    if rung.events <= 0:
        return
    name = RUNGS.get(rung.rung, rung.rung)
    source = f"{rung.engine}; {rung.events:,} events"
    yield _row(f"Equal events, {name}", plain_number(rung.equal_events), "simulation", source)
    if rung.events_per_second > 0:
        yield _row(f"Throughput, {name}", plain_number(rung.events_per_second, "events/s"), "measured", source)


def _synthesis_rows(synthesis: SynthesisReport, design: str) -> Iterator[_Row]:
    """Yield what a tool says about a project, and what running it cost."""
    tool = f"{synthesis.tool} {synthesis.version}"
    project = f"{synthesis.part}, {design} project {short_digest(synthesis.project_digest)}"
    for measurement in synthesis.measurements:
        source = measurement.source if synthesis.tool in measurement.source else f"{tool}; {measurement.source}"
        yield _row(quantity_name(measurement.name), measurement_cell(measurement, stage=False), measurement.stage,
                   f"{source}; {project}")  # fmt: skip
    if synthesis.wall_s > 0:
        yield _row(f"Run time, {synthesis.tool}", plain_number(synthesis.wall_s, "s"), "measured", tool)
    if synthesis.peak_memory_mb > 0:
        memory = plain_number(synthesis.peak_memory_mb, "MB")
        yield _row(f"Peak memory, {synthesis.tool}", memory, "measured", tool)


def _training_rows(report: RunReport) -> Iterator[_Row]:
    """Yield the numbers of the training summary."""
    keras = report.versions.get("keras")
    source = f"training with Keras {keras}" if keras else "training"
    for name, value in report.training.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            cell = value_cell(value, TRAINING_UNITS.get(name, ""))
            yield _row(TRAINING.get(name, plain_name(name)), cell, "measured", source)
