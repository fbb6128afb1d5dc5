"""Quantized layers by QKeras on Keras 3 (distribution qkeras-v3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import qkeras
from numpy.typing import NDArray

from l1ad.config import NetworkConfig
from l1ad.errors import ConfigurationError
from l1ad.hardware.fixed_point import to_raw_exact
from l1ad.networks.quantizers import QUANTIZER_FIELDS, QuantizerSpec, parse_quantizer
from l1ad.records import FixedType

#: Attributes that change what a QKeras quantizer computes and that its text does not show.
_UNWRITTEN: dict[str, object] = {
    "qnoise_factor": 1.0,
    "relu_upper_bound": None,
    "is_quantized_clip": True,
    "post_training_scale": None,
}


class QKerasFrontend:
    """Builds QDense, QConv2D and QActivation layers with the quantizers of the configuration."""

    def __init__(
        self, config: NetworkConfig, input_type: FixedType | None = None, input_bits: Sequence[int] | None = None
    ) -> None:
        del input_type, input_bits
        self.config = config
        for field in QUANTIZER_FIELDS:
            parse_quantizer(getattr(config, field), f"network.{field}")

    def dense(self, units: int, name: str, *, latent: bool = False) -> Any:
        """Return a QDense layer with bias."""
        return qkeras.QDense(
            units,
            kernel_quantizer=self._quantizer(name, "kernel", "latent_kernel" if latent else "kernel"),
            bias_quantizer=self._quantizer(name, "bias", "bias"),
            name=name,
        )

    def conv(
        self, filters: int, size: tuple[int, int], name: str, *, padding: str, strides: tuple[int, int] = (1, 1)
    ) -> Any:
        """Return a QConv2D layer without bias."""
        return qkeras.QConv2D(
            filters,
            size,
            strides=strides,
            padding=padding,
            use_bias=False,
            kernel_quantizer=self._quantizer(name, "kernel", "kernel"),
            name=name,
        )

    def activation(self, name: str) -> Any:
        """Return a QActivation with the rectifier of the configuration."""
        return qkeras.QActivation(self._quantizer(name, "activation", "activation"), name=name)

    def latent(self, which: str) -> Any:
        """Return the QActivation of ``mean``, ``reconstruction``, ``feature`` or another output."""
        return qkeras.QActivation(make_quantizer(getattr(self.config, which), f"network.{which}"), name=which)

    def _quantizer(self, name: str, field: str, general: str) -> Any:
        """Return the quantizer of a layer: its own, or that of the field `general` of the network."""
        own = getattr(self.config.layers.get(name), field, None)
        if own is None:
            return make_quantizer(getattr(self.config, general), f"network.{general}")
        return make_quantizer(own, f"network.layers.{name}.{field}")

    def integer_weights(self, layer: Any) -> dict[str, tuple[NDArray[np.int64], FixedType]]:
        """Return kernel and bias of a QKeras layer as raw integers with their types."""
        return integer_weights(layer)


def make_quantizer(text: str, field: str) -> Any:
    """Build the QKeras quantizer that `text` describes, from numbers and never by evaluation."""
    spec = parse_quantizer(text, field)
    fixed = spec.fixed_type
    if spec.name == "quantized_bits":
        return qkeras.quantized_bits(
            bits=fixed.width, integer=fixed.integer - int(fixed.signed), keep_negative=fixed.signed, alpha=1
        )
    return qkeras.quantized_relu(bits=fixed.width, integer=fixed.integer)


def quantizer_type(quantizer: Any, where: str) -> FixedType:
    """Return the fixed-point type of a QKeras quantizer object.

    Raises
    ------
    ConfigurationError
        When firmware cannot reproduce the quantizer; `where` names the layer.
    """
    return quantizer_spec(quantizer, where).fixed_type


def quantizer_spec(quantizer: Any, where: str) -> QuantizerSpec:
    """Return name and type of a QKeras quantizer object; `where` names the layer in errors.

    Raises
    ------
    ConfigurationError
        When firmware cannot reproduce the quantizer.
    """
    if quantizer is None:
        raise ConfigurationError(f"layer {where}: has no quantizer; give it one in QKeras.")
    for name, plain in _UNWRITTEN.items():
        value = getattr(quantizer, name, plain)
        if value is not plain and (plain is None or value != plain):
            raise ConfigurationError(f"layer {where}: firmware cannot do {name}={value}; leave it out.")
    return parse_quantizer(str(quantizer), f"layer {where}")


def integer_weights(layer: Any) -> dict[str, tuple[NDArray[np.int64], FixedType]]:
    """Return the quantized kernel and bias of a QKeras `layer` as raw integers with their types."""
    found: dict[str, tuple[NDArray[np.int64], FixedType]] = {}
    for name in ("kernel", "bias"):
        quantizer = getattr(layer, f"{name}_quantizer_internal", None)
        variable = getattr(layer, name, None)
        if variable is None or quantizer is None:
            continue
        fixed = quantizer_type(quantizer, f"{layer.name}, {name}")
        # The straight-through form w + (q - w) may end one float32 rounding away from q.
        values = np.asarray(quantizer(variable), dtype=np.float64) * 2.0**fixed.fraction
        found[name] = (to_raw_exact(np.rint(values) * 2.0**-fixed.fraction, fixed), fixed)
    return found


def quantized_weight(layer: Any, name: str) -> NDArray[np.float32]:
    """Return the quantized ``kernel`` or ``bias`` of a QKeras layer as floats; a scalar zero when it has none.

    Raises
    ------
    ConfigurationError
        When the weight exists but is not quantized; the layer is named.
    """
    weights = integer_weights(layer)
    if name in weights:
        raw, fixed = weights[name]
        return np.asarray(raw * 2.0**-fixed.fraction, dtype=np.float32)
    if getattr(layer, name, None) is not None:
        raise ConfigurationError(f"layer {layer.name}: its {name} has no quantizer; give it one in QKeras.")
    return np.zeros((), dtype=np.float32)
