"""Refuses what cannot work before a file is written: unknown layers, missing quantizers, sums that float32 cannot hold.

Keras computes in float32, which holds integers of 24 bits exactly. A layer whose sums need more would round in Keras
and not in firmware, so the model would differ from its own firmware.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from l1ad.errors import ConfigurationError, ConversionError, L1adError, nearest
from l1ad.networks.quantized import input_type as own_input_type
from l1ad.networks.quantized import integer_weights, output_type
from l1ad.provenance import check_name
from l1ad.records import FixedType

#: Bits of an integer that float32 holds exactly (IEEE 754 binary32: 23 stored and one implied).
EXACT_BITS = 24

#: Layers that compute a score.
SCORES = ("LatentScore", "OutputScore", "ReconstructionScore")

#: Options of layers that hls4ml 1.3.0 or alkaid 0.8.2 converts for one value only.
_OPTIONS = {"dilation_rate": (1, 1), "groups": 1, "data_format": "channels_last"}


@dataclass(frozen=True)
class ValueRange:
    """Largest magnitude of a tensor's raw integers, and the bits right of the point."""

    magnitude: int
    fraction: int


def check_model(model: Any, input_type: FixedType) -> dict[str, int]:
    """Check every layer of a firmware model.

    Parameters
    ----------
    model : keras.Model
        What `l1ad.networks.firmware_model.to_firmware` returned.
    input_type : FixedType
        Type of the inputs.

    Returns
    -------
    dict of str to int
        Layer -> bits that its sums need.

    Raises
    ------
    ConversionError
        When a layer is not supported, has no quantizer, or needs more than 24 bits; the layer is named.
    """
    ranges: dict[int, ValueRange] = {}
    bits: dict[str, int] = {}
    for layer in model.layers:
        kind = type(layer).__name__
        _check_layer(layer, kind)
        if kind == "InputLayer":
            found = ValueRange(max(input_type.maximum, -input_type.minimum), input_type.fraction)
        else:
            sources = layer.input if isinstance(layer.input, list) else [layer.input]
            try:
                found = _RULES[kind](layer, [ranges[id(source)] for source in sources])
            except ConfigurationError as error:
                raise ConversionError(str(error)) from error
            except KeyError as error:
                raise ConversionError(f"layer {layer.name}: its input is not part of the model.") from error
        bits[layer.name] = math.ceil(math.log2(found.magnitude + 1))
        if bits[layer.name] > EXACT_BITS:
            raise ConversionError(
                f"layer {layer.name}: its sums need {bits[layer.name]} bits; float32 holds {EXACT_BITS}, so Keras "
                "would round where firmware does not. Use fewer bits in its kernel or in what comes before it."
            )
        ranges[id(layer.output)] = found
    last = model.layers[-1]
    if type(last).__name__ not in SCORES or len(model.outputs) != 1 or model.outputs[0] is not last.output:
        raise ConversionError(f"layer {last.name}: the only output must be that of the score; use to_firmware.")
    return bits


def _check_layer(layer: Any, kind: str) -> None:
    """Refuse what no rule knows: other layers, names that C++ cannot have, options that the engines cannot do."""
    if kind not in _RULES:
        raise ConversionError(f"layer {layer.name}: {kind} cannot be converted. {nearest(kind, _RULES)}")
    try:
        check_name(layer.name, "layer")
    except L1adError as error:
        raise ConversionError(str(error)) from error
    if len(layer._inbound_nodes) != 1:
        raise ConversionError(f"layer {layer.name}: is used {len(layer._inbound_nodes)} times; expected once.")
    for option, expected in _OPTIONS.items():
        value = getattr(layer, option, expected)
        if value != expected:
            raise ConversionError(f"layer {layer.name}: {option}={value} cannot be converted; expected {expected}.")
    if kind in ("QDense", "QConv2D"):
        name = getattr(layer.activation, "__name__", str(layer.activation))
        if name not in ("linear", "None"):
            raise ConversionError(
                f"layer {layer.name}: has the activation {name}; leave it out and put a QActivation behind the layer."
            )


def _sums(layer: Any, inputs: list[ValueRange]) -> ValueRange:
    """Bound the sums of a dense or convolution layer."""
    weights = integer_weights(layer)
    if "kernel" not in weights:
        raise ConversionError(f"layer {layer.name}: its kernel has no quantizer; give it one in QKeras.")
    kernel, kernel_type = weights["kernel"]
    fixed = own_input_type(layer)
    seen = inputs[0] if fixed is None else _limited(inputs[0], fixed)
    fraction = seen.fraction + kernel_type.fraction
    totals = np.abs(kernel).reshape(-1, kernel.shape[-1]).sum(axis=0) * seen.magnitude
    if getattr(layer, "use_bias", False):
        if "bias" not in weights:
            raise ConversionError(f"layer {layer.name}: its bias has no quantizer; give it one in QKeras.")
        bias, bias_type = weights["bias"]
        common = max(fraction, bias_type.fraction)
        totals = (totals << (common - fraction)) + (np.abs(bias) << (common - bias_type.fraction))
        fraction = common
    return ValueRange(int(totals.max(initial=0)), fraction)


def _quantized(layer: Any, inputs: list[ValueRange]) -> ValueRange:
    """Return the range of a layer that quantizes."""
    return _limited(inputs[0], output_type(layer))


def _limited(seen: ValueRange, fixed: FixedType) -> ValueRange:
    """Return the range of values in `seen` that were brought to `fixed`: rounding adds a unit at most."""
    largest = math.ceil(seen.magnitude * 2.0 ** (fixed.fraction - seen.fraction)) + 1
    return ValueRange(min(max(fixed.maximum, -fixed.minimum), largest), fixed.fraction)


def _rectified(layer: Any, inputs: list[ValueRange]) -> ValueRange:
    """Return the range of a rectifier, the only activation without a quantizer of its own."""
    name = getattr(layer.activation, "__name__", str(layer.activation))
    if name != "relu":
        raise ConversionError(f"layer {layer.name}: the activation {name} cannot be converted; expected relu.")
    return inputs[0]


def _pooled(layer: Any, inputs: list[ValueRange]) -> ValueRange:
    return ValueRange(inputs[0].magnitude * layer.size, inputs[0].fraction)


def _same(layer: Any, inputs: list[ValueRange]) -> ValueRange:
    del layer
    return inputs[0]


def _score(layer: Any, inputs: list[ValueRange]) -> ValueRange:
    del inputs
    return ValueRange(layer.spec.score.maximum, layer.spec.score.fraction)


_RULES: dict[str, Callable[[Any, list[ValueRange]], ValueRange]] = {
    "InputLayer": _same,
    "QDense": _sums,
    "QConv2D": _sums,
    "QActivation": _quantized,
    "Quantizer": _quantized,
    "Activation": _rectified,
    "SumPooling": _pooled,
    "ZeroPadding2D": _same,
    "Flatten": _same,
    "Reshape": _same,
    "LatentScore": _score,
    "OutputScore": _score,
    "ReconstructionScore": _score,
}
