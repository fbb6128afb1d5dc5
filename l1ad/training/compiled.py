"""Compiles a model for one phase: the optimizer that its weights need, and what a bit costs."""

from __future__ import annotations

from typing import Any

from l1ad.config import RunConfig
from l1ad.networks.averaging import AveragingAdam
from l1ad.networks.learned_bits import Price, WidthAdam
from l1ad.training.loop import Phase


def learns_widths(config: RunConfig, phase: Phase) -> bool:
    """Return whether the bit widths of a network are trained in a phase."""
    return phase.name.startswith("quantized") and config.network.frontend == "hgq"


def price_of(config: RunConfig, phase: Phase, events: int) -> Price:
    """Return what a bit operation costs in a phase of so many training events."""
    options = config.quantization
    steps = events // config.training.batch_size * phase.epochs * options.ramp
    return Price(options.beta, options.beta_start, max(int(steps), 1), options.bit_operations)


def price_key(config: RunConfig, phase: Phase) -> dict[str, Any]:
    """Return what a digest of the phase needs besides network and training; empty where no width is learned."""
    return {"quantization": config.quantization.model_dump(mode="json")} if learns_widths(config, phase) else {}


def compile_phase(model: Any, config: RunConfig, phase: Phase) -> None:
    """Compile `model` for a phase, with Adam and amsgrad as in arXiv:2108.03986 unless widths are learned."""
    options = config.training
    settings = {"average": options.average, "learning_rate": phase.learning_rate}
    if learns_widths(config, phase):
        optimizer: Any = WidthAdam(config.quantization.bit_learning_rate, **settings)
    else:
        optimizer = AveragingAdam(**settings, amsgrad=True)
    # Eight steps an execution keep Python out of the way of small networks.
    model.compile(optimizer=optimizer, jit_compile=options.xla, steps_per_execution=8)
