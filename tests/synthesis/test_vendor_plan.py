"""Plans for vendor tools: written, run by fake tools that record their calls, and read back."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from l1ad.errors import ConfigurationError, DataError, L1adError, ToolError, ToolMissingError
from l1ad.hardware.project import read_project
from l1ad.provenance import folder_digests, value_digest, write_json
from l1ad.records import FirmwareProject, FixedType
from l1ad.synthesis.registry import get_synthesizer
from l1ad.synthesis.vendor.plan import VendorPlan, make_plan, verify_plan, write_plan
from l1ad.synthesis.vendor.run import VendorResults, read_results, run_plan, synthesis_reports, write_results

SAMPLES = Path(__file__).parent / "report_samples"
TEMPLATES = Path(__file__).resolve().parents[2] / "vivado_projects"

#: A program that records how it was called and leaves what the real one would: a report and, done well, its mark.
FAKE = """#!/bin/sh
case "$1" in *version) echo "v2024.1 (64-bit)"; exit 0 ;; esac
echo "$(basename "$0") $* step=$L1AD_STEP in=$(basename "$PWD")" >>"$CALLS"
echo "INFO: running $L1AD_STEP"
if [ "$FAIL" = "$L1AD_STEP" ]; then
    echo "ERROR: [Common 17-345] A valid license was not found for feature 'Synthesis'."
    echo "ERROR: [Common 17-69] Command failed"
    exit 1
fi
[ "$SILENT" = "$L1AD_STEP" ] && exit 0
case "$L1AD_STEP" in
    csynth) mkdir -p hls/solution1/syn/report; cp "$SAMPLES/detector_csynth.xml" hls/solution1/syn/report/ ;;
    cosim) mkdir -p hls/solution1/sim/report; cp "$SAMPLES/detector_cosim.rpt" hls/solution1/sim/report/ ;;
    synth) mkdir -p vivado
           sed 's/: Routed/: Synthesized/' "$SAMPLES/utilization_routed.rpt" >vivado/detector_utilization_synth.rpt ;;
    impl) cp "$SAMPLES/utilization_routed.rpt" vivado/detector_utilization_routed.rpt
          cp "$SAMPLES/timing_routed.rpt" vivado/detector_timing_routed.rpt ;;
esac
touch "marks/$L1AD_STEP"
"""


def make_project(folder: Path, backend: str, **fields: object) -> Path:
    """Write a small firmware project with the files that a plan names."""
    names = ("src/detector.v",) if backend == "verilog" else ("firmware/detector.cpp", "detector_test.cpp")
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            "module detector (input clk, input [7:0] a, output reg [7:0] b); always @(posedge clk) b <= a; endmodule\n"
        )
    files = folder_digests(folder)
    values: dict[str, object] = {
        "backend": backend,
        "top": "detector",
        "part": "xcvu9p-flga2104-2L-e",
        "clock_ns": 5.0,
        "engine": "test",
        "input_type": FixedType(True, 8, 4),
        "n_inputs": 1,
        "output_type": FixedType(True, 8, 4),
        "n_outputs": 1,
        "files": files,
        "digest": value_digest(files),
        "stages": 1,
    }
    project = FirmwareProject(**{**values, **fields})  # type: ignore[arg-type]
    write_json(folder / "project.json", project.to_dict())
    return folder


@pytest.fixture
def hls(tmp_path: Path) -> Path:
    return make_project(tmp_path / "hls_project", "vitis")


@pytest.fixture
def verilog(tmp_path: Path) -> Path:
    return make_project(tmp_path / "rtl_project", "verilog")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Put fake tools before PATH; the function that is returned gives their calls."""
    folder, calls = tmp_path / "bin", tmp_path / "calls"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    for name, value in (("CALLS", calls), ("SAMPLES", SAMPLES), ("FAIL", ""), ("SILENT", "")):
        monkeypatch.setenv(name, str(value))

    def install(*names: str) -> list[str]:
        for name in names:
            (folder / name).write_text(FAKE)
            (folder / name).chmod(0o755)
        return calls.read_text().splitlines() if calls.exists() else []

    return install


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


def test_equal_designs_have_equal_plans_and_others_do_not(hls: Path, tmp_path: Path) -> None:
    plan, _ = make_plan(hls)
    assert make_plan(hls)[0] == plan
    assert make_plan(hls, ["csynth"])[0].digest != plan.digest
    slower = make_project(tmp_path / "slower", "vitis", clock_ns=2.5)
    assert make_plan(slower)[0].digest != plan.digest


def test_vivado_hls_project_asks_for_its_tool(tmp_path: Path) -> None:
    plan, scripts = make_plan(make_project(tmp_path / "project", "vivado"), ["csynth"])
    assert plan.tool.name == "vivado_hls"
    assert "HLS_TOOLS='vivado_hls'" in scripts["scripts/steps.sh"]
    assert "set uncertainty {12.5%}" in scripts["scripts/settings.tcl"]
    assert "scripts/rtl.tcl" not in scripts


def test_verilog_project_goes_to_vivado_alone(verilog: Path) -> None:
    plan, scripts = make_plan(verilog)
    assert [job.name for job in plan.jobs] == ["synth", "impl"]
    assert "set rtl_sources {src/detector.v}" in scripts["scripts/settings.tcl"]
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
def test_steps_that_do_not_fit(tmp_path: Path, backend: str, steps: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_plan(make_project(tmp_path / "project", backend), steps)
    assert message in str(caught.value)


def test_project_without_a_clock(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no clock to time it by"):
        make_plan(make_project(tmp_path / "project", "verilog", stages=0))


@pytest.mark.parametrize(
    "fields", [{"top": "a; exec rm"}, {"top": "a}"}, {"part": "xcvu9p-a;b-2"}, {"part": "xc7a35t"}]
)
def test_names_that_would_reach_tcl_are_refused(tmp_path: Path, fields: dict[str, object]) -> None:
    project = make_project(tmp_path / "project", "vitis", **fields)
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


def test_container_and_host(
    hls: Path, tmp_path: Path, tools: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tools("docker", "ssh", "rsync")
    monkeypatch.setenv("L1AD_STEP", "none")
    folder = tmp_path / "plan"
    plan = write_plan(hls, folder)
    (folder / "results" / "marks").mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SILENT", "none")
    run_plan(folder, container="vivado:2023.2")
    mount = f"type=bind,source={folder},target=/plan"
    assert tools()[0].startswith(f"docker run --rm --mount {mount} --workdir /plan vivado:2023.2 sh run.sh ")
    run_plan(folder, host="me@machine")
    remote = f"l1ad-plan-{plan.digest[:16]}"
    assert [call.split(" step")[0] for call in tools()[1:]] == [
        f"rsync -a {folder}/ me@machine:{remote}/",
        f"ssh me@machine sh {remote}/run.sh",
        f"rsync -a me@machine:{remote}/results/ {folder}/results/",
        f"rsync -a me@machine:{remote}/logs/ {folder}/logs/",
    ]


@pytest.mark.parametrize(
    "options",
    [{"host": "-oProxyCommand=x"}, {"host": "a b"}, {"container": "--privileged"}, {"container": "a", "host": "b"}],
)
def test_hosts_and_images_that_are_options(hls: Path, tmp_path: Path, options: dict[str, str]) -> None:
    write_plan(hls, tmp_path / "plan")
    with pytest.raises(ConfigurationError):
        run_plan(tmp_path / "plan", **options)


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


def test_vivado_hls_partitions_arrays(tmp_path: Path) -> None:
    folder = tmp_path / "plan"
    write_plan(make_project(tmp_path / "project", "vivado"), folder)
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
