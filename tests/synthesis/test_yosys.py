"""Real Yosys runs on designs that can be counted by hand."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from l1ad.errors import ConfigurationError, DataError, ToolError, ToolMissingError
from l1ad.hardware.budgets import check_budget
from l1ad.hardware.parts import resolve_part
from l1ad.hardware.project import read_project
from l1ad.provenance import write_json
from l1ad.records import Estimate, FirmwareProject, SynthesisReport
from l1ad.synthesis import yosys as yosys_module
from l1ad.synthesis.base import SynthesisPlan
from l1ad.synthesis.registry import get_synthesizer
from l1ad.synthesis.run import read_synthesis, synthesize, write_synthesis
from l1ad.synthesis.yosys import YosysSynthesizer
from l1ad.synthesis.yosys_worker import SPLIT, CellReport, Request

pytest.importorskip("pyosys")


@pytest.fixture(scope="module")
def tiny(make_project) -> Path:
    return make_project()


@pytest.fixture(scope="module")
def work_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def report(tiny: Path, work_dir: Path) -> SynthesisReport:
    return synthesize(tiny, work_dir)


def value(report: SynthesisReport, name: str) -> float:
    return next(m.value for m in report.measurements if (m.name, m.stage) == (name, "netlist"))


def test_counts_of_a_known_design(report: SynthesisReport) -> None:
    assert value(report, "ff") == 16 + 9 + 9
    assert report.modules["mixer"]["lut"] == 9
    assert report.modules["adder"]["lut"] == 8
    assert report.modules["adder"]["carry"] == 3  # nine bits of sum, four a cell
    assert report.modules["tiny"]["lut"] == 0
    assert value(report, "lut") == 17
    assert (value(report, "dsp"), value(report, "bram")) == (0, 0)


def test_report_says_where_it_comes_from(report: SynthesisReport, tiny: Path, tmp_path: Path) -> None:
    assert (report.tool, report.stage, report.part) == ("Yosys", "estimate", "xcvu9p-flga2104-2L-e")
    assert report.project_digest == read_project(tiny).digest
    counted = [m for m in report.measurements if m.stage == "netlist"]
    assert {m.source for m in counted} == {f"Yosys {report.version}"}
    assert {m.name for m in counted} == {"lut", "ff", "dsp", "bram"}
    assert [m.name for m in report.measurements if isinstance(m, Estimate)] == ["lut", "ff", "dsp", "bram"]
    assert report.wall_s > 0
    assert report.peak_memory_mb > 10
    assert write_synthesis(report, tmp_path) == tmp_path / "synthesis.json"
    assert read_synthesis(tmp_path) == report


def test_flat_agrees(report: SynthesisReport, tiny: Path, tmp_path: Path) -> None:
    flat = synthesize(tiny, tmp_path, flat=True)
    assert list(flat.modules) == ["tiny"]
    assert value(flat, "ff") == value(report, "ff")
    assert value(flat, "lut") == value(report, "lut")


def test_one_register_row_more_is_seen_and_stages_come_from_the_cache(
    report: SynthesisReport, tiny: Path, work_dir: Path, make_project
) -> None:
    text = (tiny / "src" / "tiny.v").read_text()
    longer = text.replace("reg [8:0] second;", "reg [8:0] second; reg [8:0] third;")
    longer = longer.replace("model_out <= mixed", "third <= mixed; model_out <= third")
    assert longer != text
    names: list[str] = []
    changed = synthesize(
        make_project({"tiny.v": longer}), work_dir, progress=lambda done, total, name: names.append(name)
    )
    assert value(changed, "ff") == value(report, "ff") + 9
    assert value(changed, "lut") == value(report, "lut")
    assert names == ["Yosys on tiny"]


def test_budget_fails_when_exceeded(report: SynthesisReport) -> None:
    part = resolve_part(report.part)
    assert check_budget({"lut": 18, "ff": 34}, report.measurements, part).passed
    assert not check_budget({"lut": 17, "ff": 34}, report.measurements, part).passed


def test_alkaid_network(alkaid_project: Path, tmp_path: Path) -> None:
    report = synthesize(alkaid_project, tmp_path)
    metadata = json.loads((alkaid_project / "metadata.json").read_text())
    assert value(report, "ff") == metadata["reg_bits"]
    # Adders take about one LUT a unit of alkaid's cost; the wide bound is for so small a network.
    assert 0.7 < value(report, "lut") / metadata["cost"] < 1.5
    assert value(report, "dsp") == 0


def test_multiplier_becomes_a_dsp_only_when_allowed(make_project, tmp_path: Path) -> None:
    product = "module mixer (input [8:0] model_inp, output [8:0] model_out);\n"
    product += " assign model_out = model_inp * (model_inp >> 1);\nendmodule"
    wide = product.replace("[8:0]", "[17:0]")
    project = make_project({"tiny.v": wide.replace("mixer", "tiny")}, stages=0)
    without = synthesize(project, tmp_path / "without")
    with_dsp = synthesize(project, tmp_path / "with", dsp=True)
    assert (value(without, "dsp"), value(with_dsp, "dsp")) == (0, 1)
    assert value(without, "lut") > 100 > value(with_dsp, "lut")

    estimated = {m.name: m for m in without.measurements if isinstance(m, Estimate)}
    assert (estimated["dsp"].value, estimated["dsp"].high) == (0, 1)  # Vivado may put it into a DSP slice


def test_parts_of_a_module_count_as_the_whole(alkaid_project: Path, tmp_path: Path) -> None:
    """A large module is divided; registers and carry chains are the same, LUTs nearly."""
    project = read_project(alkaid_project)
    plan = YosysSynthesizer().plan(alkaid_project, project, tmp_path)
    counted, divided = {}, {}
    for bits in (10**9, 60):
        total, log = Counter[str](), ""
        for job in plan.jobs:
            commands = tuple(f"{SPLIT}{bits}" if command.startswith(SPLIT) else command for command in job.commands)
            assert commands != job.commands
            request = tmp_path / f"{job.name}.json"
            report = tmp_path / f"{job.name}.{bits}.json"
            write_json(request, Request(str(alkaid_project), commands, str(report), "d").to_dict())
            command = [sys.executable, "-m", "l1ad.synthesis.yosys_worker", str(request)]
            log += subprocess.run(command, check=True, capture_output=True, text=True).stdout
            total += Counter(CellReport.read(report).cells)
        counted[bits], divided[bits] = total, "_part1" in log
    assert divided == {10**9: False, 60: True}
    whole, parts = counted.values()
    assert [parts[name] for name in ("DFF", "CARRY4")] == [whole[name] for name in ("DFF", "CARRY4")]
    boxes = {job.name: 1 for job in plan.jobs if not job.black_boxes}
    assert {name: parts[name] for name in boxes} == boxes
    luts = [sum(n for name, n in cells.items() if name.startswith("LUT")) for cells in (whole, parts)]
    assert luts[1] == pytest.approx(luts[0], rel=0.05)


def test_memory_of_the_caller_is_not_that_of_the_worker(tiny: Path, tmp_path: Path) -> None:
    """Linux carries the peak of a process over exec, so a caller of 500 MB must not show in the report."""
    code = (
        "import sys, pathlib; held = bytearray(b'x') * (500 << 20); from l1ad.synthesis.run import synthesize; "
        "print(synthesize(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])).peak_memory_mb)"
    )
    done = subprocess.run([sys.executable, "-c", code, tiny, tmp_path], check=True, capture_output=True, text=True)
    assert 20 < float(done.stdout) < 250


def test_clocked_stage_with_a_memory_is_mapped_in_full(make_project, tmp_path: Path) -> None:
    table = """module mixer (input clk, input [8:0] model_inp, output reg [8:0] model_out);
    reg [8:0] held [0:511];
    always @(posedge clk) begin held[model_inp] <= model_inp; model_out <= held[model_inp]; end
