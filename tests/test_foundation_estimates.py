"""An estimate never goes without its band: not in a record, not in JSON, not in words."""

from __future__ import annotations

import dataclasses

import pytest

from l1ad.errors import DataError
from l1ad.records import BudgetLine, Estimate, Measurement, SynthesisReport

LUT = Estimate("lut", 26_200.0, "", "estimate", "Yosys 0.70", 21_600.0, 29_900.0, True)


@pytest.mark.parametrize(
    "changes",
    [{"low": 26_201.0}, {"high": 26_199.0}, {"low": float("nan")}, {"value": float("nan")}, {"stage": "route"}],
)
def test_band_has_to_hold_the_value(changes: dict[str, object]) -> None:
    with pytest.raises(DataError, match=r"Yosys 0\.70: lut"):
        dataclasses.replace(LUT, **changes)  # type: ignore[arg-type]


def test_band_survives_json_among_measurements() -> None:
    routed = Measurement("lut", 27_000.0, "", "route", "Vivado 2023.2")
    report = SynthesisReport("Yosys", "0.70", "estimate", "xcvu9p", "d", (LUT, routed))
    again = SynthesisReport.from_dict(report.to_dict())
    assert again == report
    assert [type(m) for m in again.measurements] == [Estimate, Measurement]


@pytest.mark.parametrize(
    ("value", "limit", "passed", "verdict"),
    [
        (100.0, 130.0, True, "pass"),
        (100.0, 120.0, True, "pass"),
        (100.0, 119.0, True, "inside the band"),
        (100.0, 100.0, True, "inside the band"),
        (100.0, 99.0, False, "fail"),
        (100.0, 10.0, False, "fail"),
    ],
)
def test_central_value_decides_and_the_band_warns(value: float, limit: float, passed: bool, verdict: str) -> None:
    line = BudgetLine("lut", limit, "", value, passed, "estimate", "t", f"{limit:g}", 80.0, 120.0)
    assert line.verdict == verdict
    assert line.measurement == Estimate("lut", value, "", "estimate", "t", 80.0, 120.0)


def test_a_measured_value_has_no_band() -> None:
    line = BudgetLine("lut", 100.0, "", 100.0, True, "route", "t", "100")
    assert (line.verdict, type(line.measurement)) == ("pass", Measurement)
    absent = BudgetLine("lut", 100.0, "", None, False, "", "", "100")
    assert (absent.verdict, absent.measurement) == ("not measured", None)


def test_words_and_band_stand_together() -> None:
    assert str(LUT) == "estimate 26,200, band 21,600 to 29,900, extrapolated"
    assert str(Measurement("latency_ns", 70.0, "ns", "simulation", "Verilator")) == "70 ns"
