"""Reads every report below a folder and holds them against one another."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from l1ad.errors import DataError
from l1ad.records import Measurement
from l1ad.synthesis.reports import (
    cosim,
    csynth,
    csynth_text,
    export,
    power,
    route_status,
    rtl_header,
    timing,
    utilization,
)
from l1ad.synthesis.reports.logs import decisive_error
from l1ad.synthesis.reports.record import ReportSet, ToolReport, with_tool

_Reader = Callable[[Path, str], ToolReport]

#: What a text report holds -> its reader. The first that fits is taken.
_TEXTS: tuple[tuple[re.Pattern[str], _Reader], ...] = (
    (csynth_text.SUMMARY_TITLE, csynth_text.read_summary_text),
    (csynth_text.MODULE_TITLE, csynth_text.read_module_text),
    (export.NEW_TITLE, export.read_export_text),
    (export.OLD_TITLE, export.read_export_text),
    (cosim.TITLE, cosim.read_cosim),
    (utilization.TITLE, utilization.read_utilization),
    (re.compile(r"^Timing Summary Report\s*$", flags=re.MULTILINE), timing.read_timing),
    (power.TITLE, power.read_power),
    (route_status.TITLE, route_status.read_route_status),
)

#: A report is recognized by its beginning.
_HEAD_BYTES = 65536

#: Names that only reports have: such a file that cannot be recognized is broken, not something else.
_REPORT_NAME = re.compile(
    r"(csynth|_cosim|hls_compile|export(_impl|_syn)?)\.(xml|rpt)$"
    r"|(?<!clock)_(utilization|timing_summary|power)_(synth|placed|routed)\.rpt$"
)

#: Quantities that two reports of one stage must state alike.
_COUNTS = ("lut", "ff", "dsp", "bram", "uram", "latency_clocks", "ii")


def read_report(path: Path, file: str = "") -> ToolReport | None:
    """Read one report, whatever it is called.

    Parameters
    ----------
    path : Path
    file : str, optional
        Name of the file in the record; by default the last part of `path`.

    Returns
    -------
    ToolReport or None
        None when the file is no report that l1ad knows.

    Raises
    ------
    DataError
        When it is such a report and cannot be read, or is called like one and holds something else.
    """
    reader = _reader(path)
    if reader is not None:
        return reader(path, file or path.name)
    if _REPORT_NAME.search(path.name):
        raise DataError(
            f"{path}: called like a report, but its {path.stat().st_size} bytes hold none that l1ad knows: "
            "it is cut off, or of another tool. Make the report again, or take the file away."
        )
    return None


def read_reports(folder: Path, *, part: str = "", top: str = "") -> ReportSet:
    """Read every report below `folder`, found by what the files hold.

    Parameters
    ----------
    folder : Path
        A solution of an HLS tool, an HLS component, a Vivado project, or files put together by hand; or one file.
        Hidden folders are passed over: tools keep their data bases there.
    part : str, optional
        Part that the reports must be of.
    top : str, optional
        Top module that is wanted, when there are reports of several.

    Returns
    -------
    ReportSet
        Reports of submodules are left out; the reports of the top list their resources. Reports of co-simulation get
        the tool, and the time of the latency, from the C synthesis beside them.

    Raises
    ------
    DataError
        When there is no report, one cannot be read, or they are of several parts or tops. The decisive line of a log
        is added when there is one.
    """
    logs = _log_errors(folder)
    try:
        reports = [found for path, name in _files(folder) if (found := read_report(path, name)) is not None]
        if not reports:
            raise DataError(f"{folder}: no report of Vivado HLS, Vitis HLS or Vivado below it. Run the tool first.")
        chosen = _of_top(folder, reports, top or _project_top(folder))
        found_part = check_parts(chosen, part)
    except DataError as error:
        if not logs:
            raise
        lines = "; ".join(f"{name}: {line}" for name, line in logs.items())
        raise DataError(f"{error} The log says: {lines}") from error
    completed = _completed(chosen)
    name = next((r.top for r in completed if r.kind in ("csynth", "rtl") and r.top), "") or next(
        (r.top for r in completed if r.top), ""
    )
    return ReportSet(str(folder), name, found_part, tuple(completed), logs, tuple(_disagreements(completed)))


def check_parts(reports: Sequence[ToolReport], part: str = "") -> str:
    """Return the part that all `reports` are of, in its longest form.

    Vivado leaves out ``xc`` before 7-series names and the dashes, and reports of timing leave out the speed grade.

    Raises
    ------
    DataError
        When a report is of another part than the others, or than `part`.
    """
    known, source = part, "expected"
    for report in reports:
        if not report.part:
            continue
        if known and not _same_part(known, report.part):
            raise DataError(f"{report.file}: a report of part {report.part}; {source} {known}.")
        if len(_plain(report.part)) > len(_plain(known)) or not known:
            known, source = report.part, f"{report.file} is of"
    return known


def _same_part(one: str, other: str) -> bool:
    a, b = _plain(one), _plain(other)
    return a.startswith(b) or b.startswith(a)


def _plain(part: str) -> str:
    return re.sub(r"[^a-z0-9]", "", part.lower()).removeprefix("xc")


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files below `folder` in a fixed order, with their names relative to it."""
    if folder.is_file():
        yield folder, folder.name
        return
    if not folder.is_dir():
        raise DataError(f"{folder}: no such file or folder; expected reports.")
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place) / name
            if path.is_file() and not name.startswith("."):
                yield path, path.relative_to(folder).as_posix()


