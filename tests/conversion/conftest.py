"""Small quantized networks with random weights, and the projects that the real converters write of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from l1ad.config import NetworkConfig
from l1ad.records import FixedType
from l1ad.scores.reconstruction import UNUSED, ReconstructionSpec
from l1ad.scores.spec import ScoreSpec

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

INPUT = FixedType(True, 10, 4)
MEAN, LOG_VARIANCE = FixedType(True, 8, 4), FixedType(True, 6, 3)
#: Narrow enough that the largest events saturate.
SCORES = {
    "rz": FixedType(False, 14, 10),
    "mu2": FixedType(False, 10, 6),
    "kl": FixedType(False, 9, 5),
    "reconstruction": FixedType(False, 12, 10),
    "feature_error": FixedType(False, 11, 7),
}
#: Seed and spread of the weights; chosen so that the events reach the extremes, which a test asserts.
WEIGHTS = {
    "dense_vae": (12, 0.6),
    "cnn_vae": (9, 0.4),
    "dense_ae": (5, 0.5),
    "cnn_ae": (6, 0.5),
    "feature_ae": (6, 0.8),
}
#: Raw pT of padding in each row; both ends of the input type stand here.
PADDING = (-512, 511, 0, -1, 3, *range(-14, 0))
EVENTS = 4000


@dataclass(frozen=True)
class Example:
    """A firmware model, its events, and what Keras gives for them."""

    model: object
    inputs: np.ndarray
    keras: object
    producers: dict[str, str]

    def references(self, shown: dict[str, FixedType]) -> dict[str, object]:
        """Return what Keras gives for the layers that a project shows, in the project's types."""
        from l1ad.emulation.compare import LayerValues
        from l1ad.hardware.fixed_point import cast

        found = {}
        for quantizer, producer in self.producers.items():
            if producer in shown:
                values = cast(self.keras.layers[quantizer], self.keras.layer_types[quantizer], shown[producer])
                found[producer] = LayerValues(values, shown[producer])
        return found


def network(architecture: str, **changes: object) -> NetworkConfig:
    values = {
        "architecture": architecture,
        "latent": 2,
        "hidden": (6, 4),
        "filters": (2, 3),
        "kernel": "quantized_bits(6,1,alpha=1)",
        "bias": "quantized_bits(8,2,alpha=1)",
        "activation": "quantized_relu(8,3)",
        "latent_kernel": "quantized_bits(8,1,alpha=1)",
        "mean": "quantized_bits(8,3,alpha=1)",
        "log_variance": "quantized_bits(6,2,alpha=1)",
        "reconstruction": "quantized_bits(5,1,alpha=1)",
        "features": 5,
        "feature_hidden": (4,),
        "feature": "quantized_bits(7,3,alpha=1)",
    }
    return NetworkConfig.model_validate(values | changes)


def spec(kind: str = "rz", **changes: object) -> ScoreSpec | ReconstructionSpec:
    if kind == "reconstruction":
        exponents = [0, UNUSED, 3] + [0, 3, 3] * 18
        parts = {"inputs": INPUT, "prediction": FixedType(True, 5, 2), "error": FixedType(False, 6, 3)}
        fixed = {"exponents": tuple(exponents), "padding": PADDING, "score": SCORES[kind]}
        return ReconstructionSpec(**({"kind": kind} | parts | fixed | changes))  # type: ignore[arg-type]
    if kind == "feature_error":
        types = (FixedType(True, 7, 4), FixedType(True, 5, 2), FixedType(False, 6, 3))
        return ReconstructionSpec(kind, *types, (0,) * 5, (), SCORES[kind])
    fields = {
        "kind": kind,
        "latent": 2,
        "mean": MEAN,
        "log_variance": LOG_VARIANCE,
        "table": FixedType(False, 10, 5),
        "score": SCORES[kind],
    }
    return ScoreSpec(**(fields | changes))  # type: ignore[arg-type]


def firmware(architecture: str, kind: str = "rz", **changes: object):
    """Return a firmware model with random weights."""
    from l1ad.networks.architectures import build_encoder
    from l1ad.networks.base import load_frontend
    from l1ad.networks.firmware_model import to_firmware

    config = network(architecture, **changes)
    encoder = build_encoder(config, load_frontend(config))
    seed, spread = WEIGHTS[architecture]
    rng = np.random.default_rng(seed)
    encoder.set_weights([rng.normal(0, spread, w.shape).astype(np.float32) for w in encoder.get_weights()])
    return to_firmware(encoder, spec(kind))


def raw_inputs() -> np.ndarray:
    """Return events over the whole range of the input type: constants, corners, uniform, and small values."""
    rng = np.random.default_rng(2)
    low, high = INPUT.minimum, INPUT.maximum
    events = rng.integers(low, high, (EVENTS, 57), endpoint=True)
    events[0], events[1], events[2] = low, high, 0
    events[3:300] = rng.choice([low, high], (297, 57))
    events[300:900] //= 8
    # Half of the rows of a third of the events are padding.
    third = events[: EVENTS // 3].reshape(-1, 19, 3)
    third[:, :, 0] = np.where(rng.random(third.shape[:2]) < 0.5, PADDING, third[:, :, 0])
    return events


def make_job(backend: str, inputs: np.ndarray, score: np.ndarray, **changes: object):
    from l1ad.conversion.base import ConversionJob
    from l1ad.hardware.parts import resolve_part

    values = {
        "backend": backend,
        "top": "small_vae",
        "part": resolve_part("xcvu9p"),
        "clock_ns": 5.0,
        "io_type": "io_parallel",
        "logic_ns": 3.8,
        "input_type": INPUT,
        "n_inputs": 57,
        "test_inputs": inputs[:100],
        "test_outputs": score[:100],
    }
    return ConversionJob(**(values | changes))


@pytest.fixture(scope="session")
def conversion():
    """What builds networks, scores and jobs."""
    pytest.importorskip("qkeras", reason="QKeras is not installed")
    return SimpleNamespace(network=network, spec=spec, firmware=firmware, job=make_job, input_type=INPUT)


@pytest.fixture(scope="session")
def examples(conversion):
    """Return the example of an architecture and a score; each is built once."""
    from l1ad.networks.inference import producers, run_firmware_model

    built: dict[tuple[str, str], Example] = {}

    def example(architecture: str, kind: str = "rz") -> Example:
        if (architecture, kind) not in built:
            model, inputs = firmware(architecture, kind), raw_inputs()
            keras = run_firmware_model(model, inputs, INPUT, layers=True)
            built[architecture, kind] = Example(model, inputs, keras, producers(model))
        return built[architecture, kind]

    return example


@pytest.fixture(scope="session")
def projects(examples, tmp_path_factory: pytest.TempPathFactory):
    """Return the folder of the project of a network, score, backend and interface; each is converted once."""
    from l1ad.conversion.base import convert

    folders: dict[tuple[str, str, str, str], Path] = {}

    def project(architecture: str, kind: str, backend: str, io_type: str = "io_parallel") -> Path:
        key = (architecture, kind, backend, io_type)
        if key not in folders:
            example = examples(architecture, kind)
            folder = tmp_path_factory.mktemp("projects") / "-".join(key)
            convert(example.model, make_job(backend, example.inputs, example.keras.score, io_type=io_type), folder)
            folders[key] = folder
        return folders[key]

    return project


@pytest.fixture(scope="session")
def conversion_builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("conversion-builds")
