"""Plain Keras layers: the float twin of a quantized network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from l1ad.config import NetworkConfig
from l1ad.networks.layers import Clip
from l1ad.networks.quantizers import parse_quantizer
from l1ad.records import FixedType


class FloatFrontend:
    """Builds the same architecture without quantization; the latent space keeps its range."""

    def __init__(
        self, config: NetworkConfig, input_type: FixedType | None = None, input_bits: Sequence[int] | None = None
    ) -> None:
        del input_type, input_bits
        self.config = config

    def dense(self, units: int, name: str, *, latent: bool = False) -> Any:
        """Return a Dense layer with bias."""
        del latent
        return keras.layers.Dense(units, name=name)

    def conv(
        self, filters: int, size: tuple[int, int], name: str, *, padding: str, strides: tuple[int, int] = (1, 1)
    ) -> Any:
        """Return a Conv2D layer without bias."""
        return keras.layers.Conv2D(filters, size, strides=strides, padding=padding, use_bias=False, name=name)

    def activation(self, name: str) -> Any:
        """Return a ReLU layer."""
        return keras.layers.ReLU(name=name)

    def latent(self, which: str) -> Any:
        """Return a layer that clips to the range of the configured type, which belongs to the score."""
        fixed = parse_quantizer(getattr(self.config, which), f"network.{which}").fixed_type
        unit = 2.0**-fixed.fraction
        return Clip(fixed.minimum * unit, fixed.maximum * unit, name=which)

    def integer_weights(self, layer: Any) -> dict[str, tuple[NDArray[np.int64], FixedType]]:
        """Return nothing: float weights are not integers."""
        del layer
        return {}
