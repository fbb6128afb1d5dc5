"""The tables of a report, for the page and for the terminal (`Table.plain` gives rows of text)."""

from __future__ import annotations

from l1ad.records import BitReport, BudgetLine, EvaluationReport, RungReport, Threshold
from l1ad.reporting.cells import (
    Cell,
    Table,
    fixed_width,
    measurement_cell,
    missing,
    number_with_error,
    percent_with_error,
    plain_number,
    plain_percent,
    value_cell,
    words,
)
from l1ad.reporting.collect import RunReport
from l1ad.reporting.designs import design_name
from l1ad.reporting.formatting import TIMES, number, power, short_digest
from l1ad.reporting.labels import (
    BACKENDS,
    OPTIONAL_RUNGS,
    RUNGS,
    TRAINING,
    TRAINING_UNITS,
    plain_name,
    quantity_name,
    signal_name,
    unit_of,
)
from l1ad.reporting.verdict import PASSED, REFERENCE_RUNG, line_status, rung_verdict

RESOURCES = ("lut", "ff", "dsp", "bram")

_STATUS_WORDS = {
    "passed": "met",
    "failed": "exceeded",
    "missing": "not measured",
    "warning": "met; the limit is inside the band",
}


def overview_table(report: RunReport) -> Table:
    """Return the numbers of the overview: rate, latency, II, resources."""
    rows = [(words("Trigger rate"), rate_cell(working_threshold(report.evaluation)), words(""))]
    for name in ("latency_clocks", "latency_ns", "ii", *RESOURCES):
        share = share_cell(report, name)
        rows += [(words(quantity_name(name)), measurement_cell(report.headline(name)), share)]
    return Table(("Quantity", "Value", "Of the part"), tuple(rows))


def share_cell(report: RunReport, name: str) -> Cell:
    """Return how much of the part a resource takes; words when the part's capacity is not known."""
    measurement, capacity = report.headline(name), report.capacity.get(name)
    if measurement is None or not capacity:
        return words("")
    return plain_percent(measurement.value / capacity)


def working_threshold(evaluation: EvaluationReport | None) -> Threshold | None:
    """Return the threshold of the working point, or None when there is none."""
    if evaluation is None:
        return None
    return next((t for t in evaluation.thresholds if t.target_fpr == evaluation.working_fpr), None)


def rate_cell(threshold: Threshold | None) -> Cell:
    """Return the trigger rate with the error that the FPR gives it."""
    if threshold is None:
        return missing()
    if threshold.rate_khz is None:
        return missing("not known: no acceptance given")
    rate = threshold.rate_khz
    relative = threshold.fpr_error / threshold.fpr if threshold.fpr > 0 else 0.0
    error = rate * relative
    if 0 < rate < 1e-3:
        # Decimals would begin with a row of zeros that nobody counts.
        return Cell(power(rate), rate, power(float(f"{error:.1e}")), error, "kHz")
    return number_with_error(rate, error, "kHz")


def signals_table(evaluation: EvaluationReport, teacher: EvaluationReport | None = None) -> Table:
    """Return AUC and TPR at the working FPR of each signal, with errors, and the AUC of a teacher if there is one."""
    taught = {} if teacher is None else {result.signal: result for result in teacher.signals}
    rows = tuple(
        (
            words(signal_name(result.signal)),
            plain_number(result.events),
            number_with_error(result.auc, result.auc_error),
            percent_with_error(result.tpr, result.tpr_error),
            *([number_with_error(own.auc, own.auc_error)] if (own := taught.get(result.signal)) is not None else []),
        )
        for result in evaluation.signals
    )
    columns = ("Signal", "Events", "AUC", f"TPR at FPR {power(evaluation.working_fpr)}")
    return Table((*columns, *(["AUC of the float teacher"] if taught else [])), rows)


def thresholds_table(evaluation: EvaluationReport) -> Table:
    """Return the raw integer thresholds with their type, FPR, error and rate."""
    rows = tuple(
        (
            Cell(power(threshold.target_fpr), value=threshold.target_fpr),
            Cell(str(threshold.raw), value=threshold.raw),
            fixed_width(str(evaluation.score_type)),
            _fpr_cell(threshold),
            plain_number(threshold.background_events),
            rate_cell(threshold),
        )
        for threshold in evaluation.thresholds
    )
    columns = ("Target FPR", "Raw threshold", "Type", "FPR reached", "Background events behind it", "Rate")
    return Table(columns, rows)


def ladder_table(bits: BitReport | None) -> Table:
    """Return one row a rung; rungs that did not run are shown as not measured."""
    found: dict[str, list[RungReport]] = {name: [] for name in RUNGS}
    for rung in bits.rungs if bits is not None else ():
        found.setdefault(rung.rung, []).append(rung)
    rows = tuple(
        row
        for name, rungs in found.items()
        if rungs or name not in OPTIONAL_RUNGS
        for row in ([_rung_row(r) for r in rungs] or [_absent_rung_row(name)])
    )
    columns = ("Rung", "Verdict", "Events", "Equal events", "Events per second", "Negative control", "Engine")
    return Table(columns, rows)


