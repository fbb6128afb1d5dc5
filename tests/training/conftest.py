"""A training small enough for a test: the first events of the embedded sample, a few epochs."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from l1ad.config import RunConfig
from l1ad.events.prepare import prepare_dataset

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

ENCODER = {
    "latent": 3,
    "hidden": (32, 16),
    "kernel": "quantized_bits(6,1,alpha=1)",
    "bias": "quantized_bits(8,2,alpha=1)",
    "activation": "quantized_relu(8,3)",
    "latent_kernel": "quantized_bits(8,1,alpha=1)",
    "mean": "quantized_bits(10,4,alpha=1)",
    "log_variance": "quantized_bits(8,3,alpha=1)",
}
SCORE = {"kind": "rz", "table_width": 10, "table_integer": 5, "width": 20, "integer": 14}
TRAINING = {
    "float_epochs": 3,
    "epochs": 3,
    "batch_size": 64,
    "learning_rate": 3e-3,
    "quantized_learning_rate": 1e-3,
    "patience": 10,
    "reduce_patience": 1,
    "reduce_factor": 0.3,
    "beta": 0.005,
    "target": "whitened",
    "feature_weights": (1.0, 0.1, 0.1),
    "distillation": 0.5,
    "average": 0.9,
    "score_teacher": "none",
    "schedule": "plateau",
    "xla": False,
}


def configuration(network: dict | None = None, seed: int = 7, **training: object) -> RunConfig:
    """Return the configuration of a short training, whatever the defaults are."""
    return RunConfig.model_validate(
        {
            "seed": seed,
            "data": {"max_background": 6000, "max_signal": 100},
            "inputs": {"width": 10, "integer": 4},
            "network": {"architecture": "dense_vae", "frontend": "qkeras", **ENCODER, **(network or {})},
            "score": SCORE,
            "training": TRAINING | training,
        }
    )


def checkpoint_arrays(folder: Path) -> dict[str, np.ndarray]:
    """Return every array of the checkpoints in a folder but their text, which holds times."""
    arrays = {}
    for path in sorted(folder.glob("checkpoint_*.npz")):
        with np.load(path) as archive:
            arrays |= {f"{path.stem}/{name}": archive[name] for name in archive.files if name != "meta"}
    return arrays


def model_weights(folder: Path) -> dict[str, np.ndarray]:
    """Return every weight of the models in a folder."""
    from l1ad.networks.firmware_model import load_model

    return {
        f"{path.stem}/{i}": weight
        for path in sorted(folder.glob("*.keras"))
        for i, weight in enumerate(load_model(path).get_weights())
    }


def losses(record: object) -> list[tuple[object, ...]]:
    """Return the history of a training without the times."""
    return [
        (e.phase, e.epoch, e.loss, e.reconstruction, e.kl, e.distillation, e.validation_loss, e.learning_rate)
        for e in record.history  # type: ignore[attr-defined]
    ]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Dataset, configuration, and how to compare two trainings."""
    folder = tmp_path_factory.mktemp("tiny")
    prepare_dataset(configuration(), folder)
    return SimpleNamespace(
        dataset=folder,
        configuration=configuration,
        checkpoint_arrays=checkpoint_arrays,
        model_weights=model_weights,
        losses=losses,
    )


@pytest.fixture(scope="session")
def baseline(tiny, tmp_path_factory):
    """A training that nothing interrupts."""
    pytest.importorskip("qkeras", reason="QKeras is not installed")
    from l1ad.training.fit import train

    folder, calls = tmp_path_factory.mktemp("baseline"), []
    record = train(tiny.configuration(), tiny.dataset, folder, lambda *call: calls.append(call))
    return SimpleNamespace(
        folder=folder,
        record=record,
        calls=calls,
        arrays=checkpoint_arrays(folder),
        weights=model_weights(folder),
    )
