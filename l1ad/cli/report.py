"""The verb `report`: the page of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from l1ad.cli.compare import AllowMissing, Tolerances
from l1ad.cli.options import RunArgument


def report(
    run: RunArgument,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Also compare with this run, a folder or a report.json; see l1ad compare."),
    ] = None,
    tolerance: Tolerances = None,
    allow_missing: AllowMissing = False,
) -> None:
    """Write the HTML page of a run and the same as JSON, from the stages that have finished.

    With --baseline the comparison stands beside the page, as HTML, Markdown, CSV, JSON and SVG, and the exit code is
    1 when there is a regression.
    """
    from l1ad.cli.compare import finish, write
    from l1ad.cli.terminal import say
    from l1ad.cli.watcher import Watcher
    from l1ad.pipeline.compare import compare_runs, load_run
    from l1ad.pipeline.run import run_stages
    from l1ad.pipeline.run_folder import open_run
    from l1ad.pipeline.stages import PAGE
    from l1ad.reporting.comparison import parse_tolerances

    opened = open_run(run)
    if baseline is not None:
        parse_tolerances(tolerance or ())
        load_run(baseline)
    with Watcher() as watcher:
        run_stages(opened, ("report",), redo=("report",), observer=watcher)
    if baseline is not None:
        found = compare_runs([baseline, opened.path], tolerances=tolerance or (), allow_missing=allow_missing)
        write(found, (opened.stage("report"),))
    say(str(opened.stage("report") / PAGE))
    if baseline is not None:
        finish(found)
