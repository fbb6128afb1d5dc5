"""The files of a comparison: JSON, CSV, Markdown, HTML and SVG say the same."""

from __future__ import annotations

import csv
import dataclasses
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from l1ad.errors import ConfigurationError
from l1ad.reporting import RunReport
from l1ad.reporting.comparison import Comparison, compare, render_comparison, write_comparison
from l1ad.reporting.comparison.figure import physics_plots

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def comparison(report: RunReport) -> Comparison:
    assert report.evaluation is not None
    signals = tuple(dataclasses.replace(s, auc=s.auc - 0.03) for s in report.evaluation.signals)
    synthesis = dataclasses.replace(
        report.synthesis[0],
        measurements=tuple(dataclasses.replace(m, value=m.value * 1.1) for m in report.synthesis[0].measurements),
    )
    evaluation = dataclasses.replace(report.evaluation, signals=signals)
    other = dataclasses.replace(report, name="<b>wide|", evaluation=evaluation, synthesis=(synthesis,))
    bare = RunReport("bare", dataset=report.dataset)
    return compare([report, other, bare], sources=["a", "b", "c"])


def test_every_format_names_every_regression(comparison: Comparison, tmp_path: Path) -> None:
    paths = {path.suffix: path for path in write_comparison(comparison, tmp_path / "out")}
    assert set(paths) == {".json", ".csv", ".md", ".html", ".svg"}
    read = json.loads(paths[".json"].read_text())
    assert read.pop("passed") is False
    assert Comparison.from_dict(read) == comparison
    page, text = paths[".html"].read_text(), paths[".md"].read_text()
    for regression in comparison.regressions:
        escaped = regression.text.replace("<b>", "&lt;b&gt;")
        assert escaped in page
        assert regression.text.replace("<b>wide|", r"\<b\>wide\|").replace("_", r"\_") in text
    assert "<b>wide" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_csv_has_a_line_for_each_quantity_and_run(comparison: Comparison, tmp_path: Path) -> None:
    (path,) = write_comparison(comparison, tmp_path / "a.csv")
    with path.open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == len(comparison.rows) * len(comparison.runs)
    lut = [line for line in lines if line["quantity"] == "lut" and line["stage"] == "estimate"]
    assert [(line["run"], line["value"], line["verdict"]) for line in lut] == [
        ("dense_vae", "22517.0", "baseline"),
        ("<b>wide|", repr(22_517 * 1.1), "regression"),
        ("bare", "", "not measured"),
    ]


def test_what_was_not_measured_is_never_zero(comparison: Comparison) -> None:
    for row in comparison.rows:
        assert row.values[2] is None
        assert row.verdicts[2] == "not measured"


def test_the_plot_has_a_point_with_bars_for_each_run_that_has_both(comparison: Comparison) -> None:
    plots = physics_plots(comparison)
    assert [plot.title for plot in plots] == [
        "AUC against LUT (alkaid, Verilog, estimate, Yosys)",
        "AUC against Latency (alkaid, Verilog, simulation)",
    ]
    assert plots[0].absent == ("bare",)
    for panel in (panel for plot in plots for panel in plot.panels):
        assert [point.run for point in panel.points] == [0, 1]
        for point in panel.points:
            assert panel.top <= point.top < point.y < point.bottom <= panel.bottom
            assert panel.left < point.x < panel.right
        lower, higher = panel.points[1], panel.points[0]
        assert lower.y > higher.y, "the run with the smaller AUC lies lower"


def test_the_svg_is_a_picture_of_its_own(comparison: Comparison, tmp_path: Path) -> None:
    (path,) = write_comparison(comparison, tmp_path / "plot.svg")
    root = ET.parse(path).getroot()  # noqa: S314 - written by us
    assert root.tag == f"{SVG}svg"
    assert len(root.findall(f".//{SVG}circle")) == 2 * 4 * 2


def test_runs_without_numbers_say_so() -> None:
    page = render_comparison(compare([RunReport("a"), RunReport("b")]))
    assert page.count("not measured") >= 4
    assert "<data" not in page


@pytest.mark.parametrize("name", ["a.pdf", "a.xlsx", "a.tar.gz"])
def test_an_unknown_format_is_refused(comparison: Comparison, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a format of a comparison"):
        write_comparison(comparison, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
