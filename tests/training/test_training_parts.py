"""Targets, schedule and checkpoints: the parts of a training that need no network."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from l1ad.config import TrainingConfig
from l1ad.errors import DataError, RunFolderError
from l1ad.records import FixedType
from l1ad.training import targets
from l1ad.training.checkpoint import EpochRecord, Progress, load_checkpoint, save_checkpoint
from l1ad.training.loop import Phase, advance
from l1ad.training.targets import EventBatches, TargetScale, derive_scale


def events(count: int = 3000) -> np.ndarray:
    """Return events with padding: the second half of the jets is mostly absent, the last always."""
    rng = np.random.default_rng(4)
    particles = np.stack(
        [rng.exponential(30, (count, 19)), rng.normal(0, 1.5, (count, 19)), rng.uniform(-np.pi, np.pi, (count, 19))],
        axis=2,
    )
    particles[rng.random((count, 19)) < 0.5] = 0
    particles[:, 0, 1] = 0
    particles[:, 18] = 0
    return particles.astype(np.float32)


def test_whitened_targets_have_mean_zero_and_deviation_one():
    particles = events()
    scale = derive_scale(particles, "whitened")
    target = scale.apply(particles)
    assert target.shape == particles.shape
    assert target.dtype == np.float32
    constant = particles.std(axis=0) == 0
    assert constant.sum() == 4
    np.testing.assert_allclose(target.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(target.std(axis=0)[~constant], 1, rtol=1e-4)
    np.testing.assert_array_equal(target[:, constant], 0)
    # Padding is a target like any other: it is not zero.
    padded = particles[:, 5, 0] == 0
    assert (target[padded, 5, 0] < -0.1).all()


def test_whitening_over_chunks_equals_numpy(monkeypatch):
    particles = events(1001)
    whole = derive_scale(particles, "whitened")
    monkeypatch.setattr(targets, "_CHUNK", 64)
    chunked = derive_scale(particles, "whitened")
    np.testing.assert_allclose(chunked.offset, particles.mean(axis=0, dtype=np.float64).ravel(), rtol=1e-12, atol=1e-15)
    deviation = particles.std(axis=0, dtype=np.float64).ravel()
    np.testing.assert_allclose(chunked.width, np.where(deviation == 0, 1, deviation), rtol=1e-12)
    np.testing.assert_allclose(chunked.width, whole.width, rtol=1e-12)


def test_paper_targets_standardize_present_pt_and_keep_zeros():
    particles = events()
    scale = derive_scale(particles, "paper")
    target = scale.apply(particles)
    present = particles[:, :, 0] > 0
    assert (target[~present] == 0).all()
    for row in range(18):
        pt = target[present[:, row], row, 0]
        assert pt.mean() == pytest.approx(0, abs=1e-4)
        assert pt.std() == pytest.approx(1, rel=1e-4)
    np.testing.assert_array_equal(target[:, :, 1:], particles[:, :, 1:])
    # Negative control: whitened targets of padding are not zero.
    assert (derive_scale(particles, "whitened").apply(particles)[~present] != 0).any()


def test_scale_of_constant_and_of_absent_objects_is_finite():
    particles = np.zeros((10, 19, 3), dtype=np.float32)
    particles[:, 1, 0] = 7.0
    particles[0, 2, 0] = 7.0
    for kind in ("whitened", "paper"):
        assert np.isfinite(derive_scale(particles, kind).apply(particles)).all()


def test_scale_of_no_events_is_refused():
    with pytest.raises(DataError, match="no events"):
        derive_scale(events()[:0], "whitened")


def test_scale_survives_json():
    scale = derive_scale(events(50), "paper")
    assert TargetScale.from_dict(json.loads(json.dumps(scale.to_dict()))) == scale


def batches(count: int, shape: tuple[int, ...] = (57,)) -> EventBatches:
    """Return events whose first raw input is their number."""
    raw = np.zeros((count, 57), dtype=np.int16)
    raw[:, 0] = np.arange(count)
    particles = events(count)
    return EventBatches(raw, particles, FixedType(True, 10, 4), shape, derive_scale(particles, "whitened"))


def test_batches_are_the_integers_of_firmware_in_order():
    data = batches(300)
    order = np.random.default_rng(0).permutation(300)
    blocks = list(data.epoch(order, 32, blocks=4))
    assert [len(x) for x, _ in blocks] == [128, 128, 32]
    seen = np.concatenate([x[:, 0] for x, _ in blocks]) * 2.0**6
    np.testing.assert_array_equal(seen, order[:288])
    wanted = data.scale.apply(data.particles[order[:288]])
    np.testing.assert_array_equal(np.concatenate([y for _, y in blocks]), wanted)
    assert blocks[0][0].dtype == np.float32
    assert batches(10, (19, 3, 1)).take(slice(0, 4))[0].shape == (4, 19, 3, 1)


OPTIONS = TrainingConfig(schedule="plateau", patience=5, reduce_patience=2, reduce_factor=0.5)


def run(losses: list[float], epochs: int = 100) -> list[Progress]:
    """Return the progress after each epoch with the given validation losses, until the phase ends."""
    phase, progress, steps = Phase("float", epochs, 1.0), Progress("float", 1.0), []
    for loss in losses:
        record = EpochRecord("float", progress.epoch + 1, loss, loss, 0.0, 0.0, 0.0, loss, progress.learning_rate, 0.1)
        progress = advance(progress, record, phase, OPTIONS)
        steps.append(progress)
        if progress.finished:
            break
    return steps


def test_learning_rate_falls_after_epochs_without_improvement():
    rates = [step.learning_rate for step in run([5, 4, 4, 4.1, 4, 4, 3, 3.5, 3.5, 2])]
    assert rates == [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125]


def test_early_stopping_keeps_the_best_epoch():
    steps = run([5, 4, 3, 6, 6, 6, 6, 6, 1])
    assert [step.finished for step in steps] == [False] * 7 + [True]
    assert (steps[-1].best_epoch, steps[-1].best_loss, steps[-1].epoch) == (3, 3, 8)
    assert [epoch.validation_loss for epoch in steps[-1].history] == [5, 4, 3, 6, 6, 6, 6, 6]
    # Negative control: one improvement in between and the training goes on.
    assert not run([5, 4, 3, 6, 6, 6, 6, 2.9, 6])[-1].finished


def test_phase_ends_with_its_epochs():
    steps = run([5, 4, 3, 2], epochs=3)
    assert [step.finished for step in steps] == [False, False, True]


def test_equal_loss_is_no_improvement():
    assert run([5, 5])[-1].best_epoch == 1


PROGRESS = Progress(
    "quantized", 1e-3 / 3, epoch=2, best_loss=0.1 + 0.2, best_epoch=1, wait=1, reduce_wait=1,
    history=(EpochRecord("float", 1, 0.5, 0.4, 0.1, 0.0, 0.0, math.pi, 1e-3, 2.5),),
)  # fmt: skip
VARIABLES = [
    np.array([[1.5, -2.25]], dtype=np.float32),
    np.array([1, 2**31], dtype=np.uint32),
    np.array(7, dtype=np.int64),
]
BEST = [np.array([np.float32(0.1)]), np.zeros((2, 0), dtype=np.float32)]


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "folder" / "checkpoint.npz"
    save_checkpoint(path, "key", PROGRESS, VARIABLES, BEST)
    return path


def test_checkpoint_round_trip_is_exact(checkpoint):
    loaded = load_checkpoint(checkpoint, "key")
    assert loaded is not None
    progress, variables, best = loaded
    assert progress == PROGRESS
    for found, expected in zip([*variables, *best], [*VARIABLES, *BEST], strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    assert [path.name for path in checkpoint.parent.iterdir()] == ["checkpoint.npz"]


def test_more_than_ten_variables_keep_their_order(tmp_path):
    save_checkpoint(tmp_path / "c.npz", "key", PROGRESS, [np.float32(i) for i in range(23)], [])
    _, variables, best = load_checkpoint(tmp_path / "c.npz", "key")
    assert [int(v) for v in variables] == list(range(23))
    assert best == []


def test_absent_checkpoint_and_that_of_another_training_are_ignored(checkpoint):
    assert load_checkpoint(checkpoint.with_name("absent.npz"), "key") is None
    assert load_checkpoint(checkpoint, "another key") is None
    assert load_checkpoint(checkpoint, "key") is not None


def test_failed_write_keeps_the_former_checkpoint(checkpoint):
    before = checkpoint.read_bytes()

    class Broken:
        def __array__(self, *_args, **_kwargs):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(checkpoint, "key", PROGRESS, [Broken()], [])
    assert checkpoint.read_bytes() == before
    assert [path.name for path in checkpoint.parent.iterdir()] == ["checkpoint.npz"]


def write_meta(path, meta: bytes) -> None:
    """Replace the text of a checkpoint."""
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    np.savez(path, **(arrays | {"meta": np.frombuffer(meta, dtype=np.uint8)}))


def test_damaged_text_is_refused(checkpoint):
    good = json.dumps({"key": "key", "progress": PROGRESS.to_dict(), "variables": 3, "best": 2})
    cases = [
        "", "[]", "3", "{}", '{"key": "key"}', good[:-10], good.replace("best_loss", "lost_loss"),
        good.replace('"history": [', '"history": [3, '), '{"key": "key", "progress": 3}',
    ]  # fmt: skip
    for text in cases:
        write_meta(checkpoint, text.encode())
        with pytest.raises(RunFolderError, match=r"checkpoint\.npz: damaged checkpoint"):
            load_checkpoint(checkpoint, "key")
    write_meta(checkpoint, good.encode())
    assert load_checkpoint(checkpoint, "key")[0] == PROGRESS


def test_other_files_are_refused(checkpoint):
    np.save(checkpoint.with_suffix(".npy"), VARIABLES[0])
    array = checkpoint.with_suffix(".npy").read_bytes()
    for data in (b"", b"PK", b"nonsense" * 100, array, checkpoint.read_bytes()[:-40]):
        checkpoint.write_bytes(data)
        with pytest.raises(RunFolderError, match="Delete it to train from the start"):
            load_checkpoint(checkpoint, "key")


def test_objects_in_a_checkpoint_are_not_unpickled(tmp_path):
    marker = tmp_path / "executed"

    class Malicious:
        def __reduce__(self):
            return (marker.write_text, ("x",))

    meta = json.dumps({"key": "key", "progress": PROGRESS.to_dict(), "variables": 3, "best": 2}).encode()
    path = tmp_path / "c.npz"
    np.savez(path, meta=np.frombuffer(meta, dtype=np.uint8), variable_0=np.array([Malicious()], dtype=object))
    with pytest.raises(RunFolderError, match="damaged"):
        load_checkpoint(path, "key")
    assert not marker.exists()
    # Negative control: with pickles allowed the file does run its code.
    with np.load(path, allow_pickle=True) as archive:
        _ = archive["variable_0"]
    assert marker.exists()


def test_every_truncation_and_flipped_byte_is_seen_or_harmless(checkpoint):
    content = checkpoint.read_bytes()
    rng = np.random.default_rng(1)
    outcomes = {"refused": 0, "ignored": 0, "same": 0}
    damaged = [content[:length] for length in range(0, len(content), 23)]
    damaged += [
        content[:place] + bytes([content[place] ^ (1 << rng.integers(8))]) + content[place + 1 :]
        for place in rng.integers(0, len(content), 400)
    ]
    for data in damaged:
        checkpoint.write_bytes(data)
        try:
            loaded = load_checkpoint(checkpoint, "key")
        except RunFolderError:
            outcomes["refused"] += 1
            continue
        if loaded is None:
            outcomes["ignored"] += 1
            continue
        # A flipped bit in a date or an attribute of the archive changes nothing that is read.
        progress, variables, best = loaded
        assert dataclasses.asdict(progress) == dataclasses.asdict(PROGRESS)
        for found, expected in zip([*variables, *best], [*VARIABLES, *BEST], strict=True):
            np.testing.assert_array_equal(found, expected)
        outcomes["same"] += 1
    assert outcomes["ignored"] == 0
    assert outcomes["refused"] > len(damaged) / 2