def layers_table(bits: BitReport) -> Table:
    """Return how many values of each layer agree, for the rungs that show layers."""
    rows = tuple(
        (
            words(RUNGS.get(rung.rung, rung.rung)),
            fixed_width(layer.layer),
            plain_number(layer.values),
            plain_number(layer.equal),
            words("equal", "passed") if layer.equal == layer.values > 0 else words("differs", "failed"),
        )
        for rung in bits.rungs
        for layer in rung.layers
    )
    return Table(("Rung", "Layer", "Values", "Equal values", "Verdict"), rows)


def budget_lines(report: RunReport) -> tuple[tuple[str, BudgetLine], ...]:
    """Return design and line of every limit that was held against something, the design of the overview first."""
    return tuple((design, line) for design, budget in report.held_budgets().items() for line in budget.lines)


def budget_table(report: RunReport) -> Table:
    """Return each limit, what was measured against it, its stage, design and source."""
    rows = []
    for design, line in budget_lines(report):
        status = line_status(line)
        limit = Cell(number(line.limit), value=line.limit, unit=unit_of(line.name, line.unit, line.limit))
        verdict = words(_STATUS_WORDS[status], status)
        written = fixed_width(line.written_as)
        rows.append(
            (words(quantity_name(line.name)), measurement_cell(line.measurement), limit, written, verdict,
             words(design_name(design)), words(line.source))
        )  # fmt: skip
    return Table(("Quantity", "Value", "Limit", "Limit as written", "Verdict", "Design", "Source"), tuple(rows))


def firmware_table(report: RunReport) -> Table:
    """Return the firmware projects: generator, part, clock, ports, files, digest."""
    rows = tuple(
        (
            words(BACKENDS.get(project.backend, project.backend)),
            words(project.engine),
            fixed_width(project.part),
            Cell(number(project.clock_ns), value=project.clock_ns, unit="ns"),
            fixed_width(f"{project.n_inputs} {TIMES} {project.input_type}"),
            fixed_width(f"{project.n_outputs} {TIMES} {project.output_type}"),
            plain_number(len(project.files)),
            fixed_width(short_digest(project.digest)),
        )
        for project in report.firmware
    )
    return Table(("Project", "Generator", "Part", "Clock", "Inputs", "Outputs", "Files", "SHA-256"), rows)


def training_table(report: RunReport) -> Table:
    """Return the summary of the training; without one the three main numbers are shown as not measured."""
    summary = {name: value for name, value in report.training.items() if name != "history"}
    for name in ("epochs", "best_validation_loss", "seconds"):
        summary.setdefault(name, None)
    rows = tuple(
        (words(TRAINING.get(name, plain_name(name))), value_cell(value, TRAINING_UNITS.get(name, "")))
        for name, value in summary.items()
    )
    return Table(("Training", "Value"), rows)


def versions_table(report: RunReport) -> Table:
    """Return the versions of the libraries that took part."""
    return Table(("Library", "Version"), tuple((words(n), fixed_width(v)) for n, v in report.versions.items()))


def digests_table(report: RunReport) -> Table:
    """Return the digest of each stage's inputs."""
    rows = tuple((words(stage), fixed_width(digest)) for stage, digest in report.digests.items())
    return Table(("Stage", "SHA-256 of its inputs"), rows)


def _fpr_cell(threshold: Threshold) -> Cell:
    """Return the FPR reached with its error, both on the power of ten of the target."""
    return Cell(power(threshold.fpr), threshold.fpr, power(float(f"{threshold.fpr_error:.1e}")), threshold.fpr_error)


def _rung_row(rung: RungReport) -> tuple[Cell, ...]:
    """Return the row of a rung that ran."""
    verdict = rung_verdict(rung)
    text = verdict.text
    if rung.events > 0 and rung.equal_events != rung.events:
        text = "differs"
    if verdict.status == PASSED and rung.rung != REFERENCE_RUNG:
        text = "bit-exact"
    if rung.control is not None:
        changed = f"{number(rung.control.changed_events)} of {number(rung.control.events)} events changed"
        note = f"{rung.control.what}: {changed}"
        control = Cell("not caught", status="failed", note=note)
        if rung.control.caught:
            control = Cell("caught", status="passed", note=note)
    else:
        control = words("not needed") if rung.rung == REFERENCE_RUNG else missing("not run")
    measured = rung.events > 0
    return (
        words(RUNGS.get(rung.rung, rung.rung)),
        words(text, verdict.status),
        plain_number(rung.events if measured else None),
        plain_number(rung.equal_events if measured else None),
        plain_number(rung.events_per_second if measured and rung.events_per_second > 0 else None),
        control,
        words(rung.engine),
    )


def _absent_rung_row(name: str) -> tuple[Cell, ...]:
    """Return the row of a rung that did not run."""
    blank = words("")
    return (words(RUNGS[name]), missing(), blank, blank, blank, blank, blank)
