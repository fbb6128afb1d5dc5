"""Renders a report as one self-contained HTML page and as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from l1ad.provenance import write_json, write_text
from l1ad.records import Measurement
from l1ad.reporting import tables
from l1ad.reporting.cells import Cell, measurement_cell
from l1ad.reporting.collect import RunReport
from l1ad.reporting.dataset import dataset_source, dataset_table, dataset_warnings
from l1ad.reporting.figures import budget_bar, history_chart, roc_chart
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
    return _environment().get_template("report.html.j2").render(_view(report))


def _environment() -> Environment:
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
    evaluation, bits, budget = report.evaluation, report.bits, report.budget
    return {
        "report": report,
        "score_name": SCORES.get(evaluation.score, evaluation.score) if evaluation else None,
        "working_fpr": power(evaluation.working_fpr) if evaluation else None,
        "overall": overall(report),
        "verdicts": verdicts(report),
        "tiles": _tiles(report),
        "signals": tables.signals_table(evaluation) if evaluation else None,
        "thresholds": tables.thresholds_table(evaluation) if evaluation else None,
        "roc": roc_chart(evaluation) if evaluation else None,
        "budget": tables.budget_table(budget) if budget and budget.lines else None,
        "bars": [budget_bar(line) for line in budget.lines] if budget else [],
        "ladder": tables.ladder_table(bits),
        "layers": tables.layers_table(bits) if bits else None,
        "differences": _differences(report),
        "firmware": tables.firmware_table(report),
        "training": tables.training_table(report),
        "history": history_chart(report.training.get("history")),
        "dataset": dataset_table(report),
        "source": dataset_source(report),
        "sample_warnings": dataset_warnings(report),
        "provenance": provenance_table(report),
        "versions": tables.versions_table(report),
        "digests": tables.digests_table(report),
        "config": yaml.safe_dump(report.config, sort_keys=False, allow_unicode=True) if report.config else "",
    }


def _tiles(report: RunReport) -> list[dict[str, Any]]:
    """Return the large numbers of the overview, each with its note and its bar where it has a limit."""
    bars = {line.name: budget_bar(line) for line in report.budget.lines} if report.budget else {}
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
