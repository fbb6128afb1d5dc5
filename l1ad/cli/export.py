"""The verb `export`: what leaves a run for boards, test benches and other software."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from l1ad.cli.options import RunArgument

app = typer.Typer(no_args_is_help=True, help="Write a reference model, test vectors, or an emulator for CMSSW.")

OutFolder = Annotated[Path, typer.Option(help="New or empty folder to write to.")]


@app.command()
def vectors(
    run: RunArgument,
    out: OutFolder,
    format: Annotated[str, typer.Option(help="empv2, apx, ugt or hex.")] = "empv2",  # noqa: A002
    events: Annotated[int, typer.Option(help="Events to write.")] = 100,
    values: Annotated[
        str | None,
        typer.Option(help="Inputs: network (raw inputs, the default) or hardware (integers before the scaling)."),
    ] = None,
    source: Annotated[Path | None, typer.Option(help="HDF5 file of events; by default events of the run.")] = None,
    frames: Annotated[int, typer.Option(help="Frames of an event on a link, for empv2 and apx.")] = 9,
    depth: Annotated[int, typer.Option(help="Frames that a board's buffer holds.")] = 1024,
    first_link: Annotated[int, typer.Option(help="Number of the first link.", min=0)] = 0,
    first_bit: Annotated[int, typer.Option(help="Algorithm bit of the first threshold, for ugt.", min=0)] = 0,
) -> None:
    """Write test vectors of a run: inputs and expected scores.

    What is written is read back and compared before the folder appears. vectors.json in it says on which link, frame
    and bits every integer lies.
    """
    from l1ad.cli.terminal import say
    from l1ad.emulation.patterns import PatternOptions
    from l1ad.pipeline.run_folder import open_run
    from l1ad.pipeline.vectors import VectorRequest, export_vectors

    opened = open_run(run)
    options = PatternOptions(frames, depth, first_link, first_bit, opened.config.name)
    say(str(export_vectors(opened, VectorRequest(format, events, values, source, options), out)))


@app.command()
def cmssw(
    run: RunArgument,
    out: OutFolder,
    name: Annotated[str | None, typer.Option(help="Name of the model; by default that of the run.")] = None,
    version: Annotated[str, typer.Option(help="Version; the library is NAME_VERSION.so.")] = "v1",
    input_: Annotated[
        str, typer.Option("--input", help="What prepare_input is given: hardware, network, float or raw.")
    ] = "hardware",
    result: Annotated[str, typer.Option(help="What read_result is given: score, array, pair, float or raw.")] = "score",
    latent: Annotated[str, typer.Option(help="Layer whose values stand in a pair.")] = "dense_mean",
    events: Annotated[int, typer.Option(help="Reference vectors to compare with.", min=1)] = 1000,
    build: Annotated[bool, typer.Option(help="Compile and compare; without, `make check` does.")] = True,
) -> None:
    """Write the model as a shared object for CMSSW's hls4mlEmulator.

    The folder holds the HLS C++ with its weights compiled in, a Makefile, the scales, and reference vectors. It
    appears when every score of the compiled library equals the reference.
    """
    from l1ad.cli.terminal import note, say
    from l1ad.emulation.cmssw import EmulatorOptions
    from l1ad.pipeline.cmssw import export_cmssw
    from l1ad.pipeline.run_folder import open_run

    opened = open_run(run)
    options = EmulatorOptions(name or opened.config.name, version, input_, result, latent)
    path = export_cmssw(opened, options, out, events=events, build=build)
    note(f"{events:,} events equal the reference" if build else "not compiled: run `make check` in the folder")
    say(str(path))


@app.command()
def model(
    run: RunArgument,
    out: Annotated[Path, typer.Option("--out", "--to", help="New folder, or one with the config.yaml of the run.")],
) -> None:
    """Write a run as a reference model: config, card, weights, inputs.json, thresholds, metrics, manifest.

    A former reference model in the folder is replaced. What was written is checked before the folder appears: digests,
    weights, and the scores of recorded events. `l1ad check FOLDER` does that again at any time.
    """
    from l1ad.cli.terminal import note, say
    from l1ad.pipeline.reference.export import export_model
    from l1ad.pipeline.run_folder import open_run

    found = export_model(open_run(run), out)
    note(f"{found.events} recorded events give the same scores again; a changed weight is seen")
    say(str(out))
