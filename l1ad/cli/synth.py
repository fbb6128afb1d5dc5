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
    prove: Annotated[
        bool, typer.Option("--prove", help="Prove what Yosys mapped equal to the RTL, by module.")
    ] = False,
    prove_limit: Annotated[float, typer.Option(min=1, help="Seconds that the proof of one module may take.")] = 60.0,
) -> None:
    """Estimate the resources of a run with Yosys, or run a vendor tool, and hold them against the budget.

    Latency and initiation interval come from the simulation, so emulate first; what Yosys counted is then simulated
    on the same vectors. LUT, FF, DSP, block RAM and clock are estimates and shown with their bands; one fails when
    its central value exceeds the limit, and passes with a warning when the limit lies inside the band. The exit code
    is 1 when a limit is exceeded or was not measured, an integer of the netlist differs, or a step of a vendor tool
    failed. What a vendor tool gave is held against a budget by `l1ad check`.

    With `--prove` Yosys's SAT solver then compares every module without registers with its RTL, for all inputs. The
    exit code is 1 when one is another function; one that takes too long is named and does not fail.
    """
    if tool != "yosys" or plan is not None or read is not None:
        from l1ad.cli.vendor import vendor_synth

        vendor_synth(run, tool, plan, read, steps=steps, container=container, host=host)
        return
    _yosys(run, _changes(workers, budget), force, prove_limit if prove else None)


def _yosys(run: Path, changes: dict[str, object], force: bool, prove_limit: float | None) -> None:
    """Map the Verilog, simulate what was mapped, and prove it when a limit of time is given."""
    from l1ad.cli.results import show_results
    from l1ad.cli.terminal import say
    from l1ad.cli.watcher import Watcher
    from l1ad.errors import ConfigurationError
    from l1ad.pipeline.run import run_stages, rung_failures
    from l1ad.pipeline.run_folder import change_config, open_run
    from l1ad.pipeline.stages import BUDGET_FILE, NETLIST

    opened = change_config(open_run(run), "synthesis", changes)
    if prove_limit is not None and not opened.config.synthesis.netlist:
        raise ConfigurationError("--prove: synthesis.netlist is false, so no netlist is kept.")
    with Watcher() as watcher:
        # Without vectors there is nothing to simulate the netlist with.
        simulated = opened.config.synthesis.netlist and "emulate" in opened.manifest().stages
        names = ("synth", "netlist") if simulated else ("synth",)
        run_stages(opened, names, redo=("synth",) if force else (), observer=watcher)
    show_results(opened, "ladder", "budget")
    say(_judge(opened.stage("synth") / BUDGET_FILE, rung_failures(opened, NETLIST)))
    if prove_limit is not None:
        from l1ad.cli.proofs import prove

        prove(opened, prove_limit)


def _changes(workers: int | None, budget: Path | None) -> dict[str, object]:
    """Return what changes in the configuration of the run."""
    from l1ad.hardware.budgets import read_budget

    changes: dict[str, object] = {} if workers is None else {"workers": workers}
    if budget is not None:
        unlimited = dict.fromkeys(("latency_ns", "ii", "lut", "ff", "dsp", "bram"))
        changes["budget"] = {**unlimited, **read_budget(budget)}
    return changes


def _judge(path: Path, netlist: list[str]) -> str:
    """Tell which limits lie inside bands, and return the path; raise when a limit or the netlist does not hold."""
    from l1ad.cli.terminal import note
    from l1ad.errors import CheckFailedError
    from l1ad.hardware.limits import band_warnings
    from l1ad.pipeline.run import budget_failures
    from l1ad.records import BudgetReport

    held = BudgetReport.read(path)
    for warning in band_warnings(held):
        note(f"warning: {warning}")
    failures = [*budget_failures(held), *netlist]
    if failures:
        raise CheckFailedError(f"{path}: " + "; ".join(failures))
    return str(path)
