"""The input contract as ``scales.h`` of CMS's AXOL1TL emulators: two tables, offsets and shifts, of 57 integers.

An emulator computes ``(x - ad_offsets[i]) >> ad_shift[i]`` in ``unscaled_t``, which is ``ap_fixed<18,13>``, and casts
the result to ``input_t`` (cms-hls4ml/AXOL1TL, GTADModel_emulator_v4.cpp). That equals the contract, bit for bit, when
``input_t`` truncates and saturates (``AP_TRN, AP_SAT``) and ``unscaled_t`` holds all that is computed; the writer
refuses a contract for which it does not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from l1ad.errors import DataError
from l1ad.events.contract import InputContract, InputSpec
from l1ad.events.input_kinds import OBJECTS
from l1ad.events.layout import N_INPUTS, N_QUANTITIES
from l1ad.provenance import check_name, write_text

#: ``unscaled_t`` of the emulators.
UNSCALED_WIDTH, UNSCALED_INTEGER = 18, 13
_UNSCALED_FRACTION = UNSCALED_WIDTH - UNSCALED_INTEGER

#: Widths of the tables' types in the published headers; wider ones are written when a value needs it.
_SHIFT_BITS, _OFFSET_BITS = 5, 10

_NAMESPACE = re.compile(r"namespace\s+(\w+)\s*\{")
_TABLE = re.compile(r"(ad_shift_t|ad_offset_t)\s+(ad_shift|ad_offsets)\s*\[\s*(\d+)\s*\]\s*=\s*\{([^}]*)\}")
_TYPE = re.compile(r"typedef\s+ap_fixed<\s*(\d+)\s*,\s*(\d+)\s*>\s+(ad_shift_t|ad_offset_t)\s*;")
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


@dataclass(frozen=True)
class ScalesHeader:
    """The content of a ``scales.h``.

    Attributes
    ----------
    namespace : str
        Its C++ namespace.
    shifts, offsets : tuple of int
        57 each, as the compiler sees them: the tables' types drop what is behind the point.
    """

    namespace: str
    shifts: tuple[int, ...]
    offsets: tuple[int, ...]


def write_scales_header(contract: InputContract, path: Path, model: str = "model") -> None:
    """Write the offsets and shifts of a contract as ``scales.h``.

    Parameters
    ----------
    contract : InputContract
        What to write.
    path : Path
        File.
    model : str, optional
        Name of the model: the namespace is ``hls4ml_MODEL`` and the include ``NN/MODEL.h``, as in the emulators.

    Raises
    ------
    DataError
        When the contract is not over objects, or the emulator's arithmetic does not give its integers.
    L1adError
        When `model` is no name.
    """
    check_name(model, "model name")
    if contract.kind.name != OBJECTS:
        raise DataError(f"scales.h: is over the {N_INPUTS} numbers of objects; this contract is over regions.")
    for spec in contract.inputs:
        _check_exact(spec, contract.type.fraction)
    write_text(path, _text(contract, model))


def read_scales_header(path: Path) -> ScalesHeader:
    """Read a ``scales.h``, of l1ad or of CMS.

    Raises
    ------
    DataError
        When the file is absent, has no two tables of 57 numbers, or a number does not fit its type.
    """
    try:
        text = _COMMENT.sub("", path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
    namespace = _NAMESPACE.search(text)
    widths = {name: (int(width), int(integer)) for width, integer, name in _TYPE.findall(text)}
    tables = {}
    for kind, name, count, body in _TABLE.findall(text):
        if int(count) != N_INPUTS or kind not in widths:
            raise DataError(f"{path}: {name} has {count} entries of type {kind}; expected {N_INPUTS}, and its typedef.")
        tables[name] = _numbers(path, name, body, *widths[kind])
    if namespace is None or set(tables) != {"ad_shift", "ad_offsets"}:
        raise DataError(f"{path}: no namespace with the tables ad_shift and ad_offsets; expected an AXOL1TL scales.h.")
    return ScalesHeader(namespace.group(1), tables["ad_shift"], tables["ad_offsets"])


def check_scales_header(path: Path, contract: InputContract) -> None:
    """Check that a header on disk has the offsets and shifts of a contract.

    Raises
    ------
    DataError
        Naming the first input that differs.
    """
    found = read_scales_header(path)
    for spec, shift, offset in zip(contract.inputs, found.shifts, found.offsets, strict=True):
        if (shift, offset) != (spec.shift, spec.offset):
            raise DataError(
                f"{path}: {spec.name}: offset {offset}, shift {shift}; the contract has offset {spec.offset}, shift "
                f"{spec.shift}."
            )


def _check_exact(spec: InputSpec, fraction: int) -> None:
    """Refuse an input whose value does not fit ``unscaled_t`` on the way, or loses bits there that the contract has."""
    if min(spec.shift, fraction) > _UNSCALED_FRACTION:
        raise DataError(
            f"scales.h: {spec.name}: shift {spec.shift} needs {min(spec.shift, fraction)} bits behind the point; "
            f"unscaled_t of the emulator, ap_fixed<{UNSCALED_WIDTH},{UNSCALED_INTEGER}>, has {_UNSCALED_FRACTION}. "
            f"Give the inputs at most {_UNSCALED_FRACTION} fraction bits."
        )
    largest = max(abs(spec.minimum - spec.offset), abs(spec.maximum - spec.offset)) << max(-spec.shift, 0)
    if largest >= 1 << (UNSCALED_INTEGER - 1):
        raise DataError(
            f"scales.h: {spec.name}: (x - {spec.offset}) >> {spec.shift} reaches {largest}; unscaled_t of the emulator "
            f"is ap_fixed<{UNSCALED_WIDTH},{UNSCALED_INTEGER}> and wraps at {1 << (UNSCALED_INTEGER - 1)}."
        )


def _text(contract: InputContract, model: str) -> str:
    """Return the header."""
    shifts = [spec.shift for spec in contract.inputs]
    offsets = [spec.offset for spec in contract.inputs]
    kind = contract.type
    first = next(spec for spec in contract.inputs if spec.turn)
    azimuth = "from -turn/2 to turn/2 - 1" if first.signed else "from 0 to turn - 1"
    signed = "" if kind.signed else "u"
    return f"""// Input scaling of {model}: (x - ad_offsets[i]) >> ad_shift[i], then a cast to input_t.
