"""Budget files: absolute, of the part, of one region, of a share; with a stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from l1ad.errors import ConfigurationError, DataError
from l1ad.hardware.budgets import check_budget
from l1ad.hardware.limits import (
    Limit,
    band_warnings,
    bound_value,
    check_limits,
    excess,
    parse_limits,
    read_limits,
)
from l1ad.hardware.parts import resolve_part
from l1ad.records import BudgetReport, Estimate, Measurement

PART = resolve_part("xcvu9p")


def measured(name: str, value: float, stage: str = "route", file: str = "a.rpt") -> Measurement:
    return Measurement(name, value, "", stage, f"Vivado 2023.2, {file}")


def check(values: dict[str, Any], *found: Measurement) -> BudgetReport:
    return check_limits(parse_limits(values), found, PART)


def test_simple_form_stays_valid(tmp_path: Path) -> None:
    path = tmp_path / "budget.yaml"
    path.write_text("latency_ns: 100\nii: 1\nlut: 5 %\ndsp: 0\n")
    found = read_limits(path)
    assert [(x.name, x.bound, x.of) for x in found.limits] == [
        ("latency_ns", 100, ""),
        ("ii", 1, ""),
        ("lut", 5, "part"),
        ("dsp", 0, ""),
    ]
    values = [measured("latency_ns", 100), measured("ii", 1), measured("lut", 59_112), measured("dsp", 0)]
    assert check_limits(found, values, PART).passed
    assert not check_limits(found, [*values[:2], measured("lut", 59_113), values[3]], PART).passed


@pytest.mark.parametrize(
    ("written", "bound"),
    [
        (1000, 1000),
        ("5 %", 59_112),
        ("5% of part", 59_112),
        ("20 % of SLR", 78_816),
        ("50 % of share", 118_224),
        ({"limit": "5 %", "of": "slr"}, 19_704),
    ],
)
def test_bounds(written: Any, bound: float) -> None:
    limits = parse_limits({"share": "20 %", "lut": written})
    assert bound_value(limits.limits[0], limits.share, PART) == pytest.approx(bound)
    assert check_limits(limits, [measured("lut", bound)], PART).passed
    assert not check_limits(limits, [measured("lut", bound + 1)], PART).passed


def test_smallest_region_counts() -> None:
    u55c = resolve_part("xcu55c")
    assert bound_value(Limit("lut", 10, "slr"), 100, u55c) == 43_200
    assert bound_value(Limit("dsp", 10, "slr"), 100, u55c) == 288
    assert bound_value(Limit("bram", 10, "slr"), 100, resolve_part("xcku115")) == 108


def test_several_limits_of_one_quantity_each_with_its_stage() -> None:
    values = {"lut": [{"limit": 100, "stage": "csynth"}, {"limit": 50, "stage": "route"}, 70]}
    report = check(values, measured("lut", 90, "csynth"), measured("lut", 60))
    assert [(x.limit, x.value, x.stage, x.passed) for x in report.lines] == [
        (100, 90, "csynth", True),
        (50, 60, "route", False),
        (70, 60, "route", True),
    ]


def test_limit_of_a_stage_that_was_not_measured_does_not_pass() -> None:
    report = check({"lut": {"limit": 100, "stage": "route"}}, measured("lut", 10, "csynth"))
    line = report.lines[0]
    assert (line.passed, line.value, line.stage) == (False, None, "route")
    assert excess(line) == "lut: not measured, limit 100 (100 at route)"
    assert check({"lut": 100}, measured("lut", 10, "csynth")).passed


def test_slack_is_held_from_below_and_the_worst_counts() -> None:
    values = {"slack_ns": {"limit": 0, "stage": "route"}}
    assert check(values, measured("slack_ns", 0.0), measured("slack_ns", 0.3)).passed
    report = check(values, measured("slack_ns", 0.3), measured("slack_ns", -0.12, file="t.rpt"))
    assert not report.passed
    wanted = "slack_ns: -0.12 ns is below the limit 0 ns (≥ 0 at route) by 0.12 ns, route, Vivado 2023.2, t.rpt"
    assert excess(report.lines[0]) == wanted
    assert check({"slack_ns": -0.2}, measured("slack_ns", -0.12)).passed


def test_excess_names_amount_share_and_file() -> None:
    line = check({"lut": "10 % of slr"}, measured("lut", 59_112)).lines[0]
    wanted = "lut: 59112 exceeds the limit 39408 (10 % of slr) by 19704 (50 %), route, Vivado 2023.2, a.rpt"
    assert excess(line) == wanted
    assert excess(check({"dsp": 0}, measured("dsp", 2)).lines[0]).startswith("dsp: 2 exceeds the limit 0 by 2, route")


def test_stages_of_tools_are_ordered() -> None:
    stages = ["estimate", "csynth", "simulation", "cosim", "synth", "place", "route"]
    for best in range(len(stages)):
        values = [measured("ii", place, stage) for place, stage in enumerate(stages[: best + 1])]
        assert check({"ii": 100}, *values).lines[0].stage == stages[best]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "holds no limit"),
        ({"luts": 5}, "unknown limit 'luts'. Did you mean lut"),
        ({"lut": "5"}, "lut: '5' is not usable"),
        ({"lut": -1}, "not negative"),
        ({"lut": True}, "lut: True"),
        ({"lut": float("nan")}, "lut: nan"),
        ({"lut": "5 % of board"}, "of share"),
        ({"latency_ns": "5 %"}, "latency_ns"),
        ({"lut": {"stage": "route"}}, "expected {limit"),
        ({"lut": {"limit": 5, "stages": "route"}}, "expected {limit"),
        ({"lut": {"limit": 5, "stage": "routed"}}, "unknown stage 'routed'. Did you mean route"),
        ({"share": "0 %", "lut": 5}, "share: '0 %'"),
        ({"share": 10, "lut": 5}, "share: 10"),
        ({"share": "5 % of slr", "lut": 5}, "share"),
        ({"part": "xc7a35t", "lut": 5}, "'xc7a35t' is not known"),
        ({"part": 9, "lut": 5}, "part: 9"),
    ],
)
def test_malformed_limits(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_limits(values)
    assert message in str(caught.value)


def test_unreadable_files(tmp_path: Path) -> None:
    path = tmp_path / "budget.yaml"
    with pytest.raises(ConfigurationError, match="no such budget file"):
        read_limits(path)
    for text, message in (
        ("lut: [5\n", "YAML"),
        ("- lut\n", "expected limits"),
        ("lut: lots\n", r"budget\.yaml: lut: 'lots'"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigurationError, match=message):
            read_limits(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_impossible_measurements(value: float) -> None:
    with pytest.raises(DataError, match="lut"):
        check({"lut": 5}, measured("lut", value))
    with pytest.raises(DataError, match="unknown stage 'guess'"):
        check({"lut": 5}, measured("lut", 1, "guess"))


def test_example_of_the_guide_is_valid() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "synthesis.md").read_text()
    example = text.partition("```yaml\n")[2].partition("```")[0]
    found = parse_limits(yaml.safe_load(example))
    assert (found.part, found.share, len(found.limits)) == ("xcvu9p", 10, 9)
    assert [str(limit) for limit in found.limits if limit.name == "slack_ns"] == ["≥ 0 at route"]


BAND = Estimate("lut", 100.0, "", "estimate", "Yosys 0.70", 80.0, 120.0, True)


@pytest.mark.parametrize(
    ("limit", "passed", "warned"), [(99, False, False), (100, True, True), (119, True, True), (120, True, False)]
)
def test_estimate_fails_by_its_value_and_warns_by_its_band(limit: int, passed: bool, warned: bool) -> None:
    report = check_limits(parse_limits({"lut": limit}), [BAND], resolve_part("xcvu9p"))
    assert report.passed == passed
    assert [text.split(":")[0] for text in band_warnings(report)] == (["lut"] if warned else [])
    simple = check_budget({"lut": limit}, [BAND], resolve_part("xcvu9p"))
    assert [line.verdict for line in simple.lines] == [line.verdict for line in report.lines]


def test_excess_of_an_estimate_names_its_band_and_a_measurement_has_none() -> None:
    failed = check_limits(parse_limits({"lut": 90}), [BAND], resolve_part("xcvu9p")).lines[0]
    assert excess(failed).startswith(
        "lut: estimate 100, band 80 to 120, extrapolated exceeds the limit 90 by 10 (11.1 %), estimate, Yosys 0.70"
    )
    routed = Measurement("lut", 95.0, "", "route", "Vivado 2023.2")
    line = check_limits(parse_limits({"lut": 90}), [BAND, routed], resolve_part("xcvu9p")).lines[0]
    assert (line.stage, line.low, "band" in excess(line)) == ("route", None, False)
