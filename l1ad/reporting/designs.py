"""Tables of the designs of a run: what each tool measured at each stage, and module by module."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

from l1ad.hardware.limits import RESOURCES
from l1ad.records import Measurement, SynthesisReport
from l1ad.reporting.cells import Cell, Table, fixed_width, measurement_cell, plain_number, words
from l1ad.reporting.collect import RunReport, stage_rank
from l1ad.reporting.labels import BACKENDS, quantity_name, unit_of

#: Quantities with a column of their own; those that nothing measured have none.
_COLUMNS = ("lut", "ff", "dsp", "bram", "uram", "latency_clocks", "latency_ns", "ii", "clock_ns", "slack_ns", "power_w")

#: What tools say of a module besides its resources: counts of cells, and latency.
_MODULE_COLUMNS = (*RESOURCES, "latency_clocks", "carry", "lutram", "srl", "muxf", "instances")


@dataclass(frozen=True)
class ModuleTable:
    """The modules of one design as one tool sees them: a title, and the table."""

    title: str
    table: Table


def design_name(design: str) -> str:
    """Return how a design is written for people.

    Examples
    --------
    >>> design_name("verilog"), design_name("")
    ('alkaid, Verilog', 'design not in this report')
    """
    return BACKENDS.get(design, design) or "design not in this report"


def stages_table(report: RunReport) -> Table | None:
    """Return one row for each design, stage and tool with what it measured; None when there is nothing.

    Numbers of two designs or stages never stand in one row.
    """
    rows: dict[tuple[str, str, str], dict[str, Measurement]] = {}
    for found in report.attributed():
        key = (found.design, found.measurement.stage, found.tool)
        kept = rows.setdefault(key, {}).get(found.measurement.name)
        if kept is None or found.measurement.value > kept.value:
            rows[key][found.measurement.name] = found.measurement
    columns = [name for name in _COLUMNS if any(name in row for row in rows.values())]
    if not columns:
        return None
    order = {design: place for place, design in enumerate(report.designs())}
    keys = [key for key in rows if set(rows[key]) & set(columns)]
    keys.sort(key=lambda key: (order[key[0]], -stage_rank(key[1]), key[2]))
    return Table(
        ("Design", "Stage", *(_heading(name) for name in columns)),
        tuple((words(design_name(key[0])), _stage_cell(key), *(_cell(rows[key].get(n)) for n in columns))
              for key in keys),
    )  # fmt: skip


def module_tables(report: RunReport) -> tuple[ModuleTable, ...]:
    """Return a table of modules for each synthesis that lists them."""
    designs = {project.digest: project.backend for project in report.firmware}
    return tuple(
        ModuleTable(
            f"{design_name(designs.get(synthesis.project_digest, ''))}: {synthesis.tool} {synthesis.version}, "
            f"{count_stage(synthesis)} ({len(synthesis.modules)} modules)",
            _module_table(synthesis),
        )
        for synthesis in report.synthesis
        if len(synthesis.modules) > 1
    )


def count_stage(synthesis: SynthesisReport) -> str:
    """Return the stage of the numbers of single modules: what was counted, where estimates are made from counts."""
    return "netlist" if any(m.stage == "netlist" for m in synthesis.measurements) else synthesis.stage


def natural_order(name: str) -> tuple[tuple[int, str], ...]:
    """Return a key that sorts numbers inside names as numbers.

    Examples
    --------
    >>> sorted(["logic10", "logic9", "top"], key=natural_order)
    ['logic9', 'logic10', 'top']
    """
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part)


def _module_table(synthesis: SynthesisReport) -> Table:
    """Return the modules with the columns in which one of them is not 0."""
    modules = synthesis.modules
    columns = [c for c in _MODULE_COLUMNS if any(values.get(c) for values in modules.values())]
    if all(values.get("instances", 1) == 1 for values in modules.values()):
        columns = [column for column in columns if column != "instances"]
    rows = tuple(
        (fixed_width(name), *(plain_number(modules[name].get(c)) for c in columns))
        for name in sorted(modules, key=natural_order)
    )
    return Table(("Module", *(_heading(column) for column in columns)), rows)


def _heading(name: str) -> str:
    """Return the name of a quantity with its unit, for a column."""
    unit = unit_of(name, {"bram": "RAMB36", "clock_ns": "ns", "slack_ns": "ns", "power_w": "W"}.get(name, ""), 2.0)
    label = {"clock_ns": "Clock", "slack_ns": "Slack", "ii": "II"}.get(name, quantity_name(name))
    return f"{label} / {unit}" if unit else label


def _stage_cell(key: tuple[str, str, str]) -> Cell:
    """Return stage label and tool."""
    tool = "" if key[2] == key[1] else key[2]
    return Cell("", stage=key[1], note=tool)


def _cell(measurement: Measurement | None) -> Cell:
    """Return a number of the row; a blank where the tool does not measure the quantity."""
    if measurement is None:
        return words("-")
    return dataclasses.replace(measurement_cell(measurement, stage=False), unit="", stage="")
