"""Quantizers that saturate with bits that their input has not: hls4ml's own rule gives another largest number."""

from __future__ import annotations

import numpy as np
import pytest

from l1ad.emulation.csim import build_csim
from l1ad.emulation.project import open_project

EVENTS = 500


@pytest.fixture(scope="module")
def coarse(conversion):
    """A network whose sums have steps of 2**-6, from inputs and whole weights, and whose rectifiers have 2**-8."""
    whole = {"kernel": "quantized_bits(4,3,alpha=1)", "bias": "quantized_bits(6,5,alpha=1)"}
    return conversion.firmware("dense_vae", "rz", **whole, activation="quantized_relu(11,3)")


def relu(folder, events, builds) -> np.ndarray:
    """Return the first rectified values of the C-simulation as floats: hls4ml puts the rectifier into the layer."""
    project = open_project(folder)
    simulation = build_csim(project, builds).run(events, layers=["dense_1"])
    return simulation.layers["dense_1"].values * 2.0 ** -project.record.layers["dense_1"].fraction


def test_the_largest_number_is_that_of_the_quantizer(
    coarse, conversion, examples, conversion_builds, tmp_path, monkeypatch
):
    import keras
    from hls4ml.model.optimizer.passes.bit_exact import FixedPointQuantizer, _produce_kif

    from l1ad.conversion.base import convert
    from l1ad.conversion.hls4ml_saturation import library_kif, saturating_kif
    from l1ad.networks.inference import run_firmware_model

    events = examples("dense_vae", "rz").inputs[:EVENTS]
    score = run_firmware_model(coarse, events, conversion.input_type).score
    expected = np.asarray(
        keras.Model(coarse.inputs[0], coarse.get_layer("relu_1").output)((events * 2.0**-6).astype(np.float32))
    )
    assert (expected == 8 - 2.0**-8).sum() > 100
    convert(coarse, conversion.job("vitis", events, score), tmp_path / "own")
    np.testing.assert_array_equal(relu(tmp_path / "own", events, conversion_builds), expected)
    # Negative control: with hls4ml's own rule the same values are 8 - 2**-6.
    _produce_kif.register(FixedPointQuantizer)(library_kif)
    try:
        convert(coarse, conversion.job("vitis", events, score), tmp_path / "library")
    finally:
        _produce_kif.register(FixedPointQuantizer)(saturating_kif)
    found = relu(tmp_path / "library", events, conversion_builds)
    assert set(found[expected == 8 - 2.0**-8].tolist()) == {8 - 2.0**-6}


def test_elements_that_share_a_type_get_the_largest_of_each_part():
    from l1ad.conversion.hls4ml_saturation import _shared

    keep, whole, fraction = (np.array(bits, dtype=np.int16) for bits in ([0, 0], [5, 1], [0, 8]))
    assert [int(bits.ravel()[0]) for bits in _shared(keep, whole, fraction, (1,))] == [0, 13, 5]
    assert [bits.tolist() for bits in _shared(keep, whole, fraction, (2,))] == [[[0, 0]], [[5, 9]], [[5, 1]]]