// Written by l1ad from a contract with the digest {contract.digest[:16]}, sample {_plain(contract.source_tag)}.
// x: pT in units of {contract.inputs[0].lsb} GeV, eta in hardware units, azimuth in hardware units {azimuth};
// order: MET, 4 e/gamma, 4 muons, 10 jets, each pT, eta, phi; 0 where there is no object.
// input_t has to be ap_{signed}fixed<{kind.width},{kind.integer},AP_TRN,AP_SAT>, unscaled_t \
ap_fixed<{UNSCALED_WIDTH},{UNSCALED_INTEGER}>.
#ifndef ADT_SCALES_{model.upper()}_H_
#define ADT_SCALES_{model.upper()}_H_

#include "NN/{model}.h"

namespace hls4ml_{model} {{

typedef ap_fixed<{_bits(shifts, _SHIFT_BITS)},{_bits(shifts, _SHIFT_BITS)}> ad_shift_t;
typedef ap_fixed<{_bits(offsets, _OFFSET_BITS)},{_bits(offsets, _OFFSET_BITS)}> ad_offset_t;

const ad_shift_t ad_shift[{N_INPUTS}] = {{
{_rows(shifts)}
}};

const ad_offset_t ad_offsets[{N_INPUTS}] = {{
{_rows(offsets)}
}};

}} // namespace hls4ml_{model}
#endif
"""


def _plain(text: str) -> str:
    """Return text that cannot end a comment line."""
    return re.sub(r"[^A-Za-z0-9._+-]", "_", text) or "unknown"


def _rows(values: Sequence[int]) -> str:
    """Return the numbers, the three of one object on a line."""
    lines = [
        "    " + ", ".join(str(value) for value in values[start : start + N_QUANTITIES])
        for start in range(0, len(values), N_QUANTITIES)
    ]
    return ",\n".join(lines)


def _bits(values: Sequence[int], least: int) -> int:
    """Return the bits of a signed integer that holds all values, `least` at least."""
    return max(least, *((value if value >= 0 else ~value).bit_length() + 1 for value in values))


def _numbers(path: Path, name: str, body: str, width: int, integer: int) -> tuple[int, ...]:
    """Return the numbers of a table as a compiler stores them: truncated to the type."""
    if width != integer:
        raise DataError(f"{path}: {name}: type ap_fixed<{width},{integer}>; expected integers.")
    try:
        values = tuple(math.floor(float(item)) for item in body.split(","))
    except (ValueError, OverflowError) as error:
        raise DataError(f"{path}: {name}: {error}; expected numbers.") from error
    if len(values) != N_INPUTS:
        raise DataError(f"{path}: {name} has {len(values)} numbers; expected {N_INPUTS}.")
    limit = 1 << (width - 1)
    for value in values:
        if not -limit <= value < limit:
            raise DataError(f"{path}: {name}: {value} does not fit ap_fixed<{width},{integer}>.")
    return values
