"""The verbs that work on a run: what they print, what they change, and their exit codes."""

from __future__ import annotations

import json
import logging
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from l1ad.cli.main import main
from l1ad.pipeline.run_folder import locked, open_run
from l1ad.training.checkpoint import Progress
from l1ad.training.record import TrainingRecord


@pytest.fixture(autouse=True)
def _level():
    """Give the logger of l1ad its level back."""
    logger = logging.getLogger("l1ad")
    level = logger.level
    yield
    logger.setLevel(level)


def configuration(run: Path) -> dict:
    return yaml.safe_load((run / "config.yaml").read_text())


def bits(run: Path) -> dict:
    return json.loads((run / "emulate" / "bits.json").read_text())


def command(*arguments: object) -> subprocess.Popen[str]:
    # A shell that starts the tests in the background has SIGINT ignored, and Python then leaves it so.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from l1ad.cli.main import main; sys.exit(main())"
    )
    line = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_run_prints_the_results_and_last_the_page(finished_run, run_copy, small_config, capsys):
    assert main(["run", str(small_config), "--runs", str(run_copy.parent)]) == 0
    written = capsys.readouterr()
    assert written.out.splitlines()[-1] == str(run_copy / "report" / "report.html")
    for text in ("signals against the background", "the ladder", "firmware projects", "budget", "bit-exact"):
        assert text in written.out
    assert written.err.count("unchanged, not run again") == 8


def test_step_by_step(run_copy, tmp_path, capsys):
    run = str(run_copy)
    assert main(["evaluate", run]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(run_copy / "evaluate")

    assert main(["convert", run, "--part", "xcvu13p", "--backend", "verilog"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(run_copy / "convert" / "verilog")
    assert configuration(run_copy)["conversion"]["backends"] == ["verilog"]
    project = json.loads((run_copy / "convert" / "verilog" / "project.json").read_text())
    assert project["part"].startswith("xcvu13p-")

    assert main(["emulate", run, "--events", "300"]) == 0
    assert "bit-exact" in capsys.readouterr().out
    found = {rung["rung"]: rung["events"] for rung in bits(run_copy)["rungs"]}
    # The rung of the trigger counts clocks, so it has more.
    assert found.pop("trigger") > 300
    assert found == dict.fromkeys(("keras", "interpreter", "native", "rtl"), 300)

    budget = tmp_path / "budget.yaml"
    budget.write_text("{lut: 90 %, ii: 1}")
    assert main(["synth", run, "--budget", str(budget)]) == 0
    assert "synthesized netlist" in capsys.readouterr().out
    found = json.loads((run_copy / "synth" / "budget.json").read_text())
    assert [(line["name"], line["passed"]) for line in found["lines"]] == [("ii", True), ("lut", True)]
    capsys.readouterr()

    budget.write_text("{lut: 3, ii: 1}")
    assert main(["synth", run, "--budget", str(budget)]) == 1
    assert "budget lut: " in capsys.readouterr().err

    assert main(["report", run]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(run_copy / "report" / "report.html")
    assert json.loads((run_copy / "metrics.json").read_text())["within_budget"] is False


@pytest.mark.parametrize(
    ("verb", "options", "message"),
    [
        ("convert", ["--part", "xcvu9"], "Did you mean xcvu9p"),
        ("convert", ["--backend", "vits"], "backends"),
        ("convert", ["--clock-ns", "0"], "clock_ns"),
        ("emulate", ["--events", "0"], "--events"),
        ("synth", ["--budget", "absent.yaml"], "no such budget file"),
    ],
)
def test_what_cannot_be_done_changes_nothing(run_copy, capsys, verb, options, message):
    before = {name: (run_copy / name).read_bytes() for name in ("config.yaml", "manifest.json")}
    assert main([verb, str(run_copy), *options]) == 2
    assert message in capsys.readouterr().err
    assert {name: (run_copy / name).read_bytes() for name in before} == before
    assert (run_copy / "convert" / "vitis" / "project.json").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("conversion.part=xcvu9", "xcvu9p"),
        ("network.kernel=quantized_bits(6", "network.kernel"),
        ("synthesis.budget.latency_ns=-1", "latency_ns"),
        ("synthesis.budget.lut=many", "lut"),
        ("training.epoch=3", "epochs"),
        ("name=small", "small"),
        ("name=a/b", "a/b"),
    ],
)
def test_a_wrong_configuration_is_refused_before_a_folder_is_made(tmp_path, small_config, capsys, override, message):
    assert main(["run", str(small_config), "--runs", str(tmp_path / "runs"), "-s", override]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_an_invalid_budget_file_is_not_kept(run_copy, tmp_path, capsys):
    budget = tmp_path / "budget.yaml"
    budget.write_text("{luts: 3}")
    before = (run_copy / "config.yaml").read_bytes()
    assert main(["synth", str(run_copy), "--budget", str(budget)]) == 2
    assert "lut" in capsys.readouterr().err
    assert (run_copy / "config.yaml").read_bytes() == before


@pytest.mark.parametrize("verb", ["evaluate", "convert", "emulate", "synth", "report"])
def test_no_run(tmp_path, capsys, verb):
    assert main([verb, str(tmp_path / "nowhere")]) == 2
    assert "no run here" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


def test_a_run_of_another_version(run_copy, capsys):
    path = run_copy / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "l1ad": "0.0.1"}))
    # Fields of that version may be unknown to this one: the version is the reason to tell.
    (run_copy / "config.yaml").write_text("name: small_run\nformer_field: 1\n")
    assert main(["report", str(run_copy)]) == 2
    text = capsys.readouterr().err
    assert "written by l1ad 0.0.1" in text
    assert "delete the file" in text


