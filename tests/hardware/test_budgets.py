"""Limits against measurements."""

from __future__ import annotations

from pathlib import Path

import pytest

from l1ad.config import BudgetConfig
from l1ad.errors import ConfigurationError, DataError
from l1ad.hardware.budgets import check_budget, limit_value, read_budget
from l1ad.hardware.parts import resolve_part
from l1ad.records import Measurement

PART = resolve_part("xcvu9p")


def measured(name: str, value: float, stage: str = "estimate") -> Measurement:
    return Measurement(name, value, "", stage, f"{stage} tool")


def all_within() -> list[Measurement]:
    values = {"latency_ns": 60, "ii": 1, "lut": 20_000, "ff": 10_000, "dsp": 0, "bram": 0}
    return [measured(name, value) for name, value in values.items()]


def test_default_budget_passes_and_one_excess_fails() -> None:
    assert check_budget(BudgetConfig(), all_within(), PART).passed
    too_much = [m if m.name != "dsp" else measured("dsp", 1) for m in all_within()]
    report = check_budget(BudgetConfig(), too_much, PART)
    assert not report.passed
    assert [line.name for line in report.lines if not line.passed] == ["dsp"]


def test_missing_measurement_never_passes() -> None:
    report = check_budget(BudgetConfig(), [m for m in all_within() if m.name != "lut"], PART)
    line = next(line for line in report.lines if line.name == "lut")
    assert (line.passed, line.value, line.source) == (False, None, "not measured")
    assert not report.passed


def test_limit_is_inclusive() -> None:
    assert check_budget({"lut": 100}, [measured("lut", 100)], PART).passed
    assert not check_budget({"lut": 100}, [measured("lut", 101)], PART).passed


def test_percent_is_of_the_part() -> None:
    assert limit_value("lut", "5 %", PART) == 59_112
    assert limit_value("bram", "0.5%", PART) == pytest.approx(10.8)
    line = check_budget({"lut": "5 %"}, [measured("lut", 59_113)], PART).lines[0]
    assert (line.limit, line.written_as, line.passed) == (59_112, "5 %", False)


def test_limits_that_are_none_are_left_out() -> None:
    report = check_budget({"lut": None, "ff": 5}, [measured("ff", 5)], PART)
    assert [line.name for line in report.lines] == ["ff"]


def test_better_stage_decides() -> None:
    values = [measured("lut", 10), measured("lut", 200, "route"), measured("lut", 900, "csynth")]
    line = check_budget({"lut": 100}, values, PART).lines[0]
    assert (line.value, line.stage, line.passed) == (200, "route", False)
    largest = check_budget({"lut": 100}, [measured("lut", 10), measured("lut", 101)], PART).lines[0]
    assert not largest.passed


@pytest.mark.parametrize("value", [float("nan"), -1.0, float("inf")])
def test_impossible_measurement_is_an_error(value: float) -> None:
    with pytest.raises(DataError, match="lut"):
        check_budget({"lut": 100}, [measured("lut", value)], PART)


def test_unknown_stage_is_an_error() -> None:
    with pytest.raises(DataError, match="unknown stage"):
        check_budget({"lut": 100}, [measured("lut", 1, "guess")], PART)


@pytest.mark.parametrize("limit", ["5", "-5 %", "five %", -1, True, float("nan"), [5]])
def test_malformed_limit(limit: object) -> None:
    with pytest.raises(ConfigurationError, match="budget limit lut"):
        check_budget({"lut": limit}, [], PART)


def test_percent_of_time_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="latency_ns"):
        check_budget({"latency_ns": "5 %"}, [], PART)


def test_budget_file(tmp_path: Path) -> None:
    path = tmp_path / "budget.yaml"
    path.write_text("latency_ns: 100\nlut: 5 %\ndsp: 0\n")
    assert read_budget(path) == {"latency_ns": 100, "lut": "5 %", "dsp": 0}


def test_bad_budget_files(tmp_path: Path) -> None:
    path = tmp_path / "budget.yaml"
    with pytest.raises(ConfigurationError, match="no such budget file"):
        read_budget(path)
    path.write_text("luts: 5 %\n")
    with pytest.raises(ConfigurationError, match=r"unknown limit 'luts'\. Did you mean lut"):
        read_budget(path)
    path.write_text("lut: [5\n")
    with pytest.raises(ConfigurationError, match="YAML"):
        read_budget(path)
    path.write_text("- lut\n")
    with pytest.raises(ConfigurationError, match="expected limits"):
        read_budget(path)
    path.write_text("lut: lots\n")
    with pytest.raises(ConfigurationError, match="lots"):
        read_budget(path)
