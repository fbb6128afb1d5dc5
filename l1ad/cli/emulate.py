"""The verb `emulate`: every integer of the firmware against Keras."""

from __future__ import annotations

from typing import Annotated

import typer

from l1ad.cli.options import Force, RunArgument


def emulate(
    run: RunArgument,
    events: Annotated[int | None, typer.Option(min=1, help="Events to compare; kept in the run.")] = None,
    force: Force = False,
) -> None:
    """Simulate the firmware of a run and compare every integer with Keras.

    Rungs: alkaid's interpreter, the C-simulation of the HLS, and Verilator on the Verilog, each with a negative
    control. The exit code is 1 when an integer differs or a control is not caught.
    """
    from l1ad.cli.results import show_results
    from l1ad.cli.terminal import say
    from l1ad.cli.watcher import Watcher
    from l1ad.errors import CheckFailedError
    from l1ad.pipeline.run import bit_failures, run_stages
    from l1ad.pipeline.run_folder import change_config, open_run
    from l1ad.records import BitReport

    opened = change_config(open_run(run), "emulation", {} if events is None else {"events": events})
    with Watcher() as watcher:
        run_stages(opened, ("emulate",), redo=("emulate",) if force else (), observer=watcher)
    show_results(opened, "ladder")
    path = opened.stage("emulate") / "bits.json"
    failures = bit_failures(BitReport.read(path))
    if failures:
        raise CheckFailedError(f"{path}: " + "; ".join(failures))
    say(str(path))
