"""CMS global trigger (uGT) test vectors: text, one bunch crossing a line, every object one hexadecimal word.

The columns and bit fields are those that CMSSW's L1Trigger/L1TGlobal, GtRecordDump writes: bunch crossing (four
decimal digits), 8 muons of 64 bits, 12 e/gamma, 12 taus and 12 jets of 32 bits, 12 words of energy sums, external
conditions, algorithm bits, final OR. The first version of the format has 8 taus and 4 words of sums. Lines that begin
with ``|`` are a header.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError
from l1ad.events.adc2021 import EventChunk
from l1ad.events.importers.assembly import HARDWARE_DATASET, Assembly, ObjectColumns, physical
from l1ad.events.importers.base import ImportOptions
from l1ad.events.importers.l1objects import sum_type

#: Column of the bunch crossing in the event file.
CROSSING = "BX"
_HEADER = "|"


class _Layout(NamedTuple):
    """Columns of a line."""

    taus: int
    sums: int

    @property
    def columns(self) -> int:
        return 1 + _MUONS + _EGAMMAS + self.taus + _JETS + self.sums + 3


_MUONS, _EGAMMAS, _JETS = 8, 12, 12
_LAYOUTS = (_Layout(taus=12, sums=12), _Layout(taus=8, sums=4))
#: Word of the sums that holds the missing energy.
_SUM_WORDS = {"etm": 2, "etmhf": 4}


class _Field(NamedTuple):
    """Bits of one quantity in a word."""

    low: int
    width: int
    signed: bool = False


#: pT, eta and phi of each object; the eta and phi of a muon are those at the vertex.
_FIELDS = {
    "met": (_Field(0, 12), None, _Field(12, 8)),
    "electron": (_Field(0, 9), _Field(9, 8, True), _Field(17, 8)),
    "muon": (_Field(10, 9), _Field(23, 9, True), _Field(0, 10)),
    "jet": (_Field(0, 11), _Field(11, 8, True), _Field(19, 8)),
}
_LINE = re.compile(r"\d{4}( [0-9a-fA-F]{16}){1,8}")


def looks_like_ugt(text: str) -> bool:
    """Return whether the head of a text file is that of a test vector.

    Examples
    --------
    >>> looks_like_ugt("|name: sample" + chr(10) + "0000 " + "0" * 16 + " 00")
    True
    >>> looks_like_ugt("met_pt,met_phi" + chr(10) + "0000,1")
    False
    """
    for line in text.splitlines():
        if line.strip() and not line.startswith(_HEADER):
            return _LINE.match(" ".join(line.split())) is not None
    return False


def open_ugt(path: Path, options: ImportOptions) -> UgtReader:
    """Open a test vector.

    Raises
    ------
    ConfigurationError
        When ``options.met`` is no missing energy of the trigger.
    DataError
        When the file is absent.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    return UgtReader(path, options)


