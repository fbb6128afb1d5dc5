"""Pattern files of boards with links of 64-bit words: EMP version 2 and APx.

EMP: https://serenity.web.cern.ch/serenity/emp-fwk/software/buffer-data-files.html (EMP framework 0.7 and later).
APx: CMSSW, L1Trigger/DemonstratorTools, readAPxFile and writeAPxFile. CMSSW's tools read both.

An event is a packet of a fixed number of frames. Its values fill the 64-bit words from the lowest bit, and none is
split between two words; the words fill the frames of the first link, then those of the next. The answer lies on the
first link of its own files, in the packet of its event, without the latency of the firmware.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from l1ad.emulation.patterns.base import Column, Integers, PatternOptions, Vectors, from_bits, read_lines, to_bits
from l1ad.errors import ConfigurationError, DataError
from l1ad.provenance import check_name

WORD_BITS = 64
_METADATA = "Metadata: (strobe,) start of orbit, start of packet, end of packet, valid"
_EMP_WORD = re.compile(r"([01])?([01])([01])([01])([01]) ([0-9a-fA-F]{16})")


@dataclass(frozen=True)
class Board:
    """What a file holds: words of links, and the flags of each word.

    Attributes
    ----------
    links : tuple of int
        Numbers of the links.
    words : array of uint64, shape (frames, links)
    orbit, start, end, valid : array of bool, shape (frames, links)
        Start of the orbit, start and end of a packet, and whether the word counts.
    """

    links: tuple[int, ...]
    words: npt.NDArray[np.uint64]
    orbit: npt.NDArray[np.bool_]
    start: npt.NDArray[np.bool_]
    end: npt.NDArray[np.bool_]
    valid: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Place:
    """Where a value lies within its event."""

    link: int
    frame: int
    bit: int


class _LinkFormat(ABC):
    """Packets on links; the text of a file is left to the format."""

    def write(self, vectors: Vectors, folder: Path, options: PatternOptions) -> dict[str, Any]:
        """Write ``inputs_<n>.txt`` and ``expected_<n>.txt``, each as long as a buffer."""
        if not 1 <= options.frames <= options.depth:
            raise ConfigurationError(f"frames {options.frames}; expected 1 to {options.depth}, the depth of a buffer.")
        check_name(options.name, "name")
        per_file = options.depth // options.frames
        layout: dict[str, Any] = {"frames_per_event": options.frames, "word_bits": WORD_BITS, "latency_frames": 0}
        parts = (
            ("inputs", vectors.inputs, vectors.input_columns),
            ("expected", vectors.expected, vectors.output_columns),
        )
        for what, values, columns in parts:
            places = _places(columns, options)
            layout[what] = [
                {"name": c.name, "link": p.link, "frame": p.frame, "bit": p.bit, "width": c.type.width}
                for c, p in zip(columns, places, strict=True)
            ]
            layout[f"{what}_files"] = []
            for number, first in enumerate(range(0, len(values), per_file)):
                name = f"{what}_{number}.txt"
                board = _pack(values[first : first + per_file], columns, places, options.frames)
                (folder / name).write_text("".join(f"{x}\n" for x in self.lines(board, options.name)), encoding="ascii")
                layout[f"{what}_files"].append(name)
        return layout

    def read(self, folder: Path, layout: Mapping[str, Any], columns: Sequence[Sequence[Column]]) -> list[Integers]:
        """Read all files back."""
        return [
            np.concatenate([self._unpack(folder / name, layout, what, part) for name in layout[f"{what}_files"]])
            for what, part in zip(("inputs", "expected"), columns, strict=True)
        ]

    def _unpack(self, path: Path, layout: Mapping[str, Any], what: str, columns: Sequence[Column]) -> Integers:
        """Return the integers of one file, shape (events, columns)."""
        board, frames = self.parse(path), layout["frames_per_event"]
        if not len(board.words) or len(board.words) % frames:
            raise DataError(f"{path}: {len(board.words)} frames; expected packets of {frames}. The file is truncated.")
        packets = np.zeros(len(board.words), dtype=bool)
        packets[::frames] = True
        if not (board.valid.all() and (board.start == packets[:, None]).all()):
            raise DataError(f"{path}: the flags do not mark packets of {frames} valid frames.")
        if (board.end != np.roll(packets, -1)[:, None]).any():
            raise DataError(f"{path}: the ends of the packets are not {frames} frames apart.")
        found = []
        for item, column in zip(layout[what], columns, strict=True):
            if item["link"] not in board.links:
                raise DataError(f"{path}: has no link {item['link']}, on which {item['name']} lies.")
            words = board.words[item["frame"] :: frames, board.links.index(item["link"])]
            found.append(from_bits(words >> np.uint64(item["bit"]), column.type))
        return np.stack(found, axis=1)

    @abstractmethod
    def lines(self, board: Board, name: str) -> Iterator[str]:
        """Yield the lines of a file."""

    @abstractmethod
    def parse(self, path: Path) -> Board:
        """Read a file."""


class EmpFormat(_LinkFormat):
    """EMP buffer files, version 2."""

    def lines(self, board: Board, name: str) -> Iterator[str]:
        """Yield the lines of a file."""
        yield f"ID: {name}"
        yield _METADATA
        yield ""
        yield "      Link  " + "".join(f"            {link:03d}        " for link in board.links)
        for frame, words in enumerate(board.words):
            cells = [
                f"{board.orbit[frame, i]:d}{board.start[frame, i]:d}{board.end[frame, i]:d}{board.valid[frame, i]:d} "
                f"{int(word):016x}"
                for i, word in enumerate(words)
            ]
            yield f"Frame {frame:04d}  " + "".join(f"  {cell}" for cell in cells)

    def parse(self, path: Path) -> Board:
        """Read a file.

        Raises
        ------
        DataError
            When a line is not as the format asks for; the line is named.
        """
        lines = [(n, x) for n, x in enumerate(read_lines(path), 1) if x.strip() and not x.startswith("#")]
        if len(lines) < 4 or not lines[0][1].startswith("ID: ") or lines[1][1] != _METADATA:
            raise DataError(f"{path}: expected `ID: ...` and `{_METADATA}` on the first two lines, then data.")
        head = lines[2][1].split()
        if not head or head[0] != "Link" or not all(x.isdigit() for x in head[1:]) or len(head) < 2:
            raise DataError(f"{path}: line {lines[2][0]}: expected `Link` and the numbers of the links.")
        rows = []
        for frame, (number, line) in enumerate(lines[3:]):
            prefix = f"Frame {frame:04d}  "
            cells = [_EMP_WORD.fullmatch(cell) for cell in re.split(r"\s\s+", line[len(prefix) :].strip())]
            if not line.startswith(prefix) or None in cells or len(cells) != len(head) - 1:
                raise DataError(f"{path}: line {number}: expected `{prefix}` and {len(head) - 1} words with flags.")
            rows.append([cell.groups() for cell in cells if cell is not None])
        flags = np.array([[[x == "1" for x in cell[1:5]] for cell in row] for row in rows], dtype=bool)
        words = np.array([[int(cell[5], 16) for cell in row] for row in rows], dtype=np.uint64)
        return Board(tuple(int(x) for x in head[1:]), words, *(flags[:, :, i] for i in range(4)))


class ApxFormat(_LinkFormat):
    """APx pattern files with the sideband: bit 0 valid, 1 start, 2 first of the orbit, 3 end of the packet."""

    def lines(self, board: Board, name: str) -> Iterator[str]:
        """Yield the lines of a file; it has no place for a name."""
        del name
        yield "#Sideband ON"
        yield "#LinkLabel" + "".join(f"                LINK_{link:02d}    " for link in board.links)
        yield "#BeginData"
        side = board.valid * 1 + board.start * 2 + board.orbit * 4 + board.end * 8
        for frame, words in enumerate(board.words):
            cells = [f"    0x{side[frame, i]:02x} 0x{int(word):016x}" for i, word in enumerate(words)]
            yield f"0x{frame:04x}" + "".join(cells)

    def parse(self, path: Path) -> Board:
        """Read a file.

        Raises
        ------
        DataError
            When a line is not as the format asks for; the line is named.
        """
        lines = read_lines(path)
        if len(lines) < 4 or lines[0] != "#Sideband ON" or lines[2] != "#BeginData":
            raise DataError(f"{path}: expected `#Sideband ON`, `#LinkLabel ...`, `#BeginData`, then data.")
        head = lines[1].split()
        if head[0] != "#LinkLabel" or not all(re.fullmatch(r"LINK_\d+", x) for x in head[1:]) or len(head) < 2:
            raise DataError(f"{path}: line 2: expected `#LinkLabel` and labels such as LINK_00.")
        row = re.compile(r"0x([0-9a-f]{4})" + r"\s+0x([0-9a-f]{2})\s+0x([0-9a-f]{16})" * (len(head) - 1))
        rows = []
        for frame, line in enumerate(lines[3:]):
            match = row.fullmatch(line)
            if match is None or int(match[1], 16) != frame:
                raise DataError(f"{path}: line {frame + 4}: expected 0x{frame:04x} and {len(head) - 1} pairs of words.")
            rows.append([int(x, 16) for x in match.groups()[1:]])
        table = np.array(rows, dtype=np.uint64)
        side = table[:, 0::2]
        flags = [np.asarray((side & np.uint64(1 << i)) != 0, dtype=np.bool_) for i in range(4)]
        return Board(tuple(int(x[5:]) for x in head[1:]), table[:, 1::2], flags[2], flags[1], flags[3], flags[0])


def _places(columns: Sequence[Column], options: PatternOptions) -> list[_Place]:
    """Return where each value of an event lies; a value is never split between two words."""
    places, word, bit = [], 0, 0
    for column in columns:
        width = column.type.width
        if not 0 < width <= WORD_BITS - 1:
            raise DataError(f"{column.name}: {width} bits; a word of a link holds 1 to {WORD_BITS - 1} of one value.")
        if bit + width > WORD_BITS:
            word, bit = word + 1, 0
        places.append(_Place(options.first_link + word // options.frames, word % options.frames, bit))
        bit += width
    return places


def _pack(values: Integers, columns: Sequence[Column], places: Sequence[_Place], frames: int) -> Board:
    """Return the frames of events, one packet after the other; the first word of the file starts the orbit."""
    links = tuple(range(min(p.link for p in places), max(p.link for p in places) + 1))
    words = np.zeros((len(values), frames, len(links)), dtype=np.uint64)
    for number, (column, place) in enumerate(zip(columns, places, strict=True)):
        bits = to_bits(values[:, number], column.type.width)
        words[:, place.frame, place.link - links[0]] |= bits << np.uint64(place.bit)
    shape = (len(values), frames, len(links))
    start, end, orbit = (np.zeros(shape, dtype=bool) for _ in range(3))
    start[:, 0], end[:, -1], orbit[0, 0] = True, True, True
    valid = np.ones(shape, dtype=bool)
    flags = [part.reshape(-1, len(links)) for part in (orbit, start, end, valid)]
    return Board(links, words.reshape(-1, len(links)), *flags)
