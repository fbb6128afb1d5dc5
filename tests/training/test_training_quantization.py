"""Post-training quantization, the table of quantized tensors, and imported networks as a training stage."""

from __future__ import annotations

import math

import numpy as np
import pytest

from l1ad.config import RunConfig
from l1ad.config.load import parse_config
from l1ad.errors import CheckFailedError, ConfigurationError, DataError
from l1ad.events.dataset import load_dataset
from l1ad.networks.firmware_model import load_model
from l1ad.networks.inference import run_firmware_model
from l1ad.networks.layer_ranges import LayerRanges
from l1ad.training.fit import train
from l1ad.training.imported import ImportRecord, import_network, open_model
from l1ad.training.record import TrainingRecord


def changed(config: RunConfig, **sections: dict[str, object]) -> RunConfig:
    values = config.model_dump(mode="json")
    for name, section in sections.items():
        values[name] = {**values[name], **section}
    return parse_config(values, "test")


def test_post_training_quantization_rounds_the_float_weights(baseline, tiny, tmp_path):
    config = changed(tiny.configuration(), quantization={"training": "post"})
    record = train(config, tiny.dataset, tmp_path)
    assert {epoch.phase for epoch in record.history} == {"float"}
    floating, rounded = (load_model(tmp_path / name) for name in ("float_encoder.keras", "firmware.keras"))
    for name in ("dense_1", "dense_mean"):
        exact, kernel = (np.asarray(model.get_layer(name).kernel) for model in (floating, rounded))
        unit = 2.0**-4 if name == "dense_1" else 2.0**-6
        assert np.array_equal(kernel, np.rint(kernel / unit) * unit)
        assert np.abs(kernel - exact).max() <= 0.5 * unit + 1e-6
    trained = np.asarray(load_model(baseline.folder / "firmware.keras").get_layer("dense_1").kernel)
    assert not np.array_equal(np.asarray(rounded.get_layer("dense_1").kernel), trained)


def test_post_training_quantization_needs_a_float_model(tiny, tmp_path):
    config = changed(tiny.configuration(float_epochs=0), quantization={"training": "post"})
    with pytest.raises(ConfigurationError, match="post needs a float model"):
        train(config, tiny.dataset, tmp_path)


def test_table_of_layers_agrees_with_the_encoder(baseline, tiny):
    table = LayerRanges.read(baseline.folder / "layers.json")
    data = load_dataset(tiny.dataset)
    assert (table.part, table.events) == ("validation", len(data.inputs["validation"]))
    rows = {(row.layer, row.tensor): row for row in table.tensors}
    assert [key for key in rows if key[1] == "output"] == [
        (name, "output") for name in ("relu_1", "relu_2", "mean", "log_variance")
    ]
    x = np.asarray(data.inputs["validation"]) * 2.0**-data.contract.type.fraction
    encoder = load_model(baseline.folder / "firmware.keras")
    weights = [np.asarray(encoder.get_layer("dense_1").kernel), np.asarray(encoder.get_layer("dense_1").bias)]
    before = x @ weights[0] + weights[1]
    row = rows["relu_1", "output"]
    assert (row.minimum, row.maximum) == pytest.approx((before.min(), before.max()), rel=1e-5)
    assert row.saturated == (before >= 8 - 2.0**-6).sum()
    behind = np.clip(np.rint(np.maximum(before, 0) * 32) / 32, 0, 8 - 2.0**-5)
    assert row.noise == pytest.approx(np.sqrt(np.mean((behind - np.maximum(before, 0)) ** 2)), rel=1e-3)
    assert row.zeros == pytest.approx((behind == 0).mean(), abs=1e-4)
    assert rows["dense_1", "kernel"].bits == 6


def test_a_range_that_is_too_narrow_shows_as_saturation(tiny, tmp_path):
    tables = {}
    for integer in (0, 3):
        network = {"activation": f"quantized_relu(8,{integer})"}
        config = changed(tiny.configuration(), quantization={"training": "post"}, network=network)
        train(config, tiny.dataset, tmp_path / str(integer))
        tables[integer] = LayerRanges.read(tmp_path / str(integer) / "layers.json")
    rows = {i: next(r for r in table.tensors if r.layer == "relu_1") for i, table in tables.items()}
    assert rows[0].saturated > rows[3].saturated
    assert rows[0].range_bits > rows[0].type.width


@pytest.fixture
def file(baseline):
    """The encoder of another training, as a file that someone brings."""
    return baseline.folder / "encoder.keras"


def imported(config: RunConfig, file, **network: object) -> RunConfig:
    return changed(config, network={"architecture": "imported", "file": str(file), **network})


def test_an_imported_network_scores_like_the_one_that_was_saved(baseline, tiny, file, tmp_path):
    data = load_dataset(tiny.dataset)
    inputs = np.asarray(data.inputs["test"][:500])
    recorded = load_model(file).predict(inputs * np.float32(2.0**-data.contract.type.fraction), verbose=0)
    np.savez(
        tmp_path / "p.npz", x=inputs * np.float32(2.0**-data.contract.type.fraction), y0=recorded[0], y1=recorded[1]
    )
    config = imported(tiny.configuration(), file, predictions=str(tmp_path / "p.npz"))
    record = import_network(config, data, tmp_path / "train")
    assert record.proof.verdict == "exact"
    assert record == ImportRecord.read(tmp_path / "train" / "import.json")
    assert TrainingRecord.read(tmp_path / "train" / "training.json").architecture == "imported"
    scores = [
        run_firmware_model(load_model(folder / "firmware.keras"), inputs, data.contract.type).score
        for folder in (baseline.folder, tmp_path / "train")
    ]
    assert np.array_equal(*scores)
    assert math.isnan(TrainingRecord.read(tmp_path / "train" / "training.json").best_validation_loss)


def test_predictions_of_another_model_stop_the_import(tiny, file, tmp_path):
    x = np.random.default_rng(1).normal(0, 2, (50, 57)).astype(np.float32)
    np.savez(tmp_path / "p.npz", x=x, y0=np.ones((50, 3)), y1=np.ones((50, 3)))
    with pytest.raises(CheckFailedError, match="predictions differ"):
        open_model(file, tmp_path / "p.npz")


def test_blind_predictions_stop_the_import(tiny, file, tmp_path):
    x = np.zeros((5, 57), dtype=np.float32)
    y0, y1 = load_model(file).predict(x, verbose=0)
    np.savez(tmp_path / "p.npz", x=x, y0=y0, y1=y1)
    with pytest.raises(CheckFailedError, match="prove nothing"):
        open_model(file, tmp_path / "p.npz")


def test_ends_that_are_not_those_of_a_trigger_are_refused(tiny, file, tmp_path):
    data = load_dataset(tiny.dataset)
    with pytest.raises(ConfigurationError, match=r"network\.latent: 4; .* has 3"):
        import_network(imported(tiny.configuration(), file, latent=4), data, tmp_path)
    opened = open_model(file)
    from l1ad.training.imported import check_ends

    with pytest.raises(DataError, match="reads 57 values an event; the trigger's events have 64"):
        check_ends(opened, "rz", 64)
    with pytest.raises(ConfigurationError, match="give file with architecture imported"):
        changed(tiny.configuration(), network={"architecture": "imported"})
