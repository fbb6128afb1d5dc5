"""Autoencoders of full size on events of the embedded sample: every rung against Keras, with negative controls."""

from __future__ import annotations

import numpy as np
import pytest

from l1ad.config import EmulationConfig, RunConfig
from l1ad.events.dataset import load_dataset
from l1ad.events.prepare import prepare_dataset

EVENTS = 2000


@pytest.mark.heavy
@pytest.mark.parametrize("architecture", ["dense_ae", "cnn_ae", "feature_ae"])
def test_full_size_climbs_the_whole_ladder(conversion, architecture, tmp_path) -> None:
    from l1ad.conversion.base import convert
    from l1ad.emulation.ladder import run_ladder
    from l1ad.networks.architectures import build_encoder
    from l1ad.networks.base import load_frontend
    from l1ad.networks.firmware_model import to_firmware
    from l1ad.networks.inference import run_firmware_model
    from l1ad.networks.network_score import network_score

    kind = "feature_error" if architecture == "feature_ae" else "reconstruction"
    config = RunConfig.model_validate(
        {
            "data": {"max_background": 8000, "max_signal": 200},
            "network": {"architecture": architecture, "kernel": "quantized_bits(4,0,alpha=1)", "latent": 8},
            "score": {"kind": kind, "width": 18, "integer": 14},
        }
    )
    prepare_dataset(config, tmp_path / "data")
    data = load_dataset(tmp_path / "data")
    model = build_encoder(config.network, load_frontend(config.network))
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(0, 0.3, w.shape).astype(np.float32) for w in model.get_weights()])
    firmware = to_firmware(model, network_score(config, data.contract))
    inputs = np.asarray(data.inputs["test"][:EVENTS], dtype=np.int64)
    keras = run_firmware_model(firmware, inputs, data.contract.type)
    # A score of few values would agree by chance.
    assert len(np.unique(keras.score)) > 300
    folders = []
    for backend in ("verilog", "vitis"):
        folders.append(tmp_path / backend)
        changes = {"top": "full_ae", "input_type": data.contract.type, "contract": data.contract}
        convert(firmware, conversion.job(backend, inputs, keras.score, **changes), folders[-1])
    report = run_ladder(
        folders,
        inputs,
        keras.score,
        options=EmulationConfig(events=EVENTS, control_events=500),
        build_folder=tmp_path / "build",
        reference_engine="Keras",
        reference_rate=1.0,
    )
    assert {rung.rung for rung in report.rungs} == {"keras", "interpreter", "native", "csim", "rtl"}
    for rung in report.rungs[1:]:
        assert rung.equal_events == rung.events == EVENTS, rung.first_difference
        assert rung.control.caught
