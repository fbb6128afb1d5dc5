"""Plans for vendor tools: written, run by fake tools that record their calls, and read back."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from l1ad.errors import ConfigurationError, DataError, L1adError, ToolError, ToolMissingError
from l1ad.hardware.project import read_project
from l1ad.provenance import write_json
from l1ad.synthesis.registry import get_synthesizer
from l1ad.synthesis.vendor.plan import VendorPlan, make_plan, verify_plan, write_plan
from l1ad.synthesis.vendor.run import VendorResults, read_results, run_plan, synthesis_reports, write_results

SAMPLES = Path(__file__).parent / "report_samples"
TEMPLATES = Path(__file__).resolve().parents[2] / "vivado_projects"


def digest(project: Path) -> str:
    return read_project(project).digest


def test_plan_is_data(hls: Path, tmp_path: Path) -> None:
    plan = write_plan(hls, tmp_path / "plan")
    assert VendorPlan.read(tmp_path / "plan" / "plan.json") == plan
    assert [job.name for job in plan.jobs] == ["csynth", "cosim", "synth", "impl", "export"]
    assert plan.jobs[0].commands == ("vitis-run scripts/hls.tcl", "vitis_hls scripts/hls.tcl")
    assert (plan.top, plan.part, plan.clock_ns, plan.backend) == ("detector", "xcvu9p-flga2104-2L-e", 5.0, "vitis")
    assert plan.project_digest == digest(hls)
    assert (tmp_path / "plan" / "project" / "firmware" / "detector.cpp").is_file()
    assert {"run.sh", "scripts/hls.tcl", "scripts/rtl.tcl", "scripts/settings.tcl"} <= set(plan.files)


def test_equal_designs_have_equal_plans_and_others_do_not(
    hls: Path, tmp_path: Path, vendor_project: Callable[..., Path]
) -> None:
    plan, _ = make_plan(hls)
    assert make_plan(hls)[0] == plan
    assert make_plan(hls, ["csynth"])[0].digest != plan.digest
    slower = vendor_project(tmp_path / "slower", "vitis", clock_ns=2.5)
    assert make_plan(slower)[0].digest != plan.digest


def test_vivado_hls_project_asks_for_its_tool(tmp_path: Path, vendor_project: Callable[..., Path]) -> None:
    plan, scripts = make_plan(vendor_project(tmp_path / "project", "vivado"), ["csynth"])
    assert plan.tool.name == "vivado_hls"
    assert "HLS_TOOLS='vivado_hls'" in scripts["scripts/steps.sh"]
    assert "set uncertainty {12.5%}" in scripts["scripts/settings.tcl"]
    assert "scripts/rtl.tcl" not in scripts


def test_verilog_project_goes_to_vivado_alone(verilog: Path) -> None:
    plan, scripts = make_plan(verilog)
    assert [job.name for job in plan.jobs] == ["synth", "impl"]
    assert "set rtl_sources {\n    src/detector.v\n}" in scripts["scripts/settings.tcl"]
    assert "set clock_port {clk}" in scripts["scripts/settings.tcl"]


@pytest.mark.parametrize(
    ("backend", "steps", "message"),
    [
        ("vitis", ["csyn"], "step 'csyn' is not known. Did you mean csynth"),
        ("vitis", ["synth"], "begins with the step csynth"),
        ("vitis", ["csynth", "impl"], "impl needs step synth"),
        ("verilog", ["csynth"], "a verilog project has no step csynth"),
    ],
)
def test_steps_that_do_not_fit(
    tmp_path: Path, backend: str, steps: list[str], message: str, vendor_project: Callable[..., Path]
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_plan(vendor_project(tmp_path / "project", backend), steps)
    assert message in str(caught.value)


def test_project_without_a_clock(tmp_path: Path, vendor_project: Callable[..., Path]) -> None:
    with pytest.raises(ConfigurationError, match="no clock to time it by"):
        make_plan(vendor_project(tmp_path / "project", "verilog", stages=0))


@pytest.mark.parametrize(
    "fields", [{"top": "a; exec rm"}, {"top": "a}"}, {"part": "xcvu9p-a;b-2"}, {"part": "xc7a35t"}]
)
def test_names_that_would_reach_tcl_are_refused(
    tmp_path: Path, fields: dict[str, object], vendor_project: Callable[..., Path]
) -> None:
    project = vendor_project(tmp_path / "project", "vitis", **fields)
    with pytest.raises(L1adError, match=r"not usable|not a full part name|is not known"):
        make_plan(project)


def test_folder_of_another_plan_is_left_alone(hls: Path, verilog: Path, tmp_path: Path) -> None:
    folder = tmp_path / "plan"
    write_plan(hls, folder)
    assert write_plan(hls, folder) == VendorPlan.read(folder / "plan.json")
    with pytest.raises(ConfigurationError, match="plan of another design"):
        write_plan(verilog, folder)
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="is not empty"):
        write_plan(hls, other)


def test_run_and_read_with_fake_tools(hls: Path, tmp_path: Path, tools: Callable[..., list[str]]) -> None:
    tools("vitis_hls", "vivado")
    folder = tmp_path / "plan"
    plan = write_plan(hls, folder)
    run_plan(folder)
    assert tools() == [
        "vitis_hls -f ../scripts/hls.tcl step=csynth in=results",
        "vitis_hls -f ../scripts/hls.tcl step=cosim in=results",
        "vivado -mode batch -notrace -nojournal -nolog -source ../scripts/rtl.tcl step=synth in=results",
        "vivado -mode batch -notrace -nojournal -nolog -source ../scripts/rtl.tcl step=impl in=results",
        "vitis_hls -f ../scripts/hls.tcl step=export in=results",
    ]
    results = read_results(folder, digest(hls))
    assert (results.plan_digest, results.project_digest, results.failures) == (plan.digest, digest(hls), ())
    reports = {report.stage: report for report in synthesis_reports(results)}
    assert list(reports) == ["csynth", "cosim", "synth", "route"]
    assert {m.name: m.value for m in reports["route"].measurements}["lut"] == 4321
    assert all(report.project_digest == digest(hls) for report in reports.values())
    write_results(results, tmp_path / "results.json")
    assert VendorResults.read(tmp_path / "results.json") == results


def test_the_seam_of_all_tools(
    hls: Path, verilog: Path, tmp_path: Path, tools: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tools("vitis_hls", "vivado")
    synthesizer = get_synthesizer("vitis", steps=("csynth", "cosim", "synth", "impl"))
    assert synthesizer.find().version == "2024.1"
    plan, work = synthesizer.plan(hls, read_project(hls), tmp_path), tmp_path / "work"
    assert not work.exists()
    done: list[tuple[int, int, str]] = []
    synthesizer.run(plan, hls, work, progress=lambda *counts: done.append(counts))
    assert done == [(4, 4, "vitis")]
    report = synthesizer.read(plan, work)
    assert (report.stage, report.tool, report.project_digest) == ("route", "Vivado", digest(hls))
    (work / "results" / "vivado" / "detector_timing_routed.rpt").unlink()
    with pytest.raises(ToolError, match="step impl: no report of timing"):
        synthesizer.read(plan, work)
    with pytest.raises(ConfigurationError, match="a verilog project is for vivado, not vitis"):
        get_synthesizer("vitis").plan(verilog, read_project(verilog), tmp_path)
    with pytest.raises(ConfigurationError, match="vivado option timeout_s"):
        get_synthesizer("vivado", timeout_s=0)


def test_newer_program_comes_first_and_done_steps_are_not_repeated(
    hls: Path, tmp_path: Path, tools: Callable[..., list[str]]
) -> None:
    tools("vitis-run", "vitis_hls", "vivado")
    folder = tmp_path / "plan"
    write_plan(hls, folder, ["csynth", "synth"])
    run_plan(folder)
    run_plan(folder)
    assert [call.split(" step")[0] for call in tools()] == [
        "vitis-run --mode hls --tcl ../scripts/hls.tcl",
        "vivado -mode batch -notrace -nojournal -nolog -source ../scripts/rtl.tcl",
    ]


def test_step_that_fails_shows_the_licence_line_and_the_rest_is_read(
    hls: Path, tmp_path: Path, tools: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tools("vitis_hls", "vivado")
    monkeypatch.setenv("FAIL", "synth")
    folder = tmp_path / "plan"
    write_plan(hls, folder)
    with pytest.raises(ToolError, match=r"logs/synth\.log: ERROR: \[Common 17-345\] A valid license was not found"):
        run_plan(folder)
    assert [call.split()[-2] for call in tools()] == ["step=csynth", "step=cosim", "step=synth"]
    results = read_results(folder, digest(hls))
    assert [line.split(":")[0] for line in results.missing] == ["step synth", "step impl", "step impl"]
    assert "A valid license was not found" in results.missing[0]
    assert [report.stage for report in synthesis_reports(results)] == ["csynth", "cosim"]
    monkeypatch.setenv("FAIL", "")
    run_plan(folder)
    assert read_results(folder, digest(hls)).failures == ()


def test_step_that_ends_without_its_mark(
    verilog: Path, tmp_path: Path, tools: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tools("vivado")
    monkeypatch.setenv("SILENT", "synth")
    write_plan(verilog, tmp_path / "plan")
    with pytest.raises(ToolError, match="ended with code 1"):
        run_plan(tmp_path / "plan")
    assert "synth ended without its mark: INFO: running synth" in (tmp_path / "plan" / "logs" / "run0.log").read_text()


@pytest.mark.parametrize(
    ("body", "timeout_s", "message"),
    [
        ("sleep 60", 1.0, r"not done after 1 s and ended\. Raise timeout_s"),
        ("echo 'placing'; kill -9 $$", 60.0, r"ended with code 1.*synth failed: placing"),
        ("echo 'Abnormal program termination (11)'; exit 139", 60.0, r"Abnormal program termination"),
        ("exit 1", 60.0, r"ended with code 1"),
    ],
)
def test_tool_that_hangs_or_dies(
    verilog: Path, tmp_path: Path, tools: Callable[..., list[str]], body: str, timeout_s: float, message: str
) -> None:
    tools("vivado")
    (tmp_path / "bin" / "vivado").write_text(f'#!/bin/sh\ncase "$1" in *version) echo v2024.1; exit ;; esac\n{body}\n')
    folder = tmp_path / "plan"
    write_plan(verilog, folder)
    with pytest.raises(ToolError, match=message):
        run_plan(folder, timeout_s=timeout_s)
    assert not list((folder / "results" / "marks").iterdir())
    with pytest.raises(DataError, match="no report of Vivado HLS"):
        read_results(folder, digest(verilog))


def test_missing_tool_here_and_in_the_script(hls: Path, tmp_path: Path, tools: Callable[..., list[str]]) -> None:
    folder = tmp_path / "plan"
    write_plan(hls, folder)
    with pytest.raises(ToolMissingError, match="vitis-run or vitis_hls"):
        run_plan(folder)
    done = subprocess.run(["/bin/sh", str(folder / "run.sh")], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "none of 'vitis-run vitis_hls' is on PATH" in done.stderr


def test_results_of_another_design_are_refused(
    hls: Path, verilog: Path, tmp_path: Path, tools: Callable[..., list[str]]
) -> None:
    tools("vitis_hls", "vivado")
    folder = tmp_path / "plan"
    write_plan(hls, folder)
    with pytest.raises(ToolError, match="has not been run"):
        read_results(folder, digest(hls))
    run_plan(folder)
    with pytest.raises(DataError, match="results of another design"):
        read_results(folder, digest(verilog))
    other = tmp_path / "other"
    write_plan(hls, other, ["csynth"])
    shutil.copytree(folder / "results", other / "results")
    with pytest.raises(DataError, match="results of another plan"):
        read_results(other, digest(hls))
    with pytest.raises(ToolError, match="ended with code 1"):
        run_plan(other)


@pytest.mark.parametrize("name", ["project/firmware/detector.cpp", "scripts/settings.tcl", "run.sh"])
def test_changed_plan_is_refused(hls: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "plan"
    write_plan(hls, folder)
    assert verify_plan(folder).top == "detector"
    path = folder / name
    path.write_text(path.read_text() + "\n# more\n")
    with pytest.raises(DataError, match=f"{re.escape(name)}: changed since the plan was written"):
        verify_plan(folder)
    path.unlink()
    with pytest.raises(DataError, match="absent"):
        read_results(folder, digest(hls))


def test_plan_that_leaves_its_folder(hls: Path, tmp_path: Path) -> None:
    folder = tmp_path / "plan"
    write_plan(hls, folder)
    values = json.loads((folder / "plan.json").read_text())
    values["files"]["../outside"] = "0"
    write_json(folder / "plan.json", values)
    with pytest.raises(DataError, match="leaves the folder"):
        verify_plan(folder)
