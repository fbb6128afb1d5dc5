"""The verb `data import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from l1ad.cli.terminal import note, progress, say

if TYPE_CHECKING:
    from l1ad.events.importing import ImportRecord

_Source = Annotated[str | None, typer.Option(help="Where the events come from: adc2021-v1, adc2021-v2, l1ad-gen ...")]
_Format = Annotated[
    str | None,
    typer.Option("--format", help="adc2021, nanoaod, l1ntuple, ugt, csv, parquet, numpy; none: from the content."),
]
_Met = Annotated[str | None, typer.Option(help="Missing energy. NanoAOD: MET, PuppiMET ... Trigger: etm or etmhf.")]
_Mapping = Annotated[
    Path | None, typer.Option("--mapping", help="Tables: YAML file with columns, units and absent objects.")
]
_Columns = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="FIELD=COLUMN", help="Tables: such as jet1_pt=j1_pt, jet_pt=jets."),
]
_Units = Annotated[
    list[str] | None, typer.Option("--unit", metavar="QUANTITY=UNIT", help="Tables: pt=MeV, phi=deg, eta=hw ...")
]


def import_files(
    files: Annotated[list[Path], typer.Argument(help="Files of one format, read one after the other.")],
    out: Annotated[Path, typer.Option(help="File to write.")],
    source: _Source = None,
    format_name: _Format = None,
    variant: Annotated[str, typer.Option(help="ADC2021: dataset to read, such as Particles_lepjets.")] = "Particles",
    objects: Annotated[str, typer.Option(help="NanoAOD: reco, l1 or l1emul; auto takes what is there.")] = "auto",
    met: _Met = None,
    tree: Annotated[str | None, typer.Option(help="ROOT: path of the tree in the file.")] = None,
    crossing: Annotated[int, typer.Option(help="Trigger objects: bunch crossing relative to the triggered one.")] = 0,
    mapping: _Mapping = None,
    column: _Columns = None,
    unit: _Units = None,
    absent: Annotated[list[str] | None, typer.Option(help="Tables: an object that the table does not have.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Events in memory at once.")] = 16_384,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Check event files and write them as one file in the layout of l1ad, with its provenance.

    The format is recognised from the content. Without --source, the published ADC2021 files are recognised by their
    number of events, the record of their download or their name, and CMS files are labelled by their format.
    """
    from l1ad.events.importers.base import ImportOptions
    from l1ad.events.importers.mapping import read_mapping
    from l1ad.events.importing import import_events

    options = ImportOptions(
        objects=objects,
        met=met,
        tree=tree,
        crossing=crossing,
        mapping=read_mapping(mapping, column or (), unit or (), absent or ()),
        batch=batch,
    )
    with progress("importing", 1.0) as update:
        record = import_events(
            files,
            out,
            source_tag=source,
            variant=variant,
            format_name=format_name,
            options=options,
            force=force,
            progress=lambda done, n: update(done / n if n else None, f"{done} events"),
        )
    _say_record(out, record)


def _say_record(out: Path, record: ImportRecord) -> None:
    """Say what was imported, and what was left out."""
    recognised = f" ({record.recognised})" if record.recognised else ""
    origin = record.variant if record.format == "adc2021" else record.format
    say(f"{out}: {record.events} events, source {record.source_tag}{recognised}, from {origin}")
    if record.format != "adc2021":
        note(f"format {record.format}: " + "; ".join(f"{key} {value}" for key, value in record.settings.items()))
    left_out = {name: number for name, number in record.dropped.items() if number}
    if left_out:
        numbers = ", ".join(f"{name} {number}" for name, number in left_out.items())
        note(f"objects left out, beyond the rows of the layout and of lower pT than those kept: {numbers}")
