"""The verb `import-model`: what it says and its exit codes, on files in the layout of QKeras 0.9."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from l1ad.cli.main import main

pytest.importorskip("qkeras", reason="QKeras is not installed")
_PATH = Path(__file__).resolve().parents[1] / "networks" / "saved_models.py"
_spec = importlib.util.spec_from_file_location("saved_models_of_cli", _PATH)
saved = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(saved)


@pytest.fixture
def file(tmp_path):
    """A model with a latent space of two, as QKeras 0.9 saves it."""
    layers = [
        saved.activation("q_in", "quantized_bits(10,3,alpha=1)"),
        saved.dense("d0", 4, activation=saved.RELU),
        saved.dense("mu", 2),
        saved.dense("logvar", 2),
    ]
    shapes = {"d0": (57, 4), "mu": (4, 2), "logvar": (4, 2)}
    weights = {
        name: dict(zip(("kernel", "bias"), saved.random_weights(shape, shape[1:], seed=i), strict=True))
        for i, (name, shape) in enumerate(shapes.items())
    }
    return saved.write_hdf5(tmp_path / "my-vae.h5", layers, weights, shape=(57,), outputs=("mu", "logvar"))


@pytest.fixture
def predictions(file, tmp_path):
    from l1ad.networks.imported.model_file import read_model_file
    from l1ad.networks.imported.translate import translate

    x = (np.random.default_rng(1).integers(-512, 512, (100, 57)) / 64).astype(np.float32)
    y0, y1 = translate(read_model_file(file)).model.predict(x, verbose=0)
    np.savez(tmp_path / "p.npz", x=x, y0=y0, y1=y1)
    return tmp_path / "p.npz"


def test_a_model_becomes_a_run(file, predictions, tmp_path, capsys):
    from l1ad.networks.firmware_model import load_model
    from l1ad.pipeline.run_folder import open_run

    limits = ["-s", "data.max_background=3000", "-s", "data.max_signal=50"]
    arguments = [
        "import-model",
        str(file),
        "--predictions",
        str(predictions),
        "--runs",
        str(tmp_path / "runs"),
        *limits,
    ]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "my-vae.h5: HDF5, Keras 2.15.0, 5 layers"
    assert lines[1] == "inputs: fixed<10,4>"
    assert lines[2].startswith("predictions: exact; 400 of 400 values of 100 events agree")
    assert lines[3].startswith("negative control: layer d0, kernel")
    assert lines[-1] == str(tmp_path / "runs" / "my_vae")
    run = open_run(tmp_path / "runs" / "my_vae")
    assert (run.config.network.architecture, run.config.network.latent, run.config.score.kind) == ("imported", 2, "rz")
    assert (run.config.inputs.width, run.config.inputs.integer) == (10, 4)
    assert set(run.manifest().stages) == {"data", "train"}
    assert load_model(run.stage("train") / "firmware.keras").layers[-1].name == "score"


def test_wrong_predictions_are_a_failed_check(file, predictions, tmp_path, capsys):
    arrays = dict(np.load(predictions))
    np.savez(predictions, **(arrays | {"y0": arrays["y0"] + 0.5}))
    code = main(["import-model", str(file), "--predictions", str(predictions), "--runs", str(tmp_path / "runs")])
    assert code == 1
    assert "200 of 400 predictions differ, by up to 0.5" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--score", "magic"], "score.kind"),
        (["--contract", "nowhere.json"], "nowhere.json"),
        (["--predictions", "nowhere.npz"], "nowhere.npz: cannot be read"),
        (["--round", "1"], "network.round_bits"),
    ],
)
def test_wrong_options_are_named(file, tmp_path, capsys, arguments, message):
    assert main(["import-model", str(file), "--runs", str(tmp_path / "runs"), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_file_that_is_no_model(tmp_path, capsys):
    (tmp_path / "m.keras").write_text("no model")
    assert main(["import-model", str(tmp_path / "m.keras")]) == 2
    assert "neither HDF5 nor a zip of Keras 3" in capsys.readouterr().err


def test_other_inputs_are_refused(tmp_path, capsys):
    kernel, bias = saved.random_weights((6, 2), (2,))
    path = saved.write_hdf5(tmp_path / "m.h5", [saved.dense("z", 2)], {"z": {"kernel": kernel, "bias": bias}})
    assert main(["import-model", str(path), "--runs", str(tmp_path / "runs")]) == 2
    assert "reads 6 values an event; the trigger's events have 57" in capsys.readouterr().err
