"""C synthesis: the XML of Vivado HLS (2019.1 to 2020.1) and Vitis HLS (seen: 2022.2; same layout to 2024.1)."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from l1ad.errors import DataError
from l1ad.synthesis.reports.record import Collector, ToolReport
from l1ad.synthesis.reports.text import number, parse_xml, text_of

#: Resource -> tags that hold it, newest first, and the size in the unit of the measurement. AMD counts block RAM
#: in halves here (``BRAM_18K``) and in whole 36-kbit tiles in Vivado; l1ad always writes 36-kbit blocks.
RESOURCES = {
    "lut": (("LUT",), 1.0),
    "ff": (("FF",), 1.0),
    "dsp": (("DSP", "DSP48E"), 1.0),
    "bram": (("BRAM_18K",), 0.5),
    "uram": (("URAM",), 1.0),
}


def hls_tool(version: str, *, flow_target: bool, dsp48: bool) -> str:
    """Return which HLS tool wrote a report.

    Vivado HLS ended with 2020.1, the first release that had both. Vitis HLS states a flow target; Vivado HLS counts
    ``DSP48E``.

    Examples
    --------
    >>> hls_tool("2019.2", flow_target=False, dsp48=True), hls_tool("2022.2", flow_target=True, dsp48=False)
    ('Vivado HLS', 'Vitis HLS')
    """
    older = number(version)
    if flow_target or (older is not None and older > 2020.1):
        return "Vitis HLS"
    return "Vivado HLS" if dsp48 or (older is not None and older < 2020) else "Vitis HLS"


def read_csynth_xml(path: Path, file: str = "") -> ToolReport:
    """Read ``csynth.xml`` or ``<top>_csynth.xml``.

    Parameters
    ----------
    path : Path
    file : str, optional
        Name of the file in the record; by default the last part of `path`.

    Returns
    -------
    ToolReport
        Kind and stage ``csynth``. ``latency_clocks`` and ``ii`` are the worst cases; ``clock_ns`` is the estimate.

    Raises
    ------
    DataError
        When the file is not whole or holds no estimates of resources.
    """
    root = parse_xml(path)
    resources = root.find("AreaEstimates/Resources")
    if root.tag != "profile" or resources is None:
        raise DataError(f"{path}: holds no AreaEstimates; expected a C synthesis report. Did the synthesis end well?")
    version = text_of(root, "ReportVersion/Version") or ""
    flow, dsp48 = root.find("UserAssignments/FlowTarget") is not None, resources.find("DSP48E") is not None
    found = Collector(path, file or path.name, hls_tool(version, flow_target=flow, dsp48=dsp48), version, "csynth")
    _timing(found, root)
    _latency(found, root)
    for name, (tags, scale) in RESOURCES.items():
        found.add(name, _first(resources, tags), scale=scale)
        available = number(_first(root, tuple(f"AreaEstimates/AvailableResources/{tag}" for tag in tags)))
        if available is not None:
            found.available[name] = available * scale
    report = found.report(
        "csynth", text_of(root, "UserAssignments/Part") or "", text_of(root, "UserAssignments/TopModelName") or ""
    )
    report.modules.update(_modules(root))
    return report


def check_clock(found: Collector) -> None:
    """Warn when the estimated clock exceeds its target: the tools print that without any error."""
    values = {m.name: m.value for m in found.measurements}
    estimated, target = values.get("clock_ns"), values.get("clock_target_ns")
    if estimated is not None and target is not None and estimated > target:
        found.warnings.append(f"the clock needs {estimated:g} ns, which exceeds the target of {target:g} ns")


def _timing(found: Collector, root: ET.Element) -> None:
    found.add("clock_target_ns", text_of(root, "UserAssignments/TargetClockPeriod"))
    found.add("clock_uncertainty_ns", text_of(root, "UserAssignments/ClockUncertainty"))
    found.add("clock_ns", text_of(root, "PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod"))
    check_clock(found)


def _latency(found: Collector, root: ET.Element) -> None:
    place = "PerformanceEstimates/SummaryOfOverallLatency"
    found.add("latency_clocks", text_of(root, f"{place}/Worst-caseLatency"))
    found.add("latency_min_clocks", text_of(root, f"{place}/Best-caseLatency"))
    found.add_duration("latency_ns", text_of(root, f"{place}/Worst-caseRealTimeLatency"))
    found.add("ii", text_of(root, f"{place}/Interval-max"))
    found.add("ii_min", text_of(root, f"{place}/Interval-min"))
    if "latency_ns" in found.missing and found.has("latency_clocks") and found.has("clock_target_ns"):
        # Vivado HLS before 2019.2 states no time; the target period is what its successors multiply with.
        values = {m.name: m.value for m in found.measurements}
        del found.missing["latency_ns"]
        found.add("latency_ns", repr(values["latency_clocks"] * values["clock_target_ns"]))


def _first(element: ET.Element, tags: tuple[str, ...]) -> str | None:
    """Return the text of the first of `tags` that is there."""
    return next((text for tag in tags if (text := text_of(element, tag)) is not None), None)


def _modules(root: ET.Element) -> dict[str, dict[str, float]]:
    """Return the resources and the latency of every module; what is undefined is left out."""
    modules = {}
    for module in root.findall("ModuleInformation/Module"):
        resources = module.find("AreaEstimates/Resources")
        values: dict[str, float] = {}
        for name, (tags, scale) in RESOURCES.items():
            value = None if resources is None else number(_first(resources, tags))
            if value is not None:
                values[name] = value * scale
        latency = number(text_of(module, "PerformanceEstimates/SummaryOfOverallLatency/Worst-caseLatency"))
        if latency is not None:
            values["latency_clocks"] = latency
        modules[text_of(module, "Name") or ""] = values
    return modules
