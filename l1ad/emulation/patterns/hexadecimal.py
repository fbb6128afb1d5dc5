"""Plain hexadecimal for a test bench: one line an event, as ``$readmemh`` reads it (IEEE 1364-2005, 17.2.9)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from l1ad.emulation.patterns.base import Column, Integers, PatternOptions, Vectors, read_lines
from l1ad.errors import DataError

_FILES = ("inputs.hex", "expected.hex")


class HexFormat:
    """The values of an event side by side, the first one in the lowest bits."""

    def write(self, vectors: Vectors, folder: Path, options: PatternOptions) -> dict[str, Any]:
        """Write ``inputs.hex`` and ``expected.hex``."""
        del options
        layout: dict[str, Any] = {}
        parts = ((vectors.inputs, vectors.input_columns), (vectors.expected, vectors.output_columns))
        for name, (values, columns) in zip(_FILES, parts, strict=True):
            bits = _bits(columns)
            digits = -(-bits[-1] // 4)
            lines = (f"{_word(row, columns, bits):0{digits}x}\n" for row in values.tolist())
            (folder / name).write_text("".join(lines), encoding="ascii")
            layout[name] = {
                "bits": bits[-1],
                "values": [
                    {"name": c.name, "bit": bit, "width": c.type.width} for c, bit in zip(columns, bits, strict=False)
                ],
            }
        return layout

    def read(self, folder: Path, layout: Mapping[str, Any], columns: Sequence[Sequence[Column]]) -> list[Integers]:
        """Read both files back."""
        return [_read(folder / name, layout[name], part) for name, part in zip(_FILES, columns, strict=True)]


def _bits(columns: Sequence[Column]) -> list[int]:
    """Return the lowest bit of each value, and the number of bits."""
    return [0, *np.cumsum([column.type.width for column in columns]).tolist()]


def _word(row: list[int], columns: Sequence[Column], bits: list[int]) -> int:
    """Return the values of one event as one integer of many bits."""
    word = 0
    for value, column, bit in zip(row, columns, bits, strict=False):
        word |= (value & ((1 << column.type.width) - 1)) << bit
    return word


def _read(path: Path, layout: Mapping[str, Any], columns: Sequence[Column]) -> Integers:
    digits = -(-layout["bits"] // 4)
    wanted = re.compile(rf"[0-9a-f]{{{digits}}}")
    rows = []
    for number, line in enumerate(read_lines(path), 1):
        if not wanted.fullmatch(line) or int(line, 16) >> layout["bits"]:
            raise DataError(f"{path}: line {number}: expected {digits} hexadecimal digits of {layout['bits']} bits.")
        rows.append(
            [_value(int(line, 16), item, column) for item, column in zip(layout["values"], columns, strict=True)]
        )
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(columns))


def _value(word: int, item: Mapping[str, Any], column: Column) -> int:
    pattern = (word >> int(item["bit"])) & ((1 << column.type.width) - 1)
    return pattern - (1 << column.type.width) if pattern > column.type.maximum else pattern
