"""Two designs on one page: which number belongs to which, plans of the part, modules, bands of estimates."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from l1ad.records import BitReport, BudgetLine, BudgetReport, Estimate, Measurement, SynthesisReport
from l1ad.reporting import RunReport, render_html
from l1ad.reporting.designs import module_tables, stages_table
from l1ad.reporting.floorplan import floor_plans, region_layout
from l1ad.reporting.tables import budget_table, ladder_table, overview_table
from l1ad.reporting.verdict import budget_verdict

HLS = "cd34" * 16


@pytest.fixture
def both(report: RunReport) -> RunReport:
    """Return the report with a C synthesis and a routed figure of the HLS design, which exceeds the limit of DSPs."""

    def tool(name: str, stage: str, lut: float, modules: dict[str, dict[str, float]]) -> SynthesisReport:
        measurements = tuple(
            Measurement(n, v, "", stage, f"{name} 2023.2") for n, v in {"lut": lut, "dsp": 16.0}.items()
        )
        return SynthesisReport(name, "2023.2", stage, "p", HLS, measurements, modules)

    modules = {"top": {"lut": 9_000.0, "dsp": 16.0}, "dense_10": {"lut": 400.0, "dsp": 0.0}, "dense_2": {"lut": 30.0}}
    line = BudgetLine("dsp", 0.0, "", 16.0, False, "route", "Vivado 2023.2", "0")
    more = (tool("Vitis HLS", "csynth", 9_000.0, modules), tool("Vivado", "route", 4_321.0, {}))
    return dataclasses.replace(
        report,
        synthesis=(*report.synthesis, *more),
        budgets={"vitis": BudgetReport((line,))},
        regions=3,
    )  # fmt: skip


def test_the_overview_is_of_one_design(both: RunReport) -> None:
    assert both.designs() == ("verilog", "vitis")
    rows = {row[0]: row[1] for row in overview_table(both).plain()[1:]}
    assert rows["LUT"] == "22,517 [estimate]", "a routed figure of another design takes the place of the estimate"
    found = both.headline("lut", "vitis")
    assert found is not None
    assert (found.value, found.stage) == (4_321.0, "route")
    assert "Numbers in these boxes are of one design: <b>alkaid, Verilog</b>" in render_html(both)


def test_a_row_is_one_design_at_one_stage(both: RunReport) -> None:
    table = stages_table(both)
    assert table is not None
    header, *rows = table.plain()
    lut = header.index("LUT")
    assert [(row[0], row[1], row[lut]) for row in rows] == [
        ("alkaid, Verilog", "[estimate] (Yosys)", "22,517"),
        ("alkaid, Verilog", "[simulation]", "-"),
        ("hls4ml, Vitis HLS", "[csynth] (Vitis HLS)", "9,000"),
        ("hls4ml, Vitis HLS", "[route] (Vivado)", "4,321"),
    ]
    assert stages_table(RunReport("x")) is None


def test_the_budget_of_the_other_design_stands_in_the_same_table(both: RunReport) -> None:
    rows = budget_table(both).plain()
    assert [row[5] for row in rows[1:]] == ["alkaid, Verilog"] * 6 + ["hls4ml, Vitis HLS"]
    verdict = budget_verdict(both)
    assert verdict.status == "failed"
    assert verdict.text == "Budget exceeded by DSP (hls4ml, Vitis HLS)."
    assert budget_verdict(dataclasses.replace(both, budgets={})).status == "passed"


def test_modules_in_natural_order_and_what_is_unknown_is_not_zero(both: RunReport) -> None:
    (found,) = module_tables(both)
    assert found.title == "hls4ml, Vitis HLS: Vitis HLS 2023.2, csynth (3 modules)"
    assert found.table.plain() == [
        ["Module", "LUT", "DSP"],
        ["dense_2", "30", "not measured"],
        ["dense_10", "400", "0"],
        ["top", "9,000", "16"],
    ]
    assert '<details class="modules"' in render_html(both)


def test_the_plan_shows_regions_share_and_limit(both: RunReport) -> None:
    lut, ff, dsp, bram = floor_plans(both, "verilog")
    assert [region.name for region in lut.regions] == ["SLR 0", "SLR 1", "SLR 2"]
    assert sum(region.width for region in lut.regions) == pytest.approx(100)
    assert lut.fill == pytest.approx(100 * 22_517 / 1_182_240)
    assert lut.limit == pytest.approx(5.0, abs=0.01)
    assert lut.region_share is not None
    assert lut.region_share.text == "5.71"
    assert (ff.status, dsp.fill, bram.limit) == ("passed", 0.0, 0.0)
    other = {plan.resource: plan for plan in floor_plans(both, "vitis")}
    assert other["DSP"].status == "failed"
    assert other["DSP"].fill == pytest.approx(0.4), "16 of 6,840 would not be seen"
    assert other["FF"].used.text == "not measured"
    assert other["FF"].fill == 0.0


def test_a_part_of_one_region_has_no_share_of_a_region(report: RunReport) -> None:
    assert floor_plans(report, "verilog")[0].region_share is None
    assert len(region_layout(1, 100.0, 100.0)) == 1


def test_more_than_the_part_fills_the_part(both: RunReport, changed: Callable[..., RunReport]) -> None:
    small = dataclasses.replace(both, capacity={"lut": 10_000.0})
    (plan,) = floor_plans(small, "verilog")
    assert plan.fill == 100.0
    assert plan.limit is None, "a limit beyond the part has no place on it"


def estimated(report: RunReport, limit: float) -> RunReport:
    """Return the report with an estimate of 20,000 LUT, band 16,000 to 26,000, against a limit."""
    estimate = Estimate("lut", 20_000.0, "", "estimate", "Yosys 0.70", 16_000.0, 26_000.0, True)
    line = BudgetLine("lut", limit, "", 20_000.0, limit >= 20_000, "estimate", "Yosys 0.70", f"{limit:g}",
                      16_000.0, 26_000.0, True)  # fmt: skip
    synthesis = dataclasses.replace(report.synthesis[0], measurements=(estimate,))
    return dataclasses.replace(report, synthesis=(synthesis,), budget=BudgetReport((line,)))


def test_an_estimate_is_never_without_its_word_and_its_band(report: RunReport) -> None:
    page = render_html(estimated(report, 59_000.0))
    for table in (overview_table, budget_table):
        (row,) = [row for row in table(estimated(report, 59_000.0)).plain() if row[0] == "LUT"]
        assert row[1] == "20,000, band 16,000 to 26,000 [estimate, extrapolated]"
    assert page.count('band <data value="16000.0">16,000</data> to <data value="26000.0">26,000</data>') >= 4
    (plan,) = [p for p in floor_plans(estimated(report, 59_000.0), "verilog") if p.resource == "LUT"]
    assert plan.band == pytest.approx((100 * 16_000 / 1_182_240, 100 * 26_000 / 1_182_240))


@pytest.mark.parametrize(("limit", "status"), [(59_000.0, "passed"), (22_000.0, "warning"), (19_000.0, "failed")])
def test_a_limit_inside_the_band_is_a_warning(report: RunReport, limit: float, status: str) -> None:
    assert budget_verdict(estimated(report, limit)).status == status


def test_two_rungs_of_one_kind_both_have_a_row(report: RunReport) -> None:
    assert report.bits is not None
    second = dataclasses.replace(report.bits.rungs[2], engine="hls4ml 1.3.0 (vivado)", equal_events=19_999)
    rows = ladder_table(BitReport((*report.bits.rungs, second))).plain()
    assert [row[1] for row in rows if row[0] == "HLS C-simulation"] == ["bit-exact", "differs"]
