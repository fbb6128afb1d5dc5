"""The verb `validate generator`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from l1ad.cli.terminal import note, say, show_table
from l1ad.errors import CheckFailedError

if TYPE_CHECKING:
    from l1ad.validation.calibration import Assessment
    from l1ad.validation.generator import GeneratorReport

#: Features that the table of features shows.
_ROWS = 60


def generator(
    reference: Annotated[Path, typer.Argument(help="Reference: data or another generator (.h5, .npy, .csv).")],
    sample: Annotated[Path, typer.Argument(help="Sample of the generator, same features.")],
    features: Annotated[str | None, typer.Option(help="Features by name or number, with commas; default: all.")] = None,
    events: Annotated[
        int, typer.Option(min=30, help="Events of the sample; NPLM takes ten times as many of the reference.")
    ] = 2000,
    toys: Annotated[int, typer.Option(min=19, help="Permutations, and null pairs of the scan.")] = 200,
    scan: Annotated[bool, typer.Option(help="Seek the smallest deformation that is excluded.")] = True,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of subsamples and permutations.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the report as JSON.")] = None,
    plots: Annotated[Path | None, typer.Option(help="Draw the ratio of every feature into a folder.")] = None,
    fail_above: Annotated[float | None, typer.Option(help="Exit with code 1 when Z of NPLM is above this.")] = None,
) -> None:
    """Compare a generator with another one or with data: features, NPLM, distances, smallest excluded deformation."""
    from dataclasses import replace

    from l1ad.provenance import write_json
    from l1ad.validation.generator import GeneratorSettings, compare_generators
    from l1ad.validation.samples import read_sample

    x, y = read_sample(reference), read_sample(sample)
    if features is not None:
        chosen = [name.strip() for name in features.split(",")]
        x, y = x.select(chosen), y.select(chosen)
    settings = GeneratorSettings(events=events, toys=toys, seed=seed, workers=workers)
    if not scan:
        settings = replace(settings, deformations=())
    report = compare_generators(x, y, settings, note)
    _show(report)
    if out is not None:
        write_json(out, report.to_dict())
        note(str(out))
    if plots is not None:
        from l1ad.validation.pictures import draw_features

        for path in draw_features(plots, x, y):
            note(str(path))
    z = max(item.quoted.z for item in report.nplm.statistics)
    if fail_above is not None and z > fail_above:
        raise CheckFailedError(f"{sample}: Z = {z:.2f} of NPLM is above {fail_above:g}.")


def _show(report: GeneratorReport) -> None:
    """Show the report as tables."""
    rows = [
        [f.name, f"{f.shift:+.4f} +- {f.shift_error:.4f}", f"{f.width_ratio:.4f}", f"{f.ks_p:.3g}"]
        for f in report.features[:_ROWS]
    ]
    columns = ("feature", "difference of means, in sigma", "ratio of widths", "KS p")
    show_table("All events", columns, rows, numeric=columns[1:])
    rows = _lines("NPLM", report.nplm) + _lines("", report.distances)
    title = f"{report.reference_events} events of the reference, {report.sample_events} of the sample, permutations"
    show_table(title, ("test", "value", "p", "Z"), rows, numeric=("value", "p"))
    if not report.exclusions:
        return
    rows = [
        [
            e.test,
            e.deformation,
            f"{e.level:.0%}",
            "none" if math.isinf(e.size) else f"{e.size:.4f} +- {e.size_error:.4f}",
        ]
        for e in report.exclusions
    ]
    say("")
    title = f"Smallest excluded deformation, two samples of {report.scan_events} events, in sigma of the features"
    show_table(title, ("test", "deformation", "level", "size"), rows, numeric=("size",))


def _lines(prefix: str, found: Assessment) -> list[list[str]]:
    """Return one row a statistic."""
    return [
        [f"{prefix} {item.name}".strip(), f"{item.value:.4g}", f"{item.quoted.p:.3g}", str(item.quoted)]
        for item in found.statistics
    ]
