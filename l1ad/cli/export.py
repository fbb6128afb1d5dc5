"""The verb `export`: what leaves a run for boards, test benches and other software."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from l1ad.cli.options import RunArgument

app = typer.Typer(no_args_is_help=True, help="Write test vectors for boards, or an emulator for CMSSW.")

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
