"""An interrupted training ends with the numbers of one that nothing interrupted, to the last bit."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from l1ad.config import dump_config
from l1ad.errors import CheckFailedError
from l1ad.training.checkpoint import load_checkpoint
from l1ad.training.fit import train
from l1ad.training.targets import EventBatches, TargetScale

pytest.importorskip("qkeras", reason="QKeras is not installed")


def same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> list[str]:
    """Return the names of the arrays that differ in any bit; both sides must have the same names."""
    assert found.keys() == expected.keys()
    assert expected
    return [name for name in expected if found[name].tobytes() != expected[name].tobytes()]


def stop(config, tiny, folder: Path, *, after: tuple[str, int]) -> None:
    """Train until Ctrl-C in the callback after an epoch."""

    def callback(phase: str, epoch: int, _epochs: int, _record: object) -> None:
        if (phase, epoch) == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, tiny.dataset, folder, callback)


def stop_by_nan(config, tiny, folder: Path) -> bytes:
    """Train until the targets, and so the loss, become NaN after the first epoch; return the checkpoint before."""
    before: list[bytes] = []
    apply = TargetScale.apply

    def poisoned(self, particles):
        return apply(self, particles) * np.float32(np.nan if before else 1)

    def callback(*_call: object) -> None:
        before.append((folder / "checkpoint_float.npz").read_bytes())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TargetScale, "apply", poisoned)
        with pytest.raises(CheckFailedError, match=r"phase float, epoch 2: the loss is nan.*checkpoint is kept"):
            train(config, tiny.dataset, folder, callback)
    assert len(before) == 1
    return before[0]


def stop_inside_an_epoch(config, tiny, folder: Path) -> None:
    """Train until Ctrl-C while the second quantized epoch reads its events."""
    take = EventBatches.take

    def interrupting(self, index):
        if isinstance(index, np.ndarray) and (folder / "checkpoint_quantized.npz").exists():
            raise KeyboardInterrupt
        return take(self, index)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EventBatches, "take", interrupting)
        with pytest.raises(KeyboardInterrupt):
            train(config, tiny.dataset, folder)


@pytest.fixture(scope="module")
def interrupted(tiny, tmp_path_factory):
    """A training stopped three times: by a loss of NaN, inside an epoch, and after the last epoch."""
    folder, config = tmp_path_factory.mktemp("interrupted"), tiny.configuration()
    first = stop_by_nan(config, tiny, folder)
    after_nan = (folder / "checkpoint_float.npz").read_bytes()
    stop_inside_an_epoch(config, tiny, folder)
    inside = epochs_done(folder)
    stop(config, tiny, folder, after=("quantized", 3))
    models = sorted(path.name for path in folder.glob("*.keras"))
    calls = []
    record = train(config, tiny.dataset, folder, lambda *call: calls.append(call))
    return SimpleNamespace(
        folder=folder, record=record, first=first, after_nan=after_nan, inside=inside, models=models, calls=calls
    )


def test_interrupted_training_ends_with_the_same_bits(interrupted, baseline, tiny):
    assert same(tiny.model_weights(interrupted.folder), baseline.weights) == []
    assert same(tiny.checkpoint_arrays(interrupted.folder), baseline.arrays) == []
    assert tiny.losses(interrupted.record) == tiny.losses(baseline.record)


def test_interruption_keeps_the_last_checkpoint_and_writes_no_model(interrupted):
    assert interrupted.after_nan == interrupted.first
    assert interrupted.inside == 4
    # Stopped after the last epoch, before the models: the next call has no epoch left to train.
    assert interrupted.models == []
    assert interrupted.calls == []
    assert not [path for path in interrupted.folder.iterdir() if path.name.startswith(".")]


def test_resume_that_forgets_the_optimizer_is_seen(baseline, tiny, tmp_path):
    """Negative control: the moments of the optimizer are zeroed in the checkpoint."""
    config, path = tiny.configuration(), tmp_path / "checkpoint_float.npz"
    stop(config, tiny, tmp_path, after=("float", 1))
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    weights = 14  # kernel and bias of four layers of the encoder and three of the decoder
    zeroed = [
        name
        for name, values in arrays.items()
        if name.startswith("variable_") and int(name[9:]) >= weights and values.dtype == np.float32 and values.ndim
    ]
    assert len(zeroed) == 4 * weights  # amsgrad keeps three moments of each, and there is their average
    np.savez(path, **(arrays | {name: np.zeros_like(arrays[name]) for name in zeroed}))
    stop(config, tiny, tmp_path, after=("float", 3))
    with np.load(path) as archive:
        assert archive["variable_0"].tobytes() != baseline.arrays["checkpoint_float/variable_0"].tobytes()


def test_checkpoint_of_another_seed_is_not_resumed(baseline, tiny, tmp_path):
    (tmp_path / "checkpoint_float.npz").write_bytes((baseline.folder / "checkpoint_float.npz").read_bytes())
    # It stops after epoch 1, which a resumed training would not see again.
    stop(tiny.configuration(seed=8), tiny, tmp_path, after=("float", 1))
    assert epochs_done(tmp_path) == 1
    with np.load(tmp_path / "checkpoint_float.npz") as archive:
        assert archive["best_0"].tobytes() != baseline.arrays["checkpoint_float/best_0"].tobytes()


TRAIN = """
import sys
from pathlib import Path
from l1ad.config import load_config
from l1ad.training.fit import train

train(load_config(Path(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3]))
"""


def epochs_done(folder: Path) -> int:
    """Return how many epochs the checkpoints of a folder hold; the key is read, not known."""
    done = 0
    for path in sorted(folder.glob("checkpoint_*.npz")):
        with np.load(path) as archive:
            key = json.loads(archive["meta"].tobytes())["key"]
        loaded = load_checkpoint(path, key)
        assert loaded is not None
        done = len(loaded[0].history)
    return done


@pytest.mark.heavy
@pytest.mark.parametrize("xla", [False, True])
def test_killed_process_is_resumed_with_the_same_bits(xla, tiny, tmp_path):
    """SIGKILL at random moments until the training gets through; every checkpoint found on the way is whole."""
    config = tiny.configuration(xla=xla, float_epochs=12, epochs=12)
    (tmp_path / "config.yaml").write_text(dump_config(config))
    folder, rng, kills = tmp_path / "killed", random.Random(5), 0  # noqa: S311 - moments, not secrets
    command = [sys.executable, "-c", TRAIN, str(tmp_path / "config.yaml"), str(tiny.dataset), str(folder)]
    folder.mkdir()
    while True:
        before = epochs_done(folder)
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        if kills < 3:
            while process.poll() is None and epochs_done(folder) == before:
                time.sleep(0.1)
            time.sleep(rng.uniform(0, 1.0))
            process.send_signal(signal.SIGKILL)
        if process.wait() == 0:
            break
        assert process.returncode == -signal.SIGKILL
        kills += 1
        assert epochs_done(folder) > before
    assert kills >= 2
    whole = tmp_path / "whole"
    subprocess.run([*command[:-1], str(whole)], check=True, stderr=subprocess.DEVNULL)
    assert same(tiny.model_weights(folder), tiny.model_weights(whole)) == []
    assert same(tiny.checkpoint_arrays(folder), tiny.checkpoint_arrays(whole)) == []
