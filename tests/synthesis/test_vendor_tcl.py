"""The Tcl of the plans: linted, run in tclsh with the commands of the tools replaced."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from l1ad.synthesis.vendor.plan import default_steps, write_plan

TEMPLATES = Path(__file__).resolve().parents[2] / "vivado_projects"


def lint(*paths: Path) -> tuple[int, str]:
    """Return exit code and findings of tclint, with its rules as they come."""
    pytest.importorskip("tclint")
    command = [sys.executable, "-m", "tclint", *map(str, paths)]
    done = subprocess.run(command, cwd=paths[0].parent, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_templates_are_clean() -> None:
    assert sorted(path.suffix for path in TEMPLATES.rglob("*.tcl")) == [".tcl"] * 2
    assert lint(TEMPLATES) == (0, "")


@pytest.mark.parametrize("backend", ["vitis", "vivado", "verilog"])
@pytest.mark.parametrize("steps", ["first", "all"])
def test_plans_are_clean(tmp_path: Path, vendor_project: Callable[..., Path], backend: str, steps: str) -> None:
    chosen = default_steps(backend)[: 1 if steps == "first" else None]
    write_plan(vendor_project(tmp_path / "project", backend), tmp_path / "plan", chosen)
    scripts = sorted((tmp_path / "plan" / "scripts").glob("*.tcl"))
    assert "settings.tcl" in [path.name for path in scripts]
    assert lint(tmp_path / "plan" / "scripts") == (0, "")


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("set root [file normalize ..]", "set root [file normalize ..", "syntax error"),
        ("set root [file normalize ..]", "set root [file normalize ..] more", "too many args for set"),
        ("set root [file normalize ..]", "set root [expr 1 + $step]", "unbraced-expr"),
    ],
)
@pytest.mark.parametrize("template", ["hls/hls.tcl", "rtl/rtl.tcl"])
def test_linter_finds_what_is_broken(tmp_path: Path, template: str, old: str, new: str, finding: str) -> None:
    text = (TEMPLATES / template).read_text()
    assert old in text
    path = tmp_path / "broken.tcl"
    path.write_text(text.replace(old, new))
    code, found = lint(path)
    assert code != 0
    assert finding in found


#: Commands of the tools as Tcl procedures that write down their arguments; what is not listed here is unknown.
STUBS = {
    "hls/hls.tcl": "open_project set_top add_files open_solution config_array_partition config_compile set_part "
    "config_schedule create_clock set_clock_uncertainty csynth_design cosim_design export_design",
    "rtl/rtl.tcl": "create_project read_verilog read_xdc synth_design report_utilization report_timing_summary "
    "write_checkpoint open_checkpoint opt_design place_design phys_opt_design route_design report_power "
    "report_route_status",
}


def run_tcl(folder: Path, template: str, step: str) -> tuple[int, list[str]]:
    """Run a script of a plan in tclsh with the commands of the tool replaced, and return code and calls."""
    tclsh = shutil.which("tclsh")
    if tclsh is None:
        pytest.skip("tclsh is not installed: the Tcl of the plans is checked where it is")
    results = folder / "results"
    (results / "marks").mkdir(parents=True, exist_ok=True)
    calls = folder / f"{step}.calls"
    procs = "\n".join(
        f'proc {name} {{args}} {{ set s [open "{calls}" a]; puts $s [string trim "{name} $args"]; close $s }}'
        for name in STUBS[template].split()
    )
    main = folder / "main.tcl"
    main.write_text(f"{procs}\nsource {{../scripts/{Path(template).name}}}\n")
    environment = {**os.environ, "L1AD_STEP": step}
    done = subprocess.run([tclsh, str(main)], cwd=results, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, calls.read_text().replace(str(folder), "PLAN").splitlines() if calls.exists() else [
        done.stdout
    ]


def test_hls_script(hls: Path, tmp_path: Path) -> None:
    folder = tmp_path / "plan"
    write_plan(hls, folder)
    code, calls = run_tcl(folder, "hls/hls.tcl", "csynth")
    assert code == 0
    assert calls == [
        "open_project -reset hls",
        "set_top detector",
        "add_files PLAN/project/firmware/detector.cpp -cflags -std=c++0x",
        "add_files -tb PLAN/project/detector_test.cpp -cflags {-std=c++0x -DRTL_SIM}",
        "add_files -tb PLAN/project/firmware/weights",
        "add_files -tb PLAN/project/tb_data",
        "open_solution -reset solution1",
        "config_compile -name_max_length 80",
        "set_part xcvu9p-flga2104-2L-e",
        "config_schedule -enable_dsp_full_reg=false",
        "create_clock -period 5 -name default",
        "set_clock_uncertainty 27% default",
        "csynth_design",
    ]
    assert (folder / "results" / "marks" / "csynth").is_file()
    assert run_tcl(folder, "hls/hls.tcl", "cosim")[1][-1] == "cosim_design -rtl verilog -trace_level none"
    assert run_tcl(folder, "hls/hls.tcl", "export")[1][-1] == "export_design -format ip_catalog"


def test_vivado_hls_partitions_arrays(tmp_path: Path, vendor_project: Callable[..., Path]) -> None:
    folder = tmp_path / "plan"
    write_plan(vendor_project(tmp_path / "project", "vivado"), folder)
    _, calls = run_tcl(folder, "hls/hls.tcl", "csynth")
    assert "config_array_partition -maximum_size 4096" in calls


def test_rtl_script(verilog: Path, tmp_path: Path) -> None:
    folder = tmp_path / "plan"
    write_plan(verilog, folder)
    code, calls = run_tcl(folder, "rtl/rtl.tcl", "synth")
    assert code == 0
    assert calls[:4] == [
        "create_project -in_memory -part xcvu9p-flga2104-2L-e",
        "read_verilog -sv PLAN/project/src/detector.v",
        "read_xdc -mode out_of_context PLAN/results/clock.xdc",
        "synth_design -mode out_of_context -top detector -part xcvu9p-flga2104-2L-e",
    ]
    clock = (folder / "results" / "clock.xdc").read_text()
    assert clock == "create_clock -name clk -period 5 [get_ports clk]\n"
    _, calls = run_tcl(folder, "rtl/rtl.tcl", "impl")
    names = [call.split()[0] for call in calls]
    assert names[:5] == ["open_checkpoint", "opt_design", "place_design", "phys_opt_design", "route_design"]
    assert {"report_utilization", "report_timing_summary", "report_power", "report_route_status"} <= set(names)


def test_rtl_script_without_verilog_fails_and_leaves_no_mark(hls: Path, tmp_path: Path) -> None:
    folder = tmp_path / "plan"
    write_plan(hls, folder)
    code, _ = run_tcl(folder, "rtl/rtl.tcl", "synth")
    assert code == 1
    assert not (folder / "results" / "marks" / "synth").exists()
    generated = folder / "results" / "hls" / "solution1" / "syn" / "verilog"
    generated.mkdir(parents=True)
    (generated / "detector.v").write_text("module detector; endmodule\n")
    code, calls = run_tcl(folder, "rtl/rtl.tcl", "synth")
    assert code == 0
    assert "read_verilog -sv PLAN/results/hls/solution1/syn/verilog/detector.v" in calls


@pytest.mark.parametrize("template", sorted(STUBS))
def test_tcl_is_complete_and_a_brace_less_is_seen(tmp_path: Path, template: str) -> None:
    tclsh = shutil.which("tclsh")
    if tclsh is None:
        pytest.skip("tclsh is not installed: the Tcl of the plans is checked where it is")
    checker, text = tmp_path / "check.tcl", (TEMPLATES / template).read_text()
    checker.write_text("puts [info complete [read [open [lindex $argv 0]]]]\n")
    for candidate, complete in ((text, "1"), (text[: text.rindex("}")], "0")):
        path = tmp_path / "candidate.tcl"
        path.write_text(candidate)
        done = subprocess.run([tclsh, str(checker), str(path)], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == complete
