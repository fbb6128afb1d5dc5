from __future__ import annotations

from collections.abc import Callable

import pytest

from l1ad.records import BudgetLine, Measurement, SynthesisReport
from l1ad.reporting import RunReport
from l1ad.reporting.figures import budget_bar, history_chart
from l1ad.reporting.formatting import number, percent, with_error
from l1ad.reporting.tables import budget_table, ladder_table, overview_table, signals_table


def test_plain_rows_for_the_terminal(report: RunReport) -> None:
    assert report.evaluation is not None
    assert report.budget is not None
    rows = overview_table(report).plain()
    assert rows[0] == ["Quantity", "Value", "Of the part"]
    assert ["LUT", "22,517 [estimate]", "1.90 %"] in rows
    assert ["Latency", "15 clocks [simulation]", ""] in rows
    assert signals_table(report.evaluation).plain()[1][0] == "A → 4l"
    assert budget_table(report).plain()[3][:3] == ["LUT", "22,517 [estimate]", "59,112"]
    ladder = ladder_table(report.bits).plain()
    assert ladder[1][:4] == ["Keras", "reference", "20,000", "20,000"]
    assert ladder[4][5] == "caught (lowest bit of weight 17 of dense_1: 1,874 of 2,000 events changed)"
    assert {len(row) for row in ladder} == {7}


def test_overview_without_records_is_not_measured() -> None:
    values = [row[1] for row in overview_table(RunReport("x")).plain()[1:]]
    assert values == ["not measured"] * 8


def test_headline_prefers_the_more_true_stage(changed: Callable[..., RunReport]) -> None:
    def tool(stage: str, value: float) -> SynthesisReport:
        return SynthesisReport("t", "1", stage, "p", "ab12" * 16, (Measurement("lut", value, "", stage, "t 1"),))

    report = changed(budget=None, synthesis=(tool("estimate", 3.0), tool("csynth", 2.0), tool("route", 1.0)))
    found = report.headline("lut")
    assert found is not None
    assert (found.stage, found.value) == ("route", 1.0)
    assert report.headline("uram") is None


def test_headline_is_what_the_budget_was_checked_against(report: RunReport) -> None:
    found = report.headline("ff")
    assert found is not None
    assert (found.value, found.stage) == (9804.0, "estimate")


@pytest.mark.parametrize(
    ("limit", "value", "passed", "fill", "mark", "status"),
    [
        (100.0, 75.0, True, 75.0, 100.0, "passed"),
        (100.0, 200.0, False, 100.0, 50.0, "failed"),
        (0.0, 0.0, True, 0.0, 100.0, "passed"),
        (0.0, 4.0, False, 100.0, 0.0, "failed"),
        (10.0, None, False, 0.0, 100.0, "missing"),
    ],
)
def test_budget_bar(limit: float, value: float | None, passed: bool, fill: float, mark: float, status: str) -> None:
    bar = budget_bar(BudgetLine("lut", limit, "", value, passed, "estimate", "t", str(limit)))
    assert (bar.fill, bar.limit, bar.status) == (fill, mark, status)


def test_a_line_that_claims_to_pass_without_a_value_is_missing() -> None:
    assert budget_bar(BudgetLine("lut", 10.0, "", None, True, "estimate", "t", "10")).status == "missing"


def test_a_number_next_to_all_is_not_rounded_to_all() -> None:
    assert percent(0.99999999) != "100 %"
    assert percent(19_999 / 20_000) == "99.99500 %"
    assert with_error(0.5, 0.0) == ("0.5000", "0.0000")
    assert number(0.0001234) == "1.23\N{MULTIPLICATION SIGN}10⁻⁴"


def test_history_chart_skips_gaps_and_refuses_one_point() -> None:
    chart = history_chart({"loss": [3.0, None, 1.0], "val_loss": [2.0]})
    assert chart is not None
    assert [line.name for line in chart.lines] == ["training"]
    assert len(chart.lines[0].points.split()) == 2
    assert history_chart({"loss": [1.0]}) is None
    assert history_chart(None) is None
    flat = history_chart({"loss": [1.0, 1.0]})
    assert flat is not None
    assert len(flat.y_ticks) == 3
