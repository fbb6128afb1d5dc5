"""Renders a report as one self-contained HTML page and as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from l1ad.hardware.limits import RESOURCES
from l1ad.provenance import write_json, write_text
from l1ad.records import BudgetReport, Measurement
from l1ad.reporting import tables
from l1ad.reporting.cells import Cell, measurement_cell
from l1ad.reporting.collect import RunReport
from l1ad.reporting.dataset import dataset_source, dataset_table, dataset_warnings
from l1ad.reporting.designs import design_name, module_tables, stages_table
from l1ad.reporting.figures import budget_bar, history_chart, roc_chart
from l1ad.reporting.floorplan import floor_plans
from l1ad.reporting.formatting import power
from l1ad.reporting.labels import RUNGS, SCORES, quantity_name
from l1ad.reporting.sources import provenance_table
from l1ad.reporting.verdict import overall, verdicts

if TYPE_CHECKING:
    from jinja2 import Environment

HTML_NAME = "report.html"
JSON_NAME = "report.json"


def write_report(report: RunReport, folder: Path) -> Path:
    """Write ``report.json`` and ``report.html`` to `folder`, each whole or not at all.

    Parameters
    ----------
    report : RunReport
        What the page shows.
    folder : Path
        Made when it does not exist.

    Returns
    -------
    Path
        The HTML page.

    Raises
    ------
    RunFolderError
        When a file cannot be written.
    """
    page = render_html(report)
    write_json(folder / JSON_NAME, report.to_dict())
    write_text(folder / HTML_NAME, page)
    return folder / HTML_NAME


def render_html(report: RunReport) -> str:
    """Return the page. It loads nothing from anywhere: style and figures are inside.

    Every number is a ``<data value="...">`` element that holds the exact value beside the rounded text.
    """
    return template_environment().get_template("report.html.j2").render(_view(report))


def template_environment() -> Environment:
    """Return the template environment: every value is escaped, an unknown name is an error."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("l1ad.reporting", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _view(report: RunReport) -> dict[str, Any]:
    """Return what the template shows, as verdicts, tables and figures."""
    evaluation, bits = report.evaluation, report.bits
    return _design_view(report) | {
        "report": report,
        "subtitle": _subtitle(report),
        "overall": overall(report),
        "verdicts": verdicts(report),
        "signals": tables.signals_table(evaluation, report.teacher) if evaluation else None,
        "thresholds": tables.thresholds_table(evaluation) if evaluation else None,
        "roc": roc_chart(evaluation) if evaluation else None,
        "ladder": tables.ladder_table(bits),
        "layers": tables.layers_table(bits) if bits else None,
        "differences": _differences(report),
        "firmware": tables.firmware_table(report),
        "training": tables.training_table(report),
        "history": history_chart(report.training.get("history")),
        "dataset": dataset_table(report),
        "sample_warnings": dataset_warnings(report),
        "provenance": provenance_table(report),
        "versions": tables.versions_table(report),
        "digests": tables.digests_table(report),
        "config": yaml.safe_dump(report.config, sort_keys=False, allow_unicode=True) if report.config else "",
    }


def _subtitle(report: RunReport) -> list[tuple[str, bool]]:
    """Return score, part, sample and time, and of each whether it is set in a fixed-width font."""
    evaluation = report.evaluation
    score = f"{SCORES.get(evaluation.score, evaluation.score)} as {evaluation.score_type}" if evaluation else ""
    part = report.firmware[0].part if report.firmware else ""
    found = [(score, False), (part, True), (dataset_source(report), False), (report.created, False)]
    return [(text, code) for text, code in found if text]


def _design_view(report: RunReport) -> dict[str, Any]:
    """Return what the template shows of the designs: tiles of one, and tables, bars and plans of all."""
    designs = report.designs()
    lines = [line for _, line in tables.budget_lines(report)]
    return {
        "tiles": _tiles(report),
        "design": design_name(designs[0]) if designs else None,
        "stages": stages_table(report),
        "budget": tables.budget_table(report) if lines else None,
        "bars": [budget_bar(line) for line in lines],
        "plans": [(design_name(design), floor_plans(report, design)) for design in designs if _mapped(report, design)],
        "modules": module_tables(report),
    }


def _mapped(report: RunReport, design: str) -> bool:
    """Return whether a resource of a design was measured, or has a limit."""
    names = [line.name for line in report.held_budgets().get(design, BudgetReport(())).lines]
    return any(name in names or report.headline(name, design) is not None for name in RESOURCES)


def _tiles(report: RunReport) -> list[dict[str, Any]]:
    """Return the large numbers of the overview, each with its note and its bar where it has a limit."""
    budget = report.held_budgets().get(next(iter(report.designs()), report.budget_design))
    bars = {line.name: budget_bar(line) for line in budget.lines} if budget is not None else {}
    threshold = tables.working_threshold(report.evaluation)
    at_fpr = f"at FPR {power(threshold.fpr)}" if threshold else ""
    tiles = [_tile("Trigger rate", tables.rate_cell(threshold), note=at_fpr)]
    latency_ns = report.headline("latency_ns")
    tiles.append(_tile("Latency", measurement_cell(latency_ns), latency_ns, bars.get("latency_ns")))
    for name, label in (("latency_clocks", "Latency"), ("ii", quantity_name("ii"))):
        measurement = report.headline(name)
        tiles.append(_tile(label, measurement_cell(measurement), measurement, bars.get(name)))
    for name in tables.RESOURCES:
        measurement, share = report.headline(name), tables.share_cell(report, name)
        tile = _tile(quantity_name(name), measurement_cell(measurement), measurement, bars.get(name))
        tile["share"] = share if share.value is not None else None
        tiles.append(tile)
    return tiles


def _tile(
    label: str, cell: Cell, measurement: Measurement | None = None, bar: Any = None, note: str = ""
) -> dict[str, Any]:
    """Return one tile."""
    source = measurement.source if measurement is not None else note
    return {"label": label, "cell": cell, "note": source, "bar": bar, "share": None}


def _differences(report: RunReport) -> list[tuple[str, str]]:
    """Return rung and first difference of the rungs that have one."""
    rungs = report.bits.rungs if report.bits is not None else ()
    return [(RUNGS.get(r.rung, r.rung), str(r.first_difference)) for r in rungs if r.first_difference is not None]
