"""No estimate leaves l1ad without the word and its band: the page, the JSON files and the terminal are searched."""

from __future__ import annotations

import dataclasses
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from l1ad.cli.main import main
from l1ad.config import RunConfig
from l1ad.hardware.budgets import check_budget
from l1ad.hardware.parts import resolve_part
from l1ad.pipeline.observer import Silent
from l1ad.pipeline.run_folder import Manifest, RunFolder, StageEntry, create_run
from l1ad.pipeline.summary import run_report
from l1ad.provenance import write_json
from l1ad.records import BitReport, Estimate, FirmwareProject, FixedType, Measurement, SynthesisReport
from l1ad.synthesis.run import calibrate
from l1ad.units import rounded

PART = "xcvu9p-flga2104-2L-e"
COUNTED = {"lut": 26_237.0, "ff": 12_457.0, "dsp": 0.0, "bram": 0.0}
TOLD = {"cost": 22_306.0, "stage_ns": 3.713}


def firmware() -> FirmwareProject:
    told = tuple(Measurement(name, value, "", "model", "alkaid 0.8.2") for name, value in TOLD.items())
    port = FixedType(True, 8, 4)
    return FirmwareProject("verilog", "tiny", PART, 5.0, "alkaid 0.8.2", port, 2, port, 1, {}, "d", {}, 13, told)


def estimated() -> SynthesisReport:
    counted = tuple(Measurement(name, value, "", "netlist", "Yosys 0.70") for name, value in COUNTED.items())
    modules = {"logic0": {"lut": 26_237.0, "ff": 12_457.0, "multipliers": 6.0, "instances": 1.0}}
    return calibrate(SynthesisReport("Yosys", "0.70", "netlist", PART, "d", counted, modules), firmware())


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Return a run with a simulation, a synthesis and a budget, of which two limits lie inside bands."""
    config = RunConfig.model_validate({"name": "tiny", "conversion": {"backends": ["verilog"]}})
    run = create_run(config, tmp_path / "runs")
    run.write_config()
    write_json(run.stage("convert") / "verilog" / "project.json", firmware().to_dict())
    simulated = Measurement("latency_ns", 65.0, "ns", "simulation", "Verilator 5.48")
    write_json(run.stage("emulate") / "bits.json", BitReport((), (simulated,)).to_dict())
    report = estimated()
    write_json(run.stage("synth") / "synthesis.json", report.to_dict())
    limits = {"latency_ns": 100, "lut": 29_000, "ff": "2 %", "dsp": 0, "bram": 0}
    budget = check_budget(limits, [*report.measurements, simulated], resolve_part(PART))
    write_json(run.stage("synth") / "budget.json", budget.to_dict())
    entry = StageEntry(key="key", inputs="", files={}, seconds=1.0)
    run.write_manifest(Manifest(stages=dict.fromkeys(("convert", "emulate", "synth"), entry)))
    return run


def forms(value: float) -> set[str]:
    """Return how a number may be written."""
    whole = {f"{value:,.0f}", f"{value:.0f}"} if value >= 1000 else set()
    return {rounded(value), f"{value:g}", f"{value:,.2f}", repr(value), *whole}


def stands(text: str, line: str) -> bool:
    """Return whether `text` stands in `line` as a number of its own."""
    return re.search(rf"(?<![\d.,]){re.escape(text)}(?![\d]|[.,]\d)", line) is not None


def lines_without_band(lines: list[str], estimates: list[Estimate]) -> list[str]:
    """Return the lines that show the central value of an estimate without the word or without its band."""
    found = []
    for line in lines:
        for estimate in estimates:
            shown = any(stands(text, line) for text in forms(estimate.value))
            band = all(any(stands(text, line) for text in forms(end)) for end in (estimate.low, estimate.high))
            if shown and not ("estimate" in line and band):
                found.append(line)
    return found


def page_lines(page: str) -> list[str]:
    """Return the text of each row, tile, bar and paragraph of a page as one line; labels of drawings too."""
    page = re.sub(r"<(style|script)\b.*?</\1>", "", page, flags=re.DOTALL)
    labels = re.findall(r'(?:aria-label|title|alt)="([^"]*)"', page)
    blocks = re.split(r"</?(?:tr|p|li|h[1-6]|section|figure|table|thead|tbody|main|header|body)\b[^>]*>", page)
    blocks = [part for block in blocks for part in re.split(r'<div class="(?:tile|bar|plan)[^"]*"', block)]
    return [re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", text))) for text in [*blocks, *labels]]


def objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from objects(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from objects(item)


def objects_without_band(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a JSON value that are estimates without both ends of a band."""
    return [
        found
        for found in objects(value)
        if found.get("stage") == "estimate" and "value" in found and not isinstance(found.get("value"), dict)
        if found["value"] is not None and (found.get("low") is None or found.get("high") is None)
    ]


