"""Readers of what Vivado writes: utilization, timing, power."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from l1ad.errors import DataError
from l1ad.synthesis.reports.power import read_power
from l1ad.synthesis.reports.record import ToolReport
from l1ad.synthesis.reports.route_status import read_route_status
from l1ad.synthesis.reports.timing import read_timing
from l1ad.synthesis.reports.utilization import read_utilization

SAMPLES = Path(__file__).parent / "report_samples"


def values(report: ToolReport) -> dict[str, float]:
    return {m.name: m.value for m in report.measurements}


@pytest.fixture
def edited(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that copies a sample with texts replaced; a text that is not there is an error."""

    def edit(name: str, *changes: tuple[str, str], to: str = "report.rpt") -> Path:
        text = (SAMPLES / name).read_text()
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        path = tmp_path / to
        path.write_text(text)
        return path

    return edit


def test_utilization_with_prohibited_sites_and_half_a_tile() -> None:
    report = read_utilization(SAMPLES / "utilization_routed.rpt", "out/utilization_routed.rpt")
    assert values(report) == {
        "lut": 4321,
        "ff": 2765,
        "dsp": 16,
        "bram": 2.5,
        "uram": 3,
        "lutram": 21,
        "srl": 21,
        "latch": 0,
        "carry": 312,
    }
    assert report.available["lut"] == 1_182_240  # not the 160 prohibited ones
    assert (report.stage, report.version, report.part, report.top) == (
        "route",
        "2023.2",
        "xcvu9p-flga2104-2L-e",
        "detector",
    )
    assert {m.source for m in report.measurements} == {"Vivado 2023.2, out/utilization_routed.rpt"}
    assert {m.name: m.unit for m in report.measurements}["bram"] == "RAMB36"


def test_regions_are_kept_apart() -> None:
    regions = read_utilization(SAMPLES / "utilization_routed.rpt").regions
    assert regions["SLR0"] == {"lut": 4000, "ff": 2700, "bram": 2.5, "dsp": 16}
    assert regions["SLR1"]["lut"] == 321
    assert regions["SLR2"]["lut"] == 0


def test_7_series_names(edited: Callable[..., Path]) -> None:
    path = edited(
        "utilization_routed.rpt",
        ("CLB LUTs*", "Slice LUTs"),
        ("CLB Registers ", "Slice Registers "),
        ("| URAM              |    3 |     0 |          0 |       960 |  0.31 |\n", ""),
    )
    report = read_utilization(path)
    assert (values(report)["lut"], values(report)["ff"]) == (4321, 2765)
    assert report.missing == {"uram": "no row"}


def test_versal_names(edited: Callable[..., Path]) -> None:
    path = edited(
        "utilization_routed.rpt",
        ("| CLB Registers              |", "| Registers                  |"),
        ("| DSPs           |   16 |", "| DSP58          |   16 |"),
        ("| Block RAM Tile    |  2.5 |     0 |          0 |      2160 |  0.12 |\n", ""),
        ("RAMB36/FIFO*", "RAMB36E5"),
        ("|   RAMB18          |", "|   RAMB18E5        |"),
        ("CARRY8    ", "LOOKAHEAD8"),
    )
    report = read_utilization(path)
    assert [values(report)[name] for name in ("ff", "dsp", "bram", "carry")] == [2765, 16, 2.5, 312]


@pytest.mark.parametrize(
    ("state", "stage"),
    [
        ("Synthesized", "synth"),
        ("Optimized", "synth"),
        ("Fully Placed", "place"),
        ("Physopt postPlace", "place"),
        ("Routed", "route"),
        ("Physopt postRoute", "route"),
    ],
)
def test_stage_is_the_state_of_the_design(edited: Callable[..., Path], state: str, stage: str) -> None:
    path = edited("utilization_routed.rpt", ("| Design State : Routed", f"| Design State : {state}"))
    assert read_utilization(path).stage == stage


def test_report_without_state_is_refused_unless_its_name_says_it(edited: Callable[..., Path]) -> None:
    changes = (("| Design State : Routed\n", ""), ("-file utilization_routed.rpt", "-file a.rpt"))
    with pytest.raises(DataError, match="does not say whether"):
        read_utilization(edited("utilization_routed.rpt", *changes))
    assert read_utilization(edited("utilization_routed.rpt", *changes, to="a_placed.rpt")).stage == "place"


