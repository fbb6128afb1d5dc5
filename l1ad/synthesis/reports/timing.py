"""Timing as Vivado's ``report_timing_summary`` states it: slack of setup, hold and pulse width over all clocks."""

from __future__ import annotations

import re
from pathlib import Path

from l1ad.errors import DataError
from l1ad.synthesis.reports.record import Collector, ToolReport
from l1ad.synthesis.reports.text import number, part_after
from l1ad.synthesis.reports.vivado import begin

#: What every such report has.
TITLE = re.compile(r"^\|\s*Design Timing Summary\s*$", flags=re.MULTILINE)

#: Column -> measurement. Failing and total endpoints are those of setup.
_COLUMNS = {
    "WNS(ns)": "slack_ns",
    "TNS(ns)": "total_slack_ns",
    "TNS Failing Endpoints": "failing_endpoints",
    "TNS Total Endpoints": "endpoints",
    "WHS(ns)": "hold_slack_ns",
    "WPWS(ns)": "pulse_slack_ns",
}


def read_timing(path: Path, file: str = "") -> ToolReport:
    """Read a summary of timing.

    Parameters
    ----------
    path : Path
    file : str, optional
        Name of the file in the record.

    Returns
    -------
    ToolReport
        Kind ``timing``. ``slack_ns`` is the worst slack of setup; ``clock_target_ns`` and ``clock_ns``, the period
        less the slack, only when the design has one clock. A design without constraints has no slack.

    Raises
    ------
    DataError
        When the file is not such a report or ends before the summary.
    """
    wanted = "no table of WNS and WHS. Is this a whole report of timing? Make it again."
    text, found, collector = begin(path, file, TITLE, wanted)
    summary = part_after(text, TITLE.pattern, r"^\|\s*Clock Summary")
    lines = [line for line in summary.splitlines() if line.strip()]
    start = next((i for i, line in enumerate(lines) if line.split()[:1] == ["WNS(ns)"]), None)
    if start is None or len(lines) < start + 3:
        raise DataError(f"{path}: {wanted}")
    names, values = re.split(r"\s{2,}", lines[start].strip()), lines[start + 2].split()
    if len(names) != len(values):
        raise DataError(f"{path}: {len(names)} columns of timing, but {len(values)} values. Make the report again.")
    for name, value in zip(names, values, strict=True):
        if name in _COLUMNS:
            collector.add(_COLUMNS[name], value)
    _check(collector, text, summary)
    _clock(collector, text)
    return collector.report("timing", found.device, found.design)


def _check(found: Collector, text: str, summary: str) -> None:
    """Drop the slack of a design in which nothing was timed, and warn of what makes a slack worth less."""
    values = {m.name: m.value for m in found.measurements}
    if values.get("endpoints") == 0:
        found.drop(("slack_ns", "total_slack_ns", "hold_slack_ns"), "no endpoint was timed")
        found.warnings.append("no endpoint was timed: is there a clock constraint?")
    if "There are no user specified timing constraints" in summary:
        found.drop(("slack_ns", "total_slack_ns", "hold_slack_ns"), "no timing constraints")
        found.warnings.append("the design has no timing constraints")
    if "Timing constraints are not met" in summary:
        found.warnings.append("timing constraints are not met")
    loose = re.search(r"There are (\d+) register/latch pins with no clock", text)
    if loose is not None and int(loose[1]) > 0:
        found.warnings.append(f"{loose[1]} register pins have no clock, and no slack covers them")


def _clock(found: Collector, text: str) -> None:
    """Add target and achieved period when there is one clock."""
    table = part_after(text, r"^\|\s*Clock Summary\s*$", r"^\|\s*Intra Clock Table")
    periods = re.findall(r"^\s*\S+\s+\{[^}]*\}\s+([0-9.]+)\s+[0-9.]+\s*$", table, flags=re.MULTILINE)
    if len(periods) != 1:
        found.missing["clock_target_ns"] = f"{len(periods)} clocks"
        return
    found.add("clock_target_ns", periods[0])
    slack = {m.name: m.value for m in found.measurements}.get("slack_ns")
    period = number(periods[0])
    if slack is not None and period is not None:
        found.add("clock_ns", repr(round(period - slack, 6)))
