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
from numpy.typing import NDArray

from l1ad.errors import ConfigurationError, ConversionError, L1adError, nearest
from l1ad.networks.quantized import input_elements, integer_weights, output_type
from l1ad.networks.quantized import input_type as own_input_type
from l1ad.provenance import check_name
from l1ad.records import FixedType

#: Bits of an integer that float32 holds exactly (IEEE 754 binary32: 23 stored and one implied).
EXACT_BITS = 24

#: Unused low bits of a product that is always zero: more than any other has.
_NO_BITS = 64

Integers = NDArray[np.int64]

#: Layers that compute a score.
SCORES = ("LatentScore", "OutputScore", "ReconstructionScore")

#: Options of layers that hls4ml 1.3.0 or alkaid 0.8.2 converts for one value only.
_OPTIONS = {"dilation_rate": (1, 1), "groups": 1, "data_format": "channels_last"}


@dataclass(frozen=True)
class ValueRange:
    """Largest magnitude of a tensor's raw integers, and the bits right of the point.

    `sum_bits` are the bits that each sum needs in its own unit, where the values are sums.
    """

    magnitude: int
    fraction: int
    sum_bits: int | None = None

    @property
    def bits(self) -> int:
        """Bits that float32 has to hold for these values."""
        return self.magnitude.bit_length() if self.sum_bits is None else self.sum_bits


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
        bits[layer.name] = found.bits
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
    """Bound the sums of a dense or convolution layer.

    A sum is exact when it holds so many of its own units: those of the finest of its products that is not zero. Types
    that are learned for each weight and input are much coarser in most sums than in the finest of all.
    """
    weights = integer_weights(layer)
    if "kernel" not in weights:
        raise ConversionError(f"layer {layer.name}: its kernel has no quantizer; give it one in QKeras.")
    kernel, kernel_type = weights["kernel"]
    fixed = own_input_type(layer)
    seen = inputs[0] if fixed is None else _limited(inputs[0], fixed)
    fraction = seen.fraction + kernel_type.fraction
    flat = kernel.reshape(-1, kernel.shape[-1])
    reach, spare = _elements(layer, seen, len(flat))
    totals = np.abs(flat).T @ reach
    unused = np.where(flat * reach[:, None] == 0, _NO_BITS, _trailing_zeros(flat) + spare[:, None]).min(axis=0)
    if getattr(layer, "use_bias", False):
        if "bias" not in weights:
            raise ConversionError(f"layer {layer.name}: its bias has no quantizer; give it one in QKeras.")
        bias, bias_type = weights["bias"]
        common = max(fraction, bias_type.fraction)
        totals = (totals << (common - fraction)) + (np.abs(bias) << (common - bias_type.fraction))
        of_bias = np.where(bias == 0, _NO_BITS, _trailing_zeros(bias) + common - bias_type.fraction)
        unused = np.minimum(unused + common - fraction, of_bias)
        fraction = common
    needed = [max(int(total).bit_length() - int(low), 0) for total, low in zip(totals, unused, strict=True)]
    return ValueRange(int(totals.max(initial=0)), fraction, max(needed, default=0))


def _elements(layer: Any, seen: ValueRange, size: int) -> tuple[Integers, Integers]:
    """Return the largest magnitude of each of `size` inputs of a sum in units of `seen`, and its unused low bits."""
    reach, spare = np.full(size, seen.magnitude), np.zeros(size, dtype=np.int64)
    # The inputs of a convolution have a type for each position, and its weights go over all of them.
    learned = None if layer.kernel.ndim > 2 else input_elements(layer)
    if learned is not None and len(learned[0]) == size:
        integer, fraction, alive = learned
        reach = np.where(alive, np.minimum(reach, np.int64(1) << np.maximum(integer + seen.fraction, 0)), 0)
        spare = np.where(alive, np.maximum(seen.fraction - fraction, 0), 0)
    return reach, spare


def _trailing_zeros(raw: Integers) -> Integers:
    """Return the zero bits below the lowest set bit of each integer; of 0 none.

    Examples
    --------
    >>> _trailing_zeros(np.array([12, -8, 1, 0])).tolist()
    [2, 3, 0, 0]
    """
    lowest = np.where(raw == 0, 1, raw & -raw)
    return np.log2(lowest).astype(np.int64)


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