def test_tiles_that_contradict_their_halves(edited: Callable[..., Path]) -> None:
    path = edited("utilization_routed.rpt", ("| Block RAM Tile    |  2.5 |", "| Block RAM Tile    |    5 |"))
    with pytest.raises(DataError, match=r"5 block RAM tiles, but RAMB36 and RAMB18 make 2\.5"):
        read_utilization(path)


def test_black_boxes_take_the_numbers_away(edited: Callable[..., Path]) -> None:
    empty = "| Ref Name | Used |\n+----------+------+\n"
    report = read_utilization(edited("utilization_routed.rpt", (empty, f"{empty}| inner    |    1 |\n")))
    assert report.measurements == ()
    assert report.missing["lut"] == "black box inner is not counted"
    assert report.failures == ()


def test_nothing_used_is_a_failure(edited: Callable[..., Path]) -> None:
    path = edited(
        "utilization_routed.rpt",
        ("| 4321 |", "|    0 |"),
        ("| 2765 |", "|    0 |"),
        ("DSPs           |   16", "DSPs           |    0"),
    )
    report = read_utilization(path)
    assert "lut" not in values(report)
    assert "no LUT" in report.failures[0]


def test_part_of_a_design_is_not_taken(edited: Callable[..., Path]) -> None:
    report = read_utilization(edited("utilization_routed.rpt", ("-file utilization", "-cells u1 -file utilization")))
    assert report.measurements == ()
    assert "part of the design" in report.warnings[0]


def test_utilization_that_is_cut_off(tmp_path: Path) -> None:
    path, text = tmp_path / "a_utilization_routed.rpt", (SAMPLES / "utilization_routed.rpt").read_text()
    path.write_text(text[: text.index("+----", text.index("| CLB LUTs"))])
    with pytest.raises(DataError, match="cut off before its last table"):
        read_utilization(path)
    path.write_text(text[: text.index("1. CLB Logic")] + "+--+\n| a |\n+--+\n")
    with pytest.raises(DataError, match="no table with LUTs"):
        read_utilization(path)
    with pytest.raises(DataError, match="Utilization Design Information"):
        read_utilization(SAMPLES / "power_routed.rpt")


def test_utilization_that_ends_before_its_black_boxes(edited: Callable[..., Path]) -> None:
    contents = "Table of Contents\n-----------------\n1. CLB Logic\n10. Black Boxes\n\n1. CLB Logic\n------------"
    path = edited("utilization_routed.rpt", ("1. CLB Logic\n------------", contents))
    assert values(read_utilization(path))["lut"] == 4321
    text = path.read_text()
    path.write_text(text[: text.rindex("10. Black Boxes")])
    with pytest.raises(DataError, match="cut off before its last table"):
        read_utilization(path)


def test_hierarchy_lists_instances() -> None:
    report = read_utilization(SAMPLES / "hierarchy_routed.rpt")
    assert (report.kind, report.measurements) == ("hierarchy", ())
    assert set(report.modules) == {"detector", "detector/dense_a_U0", "detector/dense_a_U0/mul_U1"}
    assert report.modules["detector/dense_a_U0"]["bram"] == 2.5
    assert report.modules["detector/dense_a_U0/mul_U1"]["dsp"] == 16


def test_timing() -> None:
    report = read_timing(SAMPLES / "timing_routed.rpt")
    assert values(report) == {
        "slack_ns": 0.325,
        "total_slack_ns": 0,
        "failing_endpoints": 0,
        "endpoints": 5432,
        "hold_slack_ns": 0.031,
        "pulse_slack_ns": 2.225,
        "clock_target_ns": 5,
        "clock_ns": 4.675,
    }
    assert (report.stage, report.part, report.warnings) == ("route", "xcvu9p-flga2104", ())


def test_stage_of_timing_comes_from_the_nets(edited: Callable[..., Path]) -> None:
    for word, stage in (("unplaced", "synth"), ("estimated", "place"), ("routed", "route")):
        assert read_timing(edited("timing_routed.rpt", ("(fo=3, routed)", f"(fo=3, {word})"))).stage == stage