def large() -> list[Estimate]:
    """Return the estimates whose numbers are not written for other reasons too, as 0 is."""
    found = [m for m in estimated().measurements if isinstance(m, Estimate) and m.value > 0]
    assert [m.name for m in found] == ["lut", "ff", "clock_ns"]
    return [m for m in found if m.name != "ff"]  # the flip-flops of the netlist are the same number, and no estimate


def test_page_and_terminal(run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_report(run, Silent())
    page = (run.stage("report") / "report.html").read_text(encoding="utf-8")
    lines = page_lines(page)
    shown = [line for line in lines if stands(rounded(large()[0].value), line)]
    assert len(shown) >= 2  # the overview and the table of budgets, at least
    assert lines_without_band(lines, large()) == []
    limits = tmp_path / "budget.yaml"
    limits.write_text("lut: 29000\nclock_ns: 5\nff: 2 %\ndsp: 3\n")
    capsys.readouterr()
    assert main(["check", str(run.path), "--budget", str(limits)]) == 0
    written = capsys.readouterr()
    assert "estimate 3.7 ns, band 2.9 to 4.83 ns" in written.out
    assert "warning: lut: estimate 27,600, band" in written.err
    assert lines_without_band((written.out + written.err).splitlines(), large()) == []
    limits.write_text("lut: 20000\n")
    assert main(["check", str(run.path), "--budget", str(limits)]) == 1
    failed = capsys.readouterr().err
    assert "lut: estimate 27,600, band 21,200 to 30,500, extrapolated exceeds the limit 20000" in failed
    assert lines_without_band(failed.splitlines(), large()) == []


def test_search_of_text_finds_a_missing_band(run: RunFolder) -> None:
    run_report(run, Silent())
    page = (run.stage("report") / "report.html").read_text(encoding="utf-8")
    lut = large()[0]
    for change in (rounded(lut.low), rounded(lut.high), "estimate"):
        broken = page.replace(change, "…")
        assert broken != page
        assert lines_without_band(page_lines(broken), [lut]) != []
    assert lines_without_band(["LUT 27,600"], [lut]) == ["LUT 27,600"]
    assert lines_without_band(["LUT 1,127,600"], [lut]) == []


def test_every_json_file(run: RunFolder) -> None:
    run_report(run, Silent())
    files = [path for path in run.path.rglob("*.json") if path.name not in ("manifest.json",)]
    values = {path.name: json.loads(path.read_text()) for path in files}
    assert {"synthesis.json", "budget.json", "metrics.json", "report.json"} <= set(values)
    assert [name for name, value in values.items() if objects_without_band(value)] == []
    seen = sum(found.get("stage") == "estimate" for value in values.values() for found in objects(value))
    assert seen >= 10
    bare = Measurement("lut", 26_237.0, "", "estimate", "Yosys 0.70")
    broken = dataclasses.replace(estimated(), measurements=(bare,))
    assert len(objects_without_band(broken.to_dict())) == 1
