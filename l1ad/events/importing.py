"""Imports ADC2021 files: checks them, recognises the published versions, writes one clean file with provenance."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from l1ad.errors import ConfigurationError, DataError
from l1ad.events.adc2021 import CHUNK_ROWS, EVENT_ID, PARTICLES, PROCESS, EventChunk, EventFile, write_events
from l1ad.events.files import named_digests
from l1ad.records import Record

ADC2021_V1 = "adc2021-v1"
ADC2021_V2 = "adc2021-v2"

#: Event counts of published files -> source tag and Zenodo record (arXiv:2107.02157 and the records themselves).
#: The counts of the filtered signals of version 2 are not listed: give --source for them.
PUBLISHED_COUNTS = {
    4_000_000: (ADC2021_V1, "background, Zenodo 5046389"),
    55_969: (ADC2021_V1, "A -> 4l, Zenodo 5046446"),
    340_544: (ADC2021_V1, "LQ -> b tau, Zenodo 5055454"),
    691_283: (ADC2021_V1, "h0 -> tau tau, Zenodo 5061633"),
    760_272: (ADC2021_V1, "h+- -> tau nu, Zenodo 5061688"),
    13_451_915: (ADC2021_V2, "background, Zenodo 5046428"),
    4_210_492: (ADC2021_V2, "black box, Zenodo 5072068"),
}
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")


@dataclass(frozen=True)
class ImportRecord(Record):
    """What was imported.

    Attributes
    ----------
    source_tag : str
        Label of every result on these events.
    recognised : str
        Which published file the number of events belongs to; empty when none.
    variant : str
        Dataset that was read.
    events : int
        Events written.
    sources : dict of str to str
        File name -> SHA-256.
    """

    source_tag: str
    recognised: str
    variant: str
    events: int
    sources: dict[str, str]


def import_events(
    paths: Sequence[Path],
    out: Path,
    *,
    source_tag: str | None = None,
    variant: str = PARTICLES,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ImportRecord:
    """Check ADC2021 files and write them, one after the other, as one file in our layout.

    Parameters
    ----------
    paths : sequence of Path
        Files to read.
    out : Path
        File to write: ``Particles`` in float32, ``EvtId`` and ``Process`` where the files have them.
    source_tag : str or None, optional
        Where the events come from. None: what the files say, or the published file with as many events.
    variant : str, optional
        Dataset to read; it becomes ``Particles``, and its name is kept as an attribute.
    force : bool, optional
        Replace an existing `out`.
    progress : callable, optional
        Called after each chunk with events done and events in all.

    Raises
    ------
    ConfigurationError
        When `out` exists or is one of `paths`, or the source is unknown or contradicts the number of events.
    DataError
        When a file or an event is invalid.
    RunFolderError
        When `out` cannot be written.
    """
    _check_output(paths, out, force)
    total, tags, columns = _survey(paths, variant)
    tag, recognised = _identify(source_tag, tags, total)
    sources = named_digests(paths)
    attributes = {
        "variant": variant,
        "recognised": recognised,
        "source_files": ", ".join(f"{name} sha256:{digest}" for name, digest in sources.items()),
        "conversion": "Particles written as float32",
    }
    written = write_events(out, _read(paths, variant, columns, total, progress), source_tag=tag, attributes=attributes)
    return ImportRecord(tag, recognised, variant, written, sources)


def _check_output(paths: Sequence[Path], out: Path, force: bool) -> None:
    """Refuse to overwrite an input, or anything without `force`."""
    if not paths:
        raise ConfigurationError("import: no file was given.")
    if out.exists():
        if any(path.exists() and path.samefile(out) for path in paths):
            raise ConfigurationError(f"{out}: is one of the files to import; choose another name.")
        if not force:
            raise ConfigurationError(f"{out}: exists already; give --force to replace it.")


def _survey(paths: Sequence[Path], variant: str) -> tuple[int, set[str], tuple[str, ...]]:
    """Return the events of all files, the source tags they carry, and the optional columns they share."""
    total, tags = 0, set()
    columns: tuple[str, ...] | None = None
    for path in paths:
        with EventFile(path, variant) as file:
            total += len(file)
            if file.source_tag is not None:
                tags.add(file.source_tag)
            own = tuple(name for name in (EVENT_ID, PROCESS) if file.has(name))
        if columns is not None and own != columns:
            raise DataError(f"{path}: optional datasets {list(own)}; the file before has {list(columns)}.")
        columns = own
    return total, tags, columns or ()


def _identify(given: str | None, tags: set[str], total: int) -> tuple[str, str]:
    """Return the source tag and the published file that the number of events belongs to."""
    if given is not None and not _TAG.fullmatch(given):
        raise ConfigurationError(f"--source {given!r}: expected letters, digits and . _ + - such as {ADC2021_V1}.")
    published, recognised = PUBLISHED_COUNTS.get(total, (None, ""))
    if given is None and len(tags) > 1:
        raise ConfigurationError(f"the files come from different sources ({', '.join(sorted(tags))}); give --source.")
    tag = given or next(iter(tags), None) or published
    if tag is None:
        raise ConfigurationError(
            f"source unknown: {total} events is not the number of a published file. Give --source, for example "
            f"--source {ADC2021_V1}, --source {ADC2021_V2} or --source l1ad-gen."
        )
    if published is not None and tag in (ADC2021_V1, ADC2021_V2) and tag != published:
        raise ConfigurationError(f"--source {tag}: {total} events are those of {published} ({recognised}).")
    return tag, recognised if tag == published else ""


def _read(
    paths: Sequence[Path],
    variant: str,
    columns: tuple[str, ...],
    total: int,
    progress: Callable[[int, int], None] | None,
) -> Iterator[EventChunk]:
    """Yield the checked events of all files with their optional columns."""
    done = 0
    for path in paths:
        with EventFile(path, variant) as file:
            start = 0
            for particles in file.iter_chunks(CHUNK_ROWS):
                rows = slice(start, start + len(particles))
                yield EventChunk(particles, {name: file.column(name, rows) for name in columns})
                start, done = rows.stop, done + len(particles)
                if progress is not None:
                    progress(done, total)
