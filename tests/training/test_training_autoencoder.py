"""Training of an autoencoder: what it writes, what its loss is, and what its firmware gives."""

from __future__ import annotations

import numpy as np
import pytest

from l1ad.config import RunConfig
from l1ad.errors import ConfigurationError
from l1ad.events.dataset import load_dataset
from l1ad.records import FixedType
from l1ad.scores.reconstruction import ReconstructionSpec, reconstruction_raw

SCORE = {"kind": "reconstruction", "width": 18, "integer": 14}


@pytest.fixture(scope="module")
def config(tiny) -> RunConfig:
    values = tiny.configuration({"architecture": "imported", "file": "none"}).model_dump()
    values["network"] |= {"architecture": "dense_ae", "file": None, "hidden": (6,)}
    values["training"] |= {"epochs": 2, "float_epochs": 2, "score_teacher": "mahalanobis"}
    return RunConfig.model_validate(values | {"score": SCORE})


@pytest.fixture(scope="module")
def trained(config, tiny, tmp_path_factory):
    pytest.importorskip("qkeras", reason="QKeras is not installed")
    from l1ad.training.fit import train

    folder = tmp_path_factory.mktemp("autoencoder")
    return folder, train(config, tiny.dataset, folder)


def test_files_and_record(trained):
    from l1ad.training.record import TrainingRecord

    folder, record = trained
    names = {path.name for path in folder.iterdir()}
    assert {"encoder.keras", "float_encoder.keras", "firmware.keras", "layers.json", "training.json"} <= names
    assert "decoder.keras" not in names
    read = TrainingRecord.read(folder / "training.json")
    assert read == record
    assert isinstance(read.score, ReconstructionSpec)
    assert (read.scale.kind, read.architecture) == ("inputs", "dense_ae")
    first, last = read.history[0], read.history[-1]
    assert last.score < first.score
    assert first.kl == 0


def test_firmware_is_the_integer_definition_on_real_events(trained, tiny):
    from l1ad.networks.firmware_model import load_model
    from l1ad.networks.inference import float_scores, run_firmware_model

    folder, record = trained
    data = load_dataset(tiny.dataset)
    inputs = np.asarray(data.inputs["test"][:2000], dtype=np.int64)
    found = run_firmware_model(load_model(folder / "firmware.keras"), inputs, data.contract.type, layers=True)
    expected = reconstruction_raw(inputs, found.layers["reconstruction"], record.score)
    np.testing.assert_array_equal(found.score[:, 0], expected)
    assert len(np.unique(expected)) > 200
    # The same network with the score in float: equal, but where float32 moves a value over the edge of a unit.
    values = float_scores(load_model(folder / "encoder.keras"), inputs, data.contract.type, record.score)
    assert (np.floor(values * 2.0**record.score.score.fraction) == expected).mean() > 0.99
    # Negative control: padding of another row.
    wrong = (record.score.padding[1], *record.score.padding[1:])
    spec = ReconstructionSpec.from_dict(record.score.to_dict() | {"padding": wrong})
    assert (reconstruction_raw(inputs, found.layers["reconstruction"], spec) != expected).any()


def test_padding_of_the_contract_is_that_of_events_without_objects(tiny):
    from l1ad.networks.network_score import padding_of_rows

    data = load_dataset(tiny.dataset)
    padding = padding_of_rows(data.contract)
    particles, inputs = np.asarray(data.particles["train"]), np.asarray(data.inputs["train"])
    for row in range(19):
        absent = particles[:, row, 0] == 0
        assert (inputs[absent, 3 * row] == padding[row]).all()
        present = particles[:, row, 0] > 2
        assert (inputs[present, 3 * row] != padding[row]).all()


def test_loss_is_the_masked_error_of_the_cut_inputs(trained):
    from l1ad.networks.autoencoder import log_score, squared_errors
    from l1ad.scores.reconstruction import reconstruction_float

    # Errors of twelve bits: no error of these events reaches the largest.
    wide = {"error": FixedType(False, 12, 9).to_dict()}
    spec = ReconstructionSpec.from_dict(trained[1].score.to_dict() | wide)
    rng = np.random.default_rng(3)
    raw = rng.integers(-512, 511, (300, 57), endpoint=True)
    raw[:, ::3] = np.where(rng.random((300, 19)) < 0.5, spec.padding, raw[:, ::3])
    x = (raw * 2.0**-spec.inputs.fraction).astype(np.float32)
    prediction = rng.normal(0, 3, (300, 57)).astype(np.float32)
    expected = np.log1p(reconstruction_float(raw, prediction, spec))
    np.testing.assert_allclose(np.asarray(log_score(x, prediction, spec)), expected, rtol=1e-4)
    errors = np.asarray(squared_errors(x, prediction, spec))
    assert (errors[:, 1] == 0).all()  # the missing energy has no eta
    assert (errors.reshape(300, 19, 3)[raw[:, ::3] == spec.padding] == 0).all()
    assert (errors[:, 0][raw[:, 0] != spec.padding[0]] > 0).mean() > 0.99


def test_a_factor_between_scores_is_no_mismatch():
    from l1ad.networks.autoencoder import relative_mismatch

    teacher = np.random.default_rng(1).normal(3, 1, 500).astype(np.float32)
    assert float(relative_mismatch(teacher + 2, teacher)) == pytest.approx(0, abs=1e-6)
    assert float(relative_mismatch(-teacher, teacher)) == pytest.approx(4, rel=1e-2)


def test_scores_and_architectures_that_do_not_fit_are_refused(config):
    cases = [
        ({"score": {"kind": "rz"}}, "set score.kind to reconstruction"),
        ({"network": {**config.network.model_dump(), "architecture": "dense_vae"}}, "set score.kind to rz, mu2 or kl"),
        ({"score": {**SCORE, "weights": (1.0, 0.1, 0.5)}}, "power of two"),
    ]
    for changes, message in cases:
        with pytest.raises(ValueError, match=message):
            RunConfig.model_validate(config.model_dump() | changes)


def test_prediction_finer_than_the_inputs_is_refused(config):
    from l1ad.networks.network_score import network_score

    fine = {**config.network.model_dump(), "reconstruction": "quantized_bits(12,3,alpha=1)"}
    with pytest.raises(ConfigurationError, match=r"network\.reconstruction"):
        network_score(RunConfig.model_validate(config.model_dump() | {"network": fine}))
