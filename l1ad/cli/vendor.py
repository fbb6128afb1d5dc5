"""What `l1ad synth` does with a vendor tool: write a plan, run it, read the results."""

from __future__ import annotations

from pathlib import Path


def vendor_synth(
    run: Path, tool: str, plan: Path | None, read: Path | None, *, steps: str = "", container: str = "", host: str = ""
) -> None:
    """Write a plan (`plan`), take results (`read`), or do both and run the tool between them.

    Parameters
    ----------
    run : Path
        Folder of a run.
    tool : str
        ``vitis``, ``vivado_hls`` or ``vivado``.
    plan, read : Path or None
        Folder of a plan.
    steps : str, optional
        Steps, separated by commas.
    container, host : str, optional
        Where the tool runs, when not here.

    Raises
    ------
    CheckFailedError
        When a step gave no report, or a report says that it failed.
    """
    from l1ad.cli.terminal import note, say
    from l1ad.errors import CheckFailedError, ConfigurationError
    from l1ad.pipeline.run_folder import open_run
    from l1ad.pipeline.vendor import plan_run, run_planned, take_results

    if plan is not None and read is not None:
        raise ConfigurationError("give --plan or --read, not both.")
    opened = open_run(run)
    if read is None:
        folder = plan_run(opened, tool, plan, tuple(step for step in steps.split(",") if step))
        if plan is not None:
            say(f"{folder}: carry it to the machine with the tool, run: sh run.sh, and read it with --read.")
            return
        note(f"running {folder / 'run.sh'}; logs in {folder / 'logs'}")
        run_planned(folder, container=container, host=host)
    else:
        folder = read
    results = take_results(opened, folder)
    _show(results.reports.measurements)
    for warning in results.reports.all_warnings:
        note(f"warning: {warning}")
    if results.failures:
        raise CheckFailedError(f"{folder}: " + "; ".join(results.failures))
    say(f"{folder}: read. Hold it against limits with: l1ad check {run} --budget FILE")


def _show(measurements: tuple[object, ...]) -> None:
    """Show the numbers, each with its stage and source."""
    from l1ad.cli.terminal import show_table
    from l1ad.records import Measurement

    rows = [(m.stage, m.name, f"{m.value:g}", m.unit, m.source) for m in measurements if isinstance(m, Measurement)]
    show_table("reports", ("Stage", "Quantity", "Value", "Unit", "Source"), sorted(rows), numeric=("Value",))