endmodule
"""
    top = (make_project() / "src" / "tiny.v").read_text().replace("_inst_mixer (", "_inst_mixer (.clk(clk), ")
    project = make_project({"mixer.v": table, "tiny.v": top})
    report = synthesize(project, tmp_path)
    assert value(report, "bram") == 0.5
    assert report.modules["mixer"]["lut"] < 10


def test_syntax_error_names_the_line(make_project, tmp_path: Path) -> None:
    project = make_project({"mixer.v": "module mixer (input [8:0] model_inp\n assign"})
    with pytest.raises(ToolError, match=r"ended with code 1.*src/mixer\.v:2: ERROR: syntax error"):
        synthesize(project, tmp_path, workers=1)
    assert not list(tmp_path.glob("*.*.json.part"))


def test_timeout(tiny: Path, tmp_path: Path) -> None:
    synthesizer = YosysSynthesizer(timeout_s=0.001)
    plan = synthesizer.plan(tiny, read_project(tiny), tmp_path)
    with pytest.raises(ToolError, match=r"not done after 0\.001 s"):
        synthesizer.run(plan, tiny, tmp_path)


def test_changed_file_is_named(make_project, tmp_path: Path) -> None:
    project = make_project()
    path = project / "src" / "mixer.v"
    path.write_text(path.read_text().replace("^", "&"))
    with pytest.raises(DataError, match=r"mixer\.v: changed since the conversion"):
        synthesize(project, tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=r"mixer\.v: listed in project\.json and absent"):
        synthesize(project, tmp_path)


def test_report_missing_or_foreign_is_an_error(
    report: SynthesisReport, tiny: Path, work_dir: Path, tmp_path: Path
) -> None:
    synthesizer = YosysSynthesizer()
    plan = synthesizer.plan(tiny, read_project(tiny), work_dir)
    with pytest.raises(ToolError, match="no usable report"):
        synthesizer.read(plan, tmp_path)
    for job in plan.jobs:
        values = json.loads((work_dir / job.report).read_text())
        (tmp_path / job.report).write_text(json.dumps({**values, "digest": "other"}))
    with pytest.raises(ToolError, match="belongs to another job"):
        synthesizer.read(plan, tmp_path)


def test_design_that_maps_to_nothing_is_an_error(
    report: SynthesisReport, tiny: Path, work_dir: Path, tmp_path: Path
) -> None:
    synthesizer = YosysSynthesizer()
    plan = synthesizer.plan(tiny, read_project(tiny), work_dir)
    boxes = {"adder": 1, "mixer": 1}
    for job in plan.jobs:
        values = json.loads((work_dir / job.report).read_text())
        (tmp_path / job.report).write_text(json.dumps({**values, "cells": boxes if job.black_boxes else {}}))
    with pytest.raises(ToolError, match="no cells"):
        synthesizer.read(plan, tmp_path)
    top = next(job for job in plan.jobs if job.black_boxes)
    (tmp_path / top.report).write_text(json.dumps({**values, "digest": top.digest, "cells": {"FDRE": 3}}))
    with pytest.raises(ToolError, match="stage adder is gone"):
        synthesizer.read(plan, tmp_path)


def test_plan_is_data(tiny: Path, work_dir: Path, report: SynthesisReport) -> None:
    plan = SynthesisPlan.read(work_dir / "plan.json")
    assert {job.name for job in plan.jobs} == {"tiny", "adder", "mixer"}
    commands = next(job.commands for job in plan.jobs if job.name == "adder")
    assert commands[0] == "read_verilog src/adder.v"
    assert "alumacc" in commands
    flat = YosysSynthesizer(flat=True).plan(tiny, read_project(tiny), work_dir).jobs[0].commands[1]
    assert flat.startswith("synth_xilinx -family xcup -flatten -noiopad -noclkbuf -nodsp -top tiny")


def test_missing_tool(monkeypatch: pytest.MonkeyPatch, tiny: Path, tmp_path: Path) -> None:
    monkeypatch.setattr(yosys_module, "library_version", lambda name: None)
    with pytest.raises(ToolMissingError, match="pip install pyosys") as caught:
        synthesize(tiny, tmp_path)
    assert caught.value.exit_code == 3


def test_usage_errors(make_project, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"'yosis' is not known\. Did you mean yosys"):
        synthesize(tiny, tmp_path, tool="yosis")
    with pytest.raises(ConfigurationError, match="timeout_s"):
        get_synthesizer("yosys", timeout_s=-1)
    with pytest.raises(ConfigurationError, match="vitis project"):
        synthesize(make_project(backend="vitis"), tmp_path)


def test_unknown_part(tiny: Path, tmp_path: Path) -> None:
    project: FirmwareProject = dataclasses.replace(read_project(tiny), part="xc7a35t")
    with pytest.raises(ConfigurationError, match="xc7a35t"):
        YosysSynthesizer().plan(tiny, project, tmp_path)
