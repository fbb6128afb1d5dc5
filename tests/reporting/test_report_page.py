from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from l1ad.errors import DataError, RunFolderError
from l1ad.records import (
    BitReport,
    BudgetReport,
    Difference,
    FixedType,
    LayerComparison,
    Measurement,
    NegativeControl,
    RungReport,
)
from l1ad.reporting import RunReport, collect_report, render_html, write_report
from l1ad.reporting.figures import roc_chart
from l1ad.reporting.labels import OPTIONAL_RUNGS, RUNGS

VOID = {"meta", "link", "br", "line", "rect", "polyline", "circle"}


class Page(HTMLParser):
    """Collects tables by id, numbers, status words, links and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.numbers: list[tuple[str, str, float]] = []
        self.status: list[tuple[str, str]] = []
        self.links: list[str] = []
        self.verdict = self.text = ""
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "srcset", "xlink:href")]
        if tag == "table":
            self.rows = self.tables.setdefault(attributes["id"] or "", [])
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "data":
            self.numbers.append((attributes["value"] or "", "", float(attributes.get("data-scale") or 1)))
        if tag not in VOID:
            self.open.append((tag, attributes))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop()[0] == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1][0] == "style":
            return
        self.text += data
        tags = [tag for tag, _ in self.open]
        if "td" in tags or "th" in tags:
            self.rows[-1][-1] += data
        if tags and tags[-1] == "data":
            value, text, scale = self.numbers[-1]
            self.numbers[-1] = (value, text + data, scale)
        for tag, attributes in self.open:
            if attributes.get("id") == "verdict":
                self.verdict += data
            if tag == "span" and (attributes.get("class") or "").startswith("status"):
                self.status.append((str(attributes["class"]).split()[-1], data))

    def row(self, table: str, first: str) -> list[str]:
        found = [row for row in self.tables[table] if row[0].strip() == first]
        assert len(found) == 1, (table, first, self.tables[table])
        return [" ".join(cell.split()) for cell in found[0]]


def _record_numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _record_numbers(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


def _read_number(text: str) -> tuple[float, float]:
    """Return a shown number and half a unit of its last digit."""
    digits = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    match = re.fullmatch(r"(?:([-\d.,]+)\N{MULTIPLICATION SIGN})?10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", text)
    mantissa, exponent = (match[1] or "1.00", int(match[2].translate(digits))) if match else (text, 0)
    mantissa = mantissa.replace(",", "")
    decimals = len(mantissa.partition(".")[2])
    return float(f"{mantissa}e{exponent}"), 0.5 * 10.0 ** (exponent - decimals)


def _derived(report: RunReport) -> set[float]:
    """Numbers that the page computes from the record: shares of the part, errors of rates, files of a project."""
    shares = {
        line.value / report.capacity[line.name]
        for line in (report.budget.lines if report.budget else ())
        if line.value is not None and line.name in report.capacity
    }
    thresholds = report.evaluation.thresholds if report.evaluation else ()
    errors = {t.rate_khz * (t.fpr_error / t.fpr) for t in thresholds if t.rate_khz is not None}
    saturated = {float(sum(c[kind] for c in report.dataset.get("saturation", ()))) for kind in ("raw", "hardware")}
    return saturated | shares | errors | {float(len(project.files)) for project in report.firmware}


def test_every_number_shown_is_a_number_of_the_record(report: RunReport) -> None:
    page = Page(render_html(report))
    known = set(_record_numbers(report.to_dict())) | _derived(report)
    assert len(page.numbers) > 150
    for value, text, scale in page.numbers:
        assert float(value) in known, f"{value} shown as {text} is not in the record"
        shown, half_digit = _read_number(text)
        assert abs(shown - float(value) * scale) <= max(half_digit * 1.01, abs(shown) * 0.006), (text, value)


def test_a_changed_record_changes_the_page(report: RunReport, changed: Callable[..., RunReport]) -> None:
    # Negative control of the test above: numbers of another record are found to be foreign.
    assert report.evaluation is not None
    signals = tuple(dataclasses.replace(s, auc=s.auc - 0.01) for s in report.evaluation.signals)
    other = changed(evaluation=dataclasses.replace(report.evaluation, signals=signals))
    known = set(_record_numbers(report.to_dict())) | _derived(report)
    foreign = {value for value, _, _ in Page(render_html(other)).numbers if float(value) not in known}
    assert foreign == {str(s.auc) for s in signals}


def test_signals_have_human_names_auc_and_tpr(report: RunReport) -> None:
    page = Page(render_html(report))
    assert report.evaluation is not None
    names = {"Ato4l": "A → 4l", "LQbtau": "LQ → bτ", "htautau": "h⁰ → ττ", "hchtaunu": "h± → τν"}
    for result in report.evaluation.signals:
        row = page.row("overview-signals", names[result.signal])
        assert row[1] == f"{result.events:,}"
        assert row[2] == f"{result.auc:.4f} ± 0.0017"
        assert row[3].startswith(f"{100 * result.tpr:.3f} ± ")
        assert row[3].endswith("%")
    assert "Ato4l" not in page.text


def test_thresholds_are_raw_integers_with_their_type(report: RunReport) -> None:
    page = Page(render_html(report))
    assert report.evaluation is not None
    for threshold, shown in zip(report.evaluation.thresholds, ("10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²"), strict=True):
        row = page.row("thresholds-table", shown)
        assert row[1:3] == [str(threshold.raw), "ufixed<20,14>"]
        assert row[4] == f"{threshold.background_events:,}"
        assert row[5].endswith("kHz")
    assert all(warning in page.text for warning in report.evaluation.warnings)


def test_an_unknown_rate_is_not_zero(report: RunReport, changed: Callable[..., RunReport]) -> None:
    assert report.evaluation is not None
    thresholds = tuple(dataclasses.replace(t, rate_khz=None) for t in report.evaluation.thresholds)
    page = Page(render_html(changed(evaluation=dataclasses.replace(report.evaluation, thresholds=thresholds))))
    assert page.row("thresholds-table", "10⁻⁵")[5] == "not known: no acceptance given"
    assert "kHz" not in page.text.replace("crossing_rate_khz", "")


def test_a_good_run_passes_and_names_estimates(report: RunReport) -> None:
    page = Page(render_html(report))
    assert page.verdict.split()[0] == "Passed"
    assert "3 rungs equal Keras bit for bit on 20,000 events" in page.verdict
    assert report.bits is not None
    absent = len(RUNGS) - len(OPTIONAL_RUNGS) - len(report.bits.rungs)
    assert [s for s in page.status if s[0] in ("failed", "missing")] == [("missing", "not measured")] * absent
    for name in ("LUT", "FF", "DSP", "BRAM"):
        assert "estimate" in page.row("budget-table", name)[2]
    assert "estimate" not in page.row("budget-table", "Latency")[2]
    assert page.row("budget-table", "Latency")[2].endswith("simulation")


def test_every_estimate_of_the_provenance_table_says_so(report: RunReport) -> None:
    page = Page(render_html(report))
    estimates = [m.name for m in report.measurements() if m.stage == "estimate"]
    shown = [row for row in page.tables["provenance-table"] if row[2].strip() == "estimate"]
    assert len(shown) == len(estimates) == 5
    assert all(row[2].strip() in ("estimate", "simulation", "measured") for row in page.tables["provenance-table"][1:])
    assert all(row[3].strip() for row in page.tables["provenance-table"])


def _with_rung(report: RunReport, index: int, **fields: Any) -> BitReport:
    assert report.bits is not None
    rungs = list(report.bits.rungs)
    rungs[index] = dataclasses.replace(rungs[index], **fields)
    return dataclasses.replace(report.bits, rungs=tuple(rungs))


def test_a_rung_that_differs_fails_with_its_first_difference(
    report: RunReport, changed: Callable[..., RunReport]
) -> None:
    wide = FixedType(signed=True, width=16, integer=6)
    difference = Difference(17, "dense_2", 5, -12, -11, wide, wide)
    layers = (LayerComparison("dense_2", 320_000, 319_993),)
    bits = _with_rung(report, 2, equal_events=19_993, first_difference=difference, layers=layers)
    page = Page(render_html(changed(bits=bits)))
    assert page.verdict.split()[0] == "Failed"
    assert "HLS C-simulation: 7 of 20,000 events differ" in page.verdict
    assert "differs" in page.row("ladder-table", "HLS C-simulation")[1]
    assert "event 17, dense_2[5]: expected -12 (fixed<16,6>), found -11 (fixed<16,6>)" in page.text
    assert ("failed", "differs") in page.status


@pytest.mark.parametrize(
    ("fields", "verdict", "words"),
    [
        ({"control": NegativeControl("weight 3", 2000, 0)}, "Failed", "negative control not caught"),
        ({"control": None}, "Incomplete", "negative control not run"),
        ({"events": 0, "equal_events": 0}, "Incomplete", "0 events compared"),
    ],
)
def test_a_rung_that_proves_nothing_does_not_pass(
    report: RunReport, changed: Callable[..., RunReport], fields: dict[str, Any], verdict: str, words: str
) -> None:
    page = Page(render_html(changed(bits=_with_rung(report, 3, **fields))))
    assert page.verdict.split()[0] == verdict
    assert words in page.verdict


def test_a_rung_of_zero_events_shows_no_zero(report: RunReport, changed: Callable[..., RunReport]) -> None:
    bits = _with_rung(report, 3, events=0, equal_events=0, events_per_second=0.0)
    row = Page(render_html(changed(bits=bits))).row("ladder-table", "Verilator RTL simulation")
    assert row[2:5] == ["not measured"] * 3


def test_an_absent_rung_is_shown_as_not_measured(report: RunReport, changed: Callable[..., RunReport]) -> None:
    assert report.bits is not None
    page = Page(render_html(changed(bits=BitReport(report.bits.rungs[:3]))))
    assert page.row("ladder-table", "Verilator RTL simulation")[1] == "not measured"
    only_keras = Page(render_html(changed(bits=BitReport(report.bits.rungs[:1]))))
    assert only_keras.verdict.split()[0] == "Incomplete"


def test_an_exceeded_budget_and_a_missing_measurement_fail(
    report: RunReport, changed: Callable[..., RunReport]
) -> None:
    assert report.budget is not None
    lines = list(report.budget.lines)
    lines[2] = dataclasses.replace(lines[2], value=81_234.0, passed=False)
    lines[5] = dataclasses.replace(lines[5], value=None, passed=False)
    page = Page(render_html(changed(budget=BudgetReport(tuple(lines)))))
    assert page.verdict.split()[0] == "Failed"
    assert "Budget exceeded by LUT; not measured: BRAM." in page.verdict
    assert page.row("budget-table", "LUT")[5] == "exceeded"
    assert page.row("budget-table", "LUT")[1] == "137 % of the limit"
    assert page.row("budget-table", "BRAM")[1:3] == ["not measured", "not measured"]
    assert page.row("budget-table", "BRAM")[5] == "not measured"


def test_the_sample_is_described_by_its_record(report: RunReport) -> None:
    page = Page(render_html(report))
    assert page.row("dataset-table", "Background events, test")[1] == "100,000"
    assert page.row("dataset-table", "Signal events, A → 4l")[1] == "30,508"
    assert page.row("dataset-table", "SHA-256 of background.h5")[1] == "ed" * 6
    saturated = page.row("dataset-table", "Training values beyond the input type")[1]
    assert saturated == "53 of 111,000; most: jet1_pt, 41 of 31,000"
    assert page.row("dataset-table", "Training values beyond the hardware integer")[1] == "0 of 111,000"
    assert "QCD events share parents: errors are larger than shown." in page.text


def test_an_empty_run_shows_no_number() -> None:
    page = Page(render_html(RunReport("nothing")))
    assert page.numbers == []
    assert page.verdict.split()[0] == "Incomplete"
    assert len([s for s in page.status if s == ("missing", "not measured")]) >= 12


def test_the_page_loads_nothing_and_escapes_everything(changed: Callable[..., RunReport]) -> None:
    evil = "<script>alert(1)</script>\"'&"
    rung = RungReport("keras", evil, 10, 10, 5.0)
    html = render_html(changed(name=evil, dataset={"source": evil, evil: evil}, bits=BitReport((rung,))))
    page = Page(html)
    assert "<script" not in html
    assert page.text.count(evil) >= 4, page.text
    assert all(link.startswith("#") or link == "data:," for link in page.links)
    assert "http" not in html.replace("http-equiv", "")
    assert "default-src 'none'" in html


def test_the_figure_is_drawn_on_logarithmic_axes(report: RunReport) -> None:
    assert report.evaluation is not None
    chart = roc_chart(report.evaluation)
    assert chart is not None
    assert [tick.text for tick in chart.x_ticks] == ["10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "1"]
    steps = {round(b.place - a.place, 1) for a, b in zip(chart.x_ticks, chart.x_ticks[1:], strict=False)}
    assert len(steps) == 1
    assert len(chart.lines) == 4
    for line in chart.lines:
        points = [tuple(map(float, point.split(","))) for point in line.points.split()]
        assert points[-1] == (chart.right, chart.top)
        assert all(chart.left <= x <= chart.right and chart.top <= y <= chart.bottom for x, y in points)
        assert len(line.marks) == 1
    assert chart.shade_to == chart.x_ticks[2].place, "100 of 100,000 events are an FPR of 1e-3"


def test_files_and_round_trip(report: RunReport, tmp_path: Path) -> None:
    path = write_report(report, tmp_path / "report")
    assert path == tmp_path / "report" / "report.html"
    assert RunReport.read(tmp_path / "report" / "report.json") == report
    assert sorted(p.name for p in path.parent.iterdir()) == ["report.html", "report.json"]


def test_nothing_is_left_when_the_page_cannot_be_written(report: RunReport, tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(RunFolderError, match=r"report\.html: cannot be written"):
        write_report(report, tmp_path)
    assert not [p for p in tmp_path.iterdir() if p.suffix == ".part"]


def test_a_truncated_report_is_an_error(report: RunReport, tmp_path: Path) -> None:
    path = write_report(report, tmp_path).with_name("report.json")
    path.write_text(path.read_text()[:200])
    with pytest.raises(DataError, match="not readable as JSON"):
        RunReport.read(path)
    path.write_text(json.dumps({"name": "x", "verdict": "fine"}))
    with pytest.raises(DataError, match="unknown field 'verdict'"):
        RunReport.read(path)


def test_collect_refuses_what_is_not_a_number() -> None:
    bits = BitReport((), (Measurement("ii", float("nan"), "clocks", "simulation", "Verilator"),))
    with pytest.raises(DataError, match="ii of Verilator is nan"):
        collect_report("x", config={}, dataset={}, bits=bits)
    with pytest.raises(DataError, match="config of the report"):
        collect_report("x", config={"a": object()}, dataset={})


def test_a_diverged_training_is_not_measured() -> None:
    training = {"epochs": 2, "best_validation_loss": float("nan"), "history": {"loss": [1.0, float("inf")]}}
    report = collect_report("x", config={}, dataset={}, training=training)
    page = Page(render_html(report))
    assert page.row("training-table", "Best validation loss")[1] == "not measured"
    assert page.row("training-table", "Epochs")[1] == "2"
