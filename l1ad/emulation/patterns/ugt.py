"""Test vectors of the CMS micro global trigger: one line a bunch crossing, objects as 32- and 64-bit words.

The columns are those of CMSSW's ``GtRecordDump::dumpTestVectors`` (version 2 and later) and of the files in
cms-l1-globaltrigger/mp7_ugt_legacy, firmware/sim: the crossing; 8 muons of 64 bits; 12 electrons or photons, 12 taus,
12 jets and 6 sums of 32 bits; 6 empty words; 256 external conditions; 512 algorithms; the final OR. The bits of the
objects are those of ``formatMuon``, ``formatEG``, ``formatJet`` and ``formatMissET`` there.

A second file repeats the lines with the raw score behind them, as mp7_ugt_legacy's ``*_emu_score.txt`` does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from l1ad.emulation.patterns.base import Column, Integers, PatternOptions, Vectors, read_lines
from l1ad.errors import ConfigurationError, DataError

#: Bunch crossings in an orbit: what a vector file covers at most.
ORBIT = 3564
ALGORITHMS = 512
#: Hexadecimal digits of each column behind the crossing.
_DIGITS = (*[16] * 8, *[8] * (12 + 12 + 12 + 6 + 6), 64, ALGORITHMS // 4, 1)
_ALGORITHM_COLUMN = len(_DIGITS) - 2
_FILES = ("TestVector.txt", "TestVector_score.txt")


@dataclass(frozen=True)
class _Object:
    """Where objects of one kind lie: first column, how many, and quantity -> (bit, width, units in a turn)."""

    column: int
    count: int
    fields: Mapping[str, tuple[int, int, int]]


#: Missing energy is the third sum. Azimuth counts from 0 to a full turn there; it is signed in l1ad's contract.
_OBJECTS = {
    "muon": _Object(0, 8, {"pt": (10, 9, 0), "eta": (23, 9, 0), "phi": (0, 10, 576)}),
    "electron": _Object(8, 12, {"pt": (0, 9, 0), "eta": (9, 8, 0), "phi": (17, 8, 144)}),
    "jet": _Object(32, 12, {"pt": (0, 11, 0), "eta": (11, 8, 0), "phi": (19, 8, 144)}),
    "met": _Object(46, 1, {"pt": (0, 12, 0), "phi": (12, 8, 144)}),
}
_NAME = re.compile(r"(met|electron|muon|jet)(\d*)_(pt|eta|phi)")


@dataclass(frozen=True)
class _Field:
    """The column and bits of one hardware integer; None of them for the eta of missing energy, which is 0."""

    name: str
    column: int
    bit: int
    width: int
    turn: int


class UgtFormat:
    """Hardware integers as the objects of the global trigger; decisions as algorithm bits."""

    def write(self, vectors: Vectors, folder: Path, options: PatternOptions) -> dict[str, Any]:
        """Write ``TestVector.txt`` and ``TestVector_score.txt``."""
        fields = [_field(column) for column in vectors.input_columns]
        _check(vectors, options)
        digits = -(-vectors.output_columns[0].type.width // 4)
        lines, scored = [], []
        for crossing, (row, score) in enumerate(
            zip(vectors.inputs.tolist(), vectors.expected[:, 0].tolist(), strict=True)
        ):
            words = [0] * len(_DIGITS)
            for field, value in zip(fields, row, strict=True):
                _put(words, field, value)
            words[_ALGORITHM_COLUMN] = _decisions(score, vectors.thresholds, options.first_bit)
            words[-1] = int(words[_ALGORITHM_COLUMN] > 0)
            cells = (f"{word:0{width}x}" for word, width in zip(words, _DIGITS, strict=True))
            lines.append(" ".join([f"{crossing:04d}", *cells]))
            scored.append(f"{lines[-1]} {score:0{digits}X}")
        for name, text in zip(_FILES, (lines, scored), strict=True):
            (folder / name).write_text("".join(f"{line}\n" for line in text), encoding="ascii")
        return {
            "files": list(_FILES),
            "inputs": [vars(field) for field in fields if field is not None],
            "thresholds": list(vectors.thresholds),
            "first_algorithm_bit": options.first_bit,
            "score_digits": digits,
        }

    def read(self, folder: Path, layout: Mapping[str, Any], columns: Sequence[Sequence[Column]]) -> list[Integers]:
        """Read both files back; they have to agree, and the decisions have to be those of the scores."""
        plain = [
            _parse(folder / _FILES[0], number, line, 0) for number, line in enumerate(read_lines(folder / _FILES[0]))
        ]
        scored = [
            _parse(folder / _FILES[1], number, line, layout["score_digits"])
            for number, line in enumerate(read_lines(folder / _FILES[1]))
        ]
        if plain != [words[:-1] for words in scored]:
            raise DataError(f"{folder}: {_FILES[0]} and {_FILES[1]} do not hold the same objects.")
        first, thresholds = layout["first_algorithm_bit"], layout["thresholds"]
        for number, words in enumerate(scored):
            wanted = _decisions(words[-1], thresholds, first)
            if words[_ALGORITHM_COLUMN] != wanted or words[-2] != int(wanted > 0):
                raise DataError(f"{folder / _FILES[1]}: line {number + 1}: the score does not give these decisions.")
        fields = [_field(column) for column in columns[0]]
        inputs = [[_get(words, field) for field in fields] for words in plain]
        return [np.array(inputs, dtype=np.int64), np.array([[words[-1]] for words in scored], dtype=np.int64)]


def _check(vectors: Vectors, options: PatternOptions) -> None:
    """Refuse what the format cannot hold."""
    if len(vectors.inputs) > ORBIT:
        raise ConfigurationError(f"events {len(vectors.inputs)}; a vector file covers an orbit of {ORBIT} crossings.")
    if len(vectors.output_columns) != 1 or vectors.output_columns[0].type.signed:
        raise DataError("uGT test vectors carry one score without a sign.")
    last = options.first_bit + len(vectors.thresholds)
    if not 0 <= options.first_bit <= last <= ALGORITHMS:
        raise ConfigurationError(f"algorithm bits {options.first_bit} to {last - 1}; expected 0 to {ALGORITHMS - 1}.")


def _field(column: Column) -> _Field | None:
    """Return where a hardware integer lies; None for one that the format leaves out because it is always 0."""
    match = _NAME.fullmatch(column.name)
    if match is None:
        raise DataError(f"input {column.name}: is no quantity of a trigger object; uGT vectors hold hardware integers.")
    kind, number, quantity = match[1], int(match[2] or 1) - 1, match[3]
    place = _OBJECTS[kind]
    if quantity not in place.fields:
        return None
    bit, width, turn = place.fields[quantity]
    if number >= place.count or column.type.width > width or column.type.fraction:
        raise DataError(f"input {column.name} of {column.type}: the object of the uGT holds {width} bits of it.")
    return _Field(column.name, place.column + number, bit, width, turn)


def _put(words: list[int], field: _Field | None, value: int) -> None:
    """Write a hardware integer into its word."""
    if field is None:
        if value:
            raise DataError(f"a quantity that the uGT does not have is {value}; expected 0.")
        return
    pattern = value % field.turn if field.turn else value & ((1 << field.width) - 1)
    words[field.column] |= pattern << field.bit


def _get(words: Sequence[int], field: _Field | None) -> int:
    """Read a hardware integer from its word."""
    if field is None:
        return 0
    pattern = (words[field.column] >> field.bit) & ((1 << field.width) - 1)
    if field.turn:
        return pattern - field.turn if pattern >= field.turn // 2 else pattern
    if field.name.endswith("eta") and pattern >> (field.width - 1):
        return pattern - (1 << field.width)
    return pattern


def _decisions(score: int, thresholds: Sequence[int], first_bit: int) -> int:
    """Return the algorithm bits: one for each threshold that the score reaches."""
    return sum(1 << (first_bit + number) for number, raw in enumerate(thresholds) if score >= raw)


def _parse(path: Path, number: int, line: str, score_digits: int) -> list[int]:
    """Return the words of a line without the crossing, with the score last when it has one."""
    digits = (*_DIGITS, score_digits) if score_digits else _DIGITS
    crossing, *cells = line.split(" ")
    good = len(cells) == len(digits) and all(
        len(cell) == width and re.fullmatch(r"[0-9a-fA-F]+", cell) for cell, width in zip(cells, digits, strict=True)
    )
    if crossing != f"{number:04d}" or not good:
        raise DataError(
            f"{path}: line {number + 1}: expected crossing {number:04d} and {len(digits)} words of hexadecimal."
        )
    return [int(cell, 16) for cell in cells]
