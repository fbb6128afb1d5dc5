"""How mapped cells are counted."""

from __future__ import annotations

import pytest

from l1ad.errors import ToolError
from l1ad.synthesis.cells import QUANTITIES, count_resources


def test_each_kind_of_cell() -> None:
    cells = {
        "LUT1": 1,
        "LUT6": 2,
        "INV": 1,
        "SRL16E": 3,
        "SRLC32E": 1,
        "RAM64M": 1,
        "CARRY4": 5,
        "MUXF7": 2,
        "MUXF8": 1,
    }
    cells |= {"FDRE": 4, "FDSE": 1, "FDCE": 1, "FDPE": 1, "DSP48E2": 2, "RAMB18E2": 3, "RAMB36E2": 1, "$scopeinfo": 9}
    assert count_resources(cells) == {
        "lut": 12.0,
        "ff": 7.0,
        "dsp": 2.0,
        "bram": 2.5,
        "uram": 0.0,
        "srl": 4.0,
        "lutram": 4.0,
        "carry": 5.0,
        "muxf": 3.0,
    }


def test_two_small_luts_are_two() -> None:
    assert count_resources({"LUT2": 2})["lut"] == 2


def test_unknown_cell_is_an_error() -> None:
    with pytest.raises(ToolError, match=r"3 cells of type \$mul"):
        count_resources({"LUT2": 1, "$mul": 3})


def test_black_box_counts_as_nothing_only_when_named() -> None:
    assert count_resources({"logic0": 1}, ["logic0"]) == dict.fromkeys(QUANTITIES, 0.0)
    with pytest.raises(ToolError, match="logic0"):
        count_resources({"logic0": 1})
