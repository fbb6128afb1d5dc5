"""The calibration against routed designs: it reproduces them, and its band widens away from them."""

from __future__ import annotations

import math
import statistics

import pytest

from l1ad.records import Estimate, Measurement
from l1ad.synthesis import calibration
from l1ad.synthesis.calibration import Counts, counts_of, estimates, lut_estimate
from l1ad.synthesis.published import DESIGNS


def counts(lut: float, **fields: float | None) -> Counts:
    values = {"ff": lut / 2, "dsp": 0.0, "bram": 0.0, "multipliers": 0.0, "cost": lut, "stage_ns": 2.746}
    return Counts(lut=lut, source="test", **{**values, **fields})  # type: ignore[arg-type]


def found(given: Counts) -> dict[str, Estimate]:
    return {estimate.name: estimate for estimate in estimates(given)}


def width(estimate: Estimate) -> float:
    return math.log(estimate.high / estimate.low)


def test_the_twenty_designs_are_those_that_were_published() -> None:
    ratios = [design.lut / design.cost for design in DESIGNS]
    assert len(DESIGNS) == 20
    assert statistics.mean(ratios) == pytest.approx(1.05, abs=0.005)
    assert statistics.stdev(ratios) == pytest.approx(0.04, abs=0.005)
    assert (round(min(ratios), 2), round(max(ratios), 2)) == (0.97, 1.13)
    assert statistics.mean(design.ff / design.lut for design in DESIGNS) == pytest.approx(0.53, abs=0.01)


def test_bands_hold_the_designs_and_not_those_of_another_size() -> None:
    inside = {"lut": 0, "ff": 0, "clock_ns": 0}
    wrong = 0
    for design in DESIGNS:
        given = found(counts(design.cost, ff=float(design.ff)))
        truth = {"lut": float(design.lut), "ff": float(design.ff), "clock_ns": design.period_ns}
        for name, value in truth.items():
            inside[name] += given[name].low <= value <= given[name].high
        wrong += given["lut"].low <= 1.2 * design.lut <= given["lut"].high
    assert all(19 <= number <= 20 for number in inside.values()), inside
    assert wrong <= 2  # a design a fifth larger lies outside


@pytest.mark.parametrize(
    ("lut_ns", "period_ns"), [(35_000, 2.6), (60_000, 2.9), (135_000, 3.3), (290_000, 4.9)], ids=str
)
def test_clock_follows_the_published_periods_at_two_adders_a_stage(lut_ns: float, period_ns: float) -> None:
    clock = found(counts(lut_ns / 1.0514))["clock_ns"]
    assert clock.low < period_ns < clock.high
    assert clock.value == pytest.approx(period_ns, rel=0.1)
    assert clock.high >= 1.3 * 2.746  # what the conversion reserves


def test_band_widens_away_from_the_designs_and_says_so() -> None:
    sizes = (85_000, 35_000, 15_000, 5_000, 1_000)
    bands = [found(counts(float(size)))["lut"] for size in sizes]
    assert [estimate.extrapolated for estimate in bands] == [False, False, True, True, True]
    widths = [width(estimate) for estimate in bands]
    assert widths == sorted(widths)
    assert widths[-1] > 1.8 * widths[0]
    assert found(counts(400_000.0))["lut"].extrapolated


def test_band_spans_two_tools_that_disagree() -> None:
    alone, cheaper = lut_estimate(counts(50_000.0)), lut_estimate(counts(50_000.0, cost=25_000.0))
    assert cheaper.value == alone.value
    assert cheaper.high == alone.high
    assert cheaper.low < 0.6 * alone.low
    assert lut_estimate(counts(50_000.0, cost=None)) == alone


def test_multipliers_may_become_dsp_and_an_empty_design_has_no_lut() -> None:
    assert [found(counts(5_000.0, multipliers=6.0))["dsp"].high, found(counts(5_000.0))["dsp"].high] == [6, 0]
    empty = found(counts(0.0, cost=0.0, ff=0.0))
    assert (empty["lut"].high, empty["ff"].high) == (0, 0)
    assert "clock_ns" not in found(counts(5_000.0, stage_ns=None))


def test_counts_come_from_mapper_and_generator() -> None:
    mapped = (Measurement("lut", 10.0, "", "netlist", "Yosys"), Measurement("ff", 4.0, "", "netlist", "Yosys"))
    model = (Measurement("cost", 9.0, "LUT", "model", "alkaid"), Measurement("stage_ns", 2.0, "ns", "model", "alkaid"))
    assert counts_of(mapped, model, "s", multipliers=1.0) == Counts(10.0, 4.0, 0.0, 0.0, 1.0, 9.0, 2.0, "s")
    assert counts_of(mapped, (), "s", multipliers=0.0).cost is None


def test_two_adders_are_what_alkaid_says() -> None:
    trace = pytest.importorskip("alkaid.trace")
    import numpy as np

    for bits, factor in ((12, 1.0), (4, 1 - calibration._WIDTH_SPREAD), (20, 1 + calibration._WIDTH_SPREAD)):
        values = trace.FVArray.from_kif(
            np.ones(2, int), np.full(2, bits - 1), np.zeros(2, int), trace.HWConfig(1, 1, -1)
        )
        delay = 2 * trace.trace(values, values[0:1] + values[1:2]).latency[1]
        assert delay == pytest.approx(calibration._TWO_ADDERS_NS * factor, rel=0.005)
