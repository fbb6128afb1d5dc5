"""The primitives of a mapped netlist on 64 events at a time: one bit of an event in one bit of a word.

Written from the descriptions in AMD UG974 (UltraScale libraries guide) and UG953 (7 series): a LUT gives bit
{I5, .., I0} of INIT; CARRY4 gives O = S ^ carry and passes the carry where S is set and DI where it is not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

ZERO, ONE = np.uint64(0), np.uint64(0xFFFFFFFFFFFFFFFF)


def look_up(init: int, inputs: Sequence[Words]) -> Words:
    """Return the output of a LUT.

    Parameters
    ----------
    init : int
        Bit k is the output where the inputs, the first lowest, are the number k.
    inputs : sequence of uint64 arrays
        One an input, at least one.

    Examples
    --------
    >>> a, b = np.array([0b1100], np.uint64), np.array([0b1010], np.uint64)
    >>> int(look_up(0b1000, [a, b])[0]), int(look_up(0b0110, [a, b])[0])
    (8, 6)
    """
    zero = np.zeros_like(inputs[0])
    return _shannon(init, list(inputs), zero)


def _shannon(init: int, inputs: list[Words], zero: Words) -> Words:
    """Split by the last input; halves that are equal, constant or opposite need one operation or none."""
    size = 1 << len(inputs)
    full = (1 << size) - 1
    if init in (0, full):
        return zero if init == 0 else ~zero
    half = size // 2
    low, high = init & ((1 << half) - 1), init >> half
    select, rest, ones = inputs[-1], inputs[:-1], (1 << half) - 1
    if low == high:
        return _shannon(low, rest, zero)
    if low == high ^ ones:
        return _shannon(low, rest, zero) ^ select
    if low in (0, ones):
        upper = _shannon(high, rest, zero)
        return upper & select if low == 0 else upper | ~select
    lower = _shannon(low, rest, zero)
    if high in (0, ones):
        return lower & ~select if high == 0 else lower | select
    return lower ^ ((lower ^ _shannon(high, rest, zero)) & select)


def carry(first: Words, data: Sequence[Words], select: Sequence[Words]) -> tuple[list[Words], list[Words]]:
    """Return the carries behind each place of a chain, and its sums.

    Parameters
    ----------
    first : uint64 array
        Carry into the chain.
    data, select : sequence of uint64 arrays
        DI and S, lowest first.
    """
    carries, sums, now = list[Words](), list[Words](), first
    for item, propagate in zip(data, select, strict=True):
        sums.append(propagate ^ now)
        now = item ^ ((item ^ now) & propagate)
        carries.append(now)
    return carries, sums


def choose(zero: Words, one: Words, select: Words) -> Words:
    """Return the output of a multiplexer (MUXF7, MUXF8, MUXF9)."""
    return zero ^ ((zero ^ one) & select)


#: Level of a polarity in the names of Yosys's registers (``help $_SDFFE_PP0P_``).
_ON, _OFF = {"P": "1", "N": "0"}, {"P": "0", "N": "1"}

#: Registers with inputs that must be constant, so that they take D at every clock: type -> input -> constant.
REGISTERS: dict[str, dict[str, str]] = {
    "$_DFF_P_": {},
    "$dff": {},
    "FDRE": {"CE": "1", "R": "0"},
    "SRL16E": {"CE": "1"},
    "SRLC32E": {"CE": "1"},
    **{f"$_DFFE_P{enable}_": {"E": _ON[enable]} for enable in "PN"},
    **{
        f"$_SDFFE_P{reset}{value}{enable}_": {"R": _OFF[reset], "E": _ON[enable]}
        for reset in "PN"
        for value in "01"
        for enable in "PN"
    },
}
MULTIPLEXERS = ("MUXF7", "MUXF8", "MUXF9")
