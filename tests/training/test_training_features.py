"""Training of an autoencoder in feature space: its phases, what stays frozen, its firmware, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from l1ad.config import RunConfig
from l1ad.events.dataset import load_dataset
from l1ad.scores.reconstruction import reconstruction_raw

SCORE = {"kind": "feature_error", "width": 18, "integer": 14, "error_width": 8}
PHASES = ["float_features", "float", "quantized_features", "quantized"]


@pytest.fixture(scope="module")
def config(tiny) -> RunConfig:
    values = tiny.configuration({"architecture": "imported", "file": "none"}).model_dump()
    sizes = {"hidden": (6,), "features": 5, "feature_hidden": (4,), "latent": 2}
    values["network"] |= {"architecture": "feature_ae", "file": None, "feature": "quantized_bits(10,5,alpha=1)"}
    values["network"] |= sizes | {"reconstruction": "quantized_bits(10,5,alpha=1)"}
    values["training"] |= {"epochs": 2, "float_epochs": 0, "score_teacher": "mahalanobis", "batch_size": 256}
    values["training"]["features"] = {"float_epochs": 2, "epochs": 2, "projector": (8, 8)}
    return RunConfig.model_validate(values | {"score": SCORE})


@pytest.fixture(scope="module")
def whole(config) -> RunConfig:
    """A training that begins with the float models."""
    values = config.model_dump()
    values["training"] |= {"float_epochs": 2}
    return RunConfig.model_validate(values)


@pytest.fixture(scope="module")
def trained(config, tiny, tmp_path_factory):
    pytest.importorskip("qkeras", reason="QKeras is not installed")
    from l1ad.training.fit import train

    folder = tmp_path_factory.mktemp("features")
    return folder, train(config, tiny.dataset, folder)


def test_files_phases_and_losses(trained):
    from l1ad.training.record import TrainingRecord

    folder, record = trained
    names = {path.name for path in folder.iterdir()}
    assert {"encoder.keras", "firmware.keras", "projector.keras", "layers.json", "training.json"} <= names
    assert not {"decoder.keras", "float_encoder.keras"} & names
    assert {f"checkpoint_{phase}.npz" for phase in PHASES[2:]} <= names
    assert TrainingRecord.read(folder / "training.json") == record
    assert [epoch.phase for epoch in record.history] == [phase for phase in PHASES[2:] for _ in range(2)]
    for epoch in record.history:
        learns = epoch.phase.endswith("_features")
        assert (epoch.invariance > 0) == (epoch.variance > 0) == (epoch.covariance > 0) == learns
        assert (epoch.reconstruction > 0) == (epoch.score > 0) == (not learns)
    first, last = record.history[0], record.history[1]
    assert last.validation_loss < first.validation_loss


def test_extractor_is_frozen_while_the_autoencoder_trains(trained):
    from l1ad.networks.firmware_model import load_model
    from l1ad.training.checkpoint import load_checkpoint

    folder, _ = trained
    network = load_model(folder / "encoder.keras")
    with np.load(folder / "checkpoint_quantized_features.npz") as archive:
        best = [archive[name] for name in archive.files if name.startswith("best_")]
    for name in ("dense_1", "dense_feature"):
        for weight in network.get_layer(name).get_weights():
            assert any(kept.shape == weight.shape and kept.tobytes() == weight.tobytes() for kept in best), name
    # Those of the autoencoder behind it are not in that checkpoint.
    kernel = network.get_layer("encoder_dense_1").get_weights()[0]
    assert not any(kept.shape == kernel.shape for kept in best)
    assert load_checkpoint(folder / "checkpoint_quantized_features.npz", "another key") is None


def test_firmware_is_the_integer_definition_on_real_events(trained, tiny):
    from l1ad.networks.firmware_model import load_model
    from l1ad.networks.inference import float_scores, run_firmware_model

    folder, record = trained
    data = load_dataset(tiny.dataset)
    inputs = np.asarray(data.inputs["test"][:2000], dtype=np.int64)
    model = load_model(folder / "firmware.keras")
    found = run_firmware_model(model, inputs, data.contract.type, layers=True)
    features, prediction = found.layers["feature"], found.layers["reconstruction"]
    np.testing.assert_array_equal(found.score[:, 0], reconstruction_raw(features, prediction, record.score))
    assert len(np.unique(found.score)) > 100
    values = float_scores(load_model(folder / "encoder.keras"), inputs, data.contract.type, record.score)
    assert (np.floor(values * 2.0**record.score.score.fraction) == found.score[:, 0]).mean() > 0.99
    # Negative control: one unit of one weight of the extractor.
    kernel = model.get_layer("dense_1").kernel
    changed = np.asarray(kernel).copy()
    changed[0, np.abs(changed).sum(axis=0).argmax()] += 0.5
    kernel.assign(changed)
    assert (run_firmware_model(model, inputs, data.contract.type).score != found.score).any()


@pytest.mark.heavy
def test_interrupted_in_the_features_it_ends_alike(whole, tiny, tmp_path):
    from l1ad.networks.firmware_model import load_model
    from l1ad.training.fit import train

    record = train(whole, tiny.dataset, tmp_path / "at once")
    assert [epoch.phase for epoch in record.history] == [phase for phase in PHASES for _ in range(2)]
    floats, network = (load_model(tmp_path / "at once" / name) for name in ("float_encoder.keras", "encoder.keras"))
    for name in ("dense_1", "dense_feature", "encoder_dense_1", "dense_mean", "dense_reconstruction"):
        moved = floats.get_layer(name).get_weights()[0] != network.get_layer(name).get_weights()[0]
        assert moved.mean() > 0.5
    for phase, last in (("float_features", 1), ("quantized_features", 2)):

        def callback(name: str, epoch: int, _epochs: int, _record: object, stop=(phase, last)) -> None:
            if (name, epoch) == stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(whole, tiny.dataset, tmp_path / "stopped", callback)
    train(whole, tiny.dataset, tmp_path / "stopped")
    found, expected = tiny.model_weights(tmp_path / "stopped"), tiny.model_weights(tmp_path / "at once")
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name].tobytes() != expected[name].tobytes()] == []


def test_float_twin_trains_the_features_of_the_first_phase(whole):
    from l1ad.training.fit import float_twin

    values = whole.model_dump()
    values["training"]["features"] |= {"float_epochs": 7, "epochs": 3}
    twin = float_twin(RunConfig.model_validate(values))
    assert (twin.network.frontend, twin.training.features.epochs, twin.training.epochs) == ("float", 7, 2)


def test_what_does_not_fit_is_refused_by_its_field(config):
    network, training = config.network.model_dump(), config.training.model_dump()
    pruning = {"target": 0.4, "start_epoch": 0, "end_epoch": 2}
    cases = [
        ({"score": {"kind": "reconstruction"}}, "set score.kind to feature_error"),
        ({"network": {**network, "architecture": "dense_ae"}}, "set score.kind to reconstruction"),
        ({"network": {**network, "architecture": "dense_vae"}}, "set score.kind to rz, mu2 or kl"),
        ({"network": {**network, "features": 0}}, "features"),
        ({"training": {**training, "epochs": 9, "pruning": pruning}}, r"training\.features\.epochs \(2\)"),
        ({"training": {**training, "features": {"projector": ()}}}, "projector: give at least one layer"),
        ({"training": {**training, "features": {"variance": 0.0}}}, "variance: 0 lets every event"),
        (
            {"training": {**training, "score_teacher": "none", "features": {"score": 1.0}}},
            r"needs a training\.score_teacher",
        ),
        ({"training": {**training, "features": {"augmentation": {"drop": 1.0}}}}, "drop"),
    ]
    for changes, message in cases:
        with pytest.raises(ValueError, match=message):
            RunConfig.model_validate(config.model_dump() | changes)


def test_fine_prediction_and_bad_quantizer_are_refused(config):
    from l1ad.errors import ConfigurationError
    from l1ad.pipeline.preflight import check_config

    for changes, message in (
        ({"reconstruction": "quantized_bits(12,5,alpha=1)"}, r"network\.reconstruction.*the features"),
        ({"feature": "quantized_bits(10,5,alpha=auto)"}, r"network\.feature"),
    ):
        network = config.network.model_dump() | changes
        with pytest.raises(ConfigurationError, match=message):
            check_config(RunConfig.model_validate(config.model_dump() | {"network": network}))
