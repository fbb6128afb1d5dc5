"""Refuses a configuration that cannot be carried out, before anything is written."""

from __future__ import annotations

from l1ad.config import RunConfig
from l1ad.conversion.names import check_top
from l1ad.errors import ConfigurationError, DataError
from l1ad.hardware.budgets import limit_value
from l1ad.hardware.parts import resolve_part
from l1ad.hardware.trigger import check_thresholds
from l1ad.networks.network_score import network_score
from l1ad.networks.quantizers import parse_quantizer

_QUANTIZERS = (
    *("kernel", "bias", "activation", "latent_kernel"),
    *("mean", "log_variance", "reconstruction", "feature", "output"),
)


def check_config(config: RunConfig) -> None:
    """Check what the fields of a configuration mean: name of the firmware, part, limits, quantizers, score.

    Raises
    ------
    ConversionError
        When the name of the run is a word of C++ or Verilog.
    ConfigurationError
        When a part or a limit is not known, a quantizer has no exact firmware, or the score does not fit them.
    """
    if config.network.frontend != "float":
        check_top(config.name)
    part = resolve_part(config.conversion.part)
    for name, limit in config.synthesis.budget.model_dump().items():
        if limit is not None:
            limit_value(name, limit, part)
    for field in _QUANTIZERS:
        parse_quantizer(getattr(config.network, field), f"network.{field}")
    spec = network_score(config)
    hls = not {"vitis", "vivado"}.isdisjoint(config.conversion.backends)
    if config.network.reconstructs and hls and config.conversion.io_type != "io_parallel":
        raise ConfigurationError(
            f"conversion.io_type: {config.conversion.io_type} cannot compare all inputs with all outputs of the "
            f"decoder at once, which the score of {config.network.architecture} does. Set io_parallel."
        )
    try:
        check_thresholds(config.conversion.thresholds, spec.score)
    except DataError as error:
        raise ConfigurationError(f"conversion.thresholds: {error}") from error
