"""The verb `data`: its sub-verbs, and `data info`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from l1ad.cli.data_contract import contract
from l1ad.cli.data_fetch import fetch
from l1ad.cli.data_generate import check_events, generate_events
from l1ad.cli.data_import import import_files
from l1ad.cli.data_split import split
from l1ad.cli.terminal import note, progress, show_table
from l1ad.errors import ConfigurationError

if TYPE_CHECKING:
    from l1ad.events.adc2021 import EventSource
    from l1ad.events.summary import EventSummary

app = typer.Typer(
    no_args_is_help=True, help="Generate, import, fetch, check and split events; derive the input contract."
)
app.command("import")(import_files)
app.command("generate")(generate_events)
app.command("check")(check_events)
app.command("fetch")(fetch)
app.command("contract")(contract)
app.command("split")(split)

#: pT ranges of the printed spectra: edges that `l1ad.events.summary.PT_EDGES` has, in GeV.
_PRINTED_EDGES = (0.0, 20.0, 30.0, 40.0, 60.0, 100.0, 200.0, 500.0)


@app.command()
def info(
    files: Annotated[list[Path] | None, typer.Argument(help="Event files (HDF5); none: the embedded sample.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write the figure to this file (.png, .pdf, .svg).")] = None,
    variant: Annotated[str, typer.Option(help="Dataset to read.")] = "Particles",
) -> None:
    """Print counts, object multiplicities and pT spectra."""
    from l1ad.events.summary import plot_summary, summarize

    if plot is not None and plot.suffix not in {".png", ".pdf", ".svg"}:
        raise ConfigurationError(f"--plot {plot}: expected a name that ends in .png, .pdf or .svg.")
    sources = _sources(files, variant)
    summaries = []
    with progress("reading", len(sources)) as update:
        for done, (name, source) in enumerate(sources.items(), start=1):
            summaries.append(summarize(source, name))
            update(done, name)
    _show_samples(summaries)
    _show_multiplicities(summaries)
    _show_pt(summaries)
    _show_spectra(summaries)
    if plot is not None:
        from l1ad.provenance import whole_file

        figure = plot_summary(summaries)
        with whole_file(plot) as stream:
            figure.savefig(stream, format=plot.suffix[1:], dpi=110)
        note(f"figure: {plot}")


def _sources(files: list[Path] | None, variant: str) -> dict[str, EventSource]:
    """Return sample name -> files: those given, or the embedded sample."""
    from l1ad.events.adc2021 import PARTICLES, EventSource
    from l1ad.events.sample import open_sample

    if files:
        stems = [path.stem for path in files]
        names = stems if len(set(stems)) == len(stems) else [str(path) for path in files]
        return {name: EventSource((path,), variant) for name, path in zip(names, files, strict=True)}
    if variant != PARTICLES:
        raise ConfigurationError(f"--variant {variant}: the embedded sample holds {PARTICLES} only; name a file.")
    sample = open_sample()
    note(f"{sample.manifest['what']}\nEvents of the sample a bunch crossing: {sample.acceptance:.3g}")
    return {"background": sample.background, **sample.signals}


def _show_samples(summaries: Sequence[EventSummary]) -> None:
    """Print events and mean multiplicities."""
    rows = []
    for summary in summaries:
        means = [f"{item.entries / summary.events:.3f}" for item in summary.objects[1:]]
        rows.append([summary.name, summary.source_tag, f"{summary.events}", *means])
    columns = ("sample", "source", "events", "electrons/event", "muons/event", "jets/event")
    show_table("Samples", columns, rows, numeric=columns[2:])


def _show_multiplicities(summaries: Sequence[EventSummary]) -> None:
    """Print the share of events with 0, 1, 2 ... objects."""
    shown = 5
    rows = []
    for summary in summaries:
        for item in summary.objects[1:]:
            shares = [count / summary.events for count in item.multiplicity]
            cells = [*shares[:shown], sum(shares[shown:])]
            rows.append([summary.name, item.name, *(f"{100 * share:.2f}" for share in cells)])
    columns = ("sample", "object", *(str(n) for n in range(shown)), f"{shown} or more")
    show_table("Multiplicity, % of events", columns, rows, numeric=columns[2:])


def _show_pt(summaries: Sequence[EventSummary]) -> None:
    """Print moments and quantiles of pT and the ranges of eta and phi."""
    from l1ad.events.summary import QUANTILES

    rows = []
    for summary in summaries:
        for item in summary.objects:
            numbers = (item.pt_mean, item.pt_std, *item.pt_quantiles, item.pt_max)
            angles = [f"{item.eta_min:.2f} .. {item.eta_max:.2f}", f"{item.phi_min:.2f} .. {item.phi_max:.2f}"]
            rows.append([summary.name, item.name, str(item.entries), *(f"{x:.1f}" for x in numbers), *angles])
    names = ("mean", "std", *(f"{100 * q:.0f} %" for q in QUANTILES), "max")
    columns = ("sample", "object", "entries", *names, "eta", "phi")
    show_table("pT in GeV: moments and quantiles", columns, rows, numeric=columns[2:])


def _show_spectra(summaries: Sequence[EventSummary]) -> None:
    """Print the share of entries in ranges of pT."""
    from l1ad.events.summary import PT_EDGES

    starts = [PT_EDGES.index(edge) for edge in _PRINTED_EDGES]
    ends = [*starts[1:], len(PT_EDGES) - 1]
    rows = []
    for summary in summaries:
        for item in summary.objects:
            counts = [sum(item.pt_counts[a:b]) for a, b in zip(starts, ends, strict=True)]
            shares = (f"{100 * count / max(item.entries, 1):.2f}" for count in counts)
            rows.append([summary.name, item.name, *shares])
    upper = [*(f"{edge:.0f}" for edge in _PRINTED_EDGES[1:]), "inf"]
    names = tuple(f"{low:.0f} .. {high}" for low, high in zip(_PRINTED_EDGES, upper, strict=True))
    columns = ("sample", "object", *names)
    show_table("pT spectrum in GeV, % of entries", columns, rows, numeric=names)
