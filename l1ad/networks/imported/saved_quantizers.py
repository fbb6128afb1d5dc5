"""Quantizers as saved files describe them: a dictionary, a text such as ``quantized_bits(16,9,alpha=1)``, or nothing.

`integer` counts the bits left of the point without the sign in every version of QKeras; HGQ2's module of the same name
counts otherwise, and no file of its is read here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import ConfigurationError, nearest
from l1ad.networks.quantizers import quantizer_call
from l1ad.records import FixedType

#: Properties of each quantizer that change what it computes: name -> default of QKeras 0.9.
_PROPERTIES: dict[str, dict[str, Any]] = {
    "quantized_bits": {
        "bits": 8, "integer": 0, "symmetric": 0, "keep_negative": True, "alpha": None, "use_stochastic_rounding": False,
    },
    "quantized_relu": {
        "bits": 8, "integer": 0, "use_sigmoid": 0, "negative_slope": 0.0, "use_stochastic_rounding": False,
        "relu_upper_bound": None,
    },
    "quantized_po2": {
        "bits": 8, "max_value": None, "use_stochastic_rounding": False, "quadratic_approximation": False,
        "log2_rounding": "rnd",
    },
    "quantized_relu_po2": {
        "bits": 8, "max_value": None, "negative_slope": 0, "use_stochastic_rounding": False,
        "quadratic_approximation": False, "log2_rounding": "rnd",
    },
}  # fmt: skip

#: Properties that firmware can have in one value only, for every quantizer.
_FIXED: dict[str, tuple[Any, ...]] = {
    "alpha": (None, 1, 1.0, "1"),
    "use_stochastic_rounding": (False, 0),
    "use_sigmoid": (0, False),
    "negative_slope": (0, 0.0),
    "relu_upper_bound": (None,),
    "log2_rounding": ("rnd",),
}

#: Properties that say nothing about the values: how gradients pass and how variables are kept.
_SILENT: dict[str, tuple[Any, ...] | None] = {
    "qnoise_factor": (1, 1.0),
    "post_training_scale": (None,),
    "is_quantized_clip": (True,),
    "scale_axis": None,
    "var_name": None,
    "use_ste": None,
    "use_variables": None,
    "enable_bn_folding": None,
    "elements_per_scale": (None,),
    "min_po2_exponent": None,
    "max_po2_exponent": None,
}


#: Quantizers that may be written as a call, with the names of their arguments in QKeras's order.
_CALLS = {name: (*properties, *_SILENT) for name, properties in _PROPERTIES.items()}


@dataclass(frozen=True)
class SavedQuantizer:
    """A quantizer of QKeras: its name and the properties that change what it computes."""

    name: str
    properties: dict[str, Any]

    def values(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the quantizer makes of `weights`, computed by QKeras."""
        import qkeras

        quantizer = getattr(qkeras, self.name)(**self.properties)
        return np.asarray(quantizer(weights), dtype=np.float32)

    def fixed_type(self, where: str) -> FixedType:
        """Return the fixed-point type of values in the network, which firmware rounds and saturates.

        Raises
        ------
        ConfigurationError
            When they are not of one fixed-point type; `where` names the layer.
        """
        bits, integer = int(self.properties.get("bits", 8)), int(self.properties.get("integer", 0))
        if self.name == "quantized_relu":
            return FixedType(signed=False, width=bits, integer=integer)
        if self.name != "quantized_bits":
            raise ConfigurationError(
                f"layer {where}: its activation is {self.name}, whose values are powers of two; firmware has "
                "fixed point there. Use quantized_bits or quantized_relu and train again."
            )
        signed = bool(self.properties.get("keep_negative", True))
        if self.properties.get("symmetric") and signed:
            raise ConfigurationError(
                f"layer {where}: its activation has symmetric=1; firmware keeps the most negative value. "
                "Use symmetric=0 and train again."
            )
        if signed and bits == 1:
            raise ConfigurationError(f"layer {where}: one signed bit is the sign function in QKeras; use 2 bits.")
        return FixedType(signed=signed, width=bits, integer=integer + int(signed))


def read_quantizer(value: Any, where: str) -> SavedQuantizer | None:
    """Return the quantizer that a file describes; None for ``linear`` and for nothing.

    Parameters
    ----------
    value : dict, str or None
        What stands in the file.
    where : str
        Names layer and property in errors.

    Raises
    ------
    ConfigurationError
        When the quantizer is not known, or has a property that firmware cannot reproduce.
    """
    if value is None or value == "linear":
        return None
    if isinstance(value, str):
        name, properties = quantizer_call(value, where, _CALLS)
    elif isinstance(value, dict) and isinstance(value.get("config"), dict):
        name, properties = str(value.get("class_name")).removeprefix("qkeras>"), dict(value["config"])
    else:
        raise ConfigurationError(f"layer {where}: {value!r} is not a quantizer.")
    if name not in _PROPERTIES:
        raise ConfigurationError(f"layer {where}: the quantizer {name} is not known. {nearest(name, _PROPERTIES)}")
    return SavedQuantizer(name, _checked(name, properties, where))


def _checked(name: str, properties: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the properties that matter, with those absent at their defaults."""
    known = _PROPERTIES[name]
    for key, value in properties.items():
        if key in _SILENT and key not in known:
            allowed = _SILENT[key]
        elif key in known:
            allowed = _FIXED.get(key)
        else:
            raise ConfigurationError(f"layer {where}: {name} has the unknown property {key}={value!r}.")
        if allowed is not None and value not in allowed:
            raise ConfigurationError(
                f"layer {where}: {name} has {key}={value!r}, which firmware cannot do; expected {allowed[0]!r}. "
                "Change it, train again and save the model."
            )
    found = {key: properties.get(key, default) for key, default in known.items()}
    return found | ({"alpha": 1} if name == "quantized_bits" else {})