class UgtReader:
    """Events of one test vector; see `l1ad.events.importers.base.EventReader`."""

    def __init__(self, path: Path, options: ImportOptions) -> None:
        met, _ = sum_type(options.met)
        self._path, self._batch, self._met_word = path, options.batch, _SUM_WORDS[met]
        self._assembly = Assembly(str(path), hardware=True)
        self.events: int | None = None
        self.source_tag: str | None = "cms-ugt"
        self.settings = {"met": met, "muon coordinates": "at the vertex", "hardware": "kept"}
        self.dropped = self._assembly.dropped

    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns besides the events."""
        return (CROSSING, HARDWARE_DATASET)

    def close(self) -> None:
        """Do nothing: the file is open only while it is read."""

    def chunks(self) -> Iterator[EventChunk]:
        """Yield the crossings in order, a batch at a time."""
        try:
            with self._path.open(encoding="ascii") as stream:
                rows = self._rows(stream)
                while batch := list(islice(rows, self._batch)):
                    yield self._chunk(batch)
        except UnicodeDecodeError as error:
            raise DataError(f"{self._path}: not text ({error.reason}); expected a uGT test vector.") from error

    def _rows(self, lines: Iterator[str]) -> Iterator[tuple[int, list[int], list[int], list[int], int]]:
        """Yield crossing, words of muons, e/gamma, jets, and the word of the missing energy of each line."""
        layout: _Layout | None = None
        for number, line in enumerate(lines, start=1):
            words = line.split()
            if not words or line.startswith(_HEADER):
                continue
            if layout is None:
                layout = self._layout(number, words)
            yield self._row(number, words, layout)

    def _layout(self, number: int, words: list[str]) -> _Layout:
        """Return the version of the format that the first line has."""
        for layout in _LAYOUTS:
            if len(words) == layout.columns:
                if layout.sums <= self._met_word:
                    raise DataError(f"{self._path}: this version of the format has no ETMHF word; give --met etm.")
                return layout
        raise DataError(
            f"{self._path}: line {number} has {len(words)} columns; expected "
            f"{' or '.join(str(layout.columns) for layout in _LAYOUTS)}."
        )

    def _row(self, number: int, words: list[str], layout: _Layout) -> tuple[int, list[int], list[int], list[int], int]:
        """Return the words of one line as integers."""
        if len(words) != layout.columns:
            raise DataError(
                f"{self._path}: line {number} has {len(words)} columns, the first one {layout.columns}. "
                "Is the file cut off?"
            )
        ends = np.cumsum([1, _MUONS, _EGAMMAS, layout.taus, _JETS]).tolist()
        met = ends[4] + self._met_word
        chosen = [*words[1 : ends[2]], *words[ends[3] : ends[4]], words[met]]
        for word, digits in zip(chosen, [16] * _MUONS + [8] * (_EGAMMAS + _JETS + 1), strict=True):
            if len(word) != digits:
                raise DataError(
                    f"{self._path}: line {number}: word {word!r} has {len(word)} digits; expected {digits}."
                )
        try:
            values = [int(word, 16) for word in chosen]
            crossing = int(words[0])
        except ValueError as error:
            raise DataError(f"{self._path}: line {number}: {error}.") from error
        first = _MUONS + _EGAMMAS
        return crossing, values[:_MUONS], values[_MUONS:first], values[first:-1], values[-1]

    def _chunk(self, rows: list[tuple[int, list[int], list[int], list[int], int]]) -> EventChunk:
        """Return one batch in the layout."""
        words = {
            "muon": np.array([row[1] for row in rows], dtype=np.uint64),
            "electron": np.array([row[2] for row in rows], dtype=np.uint64),
            "jet": np.array([row[3] for row in rows], dtype=np.uint64),
            "met": np.array([[row[4]] for row in rows], dtype=np.uint64),
        }
        objects = {block: _decoded(block, values) for block, values in words.items()}
        particles, integers = self._assembly.events(objects, len(rows))
        columns: dict[str, NDArray[np.integer]] = {CROSSING: np.array([row[0] for row in rows], dtype=np.int64)}
        if integers is not None:
            columns[HARDWARE_DATASET] = integers
        return EventChunk(particles, columns)


def _decoded(block: str, words: NDArray[np.uint64]) -> ObjectColumns:
    """Return the objects in words of shape (N, m)."""
    parts = [np.zeros(words.shape, dtype=np.int64) if bits is None else _bits(words, bits) for bits in _FIELDS[block]]
    hardware = np.stack(parts, axis=-1)
    pt, eta, phi = physical(block, hardware)
    return ObjectColumns(pt, eta, phi, hardware, (f"{block} pt", f"{block} eta", f"{block} phi"))


def _bits(words: NDArray[np.uint64], bits: _Field) -> NDArray[np.int64]:
    """Return a field of words, in two's complement when it is signed."""
    values = ((words >> np.uint64(bits.low)) & np.uint64((1 << bits.width) - 1)).astype(np.int64)
    return np.where(bits.signed & (values >> (bits.width - 1) == 1), values - (1 << bits.width), values)
