"""Compares the reports of runs with that of the first of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from l1ad import __version__
from l1ad.errors import ConfigurationError
from l1ad.hardware.parts import resolve_part
from l1ad.records import BudgetLine
from l1ad.reporting.cells import measurement_cell
from l1ad.reporting.collect import RunReport
from l1ad.reporting.comparison.changes import changes_of, data_digest, same_events
from l1ad.reporting.comparison.judge import Alike, judged, lost, row_regressions
from l1ad.reporting.comparison.quantities import rows_of
from l1ad.reporting.comparison.records import Check, ComparedRun, Comparison, Regression, Row
from l1ad.reporting.comparison.tolerance import DEFAULT, Tolerance, describe
from l1ad.reporting.dataset import dataset_source
from l1ad.reporting.designs import design_name
from l1ad.reporting.formatting import number, short_digest
from l1ad.reporting.labels import RUNGS, quantity_name, unit_of
from l1ad.reporting.verdict import FAILED, MISSING, PASSED, line_status, rung_verdict

#: Text of a limit of a design that was not held against a budget.
_UNKNOWN = "not measured"


def compare(
    reports: Sequence[RunReport],
    *,
    sources: Sequence[str] = (),
    tolerances: Mapping[str, Tolerance] | None = None,
    allow_missing: bool = False,
    warnings: Sequence[str] = (),
) -> Comparison:
    """Hold each report against the first one.

    Parameters
    ----------
    reports : sequence of RunReport
        Two or more; the first is the baseline.
    sources : sequence of str, optional
        Where each was read from.
    tolerances : mapping, optional
        Quantity -> how much worse it may become; by default `DEFAULT`.
    allow_missing : bool, optional
        Whether what the baseline measured may be missing in a run. Otherwise it is a regression when no stage of the
        design has the quantity in both runs, and so is a rung or a limit that is no longer checked.
    warnings : sequence of str, optional
        What is known about the reports already.

    Raises
    ------
    ConfigurationError
        When there are fewer than two reports.
    """
    if len(reports) < 2:
        raise ConfigurationError("a comparison needs at least two runs: the baseline first, then the others.")
    limits = DEFAULT if tolerances is None else tolerances
    labels = unique_labels([report.name for report in reports])
    alike = [_alike(reports[0], report) for report in reports]
    rows = tuple(judged(row, alike, limits) for row in rows_of(reports))
    checks = tuple(_checks(reports))
    regressions = [*_regressions(rows, labels, limits), *_failed_checks(checks, labels, allow_missing)]
    if not allow_missing:
        regressions += lost(rows, labels, limits)
    regressions.sort(key=lambda regression: labels.index(regression.run))
    return Comparison(
        runs=tuple(_run(*found) for found in zip(labels, _padded(sources, len(reports)), reports, strict=True)),
        rows=rows,
        checks=checks,
        changes=changes_of(reports),
        regressions=tuple(regressions),
        warnings=(*warnings, *_warnings(reports, labels, rows)),
        tolerances=describe(limits),
        l1ad=__version__,
    )


def unique_labels(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names, with a number behind those that have come before.

    Examples
    --------
    >>> unique_labels(["dense_vae", "dense_vae", "wide"])
    ('dense_vae', 'dense_vae (2)', 'wide')
    """
    found: list[str] = []
    for name in names:
        label, place = name, 2
        while label in found:
            label, place = f"{name} ({place})", place + 1
        found.append(label)
    return tuple(found)


def _padded(sources: Sequence[str], length: int) -> list[str]:
    """Return the sources, empty where there is none."""
    return [*sources, *[""] * (length - len(sources))]


def _run(label: str, source: str, report: RunReport) -> ComparedRun:
    """Return what the comparison says of a run as a whole."""
    evaluation = report.evaluation
    return ComparedRun(
        label=label,
        source=source,
        part=report.firmware[0].part if report.firmware else "",
        sample=dataset_source(report) or (evaluation.sample if evaluation is not None else ""),
        data_digest=short_digest(data_digest(report)),
        score=f"{evaluation.score} as {evaluation.score_type}" if evaluation is not None else "",
        created=report.created,
    )


def _alike(first: RunReport, report: RunReport) -> Alike:
    """Return what of `report` may be held against `first`."""
    clocks = {project.backend: project.clock_ns for project in first.firmware}
    clock = {p.backend: clocks.get(p.backend, p.clock_ns) == p.clock_ns for p in report.firmware}
    return Alike(same_events(first, report), _family(first) == _family(report), clock)


def _family(report: RunReport) -> str:
    """Return the family of the part of a run, the part itself when it is not known, empty without firmware."""
    part = report.firmware[0].part if report.firmware else ""
    try:
        return resolve_part(part).family if part else ""
    except ConfigurationError:
        return part


def _regressions(rows: Sequence[Row], labels: Sequence[str], limits: Mapping[str, Tolerance]) -> list[Regression]:
    """Return the regressions of the rows, one thing once.

    A latency in ns is left out where its cycles are named already, and a count behind an estimate where the estimate
    is.
    """
    found = [(row, regression) for row in rows for regression in row_regressions(row, labels, limits)]
    cycles = {(row.design, row.stage, r.run) for row, r in found if row.quantity == "latency_clocks"}
    estimated = {(row.design, row.quantity, r.run) for row, r in found if row.stage == "estimate"}
    return [
        r
        for row, r in found
        if not (row.quantity == "latency_ns" and (row.design, row.stage, r.run) in cycles)
        and not (row.stage in ("netlist", "model") and (row.design, row.quantity, r.run) in estimated)
    ]


