"""Shows the results of stages as tables."""

from __future__ import annotations

from l1ad.cli.terminal import note, show_table
from l1ad.pipeline.run_folder import RunFolder
from l1ad.pipeline.summary import gather
from l1ad.reporting import tables
from l1ad.reporting.cells import Table
from l1ad.reporting.collect import RunReport


def show_results(run: RunFolder, *parts: str) -> None:
    """Show tables of a run.

    Parameters
    ----------
    run : RunFolder
    *parts : str
        ``physics``, ``ladder``, ``firmware``, ``budget``; without any, all that the run has.
    """
    report = gather(run)
    wanted = parts or ("physics", "ladder", "firmware", "budget")
    for part in wanted:
        _SHOW[part](report)


def _physics(report: RunReport) -> None:
    if report.evaluation is None:
        return
    _show("signals against the background", tables.signals_table(report.evaluation, report.teacher))
    _show("thresholds", tables.thresholds_table(report.evaluation))
    for warning in report.evaluation.warnings:
        note(f"warning: {warning}")


def _ladder(report: RunReport) -> None:
    if report.bits is not None:
        _show("the ladder", tables.ladder_table(report.bits))


def _firmware(report: RunReport) -> None:
    if report.firmware:
        _show("firmware projects", tables.firmware_table(report))


def _budget(report: RunReport) -> None:
    if report.budget is not None:
        _show("budget", tables.budget_table(report))


_SHOW = {"physics": _physics, "ladder": _ladder, "firmware": _firmware, "budget": _budget}


def _show(title: str, table: Table) -> None:
    """Write a table of the report on the terminal."""
    columns, *rows = table.plain()
    show_table(title, columns, rows, numeric=columns[1:])
