"""The synthesis tools that l1ad knows, by name. A tool is imported when it is asked for."""

from __future__ import annotations

import importlib

from l1ad.errors import ConfigurationError, nearest
from l1ad.synthesis.base import Synthesizer

#: Name -> module:class.
SYNTHESIZERS = {
    "yosys": "l1ad.synthesis.yosys:YosysSynthesizer",
    "vitis": "l1ad.synthesis.vendor.synthesizer:VitisSynthesizer",
    "vivado_hls": "l1ad.synthesis.vendor.synthesizer:VivadoHlsSynthesizer",
    "vivado": "l1ad.synthesis.vendor.synthesizer:VivadoSynthesizer",
}


def get_synthesizer(name: str, **options: object) -> Synthesizer:
    """Return the synthesizer called `name`.

    Parameters
    ----------
    name : str
        Key of `SYNTHESIZERS`.
    **options
        Fields of the tool's options, such as ``flat=True`` for Yosys.

    Raises
    ------
    ConfigurationError
        When no tool has that name, or an option is unknown or out of range.
    """
    if name not in SYNTHESIZERS:
        raise ConfigurationError(f"synthesis tool {name!r} is not known. {nearest(name, SYNTHESIZERS)}")
    module, _, attribute = SYNTHESIZERS[name].partition(":")
    synthesizer: Synthesizer = getattr(importlib.import_module(module), attribute)(**options)
    return synthesizer
