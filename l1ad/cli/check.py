"""The verb `check`: a budget file against a run and the reports of its tools, or a reference model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from l1ad.cli.options import RunArgument


def check(
    run: RunArgument,
    budget: Annotated[
        Path | None, typer.Option(help="YAML of limits; docs/synthesis.md says what it can hold.")
    ] = None,
    reports: Annotated[
        Path | None, typer.Option(help="Folder with reports of Vivado HLS, Vitis HLS or Vivado, or one report.")
    ] = None,
) -> None:
    """Hold what was measured of a run against a budget file, or verify a reference model.

    With the folder of a reference model, such as models/dense_vae, and no budget: the digests of its files and
    weights are compared, and the scores of its recorded events are computed again, bit for bit.

    Counted are the simulation and the synthesis of the run, and with --reports what vendor tools wrote. For each
    limit the most true stage decides, or the stage that the limit names. An estimate is shown with its band: it fails
    when the central value exceeds the limit, and passes with a warning when the limit lies inside the band. The exit
    code is 1 when a limit is exceeded or was not measured, an integer of the ladder differs, or a co-simulation failed;
    the message says by how much and which file.
    """
    from l1ad.cli.terminal import note, say, show_table
    from l1ad.errors import CheckFailedError, ConfigurationError
    from l1ad.hardware.limits import read_limits
    from l1ad.pipeline.check import check_run
    from l1ad.pipeline.reference.record import find_reference
    from l1ad.pipeline.run_folder import open_run

    reference = find_reference(run)
    if reference is not None and budget is None:
        _check_reference(reference)
        return
    if budget is None:
        raise ConfigurationError(f"{run}: no reference model, so there is only a budget to check; give --budget FILE.")
    limits = read_limits(budget)
    found = check_run(open_run(run), limits, reports)
    columns = ("Quantity", "Value", "Limit", "As written", "Unit", "Stage", "Verdict", "Source")
    rows = [
        (
            line.name,
            "not measured" if line.value is None else f"{line.value:g}" if line.low is None else str(line.measurement),
            f"{line.limit:g}",
            line.written_as,
            line.unit,
            line.stage,
            line.verdict,
            line.source,
        )
        for line in found.budget.lines
    ]
    show_table("budget", columns, rows, numeric=("Value", "Limit"))
    for warning in found.warnings:
        note(f"warning: {warning}")
    if not found.passed:
        raise CheckFailedError(f"{budget}: " + "; ".join(found.failures))
    say(f"{budget}: all {len(rows)} limits hold.")


def _check_reference(folder: Path) -> None:
    """Verify a reference model and say what was compared."""
    from l1ad.cli.terminal import say
    from l1ad.pipeline.reference.check import check_reference

    found = check_reference(folder)
    say(f"{found.name}: {found.files} files and {found.weights} arrays of weights have the recorded digests")
    inputs = "raw inputs and scores" if found.encoded else "scores (the event files are not here)"
    say(f"{inputs} of {found.events} recorded events agree, bit for bit")
    say(f"negative control: {found.control.what}, seen in {found.control.changed_events} of {found.control.events}")
