"""The verb `run`: all stages of a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from l1ad.cli.options import ConfigFile, Overrides, RunsFolder


def run(
    config: ConfigFile,
    overrides: Overrides = None,
    runs: RunsFolder = Path("runs"),
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="STAGE", help="Run this stage and those after it in any case."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run every stage in any case.")] = False,
) -> None:
    """Run all stages: events, training, evaluation, conversion, emulation, synthesis, report.

    Stages whose inputs, configuration and code are unchanged are not run again; an interrupted run goes on where it
    stopped. With the folder of a reference model instead of a configuration, its weights are taken and nothing is
    trained. The last line is the path of the report page. The exit code is 1 when an integer differs or the budget
    is exceeded.
    """
    from l1ad.cli.results import show_results
    from l1ad.cli.terminal import say
    from l1ad.cli.watcher import Watcher
    from l1ad.errors import CheckFailedError
    from l1ad.pipeline.reference.start import run_config
    from l1ad.pipeline.run import run_all
    from l1ad.pipeline.run_folder import open_run

    settings = run_config(config, overrides or ())
    try:
        with Watcher() as watcher:
            page = run_all(settings, runs, start=start, force=force, observer=watcher)
    except CheckFailedError:
        show_results(open_run(runs / settings.name))
        raise
    show_results(open_run(runs / settings.name))
    say(str(page))
