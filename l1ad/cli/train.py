"""The verb `train`: events and training of a configuration."""

from __future__ import annotations

from pathlib import Path

from l1ad.cli.options import ConfigFile, Force, Overrides, RunsFolder


def train(
    config: ConfigFile, overrides: Overrides = None, runs: RunsFolder = Path("runs"), force: Force = False
) -> None:
    """Prepare the events of a configuration and train its network.

    An interrupted training keeps the checkpoint of the last epoch; the same command goes on there. A table shows what
    every quantizer does to the validation events. The last line is the folder of the run.
    """
    from l1ad.cli.layers import show_layers
    from l1ad.cli.terminal import say
    from l1ad.cli.watcher import Watcher
    from l1ad.config import load_config
    from l1ad.pipeline.run import run_stages
    from l1ad.pipeline.run_folder import create_run

    run = create_run(load_config(config, overrides or ()), runs)
    with Watcher() as watcher:
        run_stages(run, ("data", "train"), redo=("train",) if force else (), observer=watcher)
    show_layers(run.stage("train"))
    say(str(run.path))
