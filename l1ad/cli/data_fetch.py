"""The verb `data fetch`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from l1ad.cli.terminal import progress, say, show_table
from l1ad.errors import ConfigurationError, nearest

if TYPE_CHECKING:
    from l1ad.events.published import PublishedFile

_DATASETS = ("adc2021",)


def fetch(
    dataset: Annotated[str, typer.Argument(help="adc2021: the files of arXiv:2107.02157.")],
    part: Annotated[list[str] | None, typer.Option(help="background, signals or blackbox; none: all.")] = None,
    version: Annotated[str, typer.Option(help="v1 or v2. Results on one are not comparable with the other.")] = "v2",
    folder: Annotated[Path, typer.Option(help="Where to put the files.")] = Path("data/adc2021"),
    server: Annotated[str, typer.Option(help="A server with the paths of Zenodo.")] = "https://zenodo.org",
    show: Annotated[bool, typer.Option("--list", help="Print records and DOIs; download nothing.")] = False,
) -> None:
    """Download published events, checked against the checksums of their records.

    A broken download goes on where it stopped when the same command is given again. Without a network the message
    says which host was not reached and how to bring the files by hand.
    """
    from l1ad.events.fetching import fetch_files, select_files

    if dataset not in _DATASETS:
        raise ConfigurationError(f"{dataset!r}: not a published dataset. {nearest(dataset, _DATASETS)}")
    files = select_files(part or (), version)
    if show:
        _show_files(files)
        return
    with progress("downloading", None) as update:
        records = fetch_files(
            files, folder, server=server, progress=lambda name, done, total: update(done, name, total or None)
        )
    rows = [[r.file, r.part, r.version, f"{r.bytes:,}", r.md5, r.doi] for r in records]
    show_table("", ("file", "part", "version", "bytes", "MD5", "DOI"), rows, numeric=("bytes",))
    say(f"{len(records)} files in {folder}")


def _show_files(files: Sequence[PublishedFile]) -> None:
    """Print what would be downloaded."""
    rows = [[f.process, f.part, f.version, f"{f.events:,}" if f.events else "not known", f.doi] for f in files]
    show_table("", ("process", "part", "version", "events", "DOI"), rows, numeric=("events",))
