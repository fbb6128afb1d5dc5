"""The verb `compare`, and what `report --baseline` shares with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from l1ad.reporting.comparison import Comparison

Tolerances = Annotated[
    list[str] | None,
    typer.Option(
        "--tolerance",
        "-t",
        metavar="QUANTITY=AMOUNT",
        help="How much worse a quantity may be, such as auc=0.01,lut=5%. By default AUC 0.005 and 3 sigma, "
        "resources 2 %, cycles none.",
    ),
]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", help="What only the baseline has measured is no regression.")
]


def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN RUN ...", help="Folders of runs or report.json files, baseline first.")
    ],
    out: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="Write to a file (.json, .csv, .md, .html, .svg) or to a folder, in all."),
    ] = None,
    tolerance: Tolerances = None,
    allow_missing: AllowMissing = False,
) -> None:
    """Hold runs against the first of them: physics, resources, timing, checks, and what changed.

    Numbers are compared with their like: of one design, at one stage, and AUCs on the same events. The exit code is 1
    when a quantity became worse beyond its tolerance, bit agreement was lost, or a budget is newly exceeded; each is
    named.
    """
    from l1ad.pipeline.compare import compare_runs
    from l1ad.reporting.comparison.output import check_target

    for target in out or ():
        check_target(target)
    found = compare_runs(runs, tolerances=tolerance or (), allow_missing=allow_missing)
    write(found, out or ())
    finish(found)


def write(comparison: Comparison, targets: list[Path] | tuple[Path, ...]) -> None:
    """Write a comparison to each target and name the files."""
    from l1ad.cli.terminal import note
    from l1ad.reporting.comparison import write_comparison

    for target in targets:
        for path in write_comparison(comparison, target):
            note(f"written: {path}")


def finish(comparison: Comparison) -> None:
    """Show a comparison on the terminal.

    Raises
    ------
    CheckFailedError
        When there is a regression.
    """
    from l1ad.cli.terminal import note, say, show_table
    from l1ad.errors import CheckFailedError
    from l1ad.reporting.comparison import tables

    shown = {
        "physics": tables.physics_table(comparison),
        "resources and timing": tables.resources_table(comparison),
        "checks": tables.checks_table(comparison),
        "what changed": tables.changes_table(comparison),
    }
    for title, table in shown.items():
        if table.rows:
            columns, *rows = table.plain()
            show_table(title, columns, rows)
    for warning in comparison.warnings:
        note(f"warning: {warning}")
    if not comparison.passed:
        named = [regression.text for regression in comparison.regressions]
        raise CheckFailedError("\n  ".join([f"{len(named)} regression{'s' if len(named) > 1 else ''}:", *named]))
    say(f"no regression against {comparison.runs[0].label}.")
