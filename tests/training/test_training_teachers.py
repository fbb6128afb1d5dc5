"""The score teacher: the distance it computes, and a latent score that learns to follow it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from l1ad.config import TrainingConfig
from l1ad.errors import ConfigurationError, DataError
from l1ad.events.dataset import load_dataset
from l1ad.networks.architectures import input_shape
from l1ad.networks.firmware_model import load_model
from l1ad.networks.inference import run_firmware_model
from l1ad.records import FixedType
from l1ad.training import teachers
from l1ad.training.fit import train
from l1ad.training.targets import EventBatches, derive_scale, disturb
from l1ad.training.teachers import load_teacher, mahalanobis

TYPE = FixedType(signed=True, width=10, integer=4)


def batches(raw: np.ndarray, shape: tuple[int, ...] = (57,)) -> EventBatches:
    particles = np.zeros((len(raw), 19, 3), dtype=np.float32)
    return EventBatches(raw, particles, TYPE, shape, derive_scale(np.ones((1, 19, 3), np.float32), "whitened"))


@pytest.fixture(scope="module")
def raw():
    rng = np.random.default_rng(5)
    mixed = rng.normal(0, 40, (4000, 57)) @ (np.eye(57) + 0.05 * rng.normal(size=(57, 57)))
    return np.clip(np.rint(mixed), -512, 511).astype(np.int16)


def distances(raw: np.ndarray) -> np.ndarray:
    """Return the squared Mahalanobis distances of the rows from themselves."""
    x = raw.astype(np.float64)
    deviation = x - x.mean(axis=0)
    return np.einsum("ij,jk,ik->i", deviation, np.linalg.inv(np.cov(x.T, bias=True)), deviation)


def test_distance_is_that_of_the_definition(raw, monkeypatch):
    monkeypatch.setattr(teachers, "_CHUNK", 999)
    train = batches(raw)
    found = mahalanobis(train).predict(train.take(slice(None))[0], verbose=0)
    assert found.shape == (4000,)
    np.testing.assert_allclose(found, np.log1p(distances(raw)), rtol=2e-3)
    # Negative control: the mean of d^2 is the number of inputs, which a wrong covariance does not give.
    assert np.expm1(found.astype(np.float64)).mean() == pytest.approx(57, rel=1e-3)
    shifted = mahalanobis(batches(np.roll(raw, 1, axis=1))).predict(train.take(slice(None))[0], verbose=0)
    assert np.expm1(shifted.astype(np.float64)).mean() > 60


def test_input_that_never_changes_is_left_out(raw):
    constant = raw.copy()
    constant[:, 7] = 3
    teacher = mahalanobis(batches(constant))
    moved = constant.copy()
    moved[:, 7] = 100
    x = batches(constant).take(slice(None))[0]
    y = batches(moved).take(slice(None))[0]
    np.testing.assert_allclose(teacher.predict(x, verbose=0), teacher.predict(y, verbose=0), rtol=1e-5)
    assert np.isfinite(teacher.predict(x, verbose=0)).all()


def test_teacher_takes_the_shape_of_the_network(raw):
    flat, image = batches(raw), batches(raw, (19, 3, 1))
    found = mahalanobis(image).predict(image.take(slice(0, 50))[0], verbose=0)
    np.testing.assert_allclose(found, mahalanobis(flat).predict(flat.take(slice(0, 50))[0], verbose=0), rtol=1e-5)


@pytest.mark.parametrize("options", [{"score_teacher": "none"}, {"score_share": 0.0}])
def test_no_teacher(raw, options):
    assert load_teacher(TrainingConfig(**options), batches(raw)) is None


def test_unknown_teacher_is_refused(raw):
    options = TrainingConfig().model_copy(update={"score_teacher": "mahalanobi"})
    with pytest.raises(ConfigurationError, match=r"score_teacher: 'mahalanobi'\. Did you mean mahalanobis"):
        load_teacher(options, batches(raw))


def test_no_events_are_refused(raw):
    with pytest.raises(DataError, match="training part: no events"):
        mahalanobis(batches(raw[:0]))


def teacher_moved(folder, teacher) -> float:
    """Return by how much the kernel of the teacher in the checkpoints differs from that of `teacher`."""
    kernel, found = teacher.get_layer("whiten").get_weights()[0], []
    for path in sorted(folder.glob("checkpoint_*.npz")):
        with np.load(path) as archive:
            square = [archive[name] for name in archive.files if archive[name].shape == kernel.shape]
        # The current weights and the best ones; an optimizer that trained it would keep moments of the shape too.
        assert len(square) == 2
        found += [float(np.abs(values - kernel).max()) for values in square]
    assert len(found) == 4
    return max(found)


def test_firmware_score_follows_the_teacher(tiny, tmp_path):
    """The rank correlation of the integer score with the teacher rises when the loss asks for it."""
    pytest.importorskip("qkeras", reason="QKeras is not installed")
    data = load_dataset(tiny.dataset)
    found, history = {}, {}
    for share in (0.0, 0.95):
        config = tiny.configuration(
            score_teacher="mahalanobis", score_share=share, schedule="cosine", epochs=4, float_epochs=6, distillation=0
        )
        folder = tmp_path / f"share_{share}"
        history[share] = train(config, tiny.dataset, folder).history
        inputs = np.asarray(data.inputs["test"])
        score = run_firmware_model(load_model(folder / "firmware.keras"), inputs, data.contract.type).score[:, 0]
        kind, shape, scale = (
            data.contract.type,
            input_shape(config.network),
            derive_scale(data.particles["train"], "whitened"),
        )
        part = EventBatches(data.inputs["train"], data.particles["train"], kind, shape, scale)
        taught = mahalanobis(part).predict((inputs * 2.0**-kind.fraction).astype(np.float32), verbose=0)
        found[share] = spearmanr(score, taught).statistic
        if share > 0:
            assert teacher_moved(folder, mahalanobis(part)) == 0
    assert found[0.95] > 0.8
    assert found[0.95] > found[0.0] + 0.05
    assert [epoch.score for epoch in history[0.0]] == [0.0] * 10
    assert 0 < history[0.95][-1].score < history[0.95][0].score
    assert history[0.95][5].learning_rate < history[0.95][0].learning_rate


def test_disturbed_events_stay_in_the_type_and_are_as_many_as_asked(raw):
    x = batches(raw).take(slice(None))[0]
    found = disturb(x, 0.3, TYPE, np.random.default_rng(1))
    changed = (found != x).any(axis=1)
    # An event whose share of objects is u keeps all 19 with probability (1 - u)^19; u is uniform up to 0.4.
    untouched = (1 - 0.6**20) / 20 / 0.4
    assert changed.mean() == pytest.approx(0.3 * (1 - untouched), abs=0.03)
    objects = (found != x).reshape(-1, 19, 3).any(axis=2)[changed]
    assert objects.mean() == pytest.approx(0.2 / (1 - untouched), abs=0.02)
    assert found.max() <= TYPE.maximum / 64
    assert found.min() >= TYPE.minimum / 64
    np.testing.assert_array_equal(found, disturb(x, 0.3, TYPE, np.random.default_rng(1)))
    assert disturb(x, 0.0, TYPE, np.random.default_rng(1)) is x


def test_teacher_that_keras_leaves_trainable_is_frozen():
    """A model made with ``trainable=False`` keeps trainable weights in Keras 3.15, whatever is set on it later."""
    import keras

    from l1ad.networks.frozen import freeze

    inputs = keras.Input((3,))
    teacher = keras.Model(inputs, keras.layers.Dense(2)(inputs), trainable=False)
    teacher.trainable = False
    # The trap itself: were it gone, this line would fail and `freeze` could go.
    assert all(variable.trainable for variable in teacher.variables)
    freeze(teacher)
    assert not any(variable.trainable for variable in teacher.variables)
    assert keras.Sequential([teacher]).trainable_variables == []


def test_disturbed_inputs_keep_the_range_of_each_input(raw):
    bits = (3, 1, 0) * 19
    x = np.clip(batches(raw).take(slice(None))[0].reshape(-1, 19, 3), [-8, -2, -1], [7.98, 1.98, 0.98])
    x = x.astype(np.float32).reshape(len(x), 57)
    found = disturb(x, 0.5, TYPE, np.random.default_rng(1), bits).reshape(-1, 19, 3)
    largest, smallest = found.max(axis=(0, 1)), found.min(axis=(0, 1))
    assert (largest <= [8 - 1 / 64, 2 - 1 / 64, 1 - 1 / 64]).all()
    assert (smallest >= [-8, -2, -1]).all()
    free = disturb(x, 0.5, TYPE, np.random.default_rng(1)).reshape(-1, 19, 3)
    assert (free.max(axis=(0, 1))[1:] > largest[1:]).all()
