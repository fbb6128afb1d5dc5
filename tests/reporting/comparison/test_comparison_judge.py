"""What counts as a regression, and what may not be compared. Each finding has its counterpart without one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from l1ad.errors import ConfigurationError
from l1ad.records import (
    BudgetReport,
    Estimate,
    FirmwareProject,
    Measurement,
    NegativeControl,
    SignalResult,
    SynthesisReport,
)
from l1ad.reporting import RunReport
from l1ad.reporting.comparison import Comparison, compare, parse_tolerances
from l1ad.reporting.comparison.records import Row

DIGEST = "ab12" * 16


def row(comparison: Comparison, quantity: str, subject: str = "", stage: str | None = None) -> Row:
    found = [r for r in comparison.rows if (r.quantity, r.subject) == (quantity, subject) and stage in (None, r.stage)]
    assert len(found) == 1, (quantity, subject, stage, found)
    return found[0]


def texts(comparison: Comparison) -> list[str]:
    return [regression.text for regression in comparison.regressions]


def with_auc(report: RunReport, **auc: float) -> RunReport:
    assert report.evaluation is not None
    signals = tuple(
        dataclasses.replace(s, auc=auc[s.signal]) if s.signal in auc else s for s in report.evaluation.signals
    )
    return dataclasses.replace(report, evaluation=dataclasses.replace(report.evaluation, signals=signals))


def auc_of(report: RunReport, signal: str) -> SignalResult:
    assert report.evaluation is not None
    return next(result for result in report.evaluation.signals if result.signal == signal)


def measured(report: RunReport, name: str, value: float, stage: str = "estimate", **fields: Any) -> RunReport:
    """Return the report with one more synthesis, or with another value where its stage is measured already."""
    synthesis = report.synthesis[0]
    if stage == synthesis.stage:
        changed = tuple(dataclasses.replace(m, value=value) if m.name == name else m for m in synthesis.measurements)
        return dataclasses.replace(report, synthesis=(dataclasses.replace(synthesis, measurements=changed),))
    more = SynthesisReport("Vivado", "2023.2", stage, synthesis.part, fields.get("digest", DIGEST),
                           (Measurement(name, value, "", stage, "Vivado 2023.2, a.rpt"),))  # fmt: skip
    return dataclasses.replace(report, synthesis=(*report.synthesis, more))


def test_the_same_run_twice_has_no_change_and_no_regression(report: RunReport) -> None:
    found = compare([report, report])
    assert found.passed
    assert found.changes == ()
    assert found.warnings == ()
    assert {verdict for r in found.rows for verdict in r.verdicts} == {"baseline", "same"}
    assert [run.label for run in found.runs] == ["dense_vae", "dense_vae (2)"]


def test_an_auc_that_is_worse_is_named_with_its_sigmas(report: RunReport) -> None:
    before = auc_of(report, "htautau").auc
    found = compare([report, with_auc(report, htautau=before - 0.02)])
    assert [r.what for r in found.regressions] == ["auc"]
    text = texts(found)[0]
    assert "AUC h⁰ → ττ" in text
    assert "less by 0.0200, 8.2 sigma (tolerance 3 sigma and 0.005)" in text
    assert row(found, "auc", "htautau").verdicts == ("baseline", "regression")
    assert row(found, "auc", "Ato4l").verdicts == ("baseline", "same")


@pytest.mark.parametrize(
    ("loss", "error", "verdict"),
    [
        (0.02, 0.00172, "regression"),
        # Below 0.005 although 10 sigma, and below 3 sigma although above 0.005.
        (0.0049, 0.0003, "worse"),
        (0.02, 0.005, "worse"),
        (-0.02, 0.00172, "better"),
    ],
)
def test_an_auc_needs_both_three_sigma_and_what_matters(
    report: RunReport, loss: float, error: float, verdict: str
) -> None:
    assert report.evaluation is not None
    signals = tuple(dataclasses.replace(s, auc_error=error) for s in report.evaluation.signals)
    first = dataclasses.replace(report, evaluation=dataclasses.replace(report.evaluation, signals=signals))
    found = compare([first, with_auc(first, Ato4l=auc_of(first, "Ato4l").auc - loss)])
    assert row(found, "auc", "Ato4l").verdicts[1] == verdict
    assert found.passed == (verdict != "regression")


@pytest.mark.parametrize(("factor", "passed"), [(1.019, True), (1.021, False), (0.5, True)])
def test_a_resource_may_grow_by_two_percent(report: RunReport, factor: float, passed: bool) -> None:
    found = compare([report, measured(report, "lut", 22_517 * factor)])
    assert found.passed == passed
    if not passed:
        assert "LUT (alkaid, Verilog, estimate, Yosys) is 22,990" in texts(found)[0]


def test_one_dsp_more_than_none_is_a_regression(report: RunReport) -> None:
    assert not compare([report, measured(report, "dsp", 1.0)]).passed


def test_one_cycle_more_is_one_regression(report: RunReport) -> None:
    assert report.bits is not None
    slower = {"latency_clocks": 16.0, "latency_ns": 80.0}
    bits = dataclasses.replace(
        report.bits,
        measurements=tuple(dataclasses.replace(m, value=slower.get(m.name, m.value)) for m in report.bits.measurements),
    )
    found = compare([report, dataclasses.replace(report, bits=bits)])
    assert [r.what for r in found.regressions] == ["latency_clocks"]
    assert compare([dataclasses.replace(report, bits=bits), report]).passed


def test_cycles_of_another_clock_are_not_compared_but_the_time_is(report: RunReport) -> None:
    assert report.bits is not None
    firmware = tuple(dataclasses.replace(project, clock_ns=2.5) for project in report.firmware)
    values = {"latency_clocks": 28.0, "latency_ns": 70.0}
    bits = dataclasses.replace(
        report.bits,
        measurements=tuple(dataclasses.replace(m, value=values.get(m.name, m.value)) for m in report.bits.measurements),
    )
    found = compare([report, dataclasses.replace(report, bits=bits, firmware=firmware)])
    assert row(found, "latency_clocks").verdicts[1] == "not compared"
    assert row(found, "latency_ns").verdicts[1] == "better"
    assert found.passed


def test_stages_are_never_mixed(report: RunReport) -> None:
    routed = measured(report, "lut", 90_000.0, "route")
    found = compare([report, routed])
    assert found.passed
    assert row(found, "lut", stage="route").values[0] is None
    assert row(found, "lut", stage="route").verdicts == ("not measured", "not compared")
    assert row(found, "lut", stage="estimate").verdicts == ("baseline", "same")
    assert any("only one of dense_vae (2) and dense_vae has numbers of: alkaid, Verilog, route" in w
               for w in found.warnings)  # fmt: skip
    worse = compare([routed, measured(report, "lut", 95_000.0, "route")])
    assert [r.what for r in worse.regressions] == ["lut"]


def test_designs_are_never_mixed(report: RunReport) -> None:
    hls = measured(report, "lut", 90_000.0, "route", digest="cd34" * 16)
    verilog = measured(report, "lut", 20_000.0, "route")
    rows = [r for r in compare([verilog, hls]).rows if r.quantity == "lut" and r.stage == "route"]
    assert sorted((r.design, r.verdicts) for r in rows) == [
        ("verilog", ("baseline", "not measured")),
        ("vitis", ("not measured", "not compared")),
    ]


def test_estimates_of_two_tools_are_not_alike(report: RunReport) -> None:
    other = dataclasses.replace(report, synthesis=(dataclasses.replace(report.synthesis[0], tool="Other"),))
    found = compare([report, other])
    assert not [r for r in found.rows if r.quantity == "lut" and None not in r.values]


def test_what_is_no_longer_measured_is_named_unless_allowed(report: RunReport) -> None:
    without = dataclasses.replace(report, synthesis=(), budget=None)
    found = compare([report, without])
    assert {r.what for r in found.regressions} == {"lut", "ff", "dsp", "bram"}
    assert "LUT of alkaid, Verilog (estimate) is not measured; dense_vae has it" in texts(found)[0]
    assert row(found, "lut").values[1] is None
    assert compare([report, without], allow_missing=True).passed
    assert compare([without, report]).passed


def test_other_events_are_said_and_their_aucs_not_judged(report: RunReport) -> None:
    worse = with_auc(report, Ato4l=0.5)
    for dataset in (
        {**report.dataset, "source_tag": "ADC2021"},
        {**report.dataset, "sources": {"background.h5": "ff" * 32}},
        {**report.dataset, "files": {"test_inputs.npy": "ff" * 32}},
        {},
    ):
        found = compare([report, dataclasses.replace(worse, dataset=dataset)])
        assert found.passed
        assert row(found, "auc", "Ato4l").verdicts[1] == "not compared"
        assert any("different events" in w and "not comparable" in w for w in found.warnings), dataset
    assert not compare([report, worse]).passed


def test_other_training_events_do_not_matter(report: RunReport) -> None:
    dataset = {**report.dataset, "files": {"train.npy": "bb" * 32}}
    found = compare([report, dataclasses.replace(report, dataset=dataset)])
    assert row(found, "auc", "Ato4l").verdicts[1] == "same"
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("part", "compared", "words"),
    [
        ("xc7vx690tffg1927-2", False, "parts of different families"),
        ("xcvu13p-flga2577-2-e", True, "the shares of the part"),
    ],
)
def test_other_parts(report: RunReport, part: str, compared: bool, words: str) -> None:
    firmware: tuple[FirmwareProject, ...] = tuple(dataclasses.replace(p, part=part) for p in report.firmware)
    other = dataclasses.replace(measured(report, "lut", 40_000.0), firmware=firmware)
    found = compare([report, other])
    assert any(words in warning for warning in found.warnings)
    assert (row(found, "lut").verdicts[1] == "regression") == compared
    assert found.passed != compared


def test_lost_bit_agreement(report: RunReport) -> None:
    assert report.bits is not None
    rungs = list(report.bits.rungs)
    for broken in (
        dataclasses.replace(rungs[3], equal_events=19_999),
        dataclasses.replace(rungs[3], control=NegativeControl("weight 3", 2000, 0)),
    ):
        bits = dataclasses.replace(report.bits, rungs=(*rungs[:3], broken))
        found = compare([report, dataclasses.replace(report, bits=bits)])
        assert [r.what for r in found.regressions] == ["bits"]
        assert "Verilator RTL simulation" in texts(found)[0]
    absent = dataclasses.replace(report, bits=dataclasses.replace(report.bits, rungs=tuple(rungs[:3])))
    assert [r.what for r in compare([report, absent]).regressions] == ["bits"]
    assert compare([report, absent], allow_missing=True).passed


def test_a_budget_newly_exceeded_and_one_that_was_before(report: RunReport) -> None:
    assert report.budget is not None
    lines = list(report.budget.lines)
    lines[2] = dataclasses.replace(lines[2], limit=22_000.0, passed=False)
    over = dataclasses.replace(report, budget=BudgetReport(tuple(lines)))
    found = compare([report, over])
    assert [r.what for r in found.regressions] == ["budget"]
    assert "Budget, LUT (alkaid, Verilog): 22,517 [estimate], limit 22,000" in texts(found)[0]
    assert compare([over, over]).passed


def test_an_estimate_keeps_its_band_and_is_named_once(report: RunReport) -> None:
    def estimated(value: float) -> RunReport:
        numbers = (
            Estimate("lut", value, "", "estimate", "Yosys 0.70", 0.8 * value, 1.2 * value),
            Measurement("lut", value / 1.05, "", "netlist", "Yosys 0.70"),
        )
        return dataclasses.replace(
            report, synthesis=(dataclasses.replace(report.synthesis[0], measurements=numbers),), budget=None
        )

    found = compare([estimated(20_000.0), estimated(30_000.0)])
    assert len(found.regressions) == 1
    assert "is 30,000 (band 24,000 to 36,000)" in texts(found)[0]
    value = row(found, "lut", stage="estimate").values[1]
    assert value is not None
    assert (value.low, value.high) == (24_000.0, 36_000.0)


def test_what_changed(report: RunReport, changed: Callable[..., RunReport]) -> None:
    config = {**report.config, "network": {**report.config["network"], "hidden": [64, 16]}, "seed": 2}
    versions = {**report.versions, "keras": "3.15.1"}
    other = changed(
        config=config,
        versions=versions,
        digests={**report.digests, "training": "dd" * 32},
        inputs=dict.fromkeys(report.digests, "same"),
    )
    first = changed(inputs=dict.fromkeys(report.digests, "same"))
    found = {(c.kind, c.key): c.values for c in compare([first, other]).changes}
    assert found == {
        ("configuration", "seed"): ("1", "2"),
        ("configuration", "network.hidden"): ("[32, 16]", "[64, 16]"),
        ("version", "keras"): ("3.12.0", "3.15.1"),
        ("code", "training"): ("baseline", "differs"),
    }


def test_tolerances_of_the_user_take_the_place_of_the_defaults(report: RunReport) -> None:
    worse = with_auc(measured(report, "lut", 22_517 * 1.04), Ato4l=auc_of(report, "Ato4l").auc - 0.009)
    assert {r.what for r in compare([report, worse]).regressions} == {"auc", "lut"}
    assert compare([report, worse], tolerances=parse_tolerances(["auc=0.01,lut=5%"])).passed
    assert not compare([report, worse], tolerances=parse_tolerances(["auc=0.01", "lut=3 %"])).passed
    strict = parse_tolerances(["tpr=0"])
    assert report.evaluation is not None
    signals = tuple(dataclasses.replace(s, tpr=s.tpr * 0.99) for s in report.evaluation.signals)
    less = dataclasses.replace(report, evaluation=dataclasses.replace(report.evaluation, signals=signals))
    assert compare([report, less]).passed
    assert {r.what for r in compare([report, less], tolerances=strict).regressions} == {"tpr"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("luts=3%", "Did you mean lut"),
        ("lut", "not usable"),
        ("lut=-3", "not usable"),
        ("lut=nan", "not usable"),
        ("auc=1e999", "not usable"),
        ("", "not usable"),
    ],
)
def test_a_tolerance_that_is_not_usable(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        parse_tolerances([text])


def test_one_run_is_no_comparison(report: RunReport) -> None:
    with pytest.raises(ConfigurationError, match="at least two runs"):
        compare([report])
