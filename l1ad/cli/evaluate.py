"""The verb `evaluate`: what the score of a run does on physics."""

from __future__ import annotations

from l1ad.cli.options import Force, RunArgument


def evaluate(run: RunArgument, force: Force = False) -> None:
    """Write AUC, true positive rates, integer thresholds, trigger rates and ROC curves of a run."""
    from l1ad.cli.results import show_results
    from l1ad.cli.terminal import say
    from l1ad.cli.watcher import Watcher
    from l1ad.pipeline.run import run_stages
    from l1ad.pipeline.run_folder import open_run

    opened = open_run(run)
    with Watcher() as watcher:
        run_stages(opened, ("evaluate",), redo=("evaluate",) if force else (), observer=watcher)
    show_results(opened, "physics")
    say(str(opened.stage("evaluate")))
