"""The seam of the importers: what a reader offers, which readers exist, and how a file is recognised."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from l1ad.errors import ConfigurationError, DataError, nearest
from l1ad.events.adc2021 import CHUNK_ROWS, PARTICLES, EventChunk
from l1ad.events.importers.mapping import TableMapping


@dataclass(frozen=True)
class ImportOptions:
    """What a user may say about the files; each format takes what concerns it.

    Attributes
    ----------
    variant : str
        ADC2021: dataset to read.
    objects : str
        NanoAOD: ``auto``, ``reco``, ``l1`` or ``l1emul``.
    met : str or None
        NanoAOD: name of the missing energy (``MET``, ``PuppiMET`` ...). Trigger objects: ``etm`` or ``etmhf``.
    tree : str or None
        ROOT: path of the tree in the file.
    crossing : int
        Trigger objects: bunch crossing relative to the triggered one.
    mapping : TableMapping
        Tables: which column is which quantity, and in which unit.
    batch : int
        Events read at once.
    """

    variant: str = PARTICLES
    objects: str = "auto"
    met: str | None = None
    tree: str | None = None
    crossing: int = 0
    mapping: TableMapping = field(default_factory=TableMapping)
    batch: int = CHUNK_ROWS


class EventReader(Protocol):
    """One open file of any format.

    Attributes
    ----------
    events : int or None
        Events in the file; None when only reading tells.
    source_tag : str or None
        Label of events of this format when the user gives none and the file carries none.
    settings : dict of str to str
        What was chosen: tree, objects, missing energy, units ...
    dropped : dict of str to int
        Object -> how many were beyond its rows and left out, counted while reading.
    """

    events: int | None
    source_tag: str | None
    settings: dict[str, str]
    dropped: dict[str, int]

    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns besides the events, the same for every chunk."""
        ...

    def chunks(self) -> Iterator[EventChunk]:
        """Yield the events in order, a batch at a time."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class OpenReader(Protocol):
    """Opens one file."""

    def __call__(self, path: Path, options: ImportOptions) -> EventReader:
        """Return the reader of `path`, or raise a DataError that says what the file lacks."""
        ...


class Format(NamedTuple):
    """Where a format lives; its module is imported when it is used."""

    module: str
    attribute: str
    help: str


#: Every format, by the name that ``--format`` takes.
FORMATS = {
    "adc2021": Format("l1ad.events.importers.adc2021", "open_adc2021", "HDF5 in the ADC2021 layout"),
    "nanoaod": Format("l1ad.events.importers.nanoaod", "open_nanoaod", "CMS NanoAOD, reconstructed or L1 objects"),
    "l1ntuple": Format("l1ad.events.importers.l1ntuple", "open_l1ntuple", "CMS L1 ntuple with an L1UpgradeTree"),
    "ugt": Format("l1ad.events.importers.ugt", "open_ugt", "CMS global trigger test vector, text"),
    "csv": Format("l1ad.events.importers.table", "open_csv", "text with named columns"),
    "parquet": Format("l1ad.events.importers.table", "open_parquet", "Parquet with named columns"),
    "numpy": Format("l1ad.events.importers.table", "open_numpy", "one .npy array, or .npz with named arrays"),
}


def open_reader(path: Path, name: str, options: ImportOptions) -> EventReader:
    """Open `path` as the format `name`.

    Raises
    ------
    ConfigurationError
        When there is no such format.
    DataError
        When the file is not of it.
    """
    if name not in FORMATS:
        raise ConfigurationError(f"--format {name!r}: unknown. {nearest(name, FORMATS)}")
    chosen = FORMATS[name]
    opener = cast(OpenReader, getattr(importlib.import_module(chosen.module), chosen.attribute))
    return opener(path, options)


_HEAD_BYTES = 4096
_MAGIC = {
    b"\x89HDF\r\n\x1a\n": "adc2021",
    b"root": "root",
    b"PAR1": "parquet",
    b"\x93NUMPY": "numpy",
    b"PK\x03\x04": "numpy",
}


def recognise(path: Path) -> str:
    """Return the name of the format of `path`, from its content.

    The first bytes decide; a ROOT file is opened to see its trees. The name of the file plays no part.

    Raises
    ------
    DataError
        When the file is absent, empty, or of no known format.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    if not head:
        raise DataError(f"{path}: empty file.")
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return _root_format(path) if name == "root" else name
    text = _text(head)
    if text is None:
        raise DataError(
            f"{path}: begins with {head[:8]!r}, which is no format that l1ad reads "
            f"({', '.join(FORMATS)}). Give --format when you know better."
        )
    from l1ad.events.importers.ugt import looks_like_ugt

    return "ugt" if looks_like_ugt(text) else "csv"


def _root_format(path: Path) -> str:
    """Return which of the two ROOT formats `path` is."""
    from l1ad.events.importers.l1ntuple import TREES
    from l1ad.events.importers.rootfiles import open_root, tree_names

    with open_root(path) as file:
        names = tree_names(file)
    if any(name in TREES for name in names):
        return "l1ntuple"
    if "Events" in names:
        return "nanoaod"
    trees = f"the trees {', '.join(names)}" if names else "no tree"
    raise DataError(
        f"{path}: a ROOT file with {trees}; expected Events (NanoAOD) or {TREES[0]} (L1 ntuple). Give --format and "
        "--tree when yours has another name."
    )


def _text(head: bytes) -> str | None:
    """Return the head of a text file, or None for anything else; the last character may be cut."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(head) < _HEAD_BYTES or error.start < len(head) - 3:
            return None
        text = head[: error.start].decode("utf-8")
    return None if any(not (c.isprintable() or c in "\t\r\n\ufeff") for c in text) else text
