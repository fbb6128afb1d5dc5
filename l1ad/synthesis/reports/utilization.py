"""Utilization as Vivado reports it: 7 series, UltraScale, UltraScale+ and Versal; flat, by region, by hierarchy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from l1ad.errors import DataError
from l1ad.synthesis.reports.record import Collector, ToolReport
from l1ad.synthesis.reports.text import (
    cells,
    ends_with_rule,
    number,
    part_after,
    rows,
    whole_by_contents,
)
from l1ad.synthesis.reports.vivado import begin

#: What every such report has below its heading.
TITLE = re.compile(r"^Utilization Design Information\s*$", flags=re.MULTILINE)

#: Measurement -> labels of its row: of UltraScale(+), of 7 series, of Versal.
_LABELS = {
    "lut": ("CLB LUTs", "Slice LUTs"),
    "ff": ("CLB Registers", "Slice Registers", "Registers"),
    "dsp": ("DSPs", "DSP Slices", "DSP58"),
    "bram": ("Block RAM Tile",),
    "uram": ("URAM",),
    "lutram": ("LUT as Memory",),
    "srl": ("LUT as Shift Register",),
    "latch": ("Register as Latch",),
    "carry": ("CARRY8", "CARRY4", "LOOKAHEAD8"),
}
_RAMB36 = ("RAMB36/FIFO", "RAMB36", "RAMB36E5", "RAMB36E2", "RAMB36E1")
_RAMB18 = ("RAMB18", "RAMB18E5", "RAMB18E2", "RAMB18E1")

#: Resource -> its columns in a report by hierarchy, whose names differ between releases.
_HIERARCHY = {
    "lut": (("Total LUTs", 1.0),),
    "ff": (("FFs", 1.0),),
    "dsp": (("DSP Blocks", 1.0), ("DSP48 Blocks", 1.0), ("DSP Slices", 1.0)),
    "bram": (("RAMB36", 1.0), ("RAMB18", 0.5)),
    "uram": (("URAM", 1.0),),
    "srl": (("SRLs", 1.0),),
    "lutram": (("LUTRAMs", 1.0),),
}

#: What stands as missing when it has no row.
_REQUIRED = ("lut", "ff", "dsp", "bram", "uram")

#: A row of a table: label -> used, available.
_Sites = dict[str, tuple[str, str]]


def read_utilization(path: Path, file: str = "") -> ToolReport:
    """Read what ``report_utilization`` wrote.

    Parameters
    ----------
    path : Path
    file : str, optional
        Name of the file in the record.

    Returns
    -------
    ToolReport
        Kind ``utilization``, or ``hierarchy`` when the report lists instances; stage by the state of the design.
        ``bram`` counts 36-kbit tiles, of which half may be used. ``regions`` holds super logic regions.

    Raises
    ------
    DataError
        When the file is not such a report or lacks its tables, or the counts of block RAM contradict one another.
    """
    text, found, collector = begin(
        path, file, TITLE, "expected a line 'Utilization Design Information'. Is this a utilization report?"
    )
    if not whole_by_contents(text) or not ends_with_rule(text):
        raise DataError(f"{path}: is cut off before its last table. Make the report again, or copy it again.")
    lines = text.splitlines()
    modules = _modules(lines)
    if modules:
        report = collector.report("hierarchy", found.device, found.design)
        report.modules.update(modules)
        return report
    sites = _sites(lines)
    if re.search(r"-(pblocks|cells|slr)\b", found.command):
        collector.warnings.append("covers a part of the design only; its numbers were not taken")
        return collector.report("utilization", found.device, found.design)
    if not any(label in sites for label in (*_LABELS["lut"], *_LABELS["ff"])):
        raise DataError(f"{path}: no table with LUTs. Make the report again, or copy it again.")
    _add_all(collector, sites)
    boxes = _black_boxes(text)
    if boxes:
        collector.drop(tuple(_LABELS), f"black box {boxes[0]} is not counted")
        collector.warnings.append(f"black boxes ({', '.join(boxes)}) are not counted, so its numbers were not taken")
    report = collector.report("utilization", found.device, found.design)
    report.regions.update(_regions(lines))
    return report


def _sites(lines: Sequence[str]) -> _Sites:
    """Return the rows of the tables with a column Used; the first row of a label counts."""
    sites: _Sites = {}
    columns: list[str] = []
    for row in map(cells, lines):
        if row is None:
            continue
        if row[0] in ("Site Type", "Ref Name", "Total", "Type"):
            columns = row
        elif len(row) == len(columns) and columns[0] == "Site Type" and "Used" in columns:
            named = dict(zip(columns, row, strict=True))
            sites.setdefault(_label(row[0]), (named["Used"], named.get("Available", "")))
    return sites


def _black_boxes(text: str) -> list[str]:
    """Return the modules of which the design holds only the ports: what is inside them is not in the counts."""
    table = rows(part_after(text, r"^\d+\. Black Boxes\s*\n-+\s*$", r"^\d+\. ").splitlines())
    return [row[0] for row in table if len(row) == 2 and row[0] != "Ref Name"]


def _label(text: str) -> str:
    """Return a label without the marks of notes behind it."""
    return text.rstrip("*").strip()


def _add_all(found: Collector, sites: _Sites) -> None:
    for name, labels in _LABELS.items():
        site = next((site for label, site in sites.items() if label in labels), None)
        if name == "bram":
            site = _tiles(found, sites, site)
        if site is None:
            # A part without UltraRAM has no row for it; nothing is said about it then.
            if name in _REQUIRED:
                found.missing[name] = "no row"
            continue
        found.add(name, site[0])
        available = number(site[1])
        if available is not None:
            found.available[name] = available


def _tiles(found: Collector, sites: _Sites, tile: tuple[str, str] | None) -> tuple[str, str] | None:
    """Return the tiles of 36 kbit, from RAMB36 and RAMB18 when there is no row of tiles, and check the two."""
    whole = next((sites[label] for label in _RAMB36 if label in sites), None)
    half = next((sites[label] for label in _RAMB18 if label in sites), None)
    if whole is None:
        return tile
    used = (number(whole[0]) or 0.0) + (number(half[0]) or 0.0 if half is not None else 0.0) / 2
    if tile is None:
        return (repr(used), whole[1])
    stated = number(tile[0])
    if stated is not None and abs(stated - used) > 0.5:
        raise DataError(
            f"{found.path}: {stated:g} block RAM tiles, but RAMB36 and RAMB18 make {used:g}. "
            "Was the report edited? Make it again."
        )
    return tile


def _regions(lines: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return what each super logic region uses."""
    regions: dict[str, dict[str, float]] = {}
    columns: list[str] = []
    for row in map(cells, lines):
        if row is None:
            continue
        if row[0] == "Site Type":
            columns = row if any(re.fullmatch(r"SLR\d+", name) for name in row) else []
        elif columns and len(row) == len(columns):
            _region_row(regions, dict(zip(columns, row, strict=True)))
    return regions


