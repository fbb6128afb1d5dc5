"""A student over regions from the command line to bit-exact firmware, and everything that reads such a run."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from l1ad.cli.main import main
from l1ad.errors import CheckFailedError
from l1ad.events.contract import InputContract
from l1ad.networks.firmware_model import load_model, save_model
from l1ad.pipeline.reference.check import check_reference
from l1ad.pipeline.run_folder import open_run
from l1ad.provenance import file_digest
from l1ad.records import BitReport, EvaluationReport, FirmwareProject

pytestmark = pytest.mark.heavy

RUNGS = ["keras", "interpreter", "native", "csim", "rtl", "trigger_csim", "trigger"]


def command(*words: object) -> int:
    """Run l1ad and leave the level of the log as it was."""
    level = logging.getLogger("l1ad").level
    try:
        return main(["--quiet", *(str(word) for word in words)])
    finally:
        logging.getLogger("l1ad").setLevel(level)


@pytest.fixture(scope="module")
def student_run(student_values, tmp_path_factory) -> Path:
    """Make the whole run with the command line."""
    folder = tmp_path_factory.mktemp("student")
    (folder / "student.yaml").write_text(yaml.safe_dump(student_values), encoding="utf-8")
    assert command("run", folder / "student.yaml", "--runs", folder / "runs") == 0
    return folder / "runs" / "small_student"


def test_every_rung_is_exact_and_sees_a_broken_bit(student_run):
    rungs = BitReport.read(student_run / "emulate" / "bits.json").rungs
    rungs += BitReport.read(student_run / "netlist" / "bits.json").rungs
    assert sorted(rung.rung for rung in rungs) == sorted([*RUNGS, "netlist"])
    for rung in rungs:
        assert rung.equal_events == rung.events > 0
        assert rung.rung == "keras" or rung.control.caught
    layers = next(rung.layers for rung in rungs if rung.rung == "csim")
    assert {"conv_1", "dense_1", "dense_output"} <= {layer.layer for layer in layers}
    assert all(layer.equal == layer.values for layer in layers)


def test_firmware_reads_252_regions(student_run):
    for backend in ("vitis", "verilog"):
        project = FirmwareProject.read(student_run / "convert" / backend / "project.json")
        assert (project.n_inputs, project.n_outputs) == (252, 1)
        spec = json.loads((student_run / "convert" / backend / "trigger" / "trigger.json").read_text())
        assert [item["width"] for item in spec["inputs"]] == [10] * 252
    header = (student_run / "convert" / "vitis" / "trigger" / "small_student_trigger.h").read_text()
    # Words of 2,520 bits need more than the 1,024 that HLS allows by itself.
    assert "#define AP_INT_MAX_W 3072" in header


def test_teacher_stands_beside_the_student(student_run):
    student = EvaluationReport.read(student_run / "evaluate" / "metrics.json")
    teacher = EvaluationReport.read(student_run / "evaluate" / "teacher.json")
    assert student.score == teacher.score == "output"
    assert [s.signal for s in student.signals] == [s.signal for s in teacher.signals]
    page = (student_run / "report" / "report.html").read_text(encoding="utf-8")
    assert "AUC of the float teacher" in page
    assert "small_student" in page


def test_files_with_regions_are_scored_as_the_run_did(student_run, student_values, tmp_path):
    signal = student_values["data"]["signals"]["hchtaunu"]
    assert command("emulate", student_run, "--events", signal, "--out", tmp_path / "scores.h5") == 0
    with h5py.File(tmp_path / "scores.h5") as file:
        found = file["scores"][:]
    np.testing.assert_array_equal(found, np.load(student_run / "evaluate" / "scores_signal_hchtaunu.npy"))


def test_files_without_regions_are_refused(student_run, tmp_path, capsys, student_values):
    path = tmp_path / "objects.h5"
    shutil.copyfile(student_values["data"]["signals"]["Ato4l"], path)
    with h5py.File(path, "r+") as file:
        del file["Regions"]
    assert command("emulate", student_run, "--events", path) == 2
    message = capsys.readouterr().err
    assert str(path) in message
    assert "l1ad data generate --regions" in message


@pytest.mark.parametrize("values", ["network", "hardware"])
def test_vectors_on_links_come_back(student_run, tmp_path, values):
    folder = tmp_path / "vectors"
    assert command("export", "vectors", student_run, "--out", folder, "--events", 20, "--values", values) == 0
    document = json.loads((folder / "vectors.json").read_text())
    assert len(document["inputs"]) == 252


def test_format_of_trigger_objects_is_refused(student_run, tmp_path, capsys):
    assert command("export", "vectors", student_run, "--out", tmp_path / "ugt", "--format", "ugt") == 2
    assert "region_0_0" in capsys.readouterr().err
    assert not (tmp_path / "ugt").exists()


def test_cmssw_library_gives_the_same_scores(student_run, tmp_path):
    assert command("export", "cmssw", student_run, "--out", tmp_path / "cmssw", "--events", 50) == 0
    facts = next(path for path in (tmp_path / "cmssw").glob("*.json"))
    assert "over regions" in facts.read_text()


def test_reference_model_is_checked_without_its_events(student_run, tmp_path):
    folder = tmp_path / "student"
    assert command("export", "model", student_run, "--out", folder) == 0
    found = check_reference(folder)
    assert found.encoded
    assert found.control.caught
    config = (folder / "config.yaml").read_text()
    background = open_run(student_run).config.data.background
    (folder / "config.yaml").write_text(config.replace(background, "nowhere/background.h5"))
    record_again(folder, "config.yaml")
    assert not check_reference(folder).encoded
    card = (folder / "card.md").read_text(encoding="utf-8")
    for words in ("252 of ufixed", "AUC of the float teacher", "convolution of 2 x 2", "lepton above 23 GeV"):
        assert words in card


def test_one_broken_weight_bit_of_a_reference_model_is_seen(student_run, tmp_path):
    folder = tmp_path / "student"
    assert command("export", "model", student_run, "--out", folder) == 0
    model = load_model(folder / "firmware.keras")
    layer = model.get_layer("conv_1")
    kernel = layer.get_weights()[0]
    kernel[0, 0, 0, 0] += 2.0**-3 if kernel[0, 0, 0, 0] < 0 else -(2.0**-3)
    layer.set_weights([kernel])
    save_model(model, folder / "firmware.keras")
    record_again(folder, "firmware.keras")
    with pytest.raises(CheckFailedError, match="conv_1/kernel"):
        check_reference(folder)


def record_again(folder: Path, name: str) -> None:
    """Enter the digest of a changed file, as somebody would who wants the change to pass."""
    path = folder / "manifest.json"
    values = json.loads(path.read_text())
    values["files"][name] = file_digest(folder / name)
    path.write_text(json.dumps(values))


def test_contract_of_the_run_is_that_of_regions(student_run):
    contract = InputContract.read(student_run / "data" / "inputs.json")
    assert contract.kind.name == "regions"
