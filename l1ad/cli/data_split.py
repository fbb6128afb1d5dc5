"""The verb `data split`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from l1ad.cli.terminal import note, progress, say, show_table
from l1ad.errors import CheckFailedError


def split(
    samples: Annotated[
        list[Path] | None, typer.Argument(help="Event files (HDF5); none: the embedded background.")
    ] = None,
    train: Annotated[float, typer.Option(help="Expected share of the training part.")] = 0.4,
    validation: Annotated[
        float, typer.Option(help="Expected share of the validation part; the rest is the test.")
    ] = 0.1,
    fpr: Annotated[float, typer.Option(help="False positive rate that the test should give.")] = 1e-5,
    error: Annotated[float, typer.Option(help="Its relative error.")] = 0.1,
    out: Annotated[Path | None, typer.Option(help="Write train.h5, validation.h5 and test.h5 to this folder.")] = None,
    variant: Annotated[str, typer.Option(help="Dataset to read.")] = "Particles",
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
) -> None:
    """Split background events by a hash of the event, and say what the test can measure.

    The part of an event does not change when files are added. Events of one parent (dataset Parent) stay together.
    The exit code is 1 when the same event stands in two parts.
    """
    from l1ad.events.adc2021 import EventSource
    from l1ad.events.sample import open_sample
    from l1ad.events.split import events_needed
    from l1ad.events.splitting import survey_split, write_parts

    source = EventSource(tuple(samples), variant) if samples else open_sample().background
    needed = events_needed(fpr, error)
    with progress("splitting", None) as update:
        summary = survey_split(source, train, validation, lambda what, done, total: update(done, what, total))
    total = sum(summary.events.values())
    rows = [
        [name, f"{count:,}", f"{100 * count / total:.2f}", f"{summary.parents[name]:,}" if summary.parents else "none"]
        for name, count in summary.events.items()
    ]
    show_table("", ("part", "events", "%", "parents"), rows, numeric=("events", "%", "parents"))
    say(f"events that equal an earlier one: {summary.repeated:,}; in another part than it: {summary.leaked:,}")
    say(f"test: FPR {fpr:g} to {100 * error:g} % needs {needed:,} background events; there are {summary.test_events:,}")
    if summary.test_events < needed:
        say(f"the smallest FPR to {100 * error:g} % with these events: {summary.smallest_fpr(error):.2g}")
        note(f"{summary.missing(fpr, error):,} test events more are needed; a larger sample adds to every part.")
    if summary.leaked:
        raise CheckFailedError(
            f"{summary.leaked} events of validation and test equal one of a part before: equal events with different "
            "parents. Import each file once, and do not mix files with and without parents."
        )
    if out is not None:
        with progress("writing", None) as update:
            paths = write_parts(
                source, out, train, validation, force=force, progress=lambda what, done, n: update(done, what, n)
            )
        say("\n".join(str(path) for path in paths.values()))