def _checks(reports: Sequence[RunReport]) -> Iterator[Check]:
    """Yield the rungs of the ladder and the limits of the budgets, each with its state in every run."""
    rungs = [{r.rung: rung_verdict(r) for r in (report.bits.rungs if report.bits else ())} for report in reports]
    for name in dict.fromkeys(name for found in rungs for name in found):
        verdicts = [found.get(name) for found in rungs]
        yield Check(
            f"Bit agreement, {RUNGS.get(name, name)}",
            tuple(MISSING if verdict is None else verdict.status for verdict in verdicts),
            tuple("not measured" if verdict is None else verdict.text for verdict in verdicts),
        )
    limits = [_limits(report) for report in reports]
    for key in dict.fromkeys(key for found in limits for key in found):
        lines = [found.get(key) for found in limits]
        yield Check(
            f"Budget, {quantity_name(key[1])} ({design_name(key[0])})",
            tuple(MISSING if line is None else line_status(line) for line in lines),
            tuple(_line_text(line, key[0] in r.held_budgets()) for line, r in zip(lines, reports, strict=True)),
        )


def _limits(report: RunReport) -> dict[tuple[str, str], BudgetLine]:
    """Return design and quantity -> its line; of several the one that does not hold."""
    found: dict[tuple[str, str], BudgetLine] = {}
    for design, budget in report.held_budgets().items():
        for line in budget.lines:
            known = found.get((design, line.name))
            if known is None or known.passed:
                found[design, line.name] = line
    return found


def _line_text(line: BudgetLine | None, held: bool) -> str:
    """Return value, stage and limit of a line; `held` says whether the design was held against a budget at all."""
    if line is None:
        return "no limit" if held else _UNKNOWN
    unit = unit_of(line.name, line.unit, line.limit)
    limit = f"limit {number(line.limit)}{f' {unit}' if unit else ''}"
    if line.value is None:
        return f"not measured, {limit}"
    return f"{measurement_cell(line.measurement).plain()}, {limit}"


def _failed_checks(checks: Sequence[Check], labels: Sequence[str], allow_missing: bool) -> Iterator[Regression]:
    """Yield the checks that do not hold in a run and did not fail in the baseline."""
    for check in checks:
        first = check.status[0]
        for label, status, text in zip(labels[1:], check.status[1:], check.text[1:], strict=True):
            bits = check.name.startswith("Bit")
            # A limit without a measurement is found by the quantity that is not measured.
            missing = bits and status == MISSING and first == PASSED and not allow_missing
            if missing or (status == FAILED and first != FAILED and (bits or check.text[0] != _UNKNOWN)):
                kind = "bits" if bits else "budget"
                yield Regression(label, kind, f"{label}: {check.name}: {text}; {labels[0]} has: {check.text[0]}")


def _warnings(reports: Sequence[RunReport], labels: Sequence[str], rows: Sequence[Row]) -> Iterator[str]:
    """Yield what makes numbers of two runs unlike."""
    first = reports[0]
    for place, (report, label) in enumerate(zip(reports[1:], labels[1:], strict=True), start=1):
        if report.evaluation is not None and first.evaluation is not None and not same_events(first, report):
            yield (
                f"{label} and {labels[0]} were evaluated on different events ({_sample(report)}; {_sample(first)}): "
                "their AUCs, TPRs and rates are not comparable and are not judged."
            )
        if _family(report) != _family(first) and report.firmware and first.firmware:
            yield (
                f"{label} is for {report.firmware[0].part}, {labels[0]} for {first.firmware[0].part}: parts of "
                "different families. Resources and timing are not judged."
            )
        elif report.firmware and first.firmware and report.firmware[0].part != first.firmware[0].part:
            yield (
                f"{label} is for {report.firmware[0].part}, {labels[0]} for {first.firmware[0].part}: the shares of "
                "the part are not those of one part."
            )
        exceeded = [c.name for c in _checks([first, report]) if c.status[1] == FAILED and c.text[0] == _UNKNOWN]
        if exceeded:
            yield f"{label}: {', '.join(exceeded)} exceeded; {labels[0]} does not know, so it is no regression."
        unlike = sorted({_stage_of(row) for row in rows if row.stage and _one_sided(row, place)})
        if unlike:
            yield f"only one of {label} and {labels[0]} has numbers of: {'; '.join(unlike)}. They are not compared."


def _sample(report: RunReport) -> str:
    """Return label and digest of the events of a run."""
    digest = short_digest(data_digest(report))
    return f"{dataset_source(report) or 'no label'}, {f'digest {digest}' if digest else 'events not recorded'}"


def _one_sided(row: Row, place: int) -> bool:
    """Return whether only one of the baseline and the run at `place` has a whole stage's number of a resource."""
    return row.quantity in ("lut", "latency_clocks") and not row.subject and (
        (row.values[0] is None) != (row.values[place] is None)
    )  # fmt: skip


def _stage_of(row: Row) -> str:
    """Return design and stage of a row."""
    return f"{design_name(row.design)}, {row.stage}"
