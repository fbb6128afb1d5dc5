"""Holds a run, and the reports that tools wrote of it, against a budget file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from l1ad.hardware.limits import Limits, band_warnings, check_limits, excess
from l1ad.hardware.parts import resolve_part
from l1ad.pipeline.run import rung_failures
from l1ad.pipeline.run_folder import RunFolder
from l1ad.pipeline.stages import BITS_FILE, EMULATE, NETLIST, SYNTH
from l1ad.pipeline.vendor import kept_results
from l1ad.records import BitReport, BudgetReport, Measurement, Record
from l1ad.synthesis.reports.folder import read_reports
from l1ad.synthesis.reports.record import ReportSet
from l1ad.synthesis.run import read_synthesis


@dataclass(frozen=True)
class CheckReport(Record):
    """What a check found.

    Attributes
    ----------
    budget : BudgetReport
        A line for each limit.
    failures : tuple of str
        What exceeds or was not measured, by how much and from which file, rungs of the ladder on which an integer
        differs, and reports that failed themselves.
        Empty when the check passed.
    warnings : tuple of str
        What a reader of the numbers has to know.
    """

    budget: BudgetReport
    failures: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.failures


def check_run(run: RunFolder, limits: Limits, reports: Path | None = None) -> CheckReport:
    """Hold the measurements of `run` and of `reports` against `limits`.

    Parameters
    ----------
    run : RunFolder
        Its synthesis, its simulation, and what vendor tools gave for it count, where they are not stale.
    limits : Limits
        Percentages refer to the part that they name, or to that of the run.
    reports : Path, optional
        Folder with reports of Vivado HLS, Vitis HLS or Vivado. They have to be of the part of the run.

    Raises
    ------
    DataError
        When a report cannot be read or is of another part, or there is none.
    """
    wanted = resolve_part(run.config.conversion.part)
    kept, stale = kept_results(run)
    sets = [results.reports for results in kept]
    if reports is not None:
        sets.append(read_reports(reports, part=wanted.name))
    measurements = [*_own_measurements(run), *(m for found in sets for m in found.measurements)]
    budget = check_limits(limits, measurements, resolve_part(limits.part) if limits.part else wanted)
    logs = "; ".join(f"{name}: {line}" for found in sets for name, line in found.log_errors.items())
    failures = [
        excess(line) + (f"; log {logs}" if logs and line.value is None else "")
        for line in budget.lines
        if not line.passed
    ]
    failures += rung_failures(run, EMULATE, NETLIST)
    warnings = tuple(w for found in sets for w in (*found.all_warnings, *_clock_warning(run, found)))
    warnings += tuple(f"log {name}: {line}" for found in sets for name, line in found.log_errors.items())
    return CheckReport(
        budget, (*failures, *(f for found in sets for f in found.failures)), band_warnings(budget) + stale + warnings
    )


def _own_measurements(run: RunFolder) -> tuple[Measurement, ...]:
    """Return what the stages emulate and synth measured; a stage that left the manifest is of another design."""
    finished = run.manifest().stages
    simulated = BitReport.read(run.stage(EMULATE) / BITS_FILE).measurements if EMULATE in finished else ()
    return simulated + (read_synthesis(run.stage(SYNTH)).measurements if SYNTH in finished else ())


def _clock_warning(run: RunFolder, found: ReportSet) -> tuple[str, ...]:
    """Return a warning for each report that was made for another clock than that of the run."""
    wanted = run.config.conversion.clock_ns
    return tuple(
        f"{report.file}: made for a clock of {target:g} ns; the run has {wanted:g} ns"
        for report in found.reports
        if (target := report.value("clock_target_ns")) is not None and abs(target - wanted) > 1e-3
    )
