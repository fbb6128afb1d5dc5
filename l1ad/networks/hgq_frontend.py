"""Quantized layers with learned bit widths by HGQ2 (arXiv:2405.00645), through its native interface.

HGQ2 also brings a module ``qkeras``. It is never imported here: its import changes ``hgq.layers`` in place, and its
``quantized_bits(4, 0)`` has 32 levels where QKeras has 16.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from hgq.config import QuantizerConfig
from hgq.constraints import MinMax
from hgq.layers import QConv2D, QDense
from hgq.quantizer import Quantizer
from hgq.regularizers import MonoL1
from numpy.typing import NDArray

from l1ad.config import NetworkConfig
from l1ad.errors import ConfigurationError
from l1ad.networks.event_shape import QUANTITIES, ROWS
from l1ad.networks.exact import exact_integers
from l1ad.networks.quantizers import QUANTIZER_FIELDS, parse_quantizer
from l1ad.networks.region_networks import REGION_INPUT
from l1ad.records import FixedType

#: Every layer adds its effective bit operations times this to its losses; `LearnedBits` gives them their weight.
_UNIT_BETA = 1.0

#: Pressure on each bit beside its effective bit operations: without it, bits that no operation sees never shrink.
_BIT_PRESSURE = MonoL1(1e-3)

#: The widest input type that the configuration allows; what no input reaches costs no logic.
_WIDEST_INPUT = FixedType(signed=True, width=18, integer=18)


class HgqFrontend:
    """Builds QDense and QConv2D layers of HGQ2 whose weights and inputs have one learned width an element.

    The quantizers of the configuration are where the learning starts. Inputs of the network keep their range, so
    that no event can wrap; hidden values saturate, as those of QKeras do. Both are cut, not rounded.

    Parameters
    ----------
    config : NetworkConfig
        One frontend builds one network, in order: the first layer quantizes the inputs, the others quantize rectified
        values, or latent variables and features where those were built last.
    input_type : FixedType, optional
        Type of the network's inputs; by default the widest.
    input_bits : sequence of int, one for each input, optional
        Bits left of the point, without the sign, that each input needs; by default those of `input_type`.
    """

    def __init__(
        self, config: NetworkConfig, input_type: FixedType | None = None, input_bits: Sequence[int] | None = None
    ) -> None:
        self.config = config
        self._input_type = input_type or _WIDEST_INPUT
        self._shape = REGION_INPUT if config.regresses else (ROWS, QUANTITIES)
        whole = self._input_type.integer - int(self._input_type.signed)
        self._input_bits = np.reshape(input_bits or [whole] * math.prod(self._shape), self._shape)
        #: What the next layer reads: ``inputs``, or the field of the configuration that has the type of the values.
        self._source = "inputs"
        self._types = {
            field: parse_quantizer(getattr(config, field), f"network.{field}").fixed_type for field in QUANTIZER_FIELDS
        }

    def dense(self, units: int, name: str, *, latent: bool = False) -> Any:
        """Return a QDense layer with bias."""
        kernel = self._types["latent_kernel" if latent else "kernel"]
        return QDense(
            units,
            kq_conf=_weight(kernel),
            bq_conf=_weight(self._types["bias"]),
            iq_conf=self._quantizer(self._input_bits.ravel()),
            beta0=_UNIT_BETA,
            name=name,
        )

    def conv(
        self, filters: int, size: tuple[int, int], name: str, *, padding: str, strides: tuple[int, int] = (1, 1)
    ) -> Any:
        """Return a QConv2D layer without bias. Positions share the weights, but not the widths of their inputs."""
        # Padded rows of objects are of no object, so a quantity has the bits of its largest.
        bits = self._input_bits if self.config.regresses else self._input_bits.max(axis=0)[:, None]
        return QConv2D(
            filters,
            size,
            strides=strides,
            padding=padding,
            use_bias=False,
            kq_conf=_weight(self._types["kernel"]),
            iq_conf=self._quantizer(bits),
            beta0=_UNIT_BETA,
            name=name,
        )

    def activation(self, name: str) -> Any:
        """Return a rectifier; the layer behind it quantizes."""
        self._source = "activation"
        # Not keras.layers.ReLU: hls4ml 1.3.0 makes a threshold of it that lets negative values pass.
        return keras.layers.Activation("relu", name=name)

    def latent(self, which: str) -> Any:
        """Return the quantizer that brings outputs of the network, or latent variables, to the type that is given."""
        fixed = self._types[which]
        sign = int(fixed.signed)
        self._source = which
        return Quantizer(
            QuantizerConfig(
                "kif",
                "datalane",
                k0=sign,
                i0=fixed.integer - sign,
                f0=fixed.fraction,
                round_mode="TRN",
                overflow_mode="SAT",
                homogeneous_axis=None,
                heterogeneous_axis=(),
                trainable=False,
                **_free("ic", "fc", "ir", "fr"),
            ),
            name=which,
        )

    def integer_weights(self, layer: Any) -> dict[str, tuple[NDArray[np.int64], FixedType]]:
        """Return kernel and bias of a layer of HGQ2 as raw integers with their types."""
        return integer_weights(layer)

    def _quantizer(self, input_bits: NDArray[np.int64]) -> QuantizerConfig:
        """Return the quantizer in front of a layer that reads the inputs, rectified values, latent ones or features.

        It drops bits: rounding would cost an adder for each value, and the bias behind it learns the half.
        """
        if self._source != "inputs":
            fixed = self._types[self._source]
            sign = int(fixed.signed)
            return QuantizerConfig(
                "kif",
                "datalane",
                k0=sign,
                i0=fixed.integer - sign,
                f0=fixed.fraction,
                round_mode="TRN",
                overflow_mode="SAT",
                ic=MinMax(-8, 12),
                fc=MinMax(-8, 12),
                ir=_BIT_PRESSURE,
                fr=_BIT_PRESSURE,
            )
        return QuantizerConfig(
            "kif",
            "datalane",
            k0=int(self._input_type.signed),
            i0=keras.initializers.Constant(input_bits.tolist()),
            f0=self._input_type.fraction,
            round_mode="TRN",
            overflow_mode="WRAP",
            i_decay_speed=0.0,
            # One bit of each input stays. Without any, HGQ2 gives -1 for negative inputs in training and 0 later.
            fc=MinMax(-int(np.min(input_bits)), self._input_type.fraction),
            ic=None,
            ir=None,
            fr=_BIT_PRESSURE,
        )


def _free(*names: str) -> dict[str, None]:
    """Return that the named constraints and regularizers are absent."""
    return dict.fromkeys(names)


def _weight(fixed: FixedType) -> QuantizerConfig:
    """Return the quantizer of weights, one learned width each, starting at `fixed`."""
    return QuantizerConfig(
        "kbi",
        "weight",
        k0=1,
        b0=fixed.width - 1,
        i0=fixed.integer - 1,
        round_mode="RND",
        overflow_mode="SAT_SYM",
        bc=MinMax(0, 12),
        ic=MinMax(-12, 8),
        br=_BIT_PRESSURE,
        ir=None,
    )


def integer_weights(layer: Any) -> dict[str, tuple[NDArray[np.int64], FixedType]]:
    """Return kernel and bias of a layer of HGQ2 as raw integers, each with the narrowest type that holds all of it."""
    found = {}
    for name in ("kernel", "bias"):
        if getattr(layer, name, None) is not None and hasattr(layer, f"q{name}"):
            values = keras.ops.convert_to_numpy(getattr(layer, f"q{name}"))
            found[name] = exact_integers(values, f"{layer.name}, {name}")
    return found


def quantizer_type(quantizer: Any, where: str) -> FixedType:
    """Return the type of a quantizer of HGQ2, or the narrowest that holds those of all its elements.

    Raises
    ------
    ConfigurationError
        When firmware cannot reproduce the quantizer; `where` names the layer.
    """
    inner = quantizer.quantizer
    if quantizer.scaler is not None or quantizer.affine is not None or not hasattr(inner, "kif"):
        raise ConfigurationError(f"layer {where}: a quantizer with a scale or of floating point; use fixed point.")
    keep, integer, fraction = _kif(quantizer)
    alive = keep + integer + fraction > 0
    if not alive.any():
        return FixedType(signed=False, width=1, integer=1)
    sign, whole, parts = (int(bits[alive].max()) for bits in (keep, integer, fraction))
    return FixedType(signed=bool(sign), width=sign + whole + parts, integer=sign + whole)


def element_bits(quantizer: Any) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return the bits left and right of the point of every element, flattened, and whether it has any bit."""
    keep, integer, fraction = (bits.ravel() for bits in _kif(quantizer))
    return integer, fraction, keep + integer + fraction > 0


def _kif(quantizer: Any) -> list[NDArray[np.int64]]:
    """Return sign, and bits left and right of the point, of every element."""
    bits = [np.asarray(keras.ops.convert_to_numpy(values)).astype(np.int64) for values in quantizer.quantizer.kif]
    return list(np.broadcast_arrays(*bits))
