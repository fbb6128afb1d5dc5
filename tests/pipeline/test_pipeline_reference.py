"""Reference models: what is written, that a changed one is found, and runs that start from one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from l1ad.cli.main import main
from l1ad.config import load_config
from l1ad.errors import CheckFailedError, ConfigurationError, DataError, RunFolderError, ToolMissingError
from l1ad.evaluation.content import ContentReport
from l1ad.networks.firmware_model import load_model, save_model
from l1ad.pipeline.preflight import check_config
from l1ad.pipeline.reference import export as export_module
from l1ad.pipeline.reference.check import check_reference, weight_digests
from l1ad.pipeline.reference.export import export_model, process_names
from l1ad.pipeline.reference.record import NEEDED_FILES, find_reference, is_reference, read_vectors
from l1ad.pipeline.reference.start import reference_config, run_config
from l1ad.pipeline.run import run_stages
from l1ad.pipeline.run_folder import create_run, open_run
from l1ad.provenance import file_digest, library_version
from l1ad.reporting.formatting import with_error
from l1ad.resources import resource

MODELS = sorted(path.parent for path in resource("models").glob("*/manifest.json"))


@pytest.fixture(scope="module")
def written(finished_run, tmp_path_factory) -> Path:
    """Return the small run as a reference model; tests copy it before they change it."""
    folder = tmp_path_factory.mktemp("written") / "small"
    found = export_model(open_run(finished_run), folder)
    assert found.control.caught
    return folder


@pytest.fixture
def reference(written, tmp_path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "models" / "small"))


def record_again(folder: Path, name: str) -> None:
    """Enter the digest of a changed file, as somebody would who wants the change to pass."""
    path = folder / "manifest.json"
    values = json.loads(path.read_text())
    values["files"][name] = file_digest(folder / name)
    path.write_text(json.dumps(values))


def change_weight(folder: Path, name: str = "firmware.keras") -> str:
    """Move one weight by one unit, enter the digest of the file, and return the name of the layer."""
    model = load_model(folder / name)
    layer = model.get_layer("dense_mean")
    kernel, bias = layer.get_weights()
    kernel[0, 0] += 2.0**-2 if kernel[0, 0] < 0 else -(2.0**-2)
    layer.set_weights([kernel, bias])
    save_model(model, folder / name)
    record_again(folder, name)
    return "dense_mean/kernel"


def test_what_is_written(written, finished_run):
    names = {path.name for path in written.iterdir()}
    assert set(NEEDED_FILES) | {"manifest.json", "float_encoder.keras", "layers.json"} == names
    assert is_reference(written)
    assert not is_reference(finished_run)
    manifest = json.loads((written / "manifest.json").read_text())
    assert manifest["commands"] == ["l1ad run small/config.yaml", "l1ad export model runs/small_run --out small"]
    assert load_config(written / "config.yaml") == open_run(finished_run).config
    metrics, thresholds = (json.loads((written / f"{name}.json").read_text()) for name in ("metrics", "thresholds"))
    assert metrics["auc"]["Ato4l"]["error"] > 0
    assert metrics["bit_exact"] is True
    assert all(isinstance(t["raw"], int) and t["rate_khz"] is not None for t in thresholds["thresholds"])
    assert thresholds["score_type_text"] == "ufixed<16,10>"
    assert not list(written.parent.glob(".*"))


def test_the_card_says_what_was_measured(written, finished_run):
    card = (written / "card.md").read_text()
    content = ContentReport.from_dict(json.loads((written / "content.json").read_text()))
    metrics = json.loads((finished_run / "evaluate" / "metrics.json").read_text())
    for signal in metrics["signals"]:
        assert " ± ".join(with_error(signal["auc"], signal["auc_error"])) in card
    for threshold in metrics["thresholds"]:
        assert f"| {threshold['raw']} |" in card
    scores = np.load(finished_run / "evaluate" / "scores_background.npy")
    assert content.events_above == int((scores >= content.raw).sum())
    fired = {row.process: row.above for row in content.processes}
    assert sum(fired.values()) == pytest.approx(1.0)
    assert set(fired) == {"W", "QCD", "Z", "ttbar"}
    for words in ("What the score fires on", "What it does not fire on", "leptons (e, μ)", "fires least with"):
        assert words in card
    assert "/tmp" not in card


def test_the_check_passes_and_says_what_it_did(reference, capsys):
    assert main(["check", str(reference)]) == 0
    text = capsys.readouterr().out
    assert "raw inputs and scores of 128 recorded events agree, bit for bit" in text
    assert "negative control: dense_mean, kernel" in text


def test_a_changed_weight_is_found(reference, capsys):
    layer = change_weight(reference)
    with pytest.raises(CheckFailedError, match=f"{layer} is different"):
        check_reference(reference)
    assert main(["check", str(reference)]) == 1
    manifest = json.loads((reference / "manifest.json").read_text())
    manifest["weights"] = weight_digests(load_model(reference / "firmware.keras"))
    (reference / "manifest.json").write_text(json.dumps(manifest))
    shutil.copy(reference / "encoder.keras", reference / "kept.keras")
    with pytest.raises(CheckFailedError, match=rf"encoder\.keras: {layer} is different"):
        check_reference(reference)


def test_another_score_and_another_input_are_found(reference):
    path = reference / "vectors.json"
    text = path.read_text()
    vectors = read_vectors(path)
    first = f"[{vectors.scores[3]},{vectors.inputs[3][0]},"
    path.write_text(text.replace(first, f"[{vectors.scores[3] + 1},{vectors.inputs[3][0]},"))
    record_again(reference, "vectors.json")
    with pytest.raises(CheckFailedError, match=rf"event 3: recorded score {vectors.scores[3] + 1} .*the weights give"):
        check_reference(reference)
    path.write_text(text.replace(first, f"[{vectors.scores[3]},{vectors.inputs[3][0] + 1},"))
    record_again(reference, "vectors.json")
    with pytest.raises(CheckFailedError, match=r"event 3, met_pt: recorded"):
        check_reference(reference)


@pytest.mark.parametrize("name", ["inputs.json", "thresholds.json", "card.md", "encoder.keras"])
def test_a_changed_file_is_found(reference, name):
    path = reference / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(CheckFailedError, match=rf"{name}: SHA-256 .*the manifest says"):
        check_reference(reference)
    path.unlink()
    with pytest.raises(DataError, match=f"{name}: absent"):
        check_reference(reference)


@pytest.mark.parametrize("text", ["", "[]", '{"kind": "reference model of l1ad"}'])
def test_a_damaged_manifest(reference, text):
    (reference / "manifest.json").write_text(text)
    with pytest.raises(DataError, match=r"manifest"):
        check_reference(reference)


def test_a_run_from_a_reference_model_has_its_scores(reference, finished_run, tmp_path, monkeypatch, recorder):
    monkeypatch.chdir(tmp_path)
    assert main(["-q", "evaluate", "models/small"]) == 0
    run = open_run(Path("small_run_reference"))
    assert run.path == Path("runs/small_run_reference")
    for name in ("scores_background.npy", "scores_signal_LQbtau.npy", "thresholds.json"):
        assert (run.stage("evaluate") / name).read_bytes() == (finished_run / "evaluate" / name).read_bytes()
    assert main(["-q", "convert", "models/small", "--part", "xcku115", "--backend", "verilog"]) == 0
    assert open_run(Path("models/small")).config.conversion.part == "xcku115"
    assert (run.stage("convert") / "verilog" / "project.json").is_file()
    run_stages(open_run(Path("models/small")), ("data", "train", "evaluate"), observer=recorder)
    assert recorder.ran == []
    assert sorted(path.name for path in Path("models/small").iterdir()) == sorted(
        path.name for path in reference.iterdir()
    )


def test_another_network_is_refused(reference, tmp_path):
    config = reference_config(reference, ["network.kernel=quantized_bits(5,1,alpha=1)"])
    run = create_run(config, tmp_path / "runs")
    with pytest.raises(ConfigurationError, match=r"network\.kernel: a run that starts from"):
        run_stages(run, ("data", "train"))


def test_a_run_of_the_same_name_is_left_alone(reference, finished_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "runs" / "small_run_reference"
    shutil.copytree(finished_run, other)
    with pytest.raises(RunFolderError, match=r"another run\. Rename it"):
        open_run(Path("models/small"))


def test_a_folder_without_weights(tmp_path):
    (tmp_path / "config.yaml").write_text("name: bare\n")
    assert find_reference(tmp_path) is None
    with pytest.raises(ConfigurationError, match=r"no weights\. Train with: l1ad run"):
        run_config(tmp_path)
    with pytest.raises(DataError, match="no reference model"):
        check_reference(tmp_path)
    assert main(["check", str(tmp_path)]) == 2


def test_it_appears_whole_or_not_at_all(finished_run, reference, tmp_path, monkeypatch):
    run, folder = open_run(finished_run), tmp_path / "model"
    folder.mkdir()
    shutil.copy(finished_run / "config.yaml", folder / "config.yaml")
    with monkeypatch.context() as patch:

        def interrupt(*arguments: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(export_module, "_content", interrupt)
        with pytest.raises(KeyboardInterrupt):
            export_model(run, folder)
    assert [path.name for path in folder.iterdir()] == ["config.yaml"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "models"]
    (reference / "notes.txt").write_text("mine")
    with pytest.raises(RunFolderError, match=r"holds notes\.txt"):
        export_model(run, reference)
    (reference / "notes.txt").unlink()
    first = (reference / "vectors.json").read_bytes()
    (reference / "config.yaml").write_text("# by hand\n" + (reference / "config.yaml").read_text())
    (reference / "card.md").write_text("damaged")
    export_model(run, reference)
    assert (reference / "vectors.json").read_bytes() == first
    assert (reference / "config.yaml").read_text().startswith("# by hand\n")
    assert (reference / "card.md").read_text().startswith("# small_run\n")
    assert [path.name for path in reference.parent.iterdir()] == ["small"]


def test_what_is_no_reference_model(run_copy, tmp_path):
    (tmp_path / "model").mkdir()
    config = (run_copy / "config.yaml").read_text().replace("seed: 1", "seed: 2")
    (tmp_path / "model" / "config.yaml").write_text(config)
    with pytest.raises(ConfigurationError, match="section seed is not that of"):
        export_model(open_run(run_copy), tmp_path / "model")
    shutil.rmtree(run_copy / "evaluate")
    manifest = json.loads((run_copy / "manifest.json").read_text())
    manifest["stages"].pop("evaluate")
    (run_copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunFolderError, match="stage evaluate has not finished"):
        export_model(open_run(run_copy), tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("path", sorted(resource("models").glob("*/config.yaml")), ids=lambda path: path.parent.name)
def test_configurations_that_ship(path):
    config = load_config(path)
    check_config(config)
    assert config.name == path.parent.name


@pytest.mark.parametrize("folder", MODELS, ids=lambda path: path.name)
def test_reference_models_that_ship(folder):
    if load_config(folder / "config.yaml").network.frontend == "hgq" and library_version("hgq2") is None:
        with pytest.raises(ToolMissingError, match=r"firmware\.keras: .*'hgq2'"):
            check_reference(folder)
        return
    found = check_reference(folder)
    # Events that do not ship may be absent; the recorded integers are checked then.
    background = load_config(folder / "config.yaml").data.background
    assert found.encoded == (background is None or Path(background).is_file())
    assert found.events == 128
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_000_000


def test_names_of_processes_come_from_the_manifest_of_the_generator(tmp_path):
    (tmp_path / "good.json").write_text('{"process": {"0": "W", "3": "tt"}}')
    assert process_names(tmp_path / "good.json") == {0: "W", 3: "tt"}
    for text in ("{", "[]", "{}", '{"process": {"a": "W"}}'):
        (tmp_path / "bad.json").write_text(text)
        assert process_names(tmp_path / "bad.json") == {}
    assert process_names(tmp_path / "absent.json") == {}
