"""The weights of an HLS project as hls4ml writes them: read as raw integers, and single ones or sums changed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from l1ad.emulation.csim import WEIGHTS
from l1ad.records import FixedType

_ARRAY = re.compile(r"^(\w+) (\w+?)(\d+)\[\d+\](?: = \{([^}]*)\})?;", re.MULTILINE)
#: One operation of distributed arithmetic, and the file that hls4ml 1.3.0 writes them to.
_SUM = re.compile(r"^ +ap_u?fixed<[^>]*> (?P<name>v\d+) = .*(?P<sign> [-+] ).*;", re.MULTILINE)
_OPERATIONS = "firmware/nnet_utils/nnet_code_gen.h"
_TYPEDEF = re.compile(r"typedef ap_(u?)(fixed|int)<(\d+)(?:,\s*(-?\d+))?[^>]*> (\w+);")


@dataclass(frozen=True)
class Weights:
    """One array of weights as hls4ml writes it: the same numbers in a header and, perhaps, in a text file."""

    name: str
    number: int
    type_name: str
    values: tuple[Decimal, ...]

    def raw(self, index: int, fixed_type: FixedType) -> int:
        """Return one of them as a raw integer of its type."""
        scaled = self.values[index] * Decimal(2) ** fixed_type.fraction
        return int(scaled.to_integral_value(rounding="ROUND_FLOOR"))


def read_arrays(folder: Path) -> tuple[list[Weights], dict[str, FixedType]]:
    """Return the arrays of a project with a plain fixed-point type, and the types by name."""
    types = _types((folder / "firmware" / "defines.h").read_text(encoding="utf-8"))
    found = [_read_weights(path) for path in sorted((folder / WEIGHTS).glob("*.h"))]
    return [array for array in found if array is not None and array.type_name in types], types


def write_weight(folder: Path, array: Weights, index: int, raw: int, fixed_type: FixedType) -> None:
    """Replace one number by the raw integer `raw`, in the header and in the text file where there is one."""
    text = f"{Decimal(raw) / Decimal(2) ** fixed_type.fraction:f}"
    for path in sorted((folder / WEIGHTS).glob(f"{array.name}.*")):
        _replace_number(path, index, text)


def wrapped(raw: int, fixed_type: FixedType) -> int:
    """Return the integer that the low bits of `raw` mean.

    Examples
    --------
    >>> wrapped(9, FixedType(True, 4, 2)), wrapped(17, FixedType(False, 4, 2))
    (-7, 1)
    """
    size = 1 << fixed_type.width
    raw %= size
    return raw - size if fixed_type.signed and raw >= size // 2 else raw


def flip_sum(folder: Path, number: int) -> str | None:
    """Make one sum of distributed arithmetic a difference, or the reverse, and say which; None when there is none.

    Number 0 is the last one, which belongs to the last layer with weights.
    """
    path = folder / _OPERATIONS
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    sums = list(_SUM.finditer(text))
    if number >= len(sums):
        return None
    match = sums[-1 - number]
    changed = " - " if match["sign"] == " + " else " + "
    path.write_text(text[: match.start("sign")] + changed + text[match.end("sign") :], encoding="utf-8")
    return f"{_OPERATIONS}: the sign of {match['name']}: {match['sign'].strip()} became {changed.strip()}"


def _types(defines: str) -> dict[str, FixedType]:
    """Return the plain fixed-point types that ``defines.h`` names."""
    types = {}
    for unsigned, kind, width, integer, name in _TYPEDEF.findall(defines):
        if (kind == "int") == (integer == ""):
            types[name] = FixedType(not unsigned, int(width), int(integer or width))
    return types


def _read_weights(path: Path) -> Weights | None:
    """Read a weight header; None when it holds something else, such as compressed weights."""
    for type_name, prefix, number, numbers in _ARRAY.findall(path.read_text(encoding="utf-8")):
        if numbers:
            try:
                values = tuple(Decimal(item.strip()) for item in numbers.split(","))
            except InvalidOperation:
                return None
            return Weights(prefix + number, int(number), type_name, values)
    return None


def _replace_number(path: Path, index: int, text: str) -> None:
    """Replace the number at `index` in the braces of a header, or in a text file."""
    content = path.read_text(encoding="utf-8")
    start, stop = 0, len(content)
    if path.suffix == ".h":
        start, stop = content.index("] = {") + len("] = {"), content.rindex("};")
    numbers = content[start:stop].split(",")
    numbers[index] = text
    path.write_text(content[:start] + ",".join(numbers) + content[stop:], encoding="utf-8")
