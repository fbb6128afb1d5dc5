"""Rounding in the RTL where alkaid's own is wrong: constants, narrow ranges, a lowest bit that is always set."""

from __future__ import annotations

import numpy as np
import pytest

from l1ad.records import FixedType

#: kif of the input, slope, offset, target, and why. Checked for every value of the input.
CASES = [
    ((0, 2, 3), 0.125, 1.5, FixedType(True, 5, 5), "narrow"),
    ((0, 1, 2), 0.0625, -1.8125, FixedType(True, 3, 3), "narrow and negative"),
    ((1, 0, 0), -4.5, 0.9375, FixedType(False, 7, 4), "lowest bit set"),
    ((0, 1, 2), 0.5, 1.3125, FixedType(False, 7, 4), "lowest bit set, every value a tie"),
    ((1, 3, 3), 0.5, -0.03125, FixedType(True, 9, 5), "lowest bit set, sign"),
    ((0, 2, 0), -2.0, 0.75, FixedType(True, 5, 4), "lowest bit set, falling"),
    ((1, 3, 3), 1.0, 0.0, FixedType(True, 5, 3), "wide: alkaid's own"),
    ((1, 3, 3), 1.0, 0.0, FixedType(False, 2, 1), "wide, saturating both ways"),
]


def traced(kif: tuple[int, int, int], slope: float, offset: float, rounding):
    """Return the values of a symbolic line at every input, and what `rounding` made of them."""
    from alkaid.trace import FVArrayInput, HWConfig, trace

    source = FVArrayInput(1, HWConfig(1, 1, -1), {"hard_dc": 2}).quantize(*kif)
    keep, integer, fraction = kif
    points = np.arange(-keep * 2.0**integer, 2.0**integer, 2.0**-fraction)
    found = trace(source, rounding(source * slope + offset), keep_dead_inputs=True).predict(points[:, None])[:, 0]
    return points * slope + offset, found


def expected(values: np.ndarray, fixed: FixedType) -> np.ndarray:
    raw = np.clip(np.rint(values * 2.0**fixed.fraction), fixed.minimum, fixed.maximum)
    return raw * 2.0**-fixed.fraction


@pytest.mark.parametrize("case", CASES, ids=[case[-1] for case in CASES])
def test_rounding_is_to_nearest_even(case) -> None:
    from l1ad.conversion.alkaid_handlers import _round

    kif, slope, offset, fixed, _ = case
    values, found = traced(kif, slope, offset, lambda line: _round(line, fixed))
    assert np.array_equal(found, expected(values, fixed))


def test_rounding_of_alkaid_is_why_ours_exists() -> None:
    """The negative control: alkaid's own mode fails a case above. When this test fails, ours can go."""
    from alkaid.trace.ops import quantize

    kif, slope, offset, fixed, _ = CASES[0]

    def own(line):
        return quantize(line, 1, fixed.integer - 1, fixed.fraction, overflow_mode="SAT", round_mode="RND_CONV")

    values, found = traced(kif, slope, offset, own)
    assert not np.array_equal(found, expected(values, fixed))


@pytest.mark.parametrize("which", ["mean", "log_variance"])
@pytest.mark.parametrize("bias", [-0.53125, 0.46875, 0.09375, 3.96875])
def test_collapsed_latent_variable_is_exact(conversion, examples, which: str, bias: float) -> None:
    """A latent variable that the training gave up is its bias in every event."""
    from l1ad.conversion.verilog import trace
    from l1ad.networks.inference import run_firmware_model

    inputs = examples("dense_vae", "rz").inputs[:1000]
    model = conversion.firmware("dense_vae", "rz")
    layer = model.get_layer(f"dense_{which}")
    kernel, biases = (np.array(weight) for weight in layer.get_weights())
    kernel[:, 1], biases[1] = 0.0, bias
    layer.set_weights([kernel, biases])
    keras = run_firmware_model(model, inputs, conversion.input_type, layers=True)
    assert len(np.unique(keras.layers[which][:, 1])) == 1
    assert len(np.unique(keras.score)) > 50
    found = trace(model, conversion.input_type).predict(inputs * 2.0**-6) * 2.0**4
    assert np.array_equal(found, keras.score)


def test_network_that_gives_one_score_is_exact(conversion, examples) -> None:
    from l1ad.conversion.verilog import trace
    from l1ad.networks.inference import run_firmware_model

    inputs = examples("dense_vae", "rz").inputs[:100]
    model = conversion.firmware("dense_vae", "rz")
    layer = model.get_layer("dense_2")
    layer.set_weights([np.zeros_like(layer.get_weights()[0]), np.full(4, -1.0, np.float32)])
    keras = run_firmware_model(model, inputs, conversion.input_type)
    assert len(np.unique(keras.score)) == 1
    assert keras.score[0, 0] > 0
    assert np.array_equal(trace(model, conversion.input_type).predict(inputs * 2.0**-6) * 2.0**4, keras.score)
