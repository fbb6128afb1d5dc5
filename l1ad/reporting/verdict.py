"""Says whether a run passed, failed, or does not know."""

from __future__ import annotations

from dataclasses import dataclass

from l1ad.records import BudgetLine, RungReport
from l1ad.reporting.collect import RunReport
from l1ad.reporting.formatting import number
from l1ad.reporting.labels import BACKENDS, RUNGS, quantity_name

PASSED, FAILED, MISSING, WARNING = "passed", "failed", "missing", "warning"

REFERENCE_RUNG = "keras"


@dataclass(frozen=True)
class Verdict:
    """A status and the sentence that explains it.

    Attributes
    ----------
    title : str
        What was checked.
    status : str
        ``passed``, ``failed``, ``missing`` or ``warning``.
    text : str
        One or two sentences.
    """

    title: str
    status: str
    text: str


def overall(report: RunReport) -> Verdict:
    """Return the verdict of the whole run: the worst of its checks."""
    checks = verdicts(report)
    failed = [check for check in checks if check.status == FAILED]
    missing = [check for check in checks if check.status == MISSING]
    if failed:
        return Verdict("Failed", FAILED, " ".join(check.text for check in failed))
    if missing:
        return Verdict("Incomplete", MISSING, " ".join(check.text for check in missing))
    return Verdict("Passed", PASSED, " ".join(check.text for check in checks))


def verdicts(report: RunReport) -> tuple[Verdict, ...]:
    """Return the verdicts of the ladder, of the budget and of the evaluation."""
    return (ladder_verdict(report), budget_verdict(report), evaluation_verdict(report))


def rung_verdict(rung: RungReport) -> Verdict:
    """Return whether a rung is proved equal to the reference: events compared, all equal, control caught."""
    name = RUNGS.get(rung.rung, rung.rung)
    if rung.events <= 0:
        return Verdict(name, MISSING, "not measured: 0 events compared")
    if rung.equal_events != rung.events:
        differing = rung.events - rung.equal_events
        return Verdict(name, FAILED, f"{number(differing)} of {number(rung.events)} events differ")
    if rung.rung == REFERENCE_RUNG:
        return Verdict(name, PASSED, "reference")
    if rung.control is None:
        return Verdict(name, MISSING, "equal, negative control not run")
    if not rung.control.caught:
        return Verdict(name, FAILED, "negative control not caught")
    return Verdict(name, PASSED, "bit-exact")


def ladder_verdict(report: RunReport) -> Verdict:
    """Return whether every rung that ran equals Keras, and whether each comparison was shown to be able to fail."""
    title = "Bit-exact"
    rungs = [] if report.bits is None else [rung for rung in report.bits.rungs if rung.rung != REFERENCE_RUNG]
    if report.bits is None or not rungs:
        return Verdict(title, MISSING, "The ladder was not run.")
    judged = [rung_verdict(rung) for rung in report.bits.rungs]
    for status in (FAILED, MISSING):
        found = [f"{verdict.title}: {verdict.text}" for verdict in judged if verdict.status == status]
        if found:
            return Verdict(title, status, "; ".join(found) + ".")
    counts = sorted({rung.events for rung in rungs})
    events = number(counts[0]) if len(counts) == 1 else f"{number(counts[0])} to {number(counts[-1])}"
    noun = "rung equals" if len(rungs) == 1 else "rungs equal"
    return Verdict(
        title,
        PASSED,
        f"{len(rungs)} {noun} Keras bit for bit on {events} events; "
        f"{len(rungs)} of {len(rungs)} negative controls caught.",
    )


def line_status(line: BudgetLine) -> str:
    """Return ``passed``, ``failed``, ``warning`` when a band crosses the limit, ``missing`` without a measurement."""
    if line.value is None:
        return MISSING
    if line.verdict == "inside the band":
        return WARNING
    return PASSED if line.passed else FAILED


def budget_verdict(report: RunReport) -> Verdict:
    """Return whether every limit has a measurement and none is exceeded."""
    title = "Budget"
    held = [(design, line) for design, budget in report.held_budgets().items() for line in budget.lines]
    if not held:
        return Verdict(title, MISSING, "No budget was checked.")
    lines = [line for _, line in held]
    exceeded = [_named(report, *found) for found in held if line_status(found[1]) == FAILED]
    unmeasured = [_named(report, *found) for found in held if line_status(found[1]) == MISSING]
    if exceeded or unmeasured:
        parts = [f"budget exceeded by {', '.join(exceeded)}"] if exceeded else []
        parts += [f"not measured: {', '.join(unmeasured)}"] if unmeasured else []
        text = "; ".join(parts)
        return Verdict(title, FAILED, text[0].upper() + text[1:] + ".")
    estimated = sum(line.stage == "estimate" for line in lines)
    basis = f" ({estimated} on an estimate)" if estimated else ""
    inside = [_named(report, *found) for found in held if line_status(found[1]) == WARNING]
    crossing = f" The limit is inside the band of the estimate: {', '.join(inside)}." if inside else ""
    text = f"{len(lines)} of {len(lines)} limits met{basis}.{crossing}"
    return Verdict(title, WARNING if inside else PASSED, text)


def _named(report: RunReport, design: str, line: BudgetLine) -> str:
    """Return the quantity of a line, with its design where there are several."""
    name = quantity_name(line.name)
    return f"{name} ({BACKENDS.get(design, design)})" if len(report.held_budgets()) > 1 else name


def evaluation_verdict(report: RunReport) -> Verdict:
    """Return whether the score was evaluated, and with how many warnings."""
    title = "Physics"
    if report.evaluation is None:
        return Verdict(title, MISSING, "The score was not evaluated.")
    warnings = len(report.evaluation.warnings)
    signals = len(report.evaluation.signals)
    text = f"{signals} signal{'s' if signals != 1 else ''} evaluated"
    if warnings:
        return Verdict(title, WARNING, f"{text}, {warnings} warning{'s' if warnings != 1 else ''}.")
    return Verdict(title, PASSED, f"{text}.")
