"""Imports event files of any known format: checks them and writes one clean file with its provenance."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from l1ad.errors import ConfigurationError, DataError
from l1ad.events.adc2021 import PARTICLES, EventChunk, write_events
from l1ad.events.files import named_digests
from l1ad.events.importers.base import EventReader, ImportOptions, open_reader, recognise
from l1ad.events.published import ADC2021_V1, ADC2021_V2, identify_published
from l1ad.records import Record

_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")

#: Called after each chunk with events done and events in all; the latter is 0 while it is not known.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ImportRecord(Record):
    """What was imported.

    Attributes
    ----------
    source_tag : str
        Label of every result on these events.
    recognised : str
        Which published file it is, and how that was seen; empty when none.
    variant : str
        Dataset that was read.
    events : int
        Events written.
    sources : dict of str to str
        File name -> SHA-256.
    format : str
        Format of the files.
    settings : dict of str to str
        What was read: tree, objects, missing energy, units, whether hardware integers are kept.
    dropped : dict of str to int
        Object -> how many were beyond its rows, of lower pT than those kept, and left out.
    """

    source_tag: str
    recognised: str
    variant: str
    events: int
    sources: dict[str, str]
    format: str = "adc2021"
    settings: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)


def import_events(
    paths: Sequence[Path],
    out: Path,
    *,
    source_tag: str | None = None,
    variant: str = PARTICLES,
    format_name: str | None = None,
    options: ImportOptions | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> ImportRecord:
    """Check event files and write them, one after the other, as one file in our layout.

    Parameters
    ----------
    paths : sequence of Path
        Files to read, all of one format.
    out : Path
        File to write: ``Particles`` in float32, and the columns that the source has (``EvtId``, ``Process``,
        ``Parent``, ``Hardware`` ...).
    source_tag : str or None, optional
        Where the events come from. None: what the files say, the published file that they are, or their format.
    variant : str, optional
        ADC2021: dataset to read; it becomes ``Particles``, and its name is kept as an attribute.
    format_name : str or None, optional
        A key of `l1ad.events.importers.base.FORMATS`; None: recognised from the content.
    options : ImportOptions or None, optional
        What to read; `variant` replaces the one in it.
    force : bool, optional
        Replace an existing `out`.
    progress : callable, optional
        Called after each chunk.

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
    chosen = _with_variant(options or ImportOptions(), variant)
    name = format_name or _common_format(paths)
    with contextlib.ExitStack() as stack:
        readers = [_open(stack, path, name, chosen) for path in paths]
        columns = _common_columns(paths, readers)
        known = [reader.events for reader in readers]
        total = sum(n for n in known if n is not None) if None not in known else 0
        tag, recognised = _identify(source_tag, readers, total, paths)
        sources = named_digests(paths)
        settings = readers[0].settings
        attributes = {
            "variant": variant,
            "recognised": recognised,
            "source_files": ", ".join(f"{file} sha256:{digest}" for file, digest in sources.items()),
            "conversion": "Particles written as float32",
        }

        def record(events: int) -> ImportRecord:
            dropped = {item: sum(reader.dropped[item] for reader in readers) for item in readers[0].dropped}
            return ImportRecord(tag, recognised, variant, events, sources, name, settings, dropped)

        written = write_events(
            out,
            _read(readers, columns, total, progress),
            source_tag=tag,
            attributes=attributes,
            at_end=lambda events: {"import_record": json.dumps(record(events).to_dict())},
        )
        return record(written)


def _with_variant(options: ImportOptions, variant: str) -> ImportOptions:
    """Return the options with another variant."""
    return ImportOptions(**{**options.__dict__, "variant": variant})


def _common_format(paths: Sequence[Path]) -> str:
    """Return the format of all files."""
    names = {path: recognise(path) for path in paths}
    if len(set(names.values())) > 1:
        found = ", ".join(f"{path.name}: {name}" for path, name in names.items())
        raise ConfigurationError(f"the files are of different formats ({found}); import them one format at a time.")
    return names[paths[0]]


def _open(stack: contextlib.ExitStack, path: Path, name: str, options: ImportOptions) -> EventReader:
    """Open one file and have it closed at the end."""
    reader = open_reader(path, name, options)
    stack.callback(reader.close)
    return reader


def _check_output(paths: Sequence[Path], out: Path, force: bool) -> None:
    """Refuse to overwrite an input, or anything without `force`."""
    if not paths:
        raise ConfigurationError("import: no file was given.")
    if out.exists():
        if any(path.exists() and path.samefile(out) for path in paths):
            raise ConfigurationError(f"{out}: is one of the files to import; choose another name.")
        if not force:
            raise ConfigurationError(f"{out}: exists already; give --force to replace it.")


def _common_columns(paths: Sequence[Path], readers: Sequence[EventReader]) -> tuple[str, ...]:
    """Return the columns that all files have besides the events, and check that they agree in what was chosen."""
    for path, reader in zip(paths, readers, strict=True):
        if reader.columns() != readers[0].columns():
            raise DataError(
                f"{path}: optional datasets {list(reader.columns())}; the file before has {list(readers[0].columns())}."
            )
        if reader.settings != readers[0].settings:
            raise DataError(f"{path}: read as {reader.settings}; the file before as {readers[0].settings}.")
    return readers[0].columns()


def _identify(given: str | None, readers: Sequence[EventReader], total: int, paths: Sequence[Path]) -> tuple[str, str]:
    """Return the source tag and the published file that the files are."""
    if given is not None and not _TAG.fullmatch(given):
        raise ConfigurationError(f"--source {given!r}: expected letters, digits and . _ + - such as {ADC2021_V1}.")
    tags = {reader.source_tag for reader in readers if reader.source_tag is not None}
    if given is None and len(tags) > 1:
        raise ConfigurationError(f"the files come from different sources ({', '.join(sorted(tags))}); give --source.")
    published, recognised = identify_published(paths, total)
    tag = given or next(iter(tags), None) or published
    if tag is None:
        raise ConfigurationError(
            f"source unknown: {f'{total} events is' if total else 'this is'} not the number of a published file. Give "
            f"--source, for example --source {ADC2021_V1}, --source {ADC2021_V2} or --source l1ad-gen."
        )
    if published is not None and tag in (ADC2021_V1, ADC2021_V2) and tag != published:
        raise ConfigurationError(f"--source {tag}: {total} events are those of {published} ({recognised}).")
    return tag, recognised if tag == published else ""


def _read(
    readers: Sequence[EventReader], columns: tuple[str, ...], total: int, progress: Progress | None
) -> Iterator[EventChunk]:
    """Yield the events of all files with their columns."""
    done = 0
    for reader in readers:
        for chunk in reader.chunks():
            yield EventChunk(chunk.particles, {name: chunk.columns[name] for name in columns})
            done += len(chunk.particles)
            if progress is not None:
                progress(done, total)
