"""Rebuilds a saved model from the layers that firmware can have, or refuses, naming layer and property."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from l1ad.errors import ConfigurationError, nearest
from l1ad.networks.imported.linear import (
    Affine,
    absorb,
    activation_text,
    fixed_point,
    normalization,
    quantized_weights,
    quantizer_text,
)
from l1ad.networks.imported.model_file import SavedLayer, SavedModel
from l1ad.networks.imported.saved_quantizers import read_quantizer
from l1ad.records import FixedType

#: Layers that do nothing in inference.
_IDLE = ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "AlphaDropout")
_LINEAR = ("Dense", "Conv2D", "QDense", "QConv2D", "QDenseBatchnorm", "QConv2DBatchnorm")
_NORMALIZATIONS = ("BatchNormalization", "QBatchNormalization")
#: Names that the score and its inputs get.
_TAKEN = ("mean", "log_variance", "score")


@dataclass(frozen=True)
class ImportOptions:
    """What may be changed where a file has no exact fixed-point form.

    Attributes
    ----------
    round_bits : int or None
        Bits to which such weights are rounded; None: they are refused.
    activation : FixedType or None
        Type of rectifiers without a quantizer; None: they keep every bit.
    """

    round_bits: int | None = None
    activation: FixedType | None = None


@dataclass(frozen=True)
class ImportedNetwork:
    """A saved model, rebuilt.

    Attributes
    ----------
    model : keras.Model
        The network alone, built from layers of QKeras, without a score.
    input_type : FixedType or None
        Type to which the model itself brings its inputs; None when it does not.
    rounded : tuple of str
        Weights that were rounded, so that the network is not exactly the one of the file.
    """

    model: Any
    input_type: FixedType | None
    rounded: tuple[str, ...]


@dataclass(frozen=True)
class _Value:
    """A tensor, and what is still to be done to it."""

    tensor: Any
    pending: Affine | None = None


@dataclass
class _Builder:
    """Translates layer by layer."""

    saved: SavedModel
    options: ImportOptions
    values: dict[str, _Value] = field(default_factory=dict)
    merged: dict[str, SavedLayer] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    rounded: list[str] = field(default_factory=list)

    def build(self) -> ImportedNetwork:
        """Translate every layer."""
        import keras

        self._merge_normalizations()
        behind = {layer.name: linear for linear, layer in self.merged.items()}
        for layer in self.saved.layers:
            if layer.name in behind:
                self.values[layer.name] = self.values[behind[layer.name]]
            else:
                self.values[layer.name] = self._translate(layer)
        for name in self.saved.outputs:
            if self.values[name].pending is not None:
                raise ConfigurationError(
                    f"layer {name}: the model ends with it, and its scale has no layer to go into. "
                    "Save the model up to a dense layer or a quantizer."
                )
        inputs = [self.values[name].tensor for name in self.saved.inputs]
        model = keras.Model(inputs, [self.values[name].tensor for name in self.saved.outputs], name="imported")
        return ImportedNetwork(model, self._input_type(), tuple(self.rounded))

    def _merge_normalizations(self) -> None:
        """Find each batch normalization right behind a linear layer that nothing else reads."""
        readers: dict[str, list[SavedLayer]] = {}
        for layer in self.saved.layers:
            for source in layer.sources:
                readers.setdefault(source, []).append(layer)
        for layer in self.saved.layers:
            after = readers.get(layer.name, [])
            if layer.kind not in _LINEAR or len(after) != 1 or layer.name in self.saved.outputs:
                continue
            if after[0].kind in _NORMALIZATIONS and layer.config.get("activation") in (None, "linear"):
                self.merged[layer.name] = after[0]

    def _input_type(self) -> FixedType | None:
        """Return the type to which the model brings its inputs."""
        for layer in self.saved.layers:
            if layer.kind == "QActivation" and layer.sources == self.saved.inputs:
                quantizer = read_quantizer(layer.config.get("activation"), layer.name)
                return None if quantizer is None else quantizer.fixed_type(layer.name)
        return None

    def _translate(self, layer: SavedLayer) -> _Value:
        """Translate one layer."""
        if layer.kind == "InputLayer":
            return self._input(layer)
        if layer.kind not in _RULES:
            hint = nearest(layer.kind, _RULES)
            if layer.kind in ("Lambda", "TFOpLambda"):
                hint = "It holds code, which is never run here. Replace it by layers and save the model again."
            raise ConfigurationError(f"layer {layer.name}: {layer.kind} cannot be imported. {hint}")
        if len(layer.sources) != 1:
            raise ConfigurationError(f"layer {layer.name}: reads {len(layer.sources)} layers; expected one.")
        if layer.sources[0] not in self.values:
            raise ConfigurationError(f"layer {layer.name}: reads {layer.sources[0]!r}, which is not before it.")
        return _RULES[layer.kind](self, layer, self.values[layer.sources[0]])

    def _input(self, layer: SavedLayer) -> _Value:
        """Return the input of the network."""
        import keras

        shape = layer.config.get("batch_shape") or layer.config.get("batch_input_shape")
        if not shape or any(size is None for size in shape[1:]):
            raise ConfigurationError(
                f"layer {layer.name}: its shape is {shape}; expected fixed sizes behind the batch."
            )
        return _Value(keras.Input(tuple(shape[1:]), name=self._name(layer.name)))

    def _name(self, name: str, suffix: str = "") -> str:
        """Return a name that C++ can have and that nothing else has."""
        plain = re.sub(r"\W", "_", name, flags=re.ASCII)
        plain = f"{plain}_layer" if plain in _TAKEN else plain
        plain = f"layer_{plain}" if not plain or plain[0].isdigit() else plain
        found, number = f"{plain}{suffix}", 1
        while found in self.names:
            number += 1
            found = f"{plain}{suffix}_{number}"
        self.names.add(found)
        return found

    def linear(self, layer: SavedLayer, value: _Value) -> _Value:
        """Translate a dense layer or a convolution, with what is in front of it and behind it."""
        import qkeras

        kernel, bias = quantized_weights(layer)
        reason = "its kernel has no quantizer" if layer.config.get("kernel_quantizer") is None else ""
        if value.pending is not None:
            kernel, bias = absorb(kernel, bias, value.pending, layer)
            reason = f"{value.pending.origin} scales its inputs by other numbers than powers of two"
        if layer.name in self.merged:
            after = normalization(self.merged[layer.name])
            kernel = kernel * after.scale
            bias = after.offset if bias is None else bias * after.scale + after.offset
            reason = f"{after.origin} scales its outputs by other numbers than powers of two"
        kernel, kernel_type = self._fixed(kernel, f"{layer.name}, kernel", reason)
        settings: dict[str, Any] = {"kernel_quantizer": quantizer_text(kernel_type), "use_bias": bias is not None}
        if bias is not None:
            bias, bias_type = self._fixed(bias, f"{layer.name}, bias", reason or "it has no quantizer")
            settings["bias_quantizer"] = quantizer_text(bias_type)
        name = self._name(layer.name)
        if kernel.ndim == 2:
            built = qkeras.QDense(kernel.shape[-1], name=name, **settings)
        else:
            built = qkeras.QConv2D(kernel.shape[-1], kernel.shape[:2], name=name, **settings, **_conv(layer))
        tensor = built(value.tensor)
        built.kernel.assign(kernel.astype(np.float32))
        if bias is not None:
            built.bias.assign(bias.astype(np.float32))
        return self.activation(layer, _Value(tensor))

    def _fixed(self, values: Any, where: str, reason: str) -> tuple[Any, FixedType]:
        """Return weights in fixed point and remember when they were rounded."""
        found, fixed = fixed_point(values, where, self.options.round_bits, reason or "its values are not fixed point")
        if not np.array_equal(found, values):
            self.rounded.append(where)
        return found, fixed

    def activation(self, layer: SavedLayer, value: _Value) -> _Value:
        """Translate the property `activation` of a layer, which may be fused into it."""
        import keras
        import qkeras

        given, plain = layer.config.get("activation"), self.options.activation
        fused = layer.kind not in ("QActivation", "Activation", "ReLU")
        name = self._name(layer.name, "_activation" if fused else "") if given not in (None, "linear") else ""
        if given == "relu" and plain is None:
            _positive(layer, value)
            return _Value(keras.layers.Activation("relu", name=name)(value.tensor), value.pending)
        quantizer = None if given == "relu" else read_quantizer(given, f"{layer.name}, activation")
        fixed = plain if given == "relu" else None if quantizer is None else quantizer.fixed_type(layer.name)
        if fixed is None:
            return value
        text = activation_text(fixed, -_shift(layer, value))
        return _Value(qkeras.QActivation(_quantizer(text, layer.name), name=name)(value.tensor), value.pending)

    def rectifier(self, layer: SavedLayer, value: _Value) -> _Value:
        """Translate a ReLU layer."""
        for key, plain in (("max_value", None), ("negative_slope", 0.0), ("threshold", 0.0)):
            if layer.config.get(key, plain) not in (plain, None):
                raise ConfigurationError(f"layer {layer.name}: {key}={layer.config[key]}; expected {plain}.")
        return self.activation(SavedLayer(layer.name, layer.kind, {"activation": "relu"}, layer.sources), value)

    def normalize(self, layer: SavedLayer, value: _Value) -> _Value:
        """Translate a batch normalization in front of a linear layer: that layer does it."""
        after = normalization(layer)
        if value.pending is not None:
            offset = after.scale * value.pending.offset + after.offset
            after = Affine(after.scale * value.pending.scale, offset, layer.name)
        return _Value(value.tensor, after)

    def pool(self, layer: SavedLayer, value: _Value) -> _Value:
        """Translate an average over rows: a sum, and a scale for the next linear layer."""
        from l1ad.networks.layers import SumPooling

        rows, columns = layer.config["pool_size"]
        strides = layer.config.get("strides") or [rows, columns]
        if columns != 1 or list(strides) != [rows, 1] or value.tensor.shape[1] % rows:
            raise ConfigurationError(
                f"layer {layer.name}: pool_size={[rows, columns]}, strides={list(strides)} over "
                f"{value.tensor.shape[1]} rows; expected whole groups of rows."
            )
        before = value.pending or Affine(np.asarray(1.0), np.asarray(0.0), layer.name)
        pending = Affine(before.scale / rows, before.offset, layer.name)
        return _Value(SumPooling(rows, name=self._name(layer.name))(value.tensor), pending)

    def pad(self, layer: SavedLayer, value: _Value) -> _Value:
        """Translate a padding with zeros."""
        import keras

        if value.pending is not None and np.any(value.pending.offset != 0):
            raise ConfigurationError(
                f"layer {value.pending.origin}: its offset cannot pass {layer.name}, which pads with zeros. "
                "Put the normalization behind the convolution."
            )
        padding = tuple(tuple(side) for side in layer.config["padding"])
        return _Value(keras.layers.ZeroPadding2D(padding, name=self._name(layer.name))(value.tensor), value.pending)

    def flatten(self, layer: SavedLayer, value: _Value) -> _Value:
        """Translate a Flatten; the scale of a channel becomes that of its values."""
        import keras

        pending, channels = value.pending, value.tensor.shape[-1]
        if pending is not None and pending.scale.size > 1:
            times = int(np.prod(value.tensor.shape[1:])) // channels
            pending = Affine(
                np.tile(pending.scale, times), np.tile(np.broadcast_to(pending.offset, channels), times), pending.origin
            )
        return _Value(keras.layers.Flatten(name=self._name(layer.name))(value.tensor), pending)

    def idle(self, layer: SavedLayer, value: _Value) -> _Value:
        """Leave out a layer that does nothing in inference."""
        del layer
        return value


def _conv(layer: SavedLayer) -> dict[str, Any]:
    """Return the properties of a convolution, after a look at those that firmware has in one value only."""
    for key, plain in (("dilation_rate", [1, 1]), ("groups", 1), ("data_format", "channels_last")):
        value = layer.config.get(key, plain)
        if (list(value) if isinstance(value, tuple | list) else value) != plain:
            raise ConfigurationError(f"layer {layer.name}: {key}={value}; expected {plain}.")
    return {"padding": layer.config.get("padding", "valid"), "strides": tuple(layer.config.get("strides", (1, 1)))}


def _shift(layer: SavedLayer, value: _Value) -> int:
    """Return the power of two that stands in front of a quantizer."""
    if value.pending is None:
        return 0
    if value.pending.shift is None:
        raise ConfigurationError(
            f"layer {layer.name}: quantizes what {value.pending.origin} scales by other numbers than powers of two. "
            "Average over 2 or 4 rows, or sum, and put a normalization behind a linear layer."
        )
    return value.pending.shift


def _positive(layer: SavedLayer, value: _Value) -> None:
    """Refuse a rectifier behind an offset or a negative scale, which would have to come first."""
    pending = value.pending
    if pending is not None and (np.any(pending.offset != 0) or np.any(pending.scale < 0)):
        raise ConfigurationError(
            f"layer {layer.name}: rectifies what {pending.origin} shifts. Put the normalization behind a linear layer."
        )


def _quantizer(text: str, where: str) -> Any:
    """Return the quantizer of QKeras that `text` describes."""
    from l1ad.networks.qkeras_frontend import make_quantizer

    return make_quantizer(text, f"layer {where}")


def translate(saved: SavedModel, options: ImportOptions | None = None) -> ImportedNetwork:
    """Rebuild a saved model from the layers that firmware can have.

    Parameters
    ----------
    saved : SavedModel
        What `read_model_file` returned.
    options : ImportOptions, optional
        By default nothing is rounded.

    Raises
    ------
    ConfigurationError
        When a layer or a property cannot be reproduced; both are named.
    """
    if len(saved.inputs) != 1:
        raise ConfigurationError(f"{saved.path}: has {len(saved.inputs)} inputs; expected one.")
    return _Builder(saved, options or ImportOptions()).build()


_RULES: dict[str, Callable[[_Builder, SavedLayer, _Value], _Value]] = {
    **dict.fromkeys(_LINEAR, _Builder.linear),
    **dict.fromkeys(_NORMALIZATIONS, _Builder.normalize),
    **dict.fromkeys(_IDLE, _Builder.idle),
    "QActivation": _Builder.activation,
    "Activation": _Builder.activation,
    "ReLU": _Builder.rectifier,
    "AveragePooling2D": _Builder.pool,
    "ZeroPadding2D": _Builder.pad,
    "Flatten": _Builder.flatten,
}