def test_a_process_that_comes_second_is_refused(run_copy):
    with locked(open_run(run_copy)):
        second = command("report", run_copy)
        _, text = second.communicate(timeout=120)
    assert second.returncode == 2
    assert "another process works on this run" in text
    third = command("report", run_copy)
    third.communicate(timeout=120)
    assert third.returncode == 0


@pytest.mark.parametrize("verb", ["emulate", "synth"])
def test_a_changed_firmware_file_is_named(run_copy, capsys, verb):
    path = run_copy / "convert" / "verilog" / "src" / "small_run.v"
    path.write_text(path.read_text().replace("assign", " assign", 1))
    assert main([verb, str(run_copy), "--force"]) == 2
    text = capsys.readouterr().err
    assert "small_run.v: changed since the conversion" in text
    assert "Convert again" in text


def test_a_flipped_weight_is_named_and_fails(run_copy, capsys):
    from l1ad.provenance import file_digest

    folder = run_copy / "convert" / "vitis"
    weights = folder / "firmware" / "weights" / "w2.txt"
    values = [-float(value) for value in weights.read_text().split(",") if value.strip()]
    weights.write_text(", ".join(f"{value:.2f}" for value in values))
    record = json.loads((folder / "project.json").read_text())
    record["files"]["firmware/weights/w2.txt"] = file_digest(weights)
    (folder / "project.json").write_text(json.dumps(record))
    assert main(["emulate", str(run_copy), "--force"]) == 1
    text = capsys.readouterr().err
    assert "rung csim: event " in text
    assert "expected" in text
    assert "found" in text


def test_without_a_compiler(run_copy, tmp_path, monkeypatch, capsys):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("make", "perl", "sh"):
        (tools / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(tools))
    assert main(["emulate", str(run_copy), "--force"]) == 3
    assert "apt-get install g++" in capsys.readouterr().err
    assert "emulate" not in open_run(run_copy).manifest().stages


def test_a_float_network_becomes_no_firmware(tmp_path, run_copy, capsys):
    values = configuration(run_copy)
    values["network"]["frontend"] = "float"
    (run_copy / "config.yaml").write_text(yaml.safe_dump(values))
    assert main(["convert", str(run_copy)]) == 2
    assert "has not finished with this configuration" in capsys.readouterr().err


def test_a_full_disk(tmp_path, small_config, capsys):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    options = ["-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)]
    if mount is None or umount is None or subprocess.run([mount, *options], check=False).returncode:
        pytest.skip("a file system of fixed size can only be mounted by root")
    try:
        code = main(["train", str(small_config), "--runs", str(disk)])
        text = capsys.readouterr().err
        left = [path.name for path in disk.rglob("*") if path.is_file()]
    finally:
        subprocess.run([umount, str(disk)], check=True)
    assert code == 2
    assert "o space left on" in text
    assert "Traceback" not in text
    assert "dataset.json" not in left
    assert not [name for name in left if name.endswith((".npy", ".part"))]


def test_a_folder_that_cannot_be_written(tmp_path, small_config, capsys):
    (tmp_path / "runs").write_text("a file, not a folder")
    assert main(["train", str(small_config), "--runs", str(tmp_path / "runs")]) == 2
    assert "--runs" in capsys.readouterr().err


def test_ctrl_c_keeps_the_last_epoch_and_the_next_call_goes_on(run_copy, small_config):
    epochs = 10
    options = ("-s", "training.float_epochs=0", "-s", f"training.epochs={epochs}", "-s", "training.patience=10")
    options += ("-s", "training.batch_size=64")
    checkpoint = run_copy / "train" / "checkpoint_quantized.npz"
    checkpoint.unlink()
    process = command("train", small_config, "--runs", run_copy.parent, *options)
    deadline = time.monotonic() + 240
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, text = process.communicate(timeout=120)
    assert process.returncode == 130
    assert text.splitlines()[-1].startswith("l1ad: interrupted")
    assert "train" not in open_run(run_copy).manifest().stages
    first = done_epochs(checkpoint)
    assert 1 <= first < epochs
    before = checkpoint.stat().st_mtime_ns

    assert main(["train", str(small_config), "--runs", str(run_copy.parent), *options]) == 0
    record = TrainingRecord.read(run_copy / "train" / "training.json")
    assert [epoch.epoch for epoch in record.history] == list(range(1, epochs + 1))
    assert checkpoint.stat().st_mtime_ns > before
    assert "train" in open_run(run_copy).manifest().stages


def done_epochs(checkpoint: Path) -> int:
    import numpy as np

    with np.load(checkpoint, allow_pickle=False) as archive:
        return Progress.from_dict(json.loads(archive["meta"].tobytes())["progress"]).epoch


def test_looking_at_a_run_needs_no_tensorflow(run_copy):
    code = (
        "import sys; from l1ad.cli.main import main; code = main(sys.argv[1:]); "
        "loaded = {'tensorflow', 'keras', 'hls4ml', 'alkaid'} & set(sys.modules); sys.exit(code or len(loaded))"
    )
    done = subprocess.run([sys.executable, "-c", code, "report", str(run_copy)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