def _region_row(regions: dict[str, dict[str, float]], row: dict[str, str]) -> None:
    name = next((name for name, labels in _LABELS.items() if _label(row["Site Type"]) in labels), None)
    for column, text in row.items():
        value = number(text)
        if name is not None and value is not None and re.fullmatch(r"SLR\d+", column):
            regions.setdefault(column, {}).setdefault(name, value)


def _modules(lines: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return instance -> resources of a report by hierarchy; two blanks of indentation are one level."""
    modules: dict[str, dict[str, float]] = {}
    columns: list[str] = []
    parents: list[str] = []
    for line in lines:
        row = cells(line)
        if row is None:
            continue
        if row[:2] == ["Instance", "Module"]:
            columns = row
        elif columns and len(row) == len(columns) and not row[0].startswith("("):
            text = line.strip()[1:]
            level = (len(text) - len(text.lstrip()) - 1) // 2
            parents = [*parents[:level], row[0]]
            modules["/".join(parents)] = _instance(dict(zip(columns, row, strict=True)))
    return modules


def _instance(row: dict[str, str]) -> dict[str, float]:
    values = {}
    for name, columns in _HIERARCHY.items():
        parts = [(number(row[column]), scale) for column, scale in columns if column in row]
        stated = [value * scale for value, scale in parts if value is not None]
        if stated:
            values[name] = sum(stated)
    return values
