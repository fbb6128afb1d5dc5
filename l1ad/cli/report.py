"""The verb `report`: the page of a run."""

from __future__ import annotations

from l1ad.cli.options import RunArgument


def report(run: RunArgument) -> None:
    """Write the HTML page of a run and the same as JSON, from the stages that have finished."""
    from l1ad.cli.terminal import say
    from l1ad.cli.watcher import Watcher
    from l1ad.pipeline.run import run_stages
    from l1ad.pipeline.run_folder import open_run
    from l1ad.pipeline.stages import PAGE

    opened = open_run(run)
    with Watcher() as watcher:
        run_stages(opened, ("report",), redo=("report",), observer=watcher)
    say(str(opened.stage("report") / PAGE))
