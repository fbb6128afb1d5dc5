"""The verb `import-model`: a model that was trained elsewhere becomes a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from l1ad.cli.options import Overrides, RunsFolder

if TYPE_CHECKING:
    from l1ad.training.imported import ImportRecord


def import_model(
    file: Annotated[Path, typer.Argument(help="Model file of QKeras 0.9 (.h5), qkeras-v3 (.keras) or Keras.")],
    out: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the run; by default that of the file.")
    ] = None,
    contract: Annotated[
        Path | None, typer.Option(help="inputs.json of the model; else derived from the events.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="npz with x and y0, y1, ... of the author's own run; proves the import.")
    ] = None,
    score: Annotated[str | None, typer.Option(help="rz, mu2 or kl; by default rz for two outputs.")] = None,
    round_bits: Annotated[
        int | None, typer.Option("--round", metavar="BITS", help="Round weights that have no exact form; else refuse.")
    ] = None,
    overrides: Overrides = None,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Read a model that QKeras or Keras saved, prove it, and make a run of it.

    The file is read as data; code in it is never run. A layer or a property that firmware cannot reproduce is refused
    by name. The run then goes through convert, emulate, synth and report like a trained one; the last line is its
    folder. The exit code is 1 when the predictions are not those of the model.
    """
    from l1ad.cli.layers import show_layers
    from l1ad.cli.terminal import say
    from l1ad.cli.watcher import Watcher
    from l1ad.pipeline.importing import imported_config, run_name
    from l1ad.pipeline.run import run_stages
    from l1ad.pipeline.run_folder import create_run

    config, opened = imported_config(
        file,
        out or run_name(file),
        predictions=predictions,
        contract=contract,
        score=score,
        round_bits=round_bits,
        overrides=overrides or (),
    )
    _show(opened.record)
    run = create_run(config, runs)
    with Watcher() as watcher:
        run_stages(run, ("data", "train"), observer=watcher)
    show_layers(run.stage("train"))
    say(str(run.path))


def _show(record: ImportRecord) -> None:
    """Write what was read and what was proved."""
    from l1ad.cli.terminal import note, say

    say(f"{record.file}: {record.layout}, Keras {record.keras_version}, {len(record.layers)} layers")
    say(f"inputs: {record.input_type if record.input_type is not None else 'as they come'}")
    for where in record.rounded:
        note(f"rounded: layer {where}")
    proof = record.proof
    if proof is None:
        note("not proved: give --predictions with what the author's own software computed")
        return
    say(
        f"predictions: {proof.verdict}; {proof.equal_values} of {proof.values} values of {proof.events} events agree, "
        f"largest difference {proof.largest_difference:g} of {proof.largest_output:g}"
    )
    say(f"negative control: layer {proof.control}, seen in {proof.control_events} events")
