"""The stage report: gathers the records of a run into the page and ``metrics.json``."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any, TypeVar

from l1ad.events.dataset import DATASET_FILE, DatasetRecord
from l1ad.hardware.budgets import check_budget
from l1ad.hardware.limits import RESOURCES
from l1ad.hardware.parts import resolve_part
from l1ad.pipeline.observer import Observer
from l1ad.pipeline.projects import projects
from l1ad.pipeline.run_folder import METRICS_FILE, Manifest, RunFolder
from l1ad.pipeline.stages import (
    BITS_FILE,
    BUDGET_FILE,
    CONVERT,
    DATA,
    EMULATE,
    EVALUATE,
    NETLIST,
    REPORT,
    SYNTH,
    TEACHER_METRICS,
    TRAIN,
)
from l1ad.pipeline.vendor import kept_results
from l1ad.provenance import write_json
from l1ad.records import BitReport, BudgetReport, EvaluationReport, FirmwareProject, Record, SynthesisReport
from l1ad.reporting.collect import DESIGN_ORDER, SIMULATED, RunReport, collect_report
from l1ad.reporting.html import write_report
from l1ad.synthesis.run import REPORT as SYNTHESIS_FILE
from l1ad.synthesis.vendor.run import synthesis_reports
from l1ad.training.record import TRAINING_FILE, TrainingRecord

_R = TypeVar("_R", bound=Record)


def run_report(run: RunFolder, observer: Observer) -> None:
    """Write the HTML page, the same as JSON, and ``metrics.json``."""
    observer.step("report page")
    report = gather(run)
    write_report(report, run.stage(REPORT))
    write_json(run.path / METRICS_FILE, headline(report))


def gather(run: RunFolder, manifest: Manifest | None = None) -> RunReport:
    """Return the report of a run from the records of the stages that have finished, and from its vendor tools.

    Parameters
    ----------
    run : RunFolder
    manifest : Manifest, optional
        Stages that count; by default those of the run.
    """
    manifest = run.manifest() if manifest is None else manifest
    finished = set(manifest.stages)
    dataset = _optional(DatasetRecord, run.stage(DATA) / DATASET_FILE, DATA in finished)
    training = _optional(TrainingRecord, run.stage(TRAIN) / TRAINING_FILE, TRAIN in finished)
    firmware: dict[str, FirmwareProject] = projects(run) if CONVERT in finished else {}
    bits = _ladder(run, finished)
    budget = _optional(BudgetReport, run.stage(SYNTH) / BUDGET_FILE, SYNTH in finished)
    own = _optional(SynthesisReport, run.stage(SYNTH) / SYNTHESIS_FILE, SYNTH in finished)
    vendor = tuple(report for kept in kept_results(run)[0] for report in synthesis_reports(kept))
    synthesis = vendor if own is None else (own, *vendor)
    part, taught = resolve_part(run.config.conversion.part), run.stage(EVALUATE) / TEACHER_METRICS
    budgets = _vendor_budgets(run, firmware, bits, synthesis) if vendor else {}
    first = next(iter(budgets), SIMULATED)
    return collect_report(
        run.config.name,
        config=run.config.model_dump(mode="json"),
        dataset={} if dataset is None else dataset.to_dict(),
        evaluation=_optional(EvaluationReport, run.stage(EVALUATE) / "metrics.json", EVALUATE in finished),
        teacher=_optional(EvaluationReport, taught, EVALUATE in finished and taught.is_file()),
        bits=bits,
        firmware=tuple(firmware.values()),
        synthesis=synthesis,
        budget=budgets.pop(first, budget),
        budget_design=first,
        budgets=budgets,
        training={} if training is None else _training(training),
        capacity={name: part.capacity(name) for name in RESOURCES if part.capacity(name)},
        regions=part.slrs,
        region_capacity={name: part.region(name) for name in RESOURCES if part.capacity(name)},
        versions=manifest.versions,
        digests={name: entry.key for name, entry in manifest.stages.items()},
        inputs={name: entry.inputs for name, entry in manifest.stages.items()},
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def _ladder(run: RunFolder, finished: set[str]) -> BitReport | None:
    """Return the rungs of the emulation and, when it ran, that of the netlist."""
    bits = _optional(BitReport, run.stage(EMULATE) / BITS_FILE, EMULATE in finished)
    if bits is None or NETLIST not in finished:
        return bits
    netlist = BitReport.read(run.stage(NETLIST) / BITS_FILE)
    return BitReport(bits.rungs + netlist.rungs, bits.measurements)


def _vendor_budgets(
    run: RunFolder,
    firmware: dict[str, FirmwareProject],
    bits: BitReport | None,
    synthesis: tuple[SynthesisReport, ...],
) -> dict[str, BudgetReport]:
    """Return the limits of the run held against each design that a tool measured, backend -> budget.

    Of the first design all limits are held. Of the others only those for which there is a number: a budget is met by
    one design.
    """
    part = resolve_part(run.config.conversion.part)
    measured = {
        backend: [m for report in synthesis if report.project_digest == project.digest for m in report.measurements]
        for backend, project in firmware.items()
    }
    designs = [backend for backend in DESIGN_ORDER if measured.get(backend)]
    if bits is not None and SIMULATED in designs:
        measured[SIMULATED] += bits.measurements
    found = {}
    for backend in designs:
        budget = check_budget(run.config.synthesis.budget, measured[backend], part)
        lines = tuple(line for line in budget.lines if line.value is not None or backend == designs[0])
        found[backend] = BudgetReport(lines)
    return found


def _optional(kind: type[_R], path: Path, finished: bool) -> _R | None:
    """Read a record of a finished stage; None for a stage that has not run."""
    return kind.read(path) if finished else None


def _training(record: TrainingRecord) -> dict[str, Any]:
    """Return the training as the page shows it."""
    return {
        "architecture": record.architecture,
        "frontend": record.frontend,
        "parameters": record.parameters,
        "epochs": len(record.history),
        "best_epoch": record.best_epoch,
        "best_validation_loss": record.best_validation_loss,
        "seconds": sum(epoch.seconds for epoch in record.history),
        "events_per_second": record.events_per_second,
        "history": _history(record),
    }


def _history(record: TrainingRecord) -> dict[str, list[float]]:
    """Return the losses of the last phase, and of the float model when it was trained first."""
    last = record.history[-1].phase if record.history else ""
    found: dict[str, list[float]] = {}
    for epoch in record.history:
        prefix = "" if epoch.phase == last else f"{epoch.phase}_"
        found.setdefault(f"{prefix}loss", []).append(epoch.loss)
        found.setdefault(f"{prefix}val_loss", []).append(epoch.validation_loss)
    return found


def headline(report: RunReport) -> dict[str, Any]:
    """Return the numbers that a script asks for, with unit, stage and source."""
    physics = report.evaluation
    numbers = ("latency_clocks", "latency_ns", "ii", "lut", "ff", "dsp", "bram")
    found = {name: report.headline(name) for name in numbers}
    return {
        "name": report.name,
        "design": next(iter(report.designs()), None),
        "sample": None if physics is None else physics.sample,
        "auc": {} if physics is None else {s.signal: {"value": s.auc, "error": s.auc_error} for s in physics.signals},
        "tpr": {} if physics is None else {s.signal: {"value": s.tpr, "error": s.tpr_error} for s in physics.signals},
        "thresholds": [] if physics is None else [threshold.to_dict() for threshold in physics.thresholds],
        "bit_exact": None if report.bits is None else report.bits.passed,
        "within_budget": None if report.budget is None else report.budget.passed,
        "measurements": {name: None if m is None else m.to_dict() for name, m in found.items()},
    }
