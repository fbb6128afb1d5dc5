"""The verb `convert`: firmware projects of a run."""

from __future__ import annotations

from typing import Annotated

import typer

from l1ad.cli.options import Force, RunArgument


def convert(
    run: RunArgument,
    part: Annotated[str | None, typer.Option(help="FPGA, for example xcvu9p; by default that of the run.")] = None,
    backend: Annotated[
        list[str] | None, typer.Option(help="vitis, vivado, verilog or vhdl; may be given several times.")
    ] = None,
    clock_ns: Annotated[float | None, typer.Option(help="Clock period in ns.")] = None,
    threshold: Annotated[
        list[int] | None,
        typer.Option(min=0, help="Raw threshold of the trigger's top level after a reset; up to five times."),
    ] = None,
    force: Force = False,
) -> None:
    """Write the firmware projects of a run: hls4ml for Vitis or Vivado HLS, and alkaid's Verilog.

    Each project has the network in it and the trigger's top level around it, which scales the hardware integers,
    compares the score with up to five thresholds and prescales what fires. What the options change is kept in the
    run's configuration. Vendor tools are not needed.
    """
    from l1ad.cli.results import show_results
    from l1ad.cli.terminal import say
    from l1ad.cli.watcher import Watcher
    from l1ad.pipeline.run import run_stages
    from l1ad.pipeline.run_folder import change_config, open_run

    changes = {"part": part, "backends": backend or None, "clock_ns": clock_ns, "thresholds": threshold or None}
    opened = change_config(open_run(run), "conversion", {k: v for k, v in changes.items() if v is not None})
    with Watcher() as watcher:
        run_stages(opened, ("convert",), redo=("convert",) if force else (), observer=watcher)
    show_results(opened, "firmware")
    for name in opened.config.conversion.backends:
        say(str(opened.stage("convert") / name))
