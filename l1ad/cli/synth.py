"""The verb `synth`: resources of a run against its budget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from l1ad.cli.options import Force, RunArgument


def synth(
    run: RunArgument,
    budget: Annotated[
        Path | None, typer.Option(help="YAML of limits (latency_ns, ii, lut, ff, dsp, bram); kept in the run.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes; 0: one a core.")] = None,
    force: Force = False,
    tool: Annotated[str, typer.Option(help="yosys, vitis, vivado_hls or vivado.")] = "yosys",
    plan: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write what has to be run for a vendor tool, and stop.")
    ] = None,
    read: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Take the results of such a folder into the run.")
    ] = None,
    steps: Annotated[
        str, typer.Option(help="Steps of a vendor tool, such as csynth,cosim,synth,impl,export; by default all.")
    ] = "",
    container: Annotated[
        str, typer.Option(help="Run the vendor tool in a container of this image, by docker, podman or apptainer.")
    ] = "",
    host: Annotated[str, typer.Option(help="Run the vendor tool on this machine, by ssh.")] = "",
) -> None:
    """Estimate the resources of a run with Yosys, or run a vendor tool, and hold them against the budget.

    Latency and initiation interval come from the simulation, so emulate first. LUT, FF, DSP, block RAM and clock are
    estimates and shown with their bands; one fails when its central value exceeds the limit, and passes with a warning
    when the limit lies inside the band. The exit code is 1 when a limit is exceeded or was not measured, or a step of
    a vendor tool failed. What a vendor tool gave is held against a budget by `l1ad check`.
    """
    if tool != "yosys" or plan is not None or read is not None:
        from l1ad.cli.vendor import vendor_synth

        vendor_synth(run, tool, plan, read, steps=steps, container=container, host=host)
        return
    from l1ad.cli.results import show_results
    from l1ad.cli.terminal import say
    from l1ad.cli.watcher import Watcher
    from l1ad.hardware.budgets import read_budget
    from l1ad.pipeline.run import run_stages
    from l1ad.pipeline.run_folder import change_config, open_run
    from l1ad.pipeline.stages import BUDGET_FILE

    changes: dict[str, object] = {} if workers is None else {"workers": workers}
    if budget is not None:
        unlimited = dict.fromkeys(("latency_ns", "ii", "lut", "ff", "dsp", "bram"))
        changes["budget"] = {**unlimited, **read_budget(budget)}
    opened = change_config(open_run(run), "synthesis", changes)
    with Watcher() as watcher:
        run_stages(opened, ("synth",), redo=("synth",) if force else (), observer=watcher)
    show_results(opened, "budget")
    say(_judge(opened.stage("synth") / BUDGET_FILE))


def _judge(path: Path) -> str:
    """Tell which limits lie inside bands, and return the path; raise when a limit does not hold."""
    from l1ad.cli.terminal import note
    from l1ad.errors import CheckFailedError
    from l1ad.hardware.limits import band_warnings
    from l1ad.pipeline.run import budget_failures
    from l1ad.records import BudgetReport

    held = BudgetReport.read(path)
    for warning in band_warnings(held):
        note(f"warning: {warning}")
    failures = budget_failures(held)
    if failures:
        raise CheckFailedError(f"{path}: " + "; ".join(failures))
    return str(path)
