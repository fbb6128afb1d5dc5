"""Counts the cells of a netlist mapped to AMD primitives as the resources of a part.

What a primitive occupies is stated in AMD UG974 (UltraScale libraries guide) and UG953 (7 series).

========================= ==============================================================================
LUT1 to LUT6              one LUT each; two small ones are not taken as one, since routed designs pair few
INV                       one LUT: an inverter that mapping could not merge into its load
SRL16E, SRLC32E           one LUT each, and counted as ``srl`` besides
RAM64X1D and the like     the LUTs that hold them, and counted as ``lutram`` besides
CARRY4, CARRY8, MUXF7-9   beside the LUTs of a slice: none; counted as ``carry`` and ``muxf``
FDRE, FDSE, FDCE, FDPE    one flip-flop each; ``DFF`` is a register of Yosys before it has one of these names
DSP48E1, DSP48E2          one DSP slice each
RAMB18, RAMB36            half and one 36-kbit block RAM
URAM288                   one UltraRAM
========================= ==============================================================================
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from l1ad.errors import ToolError

#: Distributed RAM -> LUTs that hold it.
_LUT_RAM = {
    "RAM32X1S": 1,
    "RAM64X1S": 1,
    "RAM128X1S": 2,
    "RAM256X1S": 4,
    "RAM512X1S": 8,
    "RAM32X1D": 2,
    "RAM64X1D": 2,
    "RAM128X1D": 4,
    "RAM256X1D": 8,
    "RAM32M": 4,
    "RAM64M": 4,
    "RAM32M16": 8,
    "RAM64M8": 8,
}

#: Cell -> what one of it adds to each quantity.
CELLS: dict[str, dict[str, float]] = {
    **{f"LUT{inputs}": {"lut": 1.0} for inputs in range(1, 7)},
    "INV": {"lut": 1.0},
    "SRL16E": {"lut": 1.0, "srl": 1.0},
    "SRLC32E": {"lut": 1.0, "srl": 1.0},
    **{name: {"lut": float(luts), "lutram": float(luts)} for name, luts in _LUT_RAM.items()},
    "CARRY4": {"carry": 1.0},
    "CARRY8": {"carry": 1.0},
    **{f"MUXF{inputs}": {"muxf": 1.0} for inputs in (7, 8, 9)},
    **{name: {"ff": 1.0} for name in ("FDRE", "FDSE", "FDCE", "FDPE", "DFF")},
    "DSP48E1": {"dsp": 1.0},
    "DSP48E2": {"dsp": 1.0},
    **{name: {"bram": 0.5} for name in ("RAMB18E1", "RAMB18E2")},
    **{name: {"bram": 1.0} for name in ("RAMB36E1", "RAMB36E2")},
    "URAM288": {"uram": 1.0},
    "$scopeinfo": {},
}

#: Every quantity that `count_resources` returns.
QUANTITIES = ("lut", "ff", "dsp", "bram", "uram", "srl", "lutram", "carry", "muxf")


def count_resources(cells: Mapping[str, int], black_boxes: Collection[str] = ()) -> dict[str, float]:
    """Return the resources that `cells` occupy.

    Parameters
    ----------
    cells : mapping of str to int
        Cell type -> number.
    black_boxes : collection of str
        Types that are counted elsewhere.

    Returns
    -------
    dict of str to float
        Every name of `QUANTITIES`; ``bram`` in units of 36 kbit.

    Raises
    ------
    ToolError
        When a cell type is not known: it would count as nothing.

    Examples
    --------
    >>> counts = count_resources({"LUT2": 3, "SRL16E": 1, "CARRY4": 2, "FDRE": 8, "RAMB18E2": 1})
    >>> counts["lut"], counts["srl"], counts["ff"], counts["bram"]
    (4.0, 1.0, 8.0, 0.5)
    """
    total = dict.fromkeys(QUANTITIES, 0.0)
    for name, number in cells.items():
        if name in black_boxes:
            continue
        if name not in CELLS:
            raise ToolError(f"the netlist holds {number} cells of type {name}, which have no known size in LUTs.")
        for quantity, each in CELLS[name].items():
            total[quantity] += each * number
    return total