def test_missed_timing_keeps_its_sign(edited: Callable[..., Path]) -> None:
    path = edited(
        "timing_routed.rpt",
        ("      0.325        0.000                      0 ", "     -0.450       -7.500                     31 "),
        ("All user specified timing constraints are met.", "Timing constraints are not met."),
    )
    report = read_timing(path)
    assert (values(report)["slack_ns"], values(report)["failing_endpoints"]) == (-0.45, 31)
    assert values(report)["clock_ns"] == 5.45
    assert report.warnings == ("timing constraints are not met",)


def test_timing_without_constraints_has_no_slack(edited: Callable[..., Path]) -> None:
    path = edited(
        "timing_routed.rpt",
        ("      0.325        0.000                      0                 5432        0.031 ", " inf 0.000 0 0 inf "),
        ("All user specified timing constraints are met.", "There are no user specified timing constraints."),
        ("There are 0 register/latch pins with no clock", "There are 17 register/latch pins with no clock"),
    )
    report = read_timing(path)
    assert not {"slack_ns", "hold_slack_ns", "clock_ns", "total_slack_ns"} & set(values(report))
    assert report.missing["slack_ns"] == "inf"
    assert any("17 register pins" in warning for warning in report.warnings)


def test_two_clocks_have_no_single_period(edited: Callable[..., Path]) -> None:
    clock = "ap_clk  {0.000 2.500}        5.000           200.000         \n"
    report = read_timing(edited("timing_routed.rpt", (clock, clock + clock.replace("ap_clk", "slower"))))
    assert report.missing["clock_target_ns"] == "2 clocks"
    assert values(report)["slack_ns"] == 0.325


def test_timing_that_is_cut_off(tmp_path: Path) -> None:
    path, text = tmp_path / "timing_routed.rpt", (SAMPLES / "timing_routed.rpt").read_text()
    path.write_text(text[: text.index("      0.325")])
    with pytest.raises(DataError, match="no table of WNS"):
        read_timing(path)
    path.write_text(text[: text.index("                      0                 5432")])
    with pytest.raises(DataError, match="12 columns of timing, but 2 values"):
        read_timing(path)


def test_power(edited: Callable[..., Path]) -> None:
    report = read_power(SAMPLES / "power_routed.rpt")
    assert values(report) == {"power_w": 3.125, "power_dynamic_w": 0.625, "power_static_w": 2.5, "junction_c": 27.5}
    assert {m.name: m.unit for m in report.measurements}["power_w"] == "W"
    assert report.warnings == ("confidence of the power estimate: Low",)
    assert read_power(edited("power_routed.rpt", ("| Low          |", "| High         |"))).warnings == ()
    hot = read_power(edited("power_routed.rpt", ("| 3.125        |", "| 99.5 (Junction temp exceeded!) |")))
    assert values(hot)["power_w"] == 99.5
    assert "exceeded" in hot.warnings[0]


def test_power_of_nothing_and_cut_off(edited: Callable[..., Path]) -> None:
    report = read_power(edited("power_routed.rpt", ("| 3.125        |", "| 0.000        |")))
    assert set(values(report)) == {"junction_c"}
    with pytest.raises(DataError, match="Total On-Chip Power"):
        read_power(edited("power_routed.rpt", ("| Total On-Chip Power (W)  | 3.125        |\n", "")))


def test_route_status(edited: Callable[..., Path]) -> None:
    report = read_route_status(SAMPLES / "route_status.rpt")
    assert (report.kind, report.stage, report.failures) == ("route_status", "route", ())
    errors = edited("route_status.rpt", ("errors.......... :           0 :", "errors.......... :           7 :"))
    assert read_route_status(errors).failures == ("7 nets with routing errors",)
    open_nets = edited(
        "route_status.rpt", ("routed nets............. :         403 :", "routed nets............. :         400 :")
    )
    assert read_route_status(open_nets).failures == ("400 of 403 nets are routed",)
    with pytest.raises(DataError, match="no rows of routable nets"):
        read_route_status(SAMPLES / "power_routed.rpt")
