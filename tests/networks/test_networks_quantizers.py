"""The quantizer syntax, and what QKeras's own objects compute for it."""

from __future__ import annotations

import numpy as np
import pytest

from l1ad.errors import ConfigurationError
from l1ad.hardware.fixed_point import quantize, to_raw_exact
from l1ad.networks.quantizers import parse_quantizer
from l1ad.records import FixedType

qkeras = pytest.importorskip("qkeras", reason="QKeras is not installed")

from l1ad.networks.qkeras_frontend import (  # noqa: E402 - it needs QKeras
    integer_weights,
    make_quantizer,
    quantized_weight,
    quantizer_type,
)


@pytest.mark.parametrize(
    ("text", "name", "fixed"),
    [
        ("quantized_bits(6,0,alpha=1)", "quantized_bits", FixedType(True, 6, 1)),
        (" quantized_bits( bits=6 , integer=2, alpha=1.0)", "quantized_bits", FixedType(True, 6, 3)),
        ("quantized_bits(8,-2,alpha=1)", "quantized_bits", FixedType(True, 8, -1)),
        ("quantized_bits(6,1,0,False,1)", "quantized_bits", FixedType(False, 6, 1)),
        ("quantized_bits(6,1,keep_negative=0,alpha='1')", "quantized_bits", FixedType(False, 6, 1)),
        ("quantized_bits(alpha=1)", "quantized_bits", FixedType(True, 8, 1)),
        ("quantized_relu(8,3)", "quantized_relu", FixedType(False, 8, 3)),
        ("quantized_relu(1,0,use_sigmoid=0)", "quantized_relu", FixedType(False, 1, 0)),
        ("quantized_relu()", "quantized_relu", FixedType(False, 8, 0)),
    ],
)
def test_valid_text(text, name, fixed):
    spec = parse_quantizer(text, "network.kernel")
    assert (spec.name, spec.fixed_type) == (name, fixed)


INVALID = [
    "",
    "quantized_bits",
    "quantized_bits(6,0)",
    "quantized_bits(6,0,alpha=2)",
    "quantized_bits(6,0,alpha='auto')",
    "quantized_bits(6,0,alpha=None)",
    "quantized_bits(6,0,alpha=[1])",
    "quantized_bits(6,0,1,alpha=1)",
    "quantized_bits(6,0,alpha=1,use_stochastic_rounding=True)",
    "quantized_bits(1,0,alpha=1)",
    "quantized_bits(0,0,alpha=1)",
    "quantized_bits(25,0,alpha=1)",
    "quantized_bits(6,99,alpha=1)",
    "quantized_bits(6.0,0,alpha=1)",
    "quantized_bits(True,0,alpha=1)",
    "quantized_bits('6',0,alpha=1)",
    "quantized_bits(6,bits=8,alpha=1)",
    "quantized_bits(6,0,alpha=1,alpha=1)",
    "quantized_bits(6,0,alpha=1,colour=3)",
    "quantized_bits(6,0,0,True,1,False,7)",
    "quantized_bits({[]: 1},0,alpha=1)",
    "quantized_bits(*[6,0],alpha=1)",
    "quantized_bits(**{'bits': 6},alpha=1)",
    "quantized_bits(6,0,alpha=1) + 1",
    "quantized_relu(8,-1)",
    "quantized_relu(8,3,1)",
    "quantized_relu(8,3,negative_slope=0.25)",
    "quantized_tanh(8)",
    "quantized_relu(8,3); import os",
    "lambda: 1",
    "\0",
    "quantized_relu(8," + "-" * 5000 + "3)",
    "quantized_relu(" + "(" * 5000 + "8" + ")" * 5000 + ",3)",
]


@pytest.mark.parametrize("text", INVALID, ids=lambda text: repr(text[:40]))
def test_invalid_text_is_refused_and_names_the_field(text):
    with pytest.raises(ConfigurationError, match=r"network\.kernel"):
        parse_quantizer(text, "network.kernel")


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch {path}')",
        "quantized_relu(__import__('os').system('touch {path}'),3)",
        "quantized_relu(8,3,negative_slope=open('{path}','w'))",
        "qkeras.quantized_relu(open('{path}','w'),3)",
        "quantized_relu(8,3)(open('{path}','w'))",
        "(lambda: open('{path}','w'))()",
    ],
)
def test_text_is_never_evaluated(text, tmp_path):
    path = tmp_path / "evaluated"
    with pytest.raises(ConfigurationError):
        make_quantizer(text.format(path=path), "network.kernel")
    assert not path.exists()
    # Negative control: evaluated as code, such text does write the file.
    open_call = compile(f"open({str(path)!r}, 'w').close()", "control", "eval")
    eval(open_call)  # noqa: S307 - the control
    assert path.exists()


def dense_grid(fixed: FixedType) -> np.ndarray:
    """Return float32 values that hold every quarter of a unit, every tie, and values far outside the range."""
    unit = 2.0**-fixed.fraction
    quarters = np.arange(4 * (min(fixed.minimum, -fixed.maximum) - 8), 4 * (fixed.maximum + 8) + 1) / 4
    ties = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
    near_ties = np.concatenate([np.nextafter(ties.astype(np.float32), s) for s in (-np.inf, np.inf)])
    spread = np.random.default_rng(0).uniform(1.5 * quarters[0], 1.5 * quarters[-1], 4000)
    return (np.concatenate([quarters, ties, near_ties, spread, quarters[[0, -1]] * 50]) * unit).astype(np.float32)


