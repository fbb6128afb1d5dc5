"""Writes a comparison as JSON, CSV, Markdown, HTML and SVG."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from l1ad.errors import ConfigurationError
from l1ad.provenance import write_text
from l1ad.reporting.cells import Table
from l1ad.reporting.comparison import tables
from l1ad.reporting.comparison.figure import physics_plots
from l1ad.reporting.comparison.records import Comparison
from l1ad.reporting.html import template_environment
from l1ad.reporting.labels import quantity_name, unit_of
from l1ad.reporting.markdown import markdown_table, markdown_text

#: Stem of the files in a folder.
STEM = "comparison"


def write_comparison(comparison: Comparison, target: Path) -> tuple[Path, ...]:
    """Write a comparison to a file, in the format of its suffix, or to a folder in all formats.

    Parameters
    ----------
    comparison : Comparison
    target : Path
        A file that ends in ``.json``, ``.csv``, ``.md``, ``.html`` or ``.svg``, or a folder, made when it does not
        exist.

    Returns
    -------
    tuple of Path
        What was written.

    Raises
    ------
    ConfigurationError
        When the suffix of a file is another one.
    RunFolderError
        When a file cannot be written.
    """
    check_target(target)
    paths: tuple[Path, ...] = (target,)
    if target.is_dir() or not target.suffix:
        paths = tuple(target / f"{STEM}{ending}" for ending in _WRITERS)
    for path, text in [(path, _WRITERS[path.suffix.lower()](comparison)) for path in paths]:
        write_text(path, text)
    return paths


def check_target(target: Path) -> None:
    """Raise ConfigurationError when `write_comparison` cannot write to `target` because of its suffix."""
    if target.suffix and not target.is_dir() and target.suffix.lower() not in _WRITERS:
        raise ConfigurationError(
            f"{target}: {target.suffix} is not a format of a comparison. Expected {', '.join(_WRITERS)}, or a folder."
        )


def render_comparison(comparison: Comparison) -> str:
    """Return the comparison as one HTML page that loads nothing."""
    return template_environment().get_template("comparison.html.j2").render(_view(comparison))


def render_svg(comparison: Comparison) -> str:
    """Return physics against resources as one SVG file."""
    return template_environment().get_template("comparison.svg.j2").render(_view(comparison))


def render_markdown(comparison: Comparison) -> str:
    """Return the comparison as Markdown, for a merge request or a logbook."""
    labels = [run.label for run in comparison.runs]
    lines = [f"# {' and '.join(labels[1:])} against {labels[0]}", "", _verdict_line(comparison), ""]
    lines += [f"- {markdown_text(regression.text)}" for regression in comparison.regressions]
    lines += [line for warning in comparison.warnings for line in ("", f"> {markdown_text(warning)}")] + [""]
    for title, table in [found for found in _tables(comparison) if found[1].rows]:
        lines += [f"## {title}", "", *markdown_table(table), ""]
    lines += ["## Tolerances", "", _tolerances(comparison), ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def render_csv(comparison: Comparison) -> str:
    """Return the quantities as CSV: one line a quantity and run."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(tables.csv_rows(comparison))
    return stream.getvalue()


def render_json(comparison: Comparison) -> str:
    """Return the comparison as JSON; `Comparison.from_dict` takes it without the key ``passed``."""
    return json.dumps({"passed": comparison.passed, **comparison.to_dict()}, indent=1) + "\n"


_WRITERS: dict[str, Callable[[Comparison], str]] = {
    ".json": render_json,
    ".csv": render_csv,
    ".md": render_markdown,
    ".html": render_comparison,
    ".svg": render_svg,
}


def _view(comparison: Comparison) -> dict[str, Any]:
    """Return what the templates show."""
    plots = physics_plots(comparison)
    return {
        "comparison": comparison,
        "columns": max([2, *(len(plot.panels) for plot in plots)]),
        "title": f"{', '.join(run.label for run in comparison.runs[1:])} against {comparison.runs[0].label}",
        "verdict": _verdict_line(comparison),
        "plots": plots,
        "tables": {title: table if table.rows else None for title, table in _tables(comparison)},
        "tolerances": _tolerances(comparison),
        "modules": tables.modules_table(comparison),
        "further": tables.resources_table(comparison, further=True),
    }


def _tables(comparison: Comparison) -> list[tuple[str, Table]]:
    """Return the tables with their titles."""
    return [
        ("Runs", tables.runs_table(comparison)),
        ("Physics", tables.physics_table(comparison)),
        ("Resources and timing", tables.resources_table(comparison)),
        ("Checks", tables.checks_table(comparison)),
        ("What changed", tables.changes_table(comparison)),
        ("Modules that differ", tables.modules_table(comparison)),
    ]


def _verdict_line(comparison: Comparison) -> str:
    """Return how many regressions there are."""
    count = len(comparison.regressions)
    if not count:
        return "Nothing became worse beyond its tolerance."
    return f"{count} regression{'s' if count > 1 else ''} beyond the tolerance."


def _tolerances(comparison: Comparison) -> str:
    """Return the tolerances in one sentence."""
    named = ", ".join(_tolerance(name, text) for name, text in comparison.tolerances.items())
    return f"Worse by more than this is a regression: {named}. Other quantities are shown and not judged."


def _tolerance(name: str, text: str) -> str:
    """Return one tolerance with the name and the unit that people read."""
    unit = "" if text.endswith("%") else unit_of(name, "", 2.0)
    return f"{quantity_name(name)} {text}{f' {unit}' if unit else ''}"
