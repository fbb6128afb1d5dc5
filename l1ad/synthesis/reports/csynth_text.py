"""C synthesis as text: the report of a module, and the summary of a design with a row for each module."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from l1ad.errors import DataError
from l1ad.synthesis.reports.csynth import RESOURCES, check_clock, hls_tool
from l1ad.synthesis.reports.record import Collector, ToolReport
from l1ad.synthesis.reports.text import field_of, number, part_after, read_text, rows

#: First line of the report of a module.
MODULE_TITLE = re.compile(r"^== (Vivado|Vitis) HLS Report for '([^']+)'", flags=re.MULTILINE)
#: First line of the summary, ``csynth.rpt`` or ``hls_compile.rpt``.
SUMMARY_TITLE = re.compile(r"^== Synthesis Summary Report of '([^']+)'", flags=re.MULTILINE)

_NEXT_SECTION = r"^=====+\s*$"
_NEXT_TITLE = r"^== "


def read_module_text(path: Path, file: str = "") -> ToolReport:
    """Read ``<top>_csynth.rpt``.

    Parameters
    ----------
    path : Path
    file : str, optional
        Name of the file in the record.

    Returns
    -------
    ToolReport
        Kind and stage ``csynth``.

    Raises
    ------
    DataError
        When the file is not such a report, or ends before its totals.
    """
    text = read_text(path)
    title = MODULE_TITLE.search(text)
    if title is None:
        raise DataError(f"{path}: expected a line \"== Vitis HLS Report for 'top'\". Is this a C synthesis report?")
    version = field_of(text, "Version").split(" ")[0]
    found = Collector(path, file or path.name, f"{title[1]} HLS", version, "csynth")
    _clock(found, part_after(text, r"^\+ Timing", r"^\+ Latency"))
    _latency(found, part_after(text, r"^\+ Latency", r"^\s*\+ Detail"))
    _resources(found, part_after(text, r"^== Utilization Estimates\s*\n=+\s*\n", r"^\+ Detail|^=====+\s*$"))
    check_clock(found)
    report = found.report("csynth", field_of(text, "Target device"), title[2])
    detail = part_after(part_after(text, r"^== Utilization Estimates", _NEXT_TITLE), r"^\s*\* Instance:", r"^\s*\* \w")
    report.modules.update(_instances(rows(detail.splitlines())))
    return report


def read_summary_text(path: Path, file: str = "") -> ToolReport:
    """Read ``csynth.rpt``, or ``hls_compile.rpt`` of the component layout.

    Parameters
    ----------
    path : Path
    file : str, optional
        Name of the file in the record.

    Returns
    -------
    ToolReport
        Kind and stage ``csynth``. ``slack_ns`` is the tool's: target less uncertainty less estimate.

    Raises
    ------
    DataError
        When the file is not such a report, or ends before the row of the top module.
    """
    text = read_text(path)
    title = SUMMARY_TITLE.search(text)
    if title is None:
        raise DataError(f"{path}: expected a line \"== Synthesis Summary Report of 'top'\".")
    version = field_of(text, "Version").split(" ")[0]
    found = Collector(path, file or path.name, hls_tool(version, flow_target=True, dsp48=False), version, "csynth")
    table = rows(part_after(text, r"^\+ Performance & Resource Estimates", _NEXT_SECTION).splitlines())
    if len(table) < 3 or len({len(row) for row in table}) != 1:
        raise DataError(f"{path}: the table of modules is not whole. Make the report again, or copy it again.")
    columns = [f"{upper} {lower}".strip() for upper, lower in zip(table[0], table[1], strict=True)]
    top = dict(zip(columns, table[2], strict=True))
    for name, column in _SUMMARY.items():
        found.add(name, _column(top, column), scale=0.5 if name == "bram" else 1.0)
    report = found.report("csynth", field_of(text, "Target device"), title[1])
    report.modules.update(_summary_modules(columns, table[3:]))
    return report


#: Measurement -> beginning of its column in the summary.
_SUMMARY = {
    "slack_ns": "Slack",
    "latency_clocks": "Latency (cycles)",
    "latency_ns": "Latency (ns)",
    "ii": "Interval",
    "bram": "BRAM",
    "dsp": "DSP",
    "ff": "FF",
    "lut": "LUT",
    "uram": "URAM",
}


def _column(row: dict[str, str], name: str) -> str | None:
    return next((value for column, value in row.items() if column.startswith(name)), None)


def _summary_modules(columns: Sequence[str], table: Sequence[Sequence[str]]) -> dict[str, dict[str, float]]:
    """Return the resources of the modules below the top; rows of loops begin with ``o``."""
    modules = {}
    for row in table:
        name = row[0].lstrip("*")
        if name.startswith("+"):
            named = dict(zip(columns, row, strict=True))
            values = {key: number(_column(named, column)) for key, column in _SUMMARY.items() if key in RESOURCES}
            modules[name.lstrip("+ ")] = {
                key: value * (0.5 if key == "bram" else 1.0) for key, value in values.items() if value is not None
            }
    return modules


def _clock(found: Collector, text: str) -> None:
    """Read ``|ap_clk | 5.00 ns| 3.636 ns| 1.35 ns|``; Vivado HLS 2019.1 writes the unit into the title."""
    row = next((row for row in rows(text.splitlines()) if len(row) == 4 and row[0] != "Clock"), None)
    if row is None:
        raise DataError(f"{found.path}: the table of clocks is not whole. Make the report again, or copy it again.")
    for name, value in zip(("clock_target_ns", "clock_ns", "clock_uncertainty_ns"), row[1:], strict=True):
        found.add(name, value.removesuffix("ns"))


def _latency(found: Collector, text: str) -> None:
    """Read the row of latency and interval: with times since Vivado HLS 2019.2, without them before."""
    row = next((row for row in rows(text.splitlines()) if _is_latency(row)), None)
    if row is None:
        raise DataError(f"{found.path}: the table of latency is not whole. Make the report again, or copy it again.")
    found.add("latency_min_clocks", row[0])
    found.add("latency_clocks", row[1])
    found.add("ii_min", row[-3])
    found.add("ii", row[-2])
    if len(row) == 7:
        found.add_duration("latency_ns", row[3])


def _is_latency(row: list[str]) -> bool:
    heading = row[0] in ("min", "Latency", "Latency (cycles)") or "Latency" in row[0]
    return len(row) in (5, 7) and not heading


def _resources(found: Collector, text: str) -> None:
    """Read the row ``Total`` of the summary of resources."""
    table = rows(text.splitlines())
    heading = next((row for row in table if row[0] == "Name"), None)
    total = next((row for row in table if row[0] == "Total"), None)
    if heading is None or total is None or len(heading) != len(total):
        raise DataError(f"{found.path}: the table of resources has no row Total. Make the report again, or copy it.")
    available = next((row for row in table if row[0] == "Available" and len(row) == len(heading)), None)
    for name, (tags, scale) in RESOURCES.items():
        place = next((heading.index(tag) for tag in tags if tag in heading), None)
        found.add(name, None if place is None else total[place], scale=scale)
        held = None if place is None or available is None else number(available[place])
        if held is not None:
            found.available[name] = held * scale


def _instances(table: Sequence[Sequence[str]]) -> dict[str, dict[str, float]]:
    """Return module -> resources; of a module with several instances, those of all."""
    if not table or list(table[0][:2]) != ["Instance", "Module"]:
        return {}
    columns, modules = list(table[0]), dict[str, dict[str, float]]()
    for row in table[1:]:
        if len(row) != len(columns) or row[0] == "Total":
            continue
        sums = modules.setdefault(row[1], {})
        for name, (tags, scale) in RESOURCES.items():
            value = next((number(row[columns.index(tag)]) for tag in tags if tag in columns), None)
            if value is not None:
                sums[name] = sums.get(name, 0.0) + value * scale
    return modules
