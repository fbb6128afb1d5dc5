"""Real trainings on a few thousand events: they learn, they stop when they must, they write what they say."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from l1ad.errors import CheckFailedError, ConfigurationError, DataError, RunFolderError
from l1ad.events.dataset import load_dataset
from l1ad.networks.architectures import input_shape
from l1ad.networks.firmware_model import load_model
from l1ad.networks.inference import latent_outputs, run_firmware_model
from l1ad.networks.network_score import network_score
from l1ad.scores.integer import score_raw
from l1ad.training.fit import train
from l1ad.training.record import TrainingRecord
from l1ad.training.targets import EventBatches

FILES = {
    "checkpoint_float.npz", "checkpoint_quantized.npz", "decoder.keras", "encoder.keras", "firmware.keras",
    "float_encoder.keras", "layers.json", "training.json",
}  # fmt: skip


def test_losses_fall_in_both_phases(baseline):
    for phase in ("float", "quantized"):
        epochs = [epoch for epoch in baseline.record.history if epoch.phase == phase]
        assert [epoch.epoch for epoch in epochs] == [1, 2, 3]
        assert epochs[-1].loss < epochs[0].loss
        assert epochs[-1].reconstruction < epochs[0].reconstruction
        assert all(epoch.seconds > 0 and math.isfinite(epoch.loss) for epoch in epochs)
    floating = [epoch.validation_loss for epoch in baseline.record.history if epoch.phase == "float"]
    assert floating[-1] < floating[0]
    distillation = [e.distillation for e in baseline.record.history]
    assert distillation[:3] == [0.0, 0.0, 0.0]
    assert distillation[5] < distillation[3]


def test_callback_sees_every_epoch(baseline):
    assert [call[:3] for call in baseline.calls] == [
        (phase, epoch, 3) for phase in ("float", "quantized") for epoch in (1, 2, 3)
    ]
    assert tuple(call[3] for call in baseline.calls) == baseline.record.history


def test_files_and_record(baseline, tiny):
    assert {path.name for path in baseline.folder.iterdir()} == FILES
    assert TrainingRecord.read(baseline.folder / "training.json") == baseline.record
    record = baseline.record
    assert (record.architecture, record.frontend, record.parameters) == ("dense_vae", "qkeras", 2486)
    assert record.score == network_score(tiny.configuration())
    last = [epoch for epoch in record.history if epoch.phase == "quantized"]
    best = min(last, key=lambda epoch: epoch.validation_loss)
    assert (record.best_epoch, record.best_validation_loss) == (best.epoch, best.validation_loss)
    events = len(load_dataset(tiny.dataset).inputs["train"])
    assert record.events_per_second == pytest.approx(events / np.median([epoch.seconds for epoch in last]))


def test_firmware_model_scores_what_the_encoder_says(baseline, tiny):
    data = load_dataset(tiny.dataset)
    inputs, kind = np.asarray(data.inputs["test"][:1000]), data.contract.type
    mean, log_variance = latent_outputs(load_model(baseline.folder / "encoder.keras"), inputs, kind)
    spec = baseline.record.score
    raw = [np.rint(v * 2.0**t.fraction).astype(np.int64) for v, t in
           ((mean, spec.mean), (log_variance, spec.log_variance))]  # fmt: skip
    found = run_firmware_model(load_model(baseline.folder / "firmware.keras"), inputs, kind)
    np.testing.assert_array_equal(found.score[:, 0], score_raw(*raw, spec))
    assert len(np.unique(found.score)) > 10
    # Negative control: the float encoder is another function.
    other, _ = latent_outputs(load_model(baseline.folder / "float_encoder.keras"), inputs, kind)
    assert (np.abs(other - mean) > 2.0**-spec.mean.fraction).mean() > 0.1


def test_quantized_phase_leaves_its_teacher(baseline):
    with np.load(baseline.folder / "checkpoint_float.npz") as archive:
        best = [archive[f"best_{i}"] for i in range(8)]
    teacher = load_model(baseline.folder / "float_encoder.keras").get_weights()
    for expected, found in zip(best, teacher, strict=True):
        np.testing.assert_array_equal(expected, found)
    student = load_model(baseline.folder / "encoder.keras").get_weights()
    assert all((a != b).any() for a, b in zip(teacher, student, strict=True))


def test_validation_loss_is_that_of_the_written_models(baseline, tiny):
    """The best loss, computed again in numpy from the models on disk."""
    config, data = tiny.configuration(), load_dataset(tiny.dataset)
    batches = EventBatches(
        data.inputs["validation"], data.particles["validation"], data.contract.type,
        input_shape(config.network), baseline.record.scale,
    )  # fmt: skip
    options, size = config.training, config.training.batch_size
    encoder, teacher, decoder = (
        load_model(baseline.folder / f"{name}.keras") for name in ("encoder", "float_encoder", "decoder")
    )
    found = []
    for begin in range(0, len(batches) // size * size, size):
        x, y = batches.take(slice(begin, begin + size))
        mean, log_variance = (np.asarray(v, dtype=np.float64) for v in encoder(x))
        squares = (y - np.asarray(decoder(mean.astype(np.float32)), dtype=np.float64)) ** 2
        kl = -0.5 * np.mean(1 + log_variance - mean**2 - np.exp(log_variance))
        loss = (1 - options.beta) * np.mean(squares * options.feature_weights) + options.beta * kl
        mismatch = 0.0
        for student, taught in zip((mean, log_variance), teacher(x), strict=True):
            wanted = np.asarray(taught, dtype=np.float64)
            mismatch += np.mean((student - wanted) ** 2 / (wanted.var(axis=0) + 1e-3))
        found.append((1 - options.distillation) * loss + options.distillation * mismatch)
    assert np.mean(found) == pytest.approx(baseline.record.best_validation_loss, rel=1e-4)


def test_finished_training_is_not_trained_again(baseline, tiny):
    calls = []
    record = train(tiny.configuration(), tiny.dataset, baseline.folder, lambda *call: calls.append(call))
    assert calls == []
    assert record == baseline.record
    for name, weight in tiny.model_weights(baseline.folder).items():
        np.testing.assert_array_equal(weight, baseline.weights[name])


def test_xla_trains_the_float_network_alike(baseline, tiny, tmp_path):
    config = tiny.configuration({"frontend": "float"}, xla=True, epochs=1)
    record = train(config, tiny.dataset, tmp_path)
    # The float phase of a quantized network sees the same events in the same order.
    plain, compiled = baseline.record.history[0], record.history[0]
    assert compiled.loss == pytest.approx(plain.loss, rel=0.01)
    assert compiled.validation_loss == pytest.approx(plain.validation_loss, rel=0.02)
    assert {path.name for path in tmp_path.iterdir()} == {
        "checkpoint_float.npz", "decoder.keras", "encoder.keras", "training.json",
    }  # fmt: skip
    assert record.frontend == "float"


def test_convolutional_network_trains_on_the_targets_of_the_paper(tiny, tmp_path):
    config = tiny.configuration(
        {"architecture": "cnn_vae", "filters": (4, 6)}, float_epochs=0, epochs=1, target="paper", batch_size=256
    )
    record = train(config, tiny.dataset, tmp_path)
    assert [epoch.phase for epoch in record.history] == ["quantized"]
    assert record.history[0].distillation == 0.0
    assert not (tmp_path / "float_encoder.keras").exists()
    assert load_model(tmp_path / "firmware.keras").input_shape == (None, 19, 3, 1)
    assert math.isfinite(record.best_validation_loss)


def test_loss_that_is_not_finite_is_an_error_and_writes_no_model(tiny, tmp_path):
    config = tiny.configuration({"frontend": "float"}, learning_rate=1e25, batch_size=256)
    with pytest.raises(CheckFailedError, match=r"phase float, epoch 1: the loss is .*Reduce training.learning_rate"):
        train(config, tiny.dataset, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_too_few_events_are_refused(tiny, tmp_path):
    events = len(load_dataset(tiny.dataset).inputs["train"])
    with pytest.raises(DataError, match=rf"{events} events, fewer than a batch of 5000.*training.batch_size"):
        train(tiny.configuration(batch_size=5000), tiny.dataset, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_absent_dataset_is_refused(tiny, tmp_path):
    with pytest.raises(DataError, match=r"dataset\.json: no such file"):
        train(tiny.configuration(), tmp_path / "nowhere", tmp_path)


def test_score_that_is_not_exact_is_refused_before_the_training(tiny, tmp_path):
    config = tiny.configuration({"log_variance": "quantized_bits(14,3,alpha=1)"})
    with pytest.raises(ConfigurationError, match=r"network\.log_variance"):
        train(config, tiny.dataset, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_damaged_checkpoint_is_named(baseline, tiny, tmp_path):
    content = (baseline.folder / "checkpoint_float.npz").read_bytes()
    (tmp_path / "checkpoint_float.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(RunFolderError, match=r"checkpoint_float\.npz: damaged checkpoint"):
        train(tiny.configuration(), tiny.dataset, tmp_path)


def test_record_is_plain_json(baseline):
    text = (baseline.folder / "training.json").read_text()
    values = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in training.json"))
    assert set(values) == set(TrainingRecord.__dataclass_fields__)
