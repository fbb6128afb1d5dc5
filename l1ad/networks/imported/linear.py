"""Weights of imported layers: quantized, folded with a batch normalization, and brought to fixed point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import ConfigurationError
from l1ad.networks.exact import exact_integers
from l1ad.networks.imported.model_file import SavedLayer
from l1ad.networks.imported.saved_quantizers import read_quantizer
from l1ad.records import FixedType

Floats = NDArray[np.float64]

#: Most bits of a weight, sign left out. Floats of a training need more; what a quantizer made does not.
_WEIGHT_BITS = 20


@dataclass(frozen=True)
class Affine:
    """A scale and an offset of every channel that the next linear layer has to absorb.

    Attributes
    ----------
    scale, offset : ndarray of float64, shape (channels,) or ()
        The value that the network means is scale * tensor + offset.
    origin : str
        The layer it comes from, for errors.
    """

    scale: Floats
    offset: Floats
    origin: str

    @property
    def shift(self) -> int | None:
        """The exponent when it is nothing but one power of two, else None."""
        first = self.scale.ravel()[0]
        mantissa, exponent = np.frexp(first)
        if mantissa != 0.5 or np.any(self.scale != first) or np.any(self.offset != 0):
            return None
        return int(exponent) - 1


def quantized_weights(layer: SavedLayer) -> tuple[Floats, Floats | None]:
    """Return kernel and bias of a layer after its quantizers, which QKeras computes.

    A QDenseBatchnorm folds its batch normalization into both before it quantizes (QKeras 0.9, qdense_batchnorm.py,
    inference: moving mean and variance in every folding mode).

    Raises
    ------
    ConfigurationError
        When a weight is absent or not finite, or a quantizer cannot be reproduced; layer and property are named.
    """
    kernel = _weight(layer, "kernel")
    bias = _weight(layer, "bias") if layer.config.get("use_bias", True) else None
    if layer.kind.endswith("Batchnorm"):
        kernel, bias = _folded(layer, kernel, bias)
    return _quantized(layer, "kernel", kernel), None if bias is None else _quantized(layer, "bias", bias)


def _quantized(layer: SavedLayer, name: str, values: NDArray[np.float32]) -> Floats:
    """Return a weight after its quantizer, or as it is when it has none."""
    quantizer = read_quantizer(layer.config.get(f"{name}_quantizer"), f"{layer.name}, {name}_quantizer")
    return np.asarray(values if quantizer is None else quantizer.values(values), dtype=np.float64)


def _weight(layer: SavedLayer, name: str) -> NDArray[np.float32]:
    """Return a weight of the file."""
    if name not in layer.weights:
        raise ConfigurationError(f"layer {layer.name}: the file holds no {name} of it. Save the whole model again.")
    if not np.isfinite(layer.weights[name]).all():
        raise ConfigurationError(f"layer {layer.name}: its {name} holds a value that is not finite.")
    return layer.weights[name]


def _folded(
    layer: SavedLayer, kernel: NDArray[np.float32], bias: NDArray[np.float32] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return kernel and bias with the batch normalization folded in, in float32 and in the order of QKeras."""
    mean, variance = _weight(layer, "moving_mean"), _weight(layer, "moving_variance")
    inverse = np.float32(1.0) / np.sqrt(variance + np.float32(layer.config.get("epsilon", 1e-3)))
    if layer.config.get("scale", True):
        inverse = inverse * _weight(layer, "gamma")
    start = np.zeros_like(mean) if bias is None else bias
    folded = inverse * (start - mean)
    if layer.config.get("center", True):
        folded = folded + _weight(layer, "beta")
    return (inverse * kernel).astype(np.float32), folded.astype(np.float32)


