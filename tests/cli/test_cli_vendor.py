"""`l1ad synth` with vendor tools: plans, results taken back, and what `l1ad check` makes of them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from l1ad.cli.main import main
from l1ad.config import RunConfig
from l1ad.pipeline.run_folder import Manifest, RunFolder, StageEntry, create_run
from l1ad.pipeline.vendor import kept_results, take_results
from l1ad.provenance import folder_digests, value_digest, write_json
from l1ad.records import FirmwareProject, FixedType

SAMPLES = Path(__file__).resolve().parents[1] / "synthesis" / "report_samples"


def write_project(folder: Path, text: str = "// design\n") -> None:
    """Write a small HLS project."""
    (folder / "firmware").mkdir(parents=True, exist_ok=True)
    (folder / "firmware" / "detector.cpp").write_text(text)
    (folder / "project.json").unlink(missing_ok=True)
    files = folder_digests(folder)
    number = FixedType(True, 8, 4)
    part, digest = "xcvu9p-flga2104-2L-e", value_digest(files)
    project = FirmwareProject("vitis", "detector", part, 5.0, "test", number, 1, number, 1, files, digest)
    write_json(folder / "project.json", project.to_dict())


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Return a run whose only stage is a conversion to an HLS project."""
    run = create_run(RunConfig(name="tiny"), tmp_path / "runs")
    run.write_config()
    write_project(run.stage("convert") / "vitis")
    run.write_manifest(Manifest(stages={"convert": StageEntry(key="key", inputs="", files={}, seconds=1.0)}))
    return run


def finish(plan: Path, *, cosim: str = "Pass") -> None:
    """Put into a plan what the tools would have left."""
    results = plan / "results"
    results.mkdir()
    steps = (plan / "scripts" / "steps.sh").read_text()
    (results / "DIGEST").write_text(steps.partition("DIGEST=")[2])
    for name in ("detector_csynth.xml", "utilization_routed.rpt", "timing_routed.rpt"):
        shutil.copy(SAMPLES / name, results)
    synthesized = (SAMPLES / "utilization_routed.rpt").read_text().replace(": Routed", ": Synthesized")
    (results / "detector_utilization_synth.rpt").write_text(synthesized)
    text = (SAMPLES / "detector_cosim.rpt").read_text().replace("      Pass|", f"{cosim:>10}|")
    (results / "detector_cosim.rpt").write_text(text)


def test_plan_then_read_then_check(run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "plan"
    assert main(["synth", str(run.path), "--tool", "vitis", "--plan", str(plan)]) == 0
    assert "sh run.sh" in capsys.readouterr().out
    assert main(["synth", str(run.path), "--read", str(plan)]) == 1
    assert "has not been run" in capsys.readouterr().err
    finish(plan)
    assert main(["synth", str(run.path), "--read", str(plan)]) == 0
    out = capsys.readouterr().out
    assert "4321" in out
    assert "Vivado 2023.2" in out
    budget = tmp_path / "budget.yaml"
    budget.write_text("lut: {limit: 4321, stage: route}\nslack_ns: 0\n")
    assert main(["check", str(run.path), "--budget", str(budget)]) == 0
    budget.write_text("lut: {limit: 4320, stage: route}\n")
    assert main(["check", str(run.path), "--budget", str(budget)]) == 1
    assert "lut: 4321 exceeds the limit 4320" in capsys.readouterr().err


def test_results_of_a_changed_design_do_not_count(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "plan"
    main(["synth", str(run.path), "--tool", "vitis", "--plan", str(plan)])
    finish(plan)
    take_results(run, plan)
    assert (len(kept_results(run)[0]), kept_results(run)[1]) == (1, ())
    write_project(run.stage("convert") / "vitis", "// another design\n")
    found, stale = kept_results(run)
    assert found == ()
    assert "the run no longer has" in stale[0]
    assert main(["synth", str(run.path), "--read", str(plan)]) == 2
    assert "results of another design" in capsys.readouterr().err


def test_failed_cosim_fails_the_reading(run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "plan"
    main(["synth", str(run.path), "--tool", "vitis", "--plan", str(plan)])
    finish(plan, cosim="Fail")
    assert main(["synth", str(run.path), "--read", str(plan)]) == 1
    assert "co-simulation of Verilog: Fail" in capsys.readouterr().err


def test_run_here_without_the_tool(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep + "/usr/bin" + os.pathsep + "/bin")
    assert main(["synth", str(run.path), "--tool", "vitis", "--steps", "csynth"]) == 3
    assert "vitis-run or vitis_hls is not on PATH" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tool", "vivadoo"], "Did you mean vivado"),
        (["--tool", "vivado", "--plan", "p"], "no verilog project"),
        (["--tool", "vitis", "--plan", "p", "--steps", "csyn"], "Did you mean csynth"),
        (["--plan", "p", "--read", "q"], "not both"),
        (["--plan", "p"], "Yosys comes with l1ad and needs no plan"),
        (["--read", "absent"], "no such file"),
    ],
)
def test_wrong_usage(
    run: RunFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["synth", str(run.path), *arguments]) == 2
    assert message in capsys.readouterr().err
