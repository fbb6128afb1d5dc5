"""How raw integers lie on the ports of the Verilog that alkaid writes."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from l1ad.errors import DataError
from l1ad.records import FixedType

#: Names that alkaid gives the ports (alkaid 0.8.2, trace/pipeline.py).
INPUT_PORT, OUTPUT_PORT = "model_inp", "model_out"
#: alkaid's record of signals and their precisions.
SIGNALS = "model/fsm.json.gz"
#: Suffix of the module that gives all elements of a port one type.
WRAPPER = "_wrapper"


@dataclass(frozen=True)
class PortTypes:
    """Name of the module, element types of its packed ports, and whether it has a clock."""

    module: str
    input: FixedType
    output: FixedType
    clocked: bool


def wrapper_ports(folder: Path, top: str, n_inputs: int, n_outputs: int) -> PortTypes:
    """Return how the elements lie on the ports of alkaid's wrapper.

    alkaid's module packs every element with its own width. Its wrapper gives all elements of a port the smallest
    common type, which may leave out bits that no element uses (``generate_io_wrapper``, alkaid 0.8.2).

    Parameters
    ----------
    folder : Path
        Folder of the project.
    top : str
        Module of the network.
    n_inputs, n_outputs : int
        Elements that the ports must have.

    Raises
    ------
    DataError
        When alkaid's record is damaged or says something else.
    """
    inputs, outputs = element_types(folder, n_inputs, n_outputs)
    wrapper = top + WRAPPER
    return PortTypes(wrapper, _common_type(inputs), _common_type(outputs), has_clock(folder, wrapper))


def element_types(folder: Path, n_inputs: int, n_outputs: int) -> tuple[list[FixedType], list[FixedType]]:
    """Return the types of the elements of alkaid's own ports, which are packed without gaps, the first lowest.

    Parameters
    ----------
    folder : Path
        Folder of the project.
    n_inputs, n_outputs : int
        Elements that the ports must have. One that is never used has 0 bits.

    Raises
    ------
    DataError
        When alkaid's record is damaged or says something else.
    """
    path = folder / SIGNALS
    try:
        signals = _signals(json.loads(gzip.decompress(path.read_bytes())))
        found = [[_type(precision) for precision in signals[name]] for name in (INPUT_PORT, OUTPUT_PORT)]
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(f"{path}: not a record of alkaid's signals ({error!r}).") from error
    counts = [len(types) for types in found]
    if counts != [n_inputs, n_outputs]:
        raise DataError(f"{path}: ports of {counts} elements; expected {[n_inputs, n_outputs]}.")
    return found[0], found[1]


def has_clock(folder: Path, module: str) -> bool:
    """Return whether the module of that name in ``src/``, Verilog or VHDL, has the port ``clk``.

    Raises
    ------
    DataError
        When the file cannot be read.
    """
    path = folder / "src" / f"{module}.v"
    if path.with_suffix(".vhd").exists():
        path = path.with_suffix(".vhd")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}). Convert again.") from error
    return re.search(r"\binput\s+(?:wire\s+)?clk\b|\bclk\s*:\s*in\b", text) is not None


def _signals(state: dict[str, Any]) -> dict[str, list[list[int]]]:
    """Return name -> precisions ``[signed, integer bits without sign, fraction bits]`` of every signal."""
    ends = [connection[end] for connection in state["fsm"]["conns"] for end in ("src", "dst")]
    return {str(end[0]): end[2] for end in ends if end is not None}


def _type(precision: list[int]) -> FixedType:
    signed, integer, fraction = (int(bits) for bits in precision)
    return FixedType(bool(signed), signed + integer + fraction, signed + integer)


def _common_type(types: list[FixedType]) -> FixedType:
    """Return the smallest type that holds all of them."""
    signed = max(int(item.signed) for item in types)
    integer = max(item.integer - int(item.signed) for item in types)
    fraction = max(item.fraction for item in types)
    return FixedType(bool(signed), signed + integer + fraction, signed + integer)
