"""What an HLS tool reports after it ran Vivado on its RTL: ``export_impl.xml``, ``export_syn.xml`` and the texts.

The text comes in two forms: ``<top>_export.rpt`` with ``#=== Final timing ===`` (Vivado HLS, early Vitis HLS), and
``export_impl.rpt`` or ``export_syn.rpt`` with ``== Vivado Place & Route Results`` (seen: Vitis HLS 2024.1).

Block RAM counts 18-kbit halves here: the Tcl that ships with Vivado HLS computes it as RAMB18 + 2 RAMB36, unlike the
``Block RAM Tile`` of the utilization report that the numbers are taken from. The same Tcl writes 0 for a resource
whose row it did not find, with 0 available; such a zero is missing here.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from l1ad.errors import DataError
from l1ad.synthesis.reports.record import Collector, ToolReport
from l1ad.synthesis.reports.text import field_of, number, parse_xml, part_after, read_text, rows, text_of

#: First lines of the two forms of the text.
OLD_TITLE = re.compile(r"^#=== Post-(Implementation|Synthesis) Resource usage ===", flags=re.MULTILINE)
NEW_TITLE = re.compile(r"^== Vivado (Place & Route|RTL Synthesis) Results", flags=re.MULTILINE)

#: Resource -> its name in these reports, and the size in the unit of the measurement.
_RESOURCES = {
    "lut": ("LUT", 1.0),
    "ff": ("FF", 1.0),
    "dsp": ("DSP", 1.0),
    "bram": ("BRAM", 0.5),
    "uram": ("URAM", 1.0),
    "srl": ("SRL", 1.0),
}

#: Resources that every part has: none available means that the report did not find them.
_EVERYWHERE = ("lut", "ff", "dsp", "bram")

#: The line that ends the older text.
_VERDICT = re.compile(r"^(Timing met|Timing not met|No Sequential Path)\s*$", flags=re.MULTILINE)

_STAGES = {"impl": "route", "synth": "synth", "syn": "synth"}
_PERIODS = {"Target": ("clock_target_ns", ""), "Post-Synthesis": ("clock_ns", "synth"), "Post-Route": ("clock_ns", "")}


def read_export_xml(path: Path, file: str = "") -> ToolReport:
    """Read ``export_impl.xml``, ``export_syn.xml`` or ``<top>_export.xml``.

    Parameters
    ----------
    path : Path
    file : str, optional
        Name of the file in the record.

    Returns
    -------
    ToolReport
        Kind ``export``; stage ``route`` after implementation and ``synth`` after synthesis.

    Raises
    ------
    DataError
        When the file is not whole, or does not say after which step it was written.
    """
    root = parse_xml(path)
    resources, timing = root.find("AreaReport/Resources"), root.find("TimingReport")
    if root.tag != "profile" or resources is None or timing is None:
        raise DataError(f"{path}: holds no AreaReport with TimingReport; expected an export report.")
    general = {item.get("NAME", ""): item.get("VALUE", "") for item in root.iter("item")}
    version = (text_of(root, "RunData/VIVADO_VERSION") or general.get("Version", "")).removeprefix("v.").split(" ")[0]
    found = Collector(path, file or path.name, "Vivado", version, _stage(path, root))
    for name, (tag, scale) in _RESOURCES.items():
        _resource(found, name, resources, root.find(f"AreaReport/AvailableResources/{tag}"), tag, scale)
    found.add("clock_target_ns", text_of(timing, "TargetClockPeriod"))
    found.add("clock_ns", text_of(timing, "AchievedClockPeriod"))
    slack = text_of(timing, "SLACK_FINAL")
    if slack is not None:
        found.add("slack_ns", slack)
    _finish(found, met=(text_of(timing, "TIMING_MET") or "").upper() != "FALSE")
    modules = {module.get("CELL", ""): module for module in root.iter("RtlModule")}
    top = next((module.get("MODULENAME", "") for module in modules.values() if module.get("IS_TOP") == "1"), "")
    report = found.report("export", general.get("Target device", ""), top)
    report.modules.update({cell: _module(module) for cell, module in modules.items()})
    return report


def read_export_text(path: Path, file: str = "") -> ToolReport:
    """Read ``<top>_export.rpt``, ``export_impl.rpt`` or ``export_syn.rpt``.

    Parameters
    ----------
    path : Path
    file : str, optional
        Name of the file in the record.

    Returns
    -------
    ToolReport
        As of `read_export_xml`. The period after synthesis that an implementation report repeats has stage ``synth``.

    Raises
    ------
    DataError
        When the file is neither form, or ends before its timing.
    """
    text = read_text(path)
    old, new = OLD_TITLE.search(text), NEW_TITLE.search(text)
    if old is None and new is None:
        raise DataError(f"{path}: expected '#=== Post-Implementation Resource usage ===' or '== Vivado ... Results'.")
    routed = old[1] == "Implementation" if old is not None else new is not None and new[1] == "Place & Route"
    tool = field_of(text, "Implementation tool").removeprefix("Xilinx Vivado").strip()
    version = (tool or field_of(text, "Version")).removeprefix("v.").split(" ")[0]
    found = Collector(path, file or path.name, "Vivado", version, "route" if routed else "synth")
    for name, (label, scale) in _RESOURCES.items():
        row = re.search(rf"^{label}:\s*(\S+)\s*$", text, flags=re.MULTILINE)
        found.add(name, None if row is None else row[1], scale=scale)
    if old is not None:
        _old_timing(found, text)
    else:
        _new_timing(found, text)
    whole = (
        _VERDICT.search(text) is not None if old is not None else "clock_ns" in found.missing or found.has("clock_ns")
    )
    if not found.has("lut") or not whole:
        raise DataError(f"{path}: ends before its resources and timing. Make the report again, or copy it again.")
    part = field_of(text, "Device target") or field_of(text, "Target device")
    _finish(found, met=re.search(r"Timing (was )?not met", text, flags=re.IGNORECASE) is None)
    return found.report("export", part, "" if old is not None else field_of(text, "Project"))


def _stage(path: Path, root: ET.Element) -> str:
    run_type = text_of(root, "RunData/RUN_TYPE") or ""
    if run_type not in _STAGES:
        raise DataError(
            f"{path}: RUN_TYPE is {run_type!r}, so it does not say whether synthesis or implementation was reported. "
            "Expected impl or synth: Vivado HLS 2019.1 or newer."
        )
    return _STAGES[run_type]


def _resource(
    found: Collector, name: str, resources: ET.Element, held: ET.Element | None, tag: str, scale: float
) -> None:
    available = None if held is None else number(held.text)
    text = text_of(resources, tag)
    if available == 0 and name in _EVERYWHERE:
        found.missing[name] = f"{text or 'absent'} of 0 available"
        return
    found.add(name, text, scale=scale)
    if available is not None:
        found.available[name] = available * scale


def _module(module: ET.Element) -> dict[str, float]:
    """Return the resources of an instance; the report leaves zeros out."""
    resources = module.find("Resources")
    stated = {} if resources is None else {name: number(resources.get(tag)) for name, (tag, _) in _RESOURCES.items()}
    return {name: value * _RESOURCES[name][1] for name, value in stated.items() if value is not None}


def _old_timing(found: Collector, text: str) -> None:
    found.add("clock_target_ns", _after(text, "CP required"))
    achieved = _after(text, "CP achieved post-synthesis")
    if found.stage == "route":
        found.add("clock_ns", _after(text, "CP achieved post-implementation"))
        if number(achieved) is not None:
            found.add("clock_ns", achieved, stage="synth")
    else:
        found.add("clock_ns", achieved)


def _after(text: str, label: str) -> str | None:
    row = re.search(rf"^{label}:\s*(\S+)", text, flags=re.MULTILINE)
    return None if row is None else row[1]


def _new_timing(found: Collector, text: str) -> None:
    for row in rows(part_after(text, r"^== .* Timing Summary", r"^=====+\s*\n==").splitlines()):
        if row[0] in _PERIODS and len(row) == 2:
            name, stage = _PERIODS[row[0]]
            found.add(name, row[1], stage=stage)


def _finish(found: Collector, *, met: bool) -> None:
    """Derive the slack, which these tools define as target less achieved period, and warn of a missed target."""
    values = {m.name: m.value for m in found.measurements if m.stage == found.stage}
    target, achieved = values.get("clock_target_ns"), values.get("clock_ns")
    if "slack_ns" not in values and target is not None and achieved is not None:
        found.missing.pop("slack_ns", None)
        found.add("slack_ns", repr(round(target - achieved, 6)))
    if not met:
        found.warnings.append("timing is not met")