SIGNED = [(b, i) for b in (2, 3, 6, 8, 10) for i in (-3, -1, 0, 1, 3, b)]
UNSIGNED = [(b, i) for b in (1, 2, 4, 8, 10) for i in (0, 1, 3, b + 2)]


@pytest.mark.parametrize(
    "text",
    [f"quantized_bits({b},{i},alpha=1)" for b, i in SIGNED]
    + [f"quantized_bits({b},{i},keep_negative=False,alpha=1)" for b, i in UNSIGNED]
    + [f"quantized_relu({b},{i})" for b, i in UNSIGNED],
)
def test_qkeras_rounds_to_nearest_even_and_saturates(text):
    fixed = parse_quantizer(text, "network.kernel").fixed_type
    quantizer = make_quantizer(text, "network.kernel")
    values = dense_grid(fixed)
    found = to_raw_exact(np.asarray(quantizer(values), dtype=np.float64), fixed)
    np.testing.assert_array_equal(found, quantize(values, fixed, rounding="RND_CONV", overflow="SAT"))
    assert found.min() == fixed.minimum
    assert found.max() == fixed.maximum
    # Negative controls: the grid tells other rounding and overflow apart.
    assert (found != quantize(values, fixed, rounding="RND")).any()
    assert (found != quantize(values, fixed, rounding="TRN")).any()
    assert (found != quantize(values, fixed, overflow="WRAP")).any()


@pytest.mark.parametrize("text", ["quantized_bits(6,1,alpha=1)", "quantized_relu(8,3)"])
def test_type_is_read_back_from_the_object(text):
    assert quantizer_type(make_quantizer(text, "f"), "x") == parse_quantizer(text, "f").fixed_type


@pytest.mark.parametrize(
    ("quantizer", "message"),
    [
        (None, "has no quantizer"),
        (lambda: qkeras.quantized_bits(6, 0), "alpha=1"),
        (lambda: qkeras.quantized_bits(6, 0, alpha="auto"), "alpha=1"),
        (lambda: qkeras.quantized_bits(6, 0, 1, alpha=1), "symmetric"),
        (lambda: qkeras.quantized_bits(6, 0, alpha=1, qnoise_factor=0.5), "qnoise_factor=0.5"),
        (lambda: qkeras.quantized_relu(8, 3, negative_slope=0.25), "dense_1"),
        (lambda: qkeras.quantized_relu(8, 3, is_quantized_clip=False, relu_upper_bound=2.0), "relu_upper_bound=2.0"),
        (lambda: qkeras.quantized_tanh(8), "not a known quantizer"),
        (lambda: qkeras.binary(), "not a known quantizer"),
    ],
)
def test_quantizers_that_firmware_lacks_are_refused(quantizer, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        quantizer_type(None if quantizer is None else quantizer(), "dense_1")
    assert "layer dense_1" in str(caught.value)


@pytest.mark.parametrize("kernel", ["quantized_bits(6,1,alpha=1)", "quantized_bits(3,-2,alpha=1)"])
def test_integer_weights_are_exact(kernel):
    layer = qkeras.QDense(
        7,
        kernel_quantizer=make_quantizer(kernel, "k"),
        bias_quantizer=make_quantizer("quantized_bits(8,2,alpha=1)", "b"),
    )
    layer.build((None, 300))
    rng = np.random.default_rng(1)
    kernel_values = rng.normal(0, 0.7, (300, 7)).astype(np.float32)
    bias_values = rng.normal(0, 3, 7).astype(np.float32)
    layer.set_weights([kernel_values, bias_values])
    weights = integer_weights(layer)
    assert list(weights) == ["kernel", "bias"]
    fixed = parse_quantizer(kernel, "k").fixed_type
    assert weights["kernel"][1] == fixed
    assert weights["bias"][1] == FixedType(True, 8, 3)
    np.testing.assert_array_equal(weights["kernel"][0], quantize(kernel_values, fixed))
    np.testing.assert_array_equal(weights["bias"][0], quantize(bias_values, FixedType(True, 8, 3)))
    np.testing.assert_array_equal(quantized_weight(layer, "kernel"), weights["kernel"][0] * 2.0**-fixed.fraction)
    # Negative control: a weight moved by one unit is another integer.
    kernel_values[0, 0] = (weights["kernel"][0][0, 0] ^ 1) * 2.0**-fixed.fraction
    layer.set_weights([kernel_values, bias_values])
    assert (integer_weights(layer)["kernel"][0] != weights["kernel"][0]).sum() == 1


def test_weight_without_quantizer_is_refused():
    layer = qkeras.QDense(2, kernel_quantizer=make_quantizer("quantized_bits(6,1,alpha=1)", "k"), name="half")
    layer.build((None, 3))
    assert list(integer_weights(layer)) == ["kernel"]
    with pytest.raises(ConfigurationError, match="layer half: its bias has no quantizer"):
        quantized_weight(layer, "bias")
    layer = qkeras.QDense(2, use_bias=False, kernel_quantizer=make_quantizer("quantized_bits(6,1,alpha=1)", "k"))
    layer.build((None, 3))
    assert quantized_weight(layer, "bias") == 0.0