def normalization(layer: SavedLayer) -> Affine:
    """Return scale and offset of a batch normalization in inference, with its quantizers when it has them."""
    parts: dict[str, Floats] = {}
    for name, key in (
        ("gamma", "gamma_quantizer"),
        ("beta", "beta_quantizer"),
        ("moving_mean", "mean_quantizer"),
        ("moving_variance", "variance_quantizer"),
    ):
        if (name == "gamma" and not layer.config.get("scale", True)) or (
            name == "beta" and not layer.config.get("center", True)
        ):
            parts[name] = np.asarray(1.0 if name == "gamma" else 0.0)
            continue
        values = _weight(layer, name)
        quantizer = read_quantizer(layer.config.get(key), f"{layer.name}, {key}")
        parts[name] = np.asarray(values if quantizer is None else quantizer.values(values), dtype=np.float64)
    if layer.config.get("inverse_quantizer") is not None:
        raise ConfigurationError(
            f"layer {layer.name}: has an inverse_quantizer, which is not known here; leave it out."
        )
    scale = parts["gamma"] / np.sqrt(parts["moving_variance"] + layer.config.get("epsilon", 1e-3))
    return Affine(scale, parts["beta"] - parts["moving_mean"] * scale, layer.name)


def absorb(kernel: Floats, bias: Floats | None, affine: Affine, layer: SavedLayer) -> tuple[Floats, Floats | None]:
    """Return kernel and bias of a linear layer that also does the `affine` in front of it.

    Raises
    ------
    ConfigurationError
        When the layer pads its input, so the offset is not the same everywhere.
    """
    scale = np.broadcast_to(affine.scale, (kernel.shape[-2],))
    offset = np.broadcast_to(affine.offset, (kernel.shape[-2],))
    if offset.any():
        if layer.config.get("padding", "valid") != "valid":
            raise ConfigurationError(
                f"layer {affine.origin}: its offset cannot go into {layer.name}, which pads its input with zeros. "
                "Put the normalization behind the convolution."
            )
        added = (kernel * offset[:, None]).reshape(-1, kernel.shape[-1]).sum(axis=0)
        bias = added if bias is None else bias + added
    return kernel * scale[:, None], bias


def fixed_point(values: Floats, where: str, rounded_bits: int | None, reason: str) -> tuple[Floats, FixedType]:
    """Return `values` with the type that holds them, rounded when that is allowed.

    Parameters
    ----------
    values : ndarray of float64
    where : str
        Names layer and weight.
    rounded_bits : int or None
        Bits to which values without an exact binary form are rounded; None: they are refused.
    reason : str
        Why they may have none, for the error.

    Raises
    ------
    ConfigurationError
        When the values are not fixed point and may not be rounded.
    """
    try:
        raw, fixed = exact_integers(values, where, _WEIGHT_BITS)
    except ConfigurationError as error:
        if rounded_bits is None or not np.isfinite(values).all():
            raise ConfigurationError(
                f"layer {where}: {reason}, so it has no exact fixed-point form. Round it with --round BITS, and give "
                "--predictions to see what that changes."
            ) from error
        _, exponent = np.frexp(np.abs(values).max())
        fraction = rounded_bits - 1 - int(exponent)
        limit = 2 ** (rounded_bits - 1) - 1
        return fixed_point(np.clip(np.rint(values * 2.0**fraction), -limit, limit) * 2.0**-fraction, where, None, "")
    return np.asarray(raw * 2.0**-fixed.fraction), fixed


def quantizer_text(fixed: FixedType) -> str:
    """Return the signed quantizer of QKeras with a type of at least two bits.

    Examples
    --------
    >>> quantizer_text(FixedType(signed=True, width=6, integer=2))
    'quantized_bits(6,1,alpha=1)'
    """
    return f"quantized_bits({fixed.width},{fixed.integer - 1},alpha=1)"


def activation_text(fixed: FixedType, shift: int) -> str:
    """Return the quantizer of QKeras for a tensor whose values are ``2**shift`` times those that the type is for."""
    if fixed.signed:
        return f"quantized_bits({fixed.width},{fixed.integer - 1 + shift},alpha=1)"
    return f"quantized_relu({fixed.width},{fixed.integer + shift})"