def _reader(path: Path) -> _Reader | None:
    """Return the reader of a file, by its beginning."""
    suffix = path.suffix.lower()
    if suffix not in (".xml", ".rpt", ".txt", ".v", ".vhd"):
        return None
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES).decode("utf-8", errors="replace")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from error
    if suffix in (".v", ".vhd"):
        return rtl_header.read_rtl_header if rtl_header.ATTRIBUTE.search(head) else None
    if suffix == ".xml":
        return _xml_reader(head)
    return next((reader for pattern, reader in _TEXTS if pattern.search(head)), None)


def _xml_reader(head: str) -> _Reader | None:
    if re.search(r"<profile\b", head) is None:
        return None
    if re.search(r"<(AreaReport|TimingReport|RunData)\b", head):
        return export.read_export_xml
    return csynth.read_csynth_xml


def _project_top(folder: Path) -> str:
    """Return the top that the project file of an HLS tool names (``vivado_hls.app``, ``hls.app``)."""
    for path in sorted(folder.rglob("*hls.app")) if folder.is_dir() else ():
        found = re.search(r'<[^>]*project\b[^>]*\btop="([A-Za-z_]\w*)"', path.read_text("utf-8", errors="replace"))
        if found is not None:
            return found[1]
    return ""


def _of_top(folder: Path, reports: Sequence[ToolReport], top: str) -> list[ToolReport]:
    """Leave out C synthesis reports of submodules; the top is given, or is the one that lists the others."""
    tops = {r.top for r in reports if r.kind in ("csynth", "rtl") and r.top}
    if top and tops and top not in tops:
        raise DataError(f"{folder}: no report of top {top}; there are reports of {', '.join(sorted(tops))}.")
    if len(tops) > 1 and not top:
        inner = {name for r in reports for name in r.modules if name != r.top}
        outer = sorted(tops - inner) if inner else sorted(tops)
        if len(outer) != 1:
            names = ", ".join(outer)
            raise DataError(f"{folder}: C synthesis reports of several tops ({names}). Name one, or give its folder.")
        top = outer[0]
    kept = {top} if top else tops
    return [r for r in reports if r.kind not in ("csynth", "rtl") or r.top in kept]


def _completed(reports: Sequence[ToolReport]) -> list[ToolReport]:
    """Give co-simulations the tool of the C synthesis beside them, and the time that their clocks take."""
    synthesis = next((r for r in reports if r.kind == "csynth"), None)
    result = []
    for report in reports:
        if report.kind == "cosim" and synthesis is not None:
            named = with_tool(report, synthesis.tool, synthesis.version)
            clocks, period = named.value("latency_clocks"), synthesis.value("clock_target_ns")
            if clocks is not None and period is not None:
                source = f"{named.measurements[0].source}, at {period:g} ns of {synthesis.file}"
                time = Measurement("latency_ns", clocks * period, "ns", "cosim", source)
                named = replace(named, measurements=(*named.measurements, time))
            result.append(named)
        else:
            result.append(report)
    return result


def _disagreements(reports: Sequence[ToolReport]) -> Iterator[str]:
    """Yield the counts of one stage that two files state differently: one of them is stale."""
    first: dict[tuple[str, str], tuple[float, str]] = {}
    told: set[tuple[str, str]] = set()
    for report in reports:
        for m in report.measurements:
            key = (m.stage, m.name)
            if m.name not in _COUNTS or key in told:
                continue
            value, file = first.setdefault(key, (m.value, report.file))
            if value != m.value:
                told.add(key)
                yield f"{m.stage} {m.name}: {file} states {value:g}, {report.file} {m.value:g}; one may be stale"


def _log_errors(folder: Path) -> dict[str, str]:
    """Return log -> decisive line of the logs below `folder` that report an error."""
    errors: dict[str, str] = {}
    if not folder.is_dir():
        return errors
    for path, name in _files(folder):
        line = decisive_error(path) if path.suffix == ".log" else None
        if line is not None:
            errors[name] = line
    return errors
