"""A whole run: its files, what is skipped, what runs again, and what an interruption leaves."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from l1ad import __version__
from l1ad.cli.main import main
from l1ad.config import RunConfig, load_config
from l1ad.errors import CheckFailedError, ConfigurationError, RunFolderError
from l1ad.pipeline import firmware, physics
from l1ad.pipeline.run import check, run_all, run_stages
from l1ad.pipeline.run_folder import change_config, create_run, locked, open_run
from l1ad.pipeline.stages import STAGES
from l1ad.pipeline.summary import gather
from l1ad.provenance import file_digest
from l1ad.records import BitReport, BudgetReport

FILES = {
    "data": ("dataset.json", "inputs.json", "train_inputs.npy", "signal_Ato4l_inputs.npy"),
    "train": ("encoder.keras", "decoder.keras", "firmware.keras", "training.json", "checkpoint_quantized.npz"),
    "evaluate": ("metrics.json", "thresholds.json", "scores_background.npy", "roc.png"),
    "convert": (
        "vitis/project.json",
        "verilog/project.json",
        "vitis/firmware/small_run.cpp",
        "verilog/src/small_run.v",
    ),
    "emulate": ("bits.json",),
    "synth": ("synthesis.json", "budget.json", "netlist/small_run.cells.json.gz"),
    "netlist": ("bits.json",),
    "report": ("report.html", "report.json"),
}


def settings(run: Path) -> RunConfig:
    return load_config(run / "config.yaml")


def again(run: Path, recorder, **options) -> Path:
    return run_all(settings(run), run.parent, observer=recorder, **options)


def test_every_stage_leaves_its_files(finished_run):
    manifest = open_run(finished_run).manifest()
    assert list(manifest.stages) == list(STAGES) == list(FILES)
    for stage, names in FILES.items():
        assert set(names) <= set(manifest.stages[stage].files)
        for name, digest in manifest.stages[stage].files.items():
            assert file_digest(finished_run / stage / name) == digest
    assert manifest.l1ad == __version__
    assert manifest.versions["l1ad"] == __version__
    assert not [path for path in finished_run.rglob("*") if ".part" in path.name]


def test_the_log_tells_the_stages(finished_run):
    text = (finished_run / "run.log").read_text()
    places = [text.index(f"stage {stage} took") for stage in STAGES]
    assert places == sorted(places)


def test_the_rungs_agree_and_the_controls_are_caught(finished_run):
    report = BitReport.read(finished_run / "emulate" / "bits.json")
    rungs = {rung.rung: rung for rung in report.rungs}
    assert set(rungs) == {"keras", "interpreter", "native", "csim", "rtl", "trigger_csim", "trigger"}
    assert all(rung.equal_events == rung.events >= 600 for rung in report.rungs)
    assert all(rung.control.caught for name, rung in rungs.items() if name != "keras")
    assert rungs["csim"].layers
    assert {line.name for line in report.measurements} == {"latency_clocks", "latency_ns", "ii"}
    assert BudgetReport.read(finished_run / "synth" / "budget.json").passed
    (netlist,) = BitReport.read(finished_run / "netlist" / "bits.json").rungs
    assert (netlist.rung, netlist.equal_events, netlist.control.caught) == ("netlist", 600, True)


def test_headline_numbers_are_those_of_the_stages(finished_run):
    numbers = json.loads((finished_run / "metrics.json").read_text())
    evaluation = json.loads((finished_run / "evaluate" / "metrics.json").read_text())
    assert numbers["bit_exact"] is True
    assert numbers["within_budget"] is True
    assert {s["signal"]: s["auc"] for s in evaluation["signals"]} == {k: v["value"] for k, v in numbers["auc"].items()}
    assert numbers["measurements"]["lut"]["value"] > 100
    assert numbers["measurements"]["latency_ns"]["stage"] == "simulation"


def test_the_second_call_runs_nothing(run_copy, recorder):
    page = (run_copy / "report" / "report.html").read_bytes()
    assert again(run_copy, recorder).read_bytes() == page
    assert recorder.ran == []
    assert recorder.skipped == list(STAGES)


def test_a_change_runs_what_depends_on_it(run_copy, recorder):
    config = load_config(run_copy / "config.yaml", ["emulation.events=300"])
    run_all(config, run_copy.parent, observer=recorder)
    assert recorder.ran == ["emulate", "synth", "netlist", "report"]
    assert recorder.skipped == ["data", "train", "evaluate", "convert"]
    assert BitReport.read(run_copy / "emulate" / "bits.json").rungs[1].events == 300
    assert settings(run_copy).emulation.events == 300


def test_from_a_stage_on(run_copy, recorder):
    again(run_copy, recorder, start="synth")
    assert recorder.ran == ["synth", "netlist", "report"]


def test_from_an_unknown_stage_changes_nothing(run_copy, recorder):
    before = (run_copy / "config.yaml").read_bytes()
    config = load_config(run_copy / "config.yaml", ["emulation.events=300"])
    with pytest.raises(ConfigurationError, match="Did you mean synth"):
        run_all(config, run_copy.parent, start="synt", observer=recorder)
    assert (run_copy / "config.yaml").read_bytes() == before


def test_force_trains_afresh_and_comes_to_the_same_firmware(run_copy, finished_run, recorder):
    again(run_copy, recorder, force=True)
    assert recorder.ran == list(STAGES)
    assert sum("epoch" in text for text in recorder.progress) == 4
    for backend in ("vitis", "verilog"):
        name = f"convert/{backend}/project.json"
        found, expected = (json.loads((folder / name).read_text()) for folder in (run_copy, finished_run))
        assert found["digest"] == expected["digest"]


@pytest.mark.parametrize(
    ("stage", "name", "damage"),
    [
        ("evaluate", "thresholds.json", "edited"),
        ("convert", "verilog/src/small_run.v", "edited"),
        ("convert", "vitis/firmware/small_run.cpp", "removed"),
        ("report", "report.json", "edited"),
        ("report", "report.html", "removed"),
    ],
)
def test_a_damaged_result_is_made_again(run_copy, recorder, finished_run, stage, name, damage):
    path = run_copy / stage / name
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    names = (
        ("data", "train", "evaluate") if stage == "evaluate" else ("convert",) if stage == "convert" else ("report",)
    )
    run_stages(open_run(run_copy), names, observer=recorder)
    assert recorder.ran == [stage]
    assert path.exists()
    if stage != "report":
        assert path.read_bytes() == (finished_run / stage / name).read_bytes()


def test_a_damaged_model_comes_back_from_the_checkpoint(run_copy, recorder):
    (run_copy / "train" / "encoder.keras").unlink()
    run_stages(open_run(run_copy), ("data", "train"), observer=recorder)
    assert recorder.ran == ["train"]
    assert recorder.progress == []
    assert (run_copy / "train" / "encoder.keras").exists()


def test_an_interrupted_stage_does_not_look_finished(run_copy, recorder, monkeypatch):
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(physics, "write_evaluation", interrupt)
        with pytest.raises(KeyboardInterrupt):
            again(run_copy, recorder, start="evaluate")
    assert recorder.ran == ["evaluate"]
    assert recorder.finished == []
    assert "evaluate" not in open_run(run_copy).manifest().stages
    assert gather(open_run(run_copy)).evaluation is None
    recorder.ran.clear()
    again(run_copy, recorder)
    assert recorder.ran[0] == "evaluate"
    assert "convert" not in recorder.ran
    assert "ended: KeyboardInterrupt" in (run_copy / "run.log").read_text()


def test_results_of_another_configuration_leave_the_report(run_copy, recorder):
    run = change_config(open_run(run_copy), "conversion", {"backends": ["verilog"]})
    assert gather(run).bits is not None
    run_stages(run, ("convert",), observer=recorder)
    report = gather(open_run(run_copy))
    assert report.bits is None
    assert report.budget is None
    assert report.evaluation is not None
    assert [project.backend for project in report.firmware] == ["verilog"]
    assert not (run_copy / "convert" / "vitis").exists()


def test_synthesis_does_not_take_the_latency_of_another_project(run_copy):
    run = change_config(open_run(run_copy), "conversion", {"backends": ["verilog"]})
    run_stages(run, ("convert", "synth"))
    lines = {line.name: line for line in BudgetReport.read(run_copy / "synth" / "budget.json").lines}
    assert lines["latency_ns"].value is None
    assert lines["lut"].value is not None
    assert any("latency_ns: not measured" in line for line in check(run))


def test_a_stage_without_those_before_it(tmp_path, small_config):
    run = create_run(load_config(small_config), tmp_path)
    with pytest.raises(RunFolderError, match=r"stage evaluate needs stage data.*l1ad run"):
        run_stages(run, ("evaluate",))
    with pytest.raises(RunFolderError, match=r"stage synth needs stage convert.*l1ad convert"):
        run_stages(run, ("synth",))


def test_one_process_at_a_time(run_copy, recorder):
    before = (run_copy / "config.yaml").read_bytes()
    other = change_config(open_run(run_copy), "emulation", {"events": 300})
    with locked(open_run(run_copy)), pytest.raises(RunFolderError, match="another process"):
        run_stages(other, ("emulate",), observer=recorder)
    assert recorder.ran == []
    assert (run_copy / "config.yaml").read_bytes() == before
    run_stages(open_run(run_copy), ("data",), observer=recorder)
    assert recorder.skipped == ["data"]


def test_a_run_of_another_version(run_copy, recorder):
    path = run_copy / "manifest.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "l1ad": "0.0.1"}))
    with pytest.raises(RunFolderError, match=r"written by l1ad 0\.0\.1.*delete the file"):
        open_run(run_copy)
    with pytest.raises(RunFolderError, match=r"0\.0\.1"):
        create_run(load_config(run_copy / "config.yaml"), run_copy.parent)


@pytest.mark.parametrize(
    "text", ["", "[1, 2]", "{}", json.dumps({"l1ad": __version__, "stages": {"data": {"key": 1}}})]
)
def test_a_damaged_manifest(run_copy, text):
    (run_copy / "manifest.json").write_text(text)
    with pytest.raises(RunFolderError, match=r"manifest\.json.*delete the file"):
        open_run(run_copy)


def test_a_changed_weight_fails_the_check(run_copy, recorder):
    folder = run_copy / "convert" / "vitis"
    weights = folder / "firmware" / "weights" / "w2.txt"
    values = [-float(value) for value in weights.read_text().split(",") if value.strip()]
    assert np.any(values)
    weights.write_text(", ".join(f"{value:.2f}" for value in values))
    record = json.loads((folder / "project.json").read_text())
    record["files"]["firmware/weights/w2.txt"] = file_digest(weights)
    (folder / "project.json").write_text(json.dumps(record))
    run = open_run(run_copy)
    run_stages(run, ("emulate",), redo=("emulate",), observer=recorder)
    failures = check(run)
    assert len(failures) == 2
    for rung, text in zip(("csim", "trigger_csim"), failures, strict=True):
        assert re.match(rf"rung {rung}: event \d+, .+\[\d+\]: expected -?\d+ \(.+\), found -?\d+ \(.+\)", text)
    assert {rung.rung for rung in gather(run).bits.rungs if not rung.passed} == {"csim", "trigger_csim"}


def test_a_changed_netlist_fails_the_check(run_copy, recorder, tmp_path, capsys):
    run = open_run(run_copy)
    assert gather(run).bits.rungs[-1].rung == "netlist"
    path = sorted((run_copy / "synth" / "netlist").glob("logic*.json.gz"))[-1]
    netlist = json.loads(gzip.decompress(path.read_bytes()))
    for module in netlist["modules"].values():
        for cell in module["cells"].values():
            if cell["type"] == "LUT2":
                cell["parameters"]["INIT"] = "".join("10"[int(bit)] for bit in cell["parameters"]["INIT"])
    path.write_bytes(gzip.compress(json.dumps(netlist).encode()))
    run_stages(run, ("netlist",), redo=("netlist",), observer=recorder)
    (failure,) = check(run)
    assert re.match(r"rung netlist: event \d+, output\[0\]: expected \d+ \(.+\), found \d+ \(.+\)", failure)
    assert [rung.rung for rung in gather(run).bits.rungs if not rung.passed] == ["netlist"]
    budget = tmp_path / "budget.yaml"
    budget.write_text("{lut: 90 %}")
    assert main(["check", str(run_copy), "--budget", str(budget)]) == 1
    assert "rung netlist: event" in capsys.readouterr().err


def test_the_netlist_can_be_left_out(run_copy, recorder):
    config = load_config(run_copy / "config.yaml", ["synthesis.netlist=false"])
    run_all(config, run_copy.parent, observer=recorder)
    assert recorder.ran == ["synth", "report"]
    assert not (run_copy / "synth" / "netlist").exists()
    assert "netlist" not in {rung.rung for rung in gather(open_run(run_copy)).bits.rungs}


def test_a_budget_that_is_exceeded_fails_after_the_report(run_copy, recorder):
    config = load_config(run_copy / "config.yaml", ["synthesis.budget.lut=10"])
    with pytest.raises(CheckFailedError, match=r"budget lut: estimate [\d,]+, .*limit 10.*report\.html"):
        run_all(config, run_copy.parent, observer=recorder)
    assert recorder.ran == ["synth", "netlist", "report"]
    assert json.loads((run_copy / "metrics.json").read_text())["within_budget"] is False
    assert json.loads((run_copy / "metrics.json").read_text())["bit_exact"] is True


def test_without_verilog_there_is_no_synthesis(run_copy, recorder):
    config = load_config(run_copy / "config.yaml", ["conversion.backends=[vitis]"])
    run_all(config, run_copy.parent, observer=recorder)
    assert recorder.ran == ["convert", "emulate", "report"]
    assert gather(open_run(run_copy)).synthesis == ()
    assert [rung.rung for rung in gather(open_run(run_copy)).bits.rungs] == ["keras", "csim", "trigger_csim"]


def test_a_float_run_ends_with_its_report(run_copy, recorder):
    config = load_config(run_copy / "config.yaml", ["network.frontend=float"])
    page = run_all(config, run_copy.parent, observer=recorder)
    assert page.exists()
    assert recorder.skipped == ["data"]
    assert recorder.ran == ["train", "evaluate", "report"]
    run = open_run(run_copy)
    report = gather(run)
    assert report.bits is None
    assert report.firmware == ()
    assert all(np.isfinite(signal.auc) for signal in report.evaluation.signals)
    with pytest.raises(RunFolderError, match=r"network\.frontend is float"):
        run_stages(run, ("convert",))


def test_a_full_disk_leaves_no_half_of_a_file(run_copy, monkeypatch, recorder):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    shutil.rmtree(run_copy / "report")
    run = open_run(run_copy)
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(RunFolderError, match="No space left"):
            run_stages(run, ("report",), observer=recorder)
    assert [path.name for path in run_copy.rglob("*.part")] == []
    run_stages(open_run(run_copy), ("report",), observer=recorder)
    assert recorder.finished == ["report"]


def test_too_many_events_for_the_sample(run_copy):
    run = change_config(open_run(run_copy), "emulation", {"events": 50_000})
    with pytest.raises(firmware.DataError, match=r"asks for 50000 events.*Reduce"):
        run_stages(run, ("emulate",))
