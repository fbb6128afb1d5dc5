"""A student over calorimeter regions: teacher, regression of its score, firmware model, resume, bad configurations."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from l1ad.config import RunConfig
from l1ad.config.load import parse_config
from l1ad.errors import ConfigurationError
from l1ad.events.dataset import load_dataset
from l1ad.events.prepare import prepare_dataset
from l1ad.records import FixedType
from l1ad.training.record import TrainingRecord
from l1ad.training.student import overlaid

SCORE = FixedType(False, 16, 8)


@pytest.fixture(scope="module")
def trained(student_values, tmp_path_factory):
    """The dataset, and a training that nothing interrupts."""
    pytest.importorskip("qkeras", reason="QKeras is not installed")
    from l1ad.training.fit import train

    config = RunConfig.model_validate(student_values)
    dataset, folder = tmp_path_factory.mktemp("dataset"), tmp_path_factory.mktemp("student")
    prepare_dataset(config, dataset)
    calls = []
    record = train(config, dataset, folder, lambda *call: calls.append(call))
    return config, dataset, folder, record, calls


def scores(folder, name: str, raw: np.ndarray, kind: FixedType) -> np.ndarray:
    """Return the score of a saved model, shape (N,)."""
    from l1ad.networks.firmware_model import load_model

    x = (raw * 2.0**-kind.fraction).astype(np.float32).reshape(-1, 18, 14, 1)
    return np.asarray(load_model(folder / name)(x, training=False), dtype=np.float64)[:, 0]


def test_both_phases_learn(trained):
    *_, record, calls = trained
    history = {phase: [e for e in record.history if e.phase == phase] for phase in ("float", "quantized")}
    assert [len(epochs) for epochs in history.values()] == [2, 6]
    assert [call[:3] for call in calls][-1] == ("quantized", 6, 6)
    for epochs in history.values():
        assert epochs[-1].validation_loss < epochs[0].validation_loss
    assert history["float"][0].reconstruction > 0 == history["quantized"][0].reconstruction
    assert history["quantized"][0].score == pytest.approx(history["quantized"][0].loss)


def test_teacher_is_the_logarithm_of_the_error_of_its_autoencoder(trained):
    import keras

    from l1ad.networks.firmware_model import load_model

    _, dataset, folder, *_ = trained
    data = load_dataset(dataset)
    raw = np.asarray(data.inputs["test"][:200])
    x = (raw * 2.0**-data.contract.type.fraction).astype(np.float32).reshape(-1, 18, 14, 1)
    teacher = load_model(folder / "float_encoder.keras")
    output = teacher.get_layer("teacher_output").output
    rebuilt = np.asarray(keras.Model(teacher.inputs, output)(x), dtype=np.float64)
    units = (rebuilt - x).reshape(200, -1) * 2.0 ** data.contract.inputs[0].shift
    expected = 32 * np.log1p(np.square(units).mean(axis=1))
    np.testing.assert_allclose(scores(folder, "float_encoder.keras", raw, data.contract.type), expected, rtol=1e-4)


def test_student_follows_its_teacher(trained):
    _, dataset, folder, *_ = trained
    data = load_dataset(dataset)
    raw, kind = np.asarray(data.inputs["test"]), data.contract.type
    student, teacher = (scores(folder, name, raw, kind) for name in ("encoder.keras", "float_encoder.keras"))
    assert np.corrcoef(student, teacher)[0, 1] > 0.3
    # Scores of other events do not fit.
    assert abs(np.corrcoef(student, np.roll(teacher, 1))[0, 1]) < 0.1


def test_score_is_the_output_exactly(trained):
    from l1ad.networks.firmware_model import load_model
    from l1ad.networks.inference import float_scores, run_firmware_model

    _, dataset, folder, record, _ = trained
    data = load_dataset(dataset)
    raw = np.asarray(data.inputs["test"][:500])
    found = run_firmware_model(load_model(folder / "firmware.keras"), raw, data.contract.type, layers=True)
    assert found.score_type == SCORE == record.score.score
    student = scores(folder, "encoder.keras", raw, data.contract.type)
    np.testing.assert_array_equal(found.score[:, 0], np.rint(student * 256))
    np.testing.assert_array_equal(found.layers["output"], found.layers["score"])
    assert len(np.unique(found.score)) > 100
    teacher = load_model(folder / "float_encoder.keras")
    np.testing.assert_allclose(
        float_scores(teacher, raw, data.contract.type, record.score),
        scores(folder, "float_encoder.keras", raw, data.contract.type),
    )


def test_firmware_model_is_integer_arithmetic(trained):
    """The whole network again in int64, from the raw weights alone; a weight with another bit is seen."""
    from l1ad.networks.firmware_model import load_model
    from l1ad.networks.inference import run_firmware_model
    from l1ad.networks.quantized import integer_weights

    _, dataset, folder, *_ = trained
    data = load_dataset(dataset)
    raw = np.asarray(data.inputs["test"][:300], dtype=np.int64)
    model = load_model(folder / "firmware.keras")
    weights = {layer.name: integer_weights(layer) for layer in model.layers if integer_weights(layer)}

    def half_even(values: np.ndarray, drop: int) -> np.ndarray:
        return np.rint(values * 2.0**-drop).astype(np.int64)

    def network(kernel: np.ndarray) -> np.ndarray:
        patches = raw.reshape(-1, 9, 2, 7, 2).transpose(0, 1, 3, 2, 4).reshape(-1, 63, 4)
        x = patches @ kernel.reshape(4, 2)  # fraction 4 + 3
        x = np.clip(half_even(x, 4), 0, 255).reshape(len(raw), -1)  # ufixed<8,5>
        for name, limit, fraction in (("dense_1", 255, 3), ("dense_output", 65535, 8)):
            (w, w_type), (b, b_type) = weights[name]["kernel"], weights[name]["bias"]
            x = (x @ w << b_type.fraction) + (b << (3 + w_type.fraction))
            x = np.clip(half_even(x, 3 + w_type.fraction + b_type.fraction - fraction), 0, limit)
        return x[:, 0]

    found = run_firmware_model(model, raw, data.contract.type).score[:, 0]
    kernel = weights["conv_1"]["kernel"][0]
    np.testing.assert_array_equal(network(kernel), found)
    broken = kernel.copy()
    broken[0, 0, 0, 0] ^= 1
    assert (network(broken) != found).sum() > 30


@pytest.mark.heavy
def test_resume_gives_the_same_weights(trained, tmp_path):
    from l1ad.networks.firmware_model import load_model
    from l1ad.training.fit import train

    config, dataset, folder, *_ = trained

    class StopError(Exception):
        pass

    def stop_at(phase: str, epoch: int):
        def callback(name: str, done: int, *rest: object) -> None:
            if (name, done) == (phase, epoch):
                raise StopError

        return callback

    for place in (("float", 1), ("quantized", 2)):
        with pytest.raises(StopError):
            train(config, dataset, tmp_path, stop_at(*place))
    train(config, dataset, tmp_path)
    for name in ("firmware.keras", "float_encoder.keras"):
        pairs = zip(load_model(tmp_path / name).get_weights(), load_model(folder / name).get_weights(), strict=True)
        for resumed, whole in pairs:
            np.testing.assert_array_equal(resumed, whole)


def test_record_comes_back_from_its_file(trained):
    *_, folder, record, _ = trained
    assert TrainingRecord.read(folder / "training.json") == record
    assert record.score.kind == "output"


def test_float_student(trained, student_values, tmp_path):
    from l1ad.training.fit import train

    values = copy.deepcopy(student_values)
    values["network"]["frontend"] = "float"
    values["training"] |= {"float_epochs": 1, "epochs": 1}
    record = train(RunConfig.model_validate(values), trained[1], tmp_path)
    assert record.frontend == "float"
    assert {path.name for path in tmp_path.glob("*.keras")} == {"encoder.keras", "float_encoder.keras"}


def test_overlay_adds_another_event_turned_in_azimuth():
    regions = np.random.default_rng(1).uniform(0, 4, (40, 18, 14, 1)).astype(np.float32)
    found = overlaid(regions, 0.25, 1000.0)
    changed = np.flatnonzero((found != regions).any(axis=(1, 2, 3)))
    assert changed.tolist() == list(range(3, 40, 4))
    for place in changed:
        other = np.roll(regions[(place + 1) % 40], place % 18, axis=0)
        np.testing.assert_array_equal(found[place], regions[place] + other)
    assert overlaid(regions, 0.25, 5.0).max() == 5.0
    np.testing.assert_array_equal(overlaid(regions, 0.0, 5.0), regions)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"inputs": {"kind": "objects"}}, "reads regions; set inputs.kind to regions"),
        ({"network": {"architecture": "dense_vae"}, "score": {"kind": "rz"}}, "reads objects; set inputs.kind"),
        ({"training": {"score_teacher": "mahalanobis"}}, "set training.score_teacher to autoencoder"),
        ({"score": {"kind": "rz"}}, "set score.kind to output"),
        ({"network": {"frontend": "hgq"}}, "layers does not go with frontend hgq"),
        ({"quantization": {"training": "post"}}, "quantization.training post"),
        ({"training": {"float_epochs": 0}}, "trains no teacher"),
        ({"data": {"background": None, "signals": {}}}, "l1ad data generate --regions"),
    ],
)
def test_what_does_not_fit_together_is_refused(student_values, changes, words):
    values = copy.deepcopy(student_values)
    for section, own in changes.items():
        values[section] = values.get(section, {}) | own
    with pytest.raises(ConfigurationError) as error:
        parse_config(values, "test.yaml")
    assert words in str(error.value)


def test_type_of_the_output_has_to_be_that_of_the_score(student_values):
    from l1ad.networks.network_score import network_score

    values = copy.deepcopy(student_values)
    values["score"]["integer"] = 9
    with pytest.raises(ConfigurationError, match=r"network.output: gives ufixed<16,8>; the score is ufixed<16,9>"):
        network_score(RunConfig.model_validate(values))
