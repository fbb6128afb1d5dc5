"""Encoders that the tests of the networks share. They carry random weights: no training is needed."""

from __future__ import annotations

import os
from types import SimpleNamespace

import numpy as np
import pytest

from l1ad.config import NetworkConfig
from l1ad.records import FixedType
from l1ad.scores.spec import ScoreSpec

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

INPUT_TYPE = FixedType(True, 10, 4)
QUANTIZERS = {
    "kernel": "quantized_bits(6,1,alpha=1)",
    "bias": "quantized_bits(8,2,alpha=1)",
    "activation": "quantized_relu(8,3)",
    "latent_kernel": "quantized_bits(8,1,alpha=1)",
    "mean": "quantized_bits(10,4,alpha=1)",
    "log_variance": "quantized_bits(8,3,alpha=1)",
}


def network(architecture: str, frontend: str = "qkeras", **changes: object) -> NetworkConfig:
    """Return a configuration whose quantizers are written out, whatever the defaults are."""
    values = {"architecture": architecture, "frontend": frontend, "latent": 3, "hidden": (32, 16), "filters": (16, 32)}
    return NetworkConfig.model_validate(values | QUANTIZERS | changes)


def score(kind: str = "rz", **changes: object) -> ScoreSpec:
    """Return a score whose types are those of the encoders."""
    fields = {
        "kind": kind,
        "latent": 3,
        "mean": FixedType(True, 10, 5),
        "log_variance": FixedType(True, 8, 4),
        "table": FixedType(False, 10, 5),
        "score": FixedType(False, 20, 14),
    }
    return ScoreSpec(**(fields | changes))  # type: ignore[arg-type]


def random_encoder(config: NetworkConfig, seed: int = 1):
    """Return an encoder whose weights, biases included, are random and not multiples of a unit."""
    from l1ad.networks.architectures import build_encoder
    from l1ad.networks.base import load_frontend

    encoder = build_encoder(config, load_frontend(config))
    rng = np.random.default_rng(seed)
    encoder.set_weights([rng.normal(0, 0.4, w.shape).astype(np.float32) for w in encoder.get_weights()])
    return encoder


def raw_inputs(events: int = 500, seed: int = 2) -> np.ndarray:
    """Return raw inputs that fill the range of their type."""
    rng = np.random.default_rng(seed)
    return rng.integers(INPUT_TYPE.minimum, INPUT_TYPE.maximum, (events, 57), endpoint=True)


@pytest.fixture(scope="package")
def encoders():
    """One quantized encoder of each architecture."""
    return {name: random_encoder(network(name)) for name in ("dense_vae", "cnn_vae")}


@pytest.fixture(scope="package")
def firmware(encoders):
    """The firmware model of each encoder, with the score rz."""
    from l1ad.networks.firmware_model import to_firmware

    return {name: to_firmware(encoder, score()) for name, encoder in encoders.items()}


@pytest.fixture(scope="session")
def make():
    """What builds configurations, scores, encoders and inputs."""
    return SimpleNamespace(
        network=network, score=score, encoder=random_encoder, inputs=raw_inputs, input_type=INPUT_TYPE
    )
