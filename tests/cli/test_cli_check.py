"""The verb `check`: exit codes, messages, and what counts as a measurement."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from l1ad.cli.main import main
from l1ad.config import RunConfig
from l1ad.hardware.limits import parse_limits
from l1ad.pipeline.check import check_run
from l1ad.pipeline.run_folder import Manifest, RunFolder, StageEntry, create_run
from l1ad.provenance import write_json
from l1ad.records import BitReport, Measurement, SynthesisReport

SAMPLES = Path(__file__).resolve().parents[1] / "synthesis" / "report_samples"


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Return a run with a simulation and a synthesis, and no training."""
    run = create_run(RunConfig(name="tiny"), tmp_path / "runs")
    run.write_config()
    simulated = Measurement("latency_ns", 60.0, "ns", "simulation", "Verilator 5.48")
    write_json(run.stage("emulate") / "bits.json", BitReport((), (simulated,)).to_dict())
    mapped = Measurement("lut", 20_000.0, "", "estimate", "Yosys 0.70")
    report = SynthesisReport("Yosys", "0.70", "estimate", "xcvu9p-flga2104-2L-e", "d", (mapped,))
    write_json(run.stage("synth") / "synthesis.json", report.to_dict())
    entry = StageEntry(key="key", inputs="", files={}, seconds=1.0)
    run.write_manifest(Manifest(stages={"emulate": entry, "synth": entry}))
    return run


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    folder.mkdir()
    for name in ("detector_csynth.xml", "detector_cosim.rpt", "utilization_routed.rpt", "timing_routed.rpt"):
        shutil.copy(SAMPLES / name, folder)
    return folder


def budget(folder: Path, text: str) -> str:
    path = folder / "budget.yaml"
    path.write_text(text)
    return str(path)


def test_run_alone(run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["check", str(run.path), "--budget", budget(tmp_path, "latency_ns: 60\nlut: 20000\n")]
    assert main(arguments) == 0
    assert "all 2 limits hold" in capsys.readouterr().out
    budget(tmp_path, "latency_ns: 59\nlut: 20000\n")
    assert main(arguments) == 1
    written = capsys.readouterr()
    assert "latency_ns: 60 ns exceeds the limit 59 ns by 1 ns (1.69 %), simulation, Verilator 5.48" in written.err
    assert "Yosys 0.70" in written.out


def test_reports_decide_over_the_estimate(
    run: RunFolder, reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "lut: {limit: 1 % of slr, stage: route}\nslack_ns: 0\nlatency_ns: 80\nii: 2\nuram: 3\nbram: 2.5\n"
    arguments = ["check", str(run.path), "--budget", budget(tmp_path, text), "--reports", str(reports)]
    assert main(arguments) == 1
    wanted = (
        "lut: 4321 exceeds the limit 3940.8 (1 % of slr at route) by 380.2 (9.65 %), route, Vivado 2023.2, utilization"
    )
    assert wanted in capsys.readouterr().err
    budget(tmp_path, text.replace("1 %", "2 %"))
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "75" in out  # of the co-simulation, not the 60 of the other project's simulation
    assert "detector_cosim.rpt" in out


def test_stages_that_left_the_manifest_do_not_count(run: RunFolder) -> None:
    limits = parse_limits({"latency_ns": 60, "lut": 20_000})
    assert check_run(run, limits).passed
    run.write_manifest(Manifest(stages={"emulate": StageEntry(key="key", inputs="", files={}, seconds=1.0)}))
    assert check_run(run, limits).failures == ("lut: not measured, limit 20000",)


def test_failed_cosim_fails_the_check(run: RunFolder, reports: Path) -> None:
    limits = parse_limits({"lut": 5000})
    assert check_run(run, limits, reports).passed
    path = reports / "detector_cosim.rpt"
    path.write_text(path.read_text().replace("      Pass|", "      Fail|"))
    found = check_run(run, limits, reports)
    assert found.budget.passed
    assert found.failures == ("detector_cosim.rpt: co-simulation of Verilog: Fail",)


def test_what_was_not_measured_shows_the_log(run: RunFolder, reports: Path) -> None:
    (reports / "timing_routed.rpt").unlink()
    (reports / "vivado.log").write_text(
        "ERROR: [Common 17-345] A valid license was not found for feature 'Synthesis'.\n"
    )
    found = check_run(run, parse_limits({"slack_ns": 0}), reports)
    assert len(found.failures) == 1
    assert found.failures[0].startswith("slack_ns: not measured, limit 0 ns")
    assert "vivado.log: ERROR: [Common 17-345] A valid license was not found" in found.failures[0]


def test_another_part_and_another_clock(
    run: RunFolder, reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = reports / "detector_csynth.xml"
    path.write_text(path.read_text().replace("<TargetClockPeriod>5.00<", "<TargetClockPeriod>2.50<"))
    found = check_run(run, parse_limits({"lut": 5000}), reports)
    assert any("made for a clock of 2.5 ns; the run has 5 ns" in warning for warning in found.warnings)
    path.write_text(path.read_text().replace("xcvu9p-flga2104-2L-e", "xcku115-flvb2104-2-i"))
    assert main(["check", str(run.path), "--budget", budget(tmp_path, "lut: 5\n"), "--reports", str(reports)]) == 2
    assert "a report of part xcku115-flvb2104-2-i; expected xcvu9p-flga2104-2L-e" in capsys.readouterr().err


def test_percentages_of_another_part(run: RunFolder) -> None:
    assert check_run(run, parse_limits({"lut": "2 %"})).passed
    assert not check_run(run, parse_limits({"lut": "2 %", "part": "xc7vx690t"})).passed


@pytest.mark.parametrize(
    ("text", "message"), [("luts: 5\n", "Did you mean lut"), ("", "expected limits"), ("lut: [5\n", "YAML")]
)
def test_bad_budget(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    assert main(["check", str(run.path), "--budget", budget(tmp_path, text)]) == 2
    assert message in capsys.readouterr().err


def test_no_run_and_no_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path), "--budget", budget(tmp_path, "lut: 5\n")]) == 2
    assert "no run here" in capsys.readouterr().err
    assert main(["check", str(tmp_path)]) == 2
    assert "--budget" in capsys.readouterr().err
