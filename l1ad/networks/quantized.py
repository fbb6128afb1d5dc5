"""What the layers of the quantization libraries hold, as integers: the one place that tells the libraries apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.records import FixedType


def library(layer: Any) -> str:
    """Return the top-level module of the class of `layer`: ``qkeras``, ``hgq``, ``keras`` or ``l1ad``."""
    return type(layer).__module__.partition(".")[0]


def integer_weights(layer: Any) -> dict[str, tuple[NDArray[np.int64], FixedType]]:
    """Return kernel and bias of a quantized layer as raw integers with their types; empty without any.

    Raises
    ------
    ConfigurationError
        When firmware cannot reproduce a quantizer; the layer is named.
    """
    if library(layer) == "hgq":
        from l1ad.networks import hgq_frontend

        return hgq_frontend.integer_weights(layer)
    if library(layer) == "qkeras":
        from l1ad.networks import qkeras_frontend

        return qkeras_frontend.integer_weights(layer)
    return {}


def quantizes_output(layer: Any) -> bool:
    """Return whether `layer` does nothing but bring values to a fixed-point type."""
    return (library(layer), type(layer).__name__) in (("qkeras", "QActivation"), ("hgq", "Quantizer"))


def output_type(layer: Any) -> FixedType:
    """Return the fixed-point type of a layer for which `quantizes_output` holds.

    Raises
    ------
    ConfigurationError
        When firmware cannot reproduce the quantizer; the layer is named.
    """
    if library(layer) == "hgq":
        from l1ad.networks import hgq_frontend

        return hgq_frontend.quantizer_type(layer, layer.name)
    from l1ad.networks import qkeras_frontend

    return qkeras_frontend.quantizer_type(layer.activation, layer.name)


def input_type(layer: Any) -> FixedType | None:
    """Return the type to which a layer brings its inputs before it does anything else; None when it does not.

    Layers of HGQ2 have a quantizer in front.
    """
    if library(layer) != "hgq" or not getattr(layer, "enable_iq", False):
        return None
    from l1ad.networks import hgq_frontend

    return hgq_frontend.quantizer_type(layer.iq, layer.name)


def input_elements(
    layer: Any,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]] | None:
    """Return the bits left and right of the point of each input of a layer, and whether it has any; None without.

    Layers of HGQ2 have a type for each. The sign is not counted.
    """
    if library(layer) != "hgq" or not getattr(layer, "enable_iq", False):
        return None
    from l1ad.networks import hgq_frontend

    return hgq_frontend.element_bits(layer.iq)


def own_variables(layer: Any) -> list[Any]:
    """Return the weights of a layer without the bit widths that HGQ2 learns beside them."""
    if library(layer) != "hgq":
        return list(layer.weights)
    return [v for v in (getattr(layer, "kernel", None), getattr(layer, "bias", None)) if v is not None]


def bit_operations(model: Any) -> int:
    """Return the effective bit operations of the last training step, summed over the layers of HGQ2."""
    return sum(int(layer.ebops) for layer in model.layers if getattr(layer, "enable_ebops", False))


def copy_weights(source: Any, target: Any) -> None:
    """Give the layers of `target` kernel and bias of the layers of `source` that have the same names.

    Bit widths stay as they are. Layers without kernel and bias are left out.
    """
    for layer in target.layers:
        for name in ("kernel", "bias"):
            variable = getattr(layer, name, None)
            if variable is not None and hasattr(variable, "assign"):
                variable.assign(getattr(source.get_layer(layer.name), name))
