"""The verbs `data generate` and `data check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from l1ad.cli.terminal import note, progress, say, show_table
from l1ad.errors import CheckFailedError

if TYPE_CHECKING:
    from l1ad.events.generation.generate import Request


Out = Annotated[Path, typer.Option(help="Folder for the files and their MANIFEST.json.")]
Events = Annotated[int, typer.Option(help="Events of the background, or of each process or card.")]
SignalEvents = Annotated[int | None, typer.Option(help="Events of each signal; without it, a twentieth of --events.")]
Processes = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Comma-separated: background (the published mixture), W, QCD, Z, tt, Ato4l, LQbtau, htautau, hchtaunu. "
        "Without it, the background and the four signals.",
    ),
]
Card = Annotated[Path | None, typer.Option(help="A Pythia card instead; its name names the file.")]
Seed = Annotated[int, typer.Option(help="Same seed, same events, whatever the number of workers.")]
Workers = Annotated[int, typer.Option(help="Processes on this machine, or jobs in the batch queue.")]
Dask = Annotated[
    str | None, typer.Option(help="Work on a Dask cluster: tcp://host:8786, or the queue slurm, htcondor, pbs ...")
]
Pileup = Annotated[float, typer.Option(help="Mean number of pile-up collisions.")]
Full = Annotated[
    bool, typer.Option("--full", help="Simulate multi-parton interactions in every event; ten times slower.")
]
Regions = Annotated[
    bool, typer.Option("--regions", help="Write the 18 x 14 calorimeter regions of each event as well.")
]
Cache = Annotated[
    Path | None, typer.Option(help="Folder for the libraries; without it, l1ad/generation in the cache folder.")
]
LibraryEvents = Annotated[int, typer.Option(help="Events in the libraries of pile-up and underlying events.")]
LibraryDecays = Annotated[int, typer.Option(help="Decays of each species in their library.")]
MaxTrials = Annotated[
    int, typer.Option(help="Give up on a process when so many generated events gave no accepted one.")
]
KeepChunks = Annotated[
    bool, typer.Option("--keep-chunks", help="Keep the chunks; a larger sample of the same seed goes on from them.")
]


def generate_events(
    out: Out,
    events: Events,
    signal_events: SignalEvents = None,
    process: Processes = None,
    card: Card = None,
    seed: Seed = 1,
    workers: Workers = 1,
    dask: Dask = None,
    pileup: Pileup = 20.0,
    full: Full = False,
    regions: Regions = False,
    cache: Cache = None,
    library_events: LibraryEvents = 10_000,
    library_decays: LibraryDecays = 4_000,
    max_trials: MaxTrials = 20_000,
    keep_chunks: KeepChunks = False,
) -> None:
    """Generate events with Pythia 8, a parametrised detector and the ADC2021 selection.

    A stopped run goes on when the same command is given again; at most the chunks in work are lost. The first run
    makes libraries of underlying events, pile-up and decays, which all later ones share.
    """
    from l1ad.events.generation.generate import Request

    request = Request(
        out=out,
        events=events,
        signal_events=signal_events,
        processes=_names(process, card),
        card=card,
        seed=seed,
        pileup=pileup,
        full=full,
        regions=regions,
        cache=cache,
        library_events=library_events,
        library_decays=library_decays,
        max_hard_events=max_trials,
        keep_chunks=keep_chunks,
    )
    _run(request, workers, dask)


def _names(process: str | None, card: Path | None) -> tuple[str, ...]:
    """Return the processes that were named; with a card none, without anything the background and all signals."""
    from l1ad.events.generation.plan import DEFAULT_PROCESSES

    if process is not None:
        return tuple(name.strip() for name in process.split(",") if name.strip())
    return DEFAULT_PROCESSES if card is None else ()


def _run(request: Request, workers: int, dask: str | None) -> None:
    """Generate with a bar, then print what came out."""
    from l1ad.events.generation.generate import generate, read_manifest

    with progress("generating", 1.0) as update:
        manifest = generate(
            request,
            workers=workers,
            dask=dask,
            progress=lambda found: update(found.share, str(found)),
            library_progress=lambda done, total, name: update(0.0, f"{name}, {done} of {total}"),
        )
    _show_manifest(read_manifest(manifest), request.out)


def _show_manifest(manifest: dict[str, object], out: Path) -> None:
    """Print what was generated, and what a configuration needs to use it."""
    samples: dict[str, list[dict[str, str]]] = manifest["samples"]  # type: ignore[assignment]
    strata: dict[str, list[dict[str, float]]] = manifest["strata"]  # type: ignore[assignment]
    rows = [
        [
            name,
            str(part["process"]),
            str(part["stratum"]),
            f"{part['events']}",
            f"{part['events'] / part['parents']:.2f}",
            f"{part['accepted_nb']:.4g} ± {part['accepted_nb_error']:.1g}",
            f"{part['accepted'] / max(part['cpu_s'], 1e-9):.0f}",
        ]
        for name, parts in strata.items()
        for part in parts
    ]
    columns = ("sample", "process", "stratum", "events", "events/parent", "accepted nb", "events/CPU s")
    show_table("Generated", columns, rows, numeric=columns[3:])
    for entries in samples.values():
        for entry in entries:
            say(f"{out / entry['file']}: {entry['events']} events")
    if "background" in samples and len(samples) > 1:
        others = {name: entries for name, entries in samples.items() if name != "background"}
        signals = ", ".join(f"{name}: {out / entries[0]['file']}" for name, entries in others.items())
        note(f"In a configuration: data: {{background: {out / 'background.h5'}, signals: {{{signals}}}}}")


def check_events(
    file: Annotated[Path, typer.Argument(help="Event file (HDF5) with a dataset Process, or of one process.")],
    process: Annotated[
        str | None, typer.Option(help="What the file holds, when it has no dataset Process: W, QCD, Z, tt or a signal.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Write the distributions to this file (.png, .pdf, .svg).")] = None,
) -> None:
    """Check the physics of a sample: W and Z, missing energy, multiplicities, symmetries, mixture, trigger.

    The exit code is 1 when a check fails.
    """
    from l1ad.events.generation.checks import check_file

    report = check_file(file, process)
    rows = [
        [
            found.name,
            f"{found.value:.4g} ± {found.error:.2g}",
            f"{found.low:g} .. {found.high:g}",
            found.source,
            "passed" if found.passed else "failed",
        ]
        for found in report.checks
    ]
    show_table(
        f"Physics of {file}", ("Check", "Value", "Expected", "Why", "Verdict"), rows, numeric=("Value", "Expected")
    )
    if plot is not None:
        from l1ad.events.generation.check_plots import plot_physics, save_figure

        save_figure(plot_physics(file, process), plot)
        note(f"figure: {plot}")
    if not report.passed:
        failed = [found.name for found in report.checks if not found.passed]
        raise CheckFailedError(f"{file}: {len(failed)} of {len(report.checks)} checks failed: {'; '.join(failed)}.")
    say(f"{file}: all {len(report.checks)} checks hold.")
