"""Records: what is written is read back, and what is not a record is refused."""

from __future__ import annotations

import dataclasses
import json

import pytest

from l1ad.errors import DataError
from l1ad.provenance import write_json
from l1ad.records import (
    BitReport,
    Difference,
    FirmwareProject,
    FixedType,
    LayerComparison,
    Measurement,
    NegativeControl,
    RungReport,
)

SCORE = FixedType(signed=False, width=20, integer=14)
INPUT = FixedType(signed=True, width=10, integer=4)
LUT = Measurement("lut", 1234.0, "", "estimate", "yosys 0.60")
DIFFERENCE = Difference(7, "score", 0, 12, 13, SCORE, SCORE)
PROJECT = FirmwareProject(
    "verilog",
    "model",
    "xcvu9p",
    5.0,
    "alkaid",
    INPUT,
    57,
    SCORE,
    1,
    {"a.v": "0" * 64},
    "1" * 64,
    {"d": INPUT},
    9,
    (LUT,),
)


def rung(equal: int = 10, changed: int = 3, first: Difference | None = None) -> RungReport:
    layers = (LayerComparison("mean", 30, 30),)
    return RungReport("rtl", "verilator 5.048", 10, equal, 1e5, layers, first, NegativeControl("a bit", 10, changed))


@pytest.mark.parametrize("record", [SCORE, LUT, DIFFERENCE, PROJECT, BitReport((rung(9, 3, DIFFERENCE),), (LUT,))])
def test_written_and_read_back(record, tmp_path):
    write_json(tmp_path / "record.json", record.to_dict())
    assert type(record).read(tmp_path / "record.json") == record


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not readable as JSON"),
        ("[1]", "holds list"),
        ('{"signed": true, "width": 8}', "integer"),
        ('{"signed": true, "width": 8, "integer": 3, "extra": 1}', "unknown field 'extra'"),
    ],
)
def test_a_file_that_is_no_record(tmp_path, text, message):
    path = tmp_path / "type.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        FixedType.read(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_absent(tmp_path):
    with pytest.raises(DataError, match="no such file; expected a FixedType"):
        FixedType.read(tmp_path / "type.json")


def test_a_truncated_record(tmp_path):
    path = tmp_path / "project.json"
    text = json.dumps(PROJECT.to_dict())
    path.write_text(text[: len(text) // 2])
    with pytest.raises(DataError, match="not readable as JSON"):
        FirmwareProject.read(path)


@pytest.mark.parametrize(
    ("kind", "minimum", "maximum", "fraction", "text"),
    [
        (FixedType(True, 8, 3), -128, 127, 5, "fixed<8,3>"),
        (FixedType(False, 8, 3), 0, 255, 5, "ufixed<8,3>"),
        (FixedType(True, 1, 1), -1, 0, 0, "fixed<1,1>"),
        (FixedType(False, 4, 6), 0, 15, -2, "ufixed<4,6>"),
    ],
)
def test_range_of_a_fixed_point_type(kind, minimum, maximum, fraction, text):
    assert (kind.minimum, kind.maximum, kind.fraction, str(kind)) == (minimum, maximum, fraction, text)


def test_a_rung_passes_when_all_agree_and_the_control_is_caught():
    assert rung().passed
    assert not rung(equal=9).passed
    assert not rung(changed=0).passed
    assert BitReport((rung(), rung())).passed
    assert not BitReport((rung(), rung(equal=9))).passed


def test_the_first_difference_says_all():
    assert str(DIFFERENCE) == "event 7, score[0]: expected 12 (ufixed<20,14>), found 13 (ufixed<20,14>)"


def test_records_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SCORE.width = 3
