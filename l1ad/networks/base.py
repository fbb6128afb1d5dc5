"""SEAM 1: a frontend builds the layers of an architecture and reads their weights back as integers."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from l1ad.config import NetworkConfig
from l1ad.errors import ConfigurationError, ToolMissingError, nearest
from l1ad.provenance import library_version
from l1ad.records import FixedType

#: Built-in frontends: name -> (module, class, distribution that it needs besides Keras, how to get it).
FRONTENDS = {
    "qkeras": ("l1ad.networks.qkeras_frontend", "QKerasFrontend", "qkeras-v3", "uv sync --extra qkeras"),
    "hgq": ("l1ad.networks.hgq_frontend", "HgqFrontend", "hgq2", "VENV=.venv-hgq EXTRA=hgq make setup"),
    "float": ("l1ad.networks.float_frontend", "FloatFrontend", None, "uv sync"),
}


class Frontend(Protocol):
    """What an architecture needs from a quantization library.

    Layers are built in the order of the network: a layer reads the inputs, or what was built last of `activation` and
    `latent`.
    """

    def dense(self, units: int, name: str, *, latent: bool = False) -> Any:
        """Return a dense layer with bias; `latent` selects the kernel quantizer of the latent layers."""

    def conv(
        self, filters: int, size: tuple[int, int], name: str, *, padding: str, strides: tuple[int, int] = (1, 1)
    ) -> Any:
        """Return a two-dimensional convolution without bias."""

    def activation(self, name: str) -> Any:
        """Return the rectifier of the hidden layers."""

    def latent(self, which: str) -> Any:
        """Return the layer that brings ``mean``, ``reconstruction``, ``feature`` or another output to its type."""

    def integer_weights(self, layer: Any) -> dict[str, tuple[NDArray[np.int64], FixedType]]:
        """Return kernel and bias of `layer` as raw integers with their types; empty without quantized weights."""


def load_frontend(
    config: NetworkConfig, input_type: FixedType | None = None, input_bits: Sequence[int] | None = None
) -> Frontend:
    """Return the frontend that the configuration names.

    Parameters
    ----------
    config : NetworkConfig
    input_type : FixedType, optional
        Type of the network's inputs; learned bit widths begin with it.
    input_bits : sequence of int, length 57, optional
        Bits left of the point, without the sign, that each input needs; learned bit widths keep them.

    Raises
    ------
    ConfigurationError
        When no such frontend exists.
    ToolMissingError
        When its library is not installed.
    """
    if config.frontend not in FRONTENDS:
        raise ConfigurationError(f"network.frontend: {config.frontend!r}. {nearest(config.frontend, FRONTENDS)}")
    module, name, distribution, remedy = FRONTENDS[config.frontend]
    # Asked by distribution: hgq2 also brings a module qkeras, which is another library.
    if distribution is not None and library_version(distribution) is None:
        raise ToolMissingError(
            f"network.frontend {config.frontend!r} needs the library {distribution!r}, which is not installed. "
            f"Get it with: {remedy}"
        )
    frontend: Frontend = getattr(importlib.import_module(module), name)(config, input_type, input_bits)
    return frontend
