"""Names that people read for the names that records use."""

from __future__ import annotations

#: Signals of the ADC2021 data challenge (arXiv:2107.02157).
SIGNALS = {"Ato4l": "A → 4l", "LQbtau": "LQ → bτ", "htautau": "h⁰ → ττ", "hchtaunu": "h± → τν"}

SCORES = {
    "rz": "R_z",
    "mu2": "Σμ²",
    "kl": "KL",
    "reconstruction": "reconstruction error",
    "output": "output of the network",
    "feature_error": "squared error in feature space",
}

#: Rungs in the order of the ladder; the first is the reference.
RUNGS = {
    "keras": "Keras",
    "interpreter": "alkaid interpreter",
    "native": "native emulator",
    "csim": "HLS C-simulation",
    "rtl": "Verilator RTL simulation",
    "rtl_vhdl": "RTL simulation of the VHDL",
    "trigger": "trigger's top level, Verilator",
    "trigger_csim": "trigger's top level, HLS C-simulation",
    "netlist": "synthesized netlist",
}

#: Rungs that only some runs ask for: left out where they did not run.
OPTIONAL_RUNGS = frozenset({"rtl_vhdl"})

BACKENDS = {
    "vitis": "hls4ml, Vitis HLS",
    "vivado": "hls4ml, Vivado HLS",
    "verilog": "alkaid, Verilog",
    "vhdl": "alkaid, VHDL",
}

QUANTITIES = {
    "lut": "LUT",
    "ff": "FF",
    "dsp": "DSP",
    "bram": "BRAM",
    "uram": "URAM",
    "cost": "LUT cost",
    "latency_clocks": "Latency",
    "latency_ns": "Latency",
    "ii": "Initiation interval",
    "auc": "AUC",
    "tpr": "TPR",
    "rate_khz": "Trigger rate",
    "clock_ns": "Clock reached",
    "clock_target_ns": "Clock asked for",
    "clock_uncertainty_ns": "Clock uncertainty",
    "slack_ns": "Setup slack",
    "hold_slack_ns": "Hold slack",
    "pulse_slack_ns": "Pulse width slack",
    "total_slack_ns": "Total negative slack",
    "logic_ns": "Logic delay",
    "latency_min_clocks": "Shortest latency",
    "latency_min_ns": "Shortest latency",
    "ii_min": "Shortest initiation interval",
    "total_clocks": "Length of the co-simulation",
    "power_w": "Power",
    "power_dynamic_w": "Dynamic power",
    "power_static_w": "Static power",
    "junction_c": "Junction temperature",
    "carry": "Carry chains",
    "lutram": "LUT as memory",
    "srl": "LUT as shift register",
    "muxf": "Wide multiplexers",
}

#: Units that belong to quantities whose records write an empty unit.
UNITS = {"latency_clocks": "clocks", "ii": "clocks", "latency_ns": "ns"}

TRAINING = {
    "epochs": "Epochs",
    "best_epoch": "Best epoch",
    "best_validation_loss": "Best validation loss",
    "seconds": "Training time",
    "events_per_second": "Training throughput",
    "parameters": "Parameters",
    "stopped": "Stopped because",
    "train_events": "Training events",
    "validation_events": "Validation events",
}

TRAINING_UNITS = {"seconds": "s", "events_per_second": "events/s"}


def signal_name(signal: str) -> str:
    """Return how a signal is written for people.

    Examples
    --------
    >>> signal_name("LQbtau"), signal_name("other")
    ('LQ → bτ', 'other')
    """
    return SIGNALS.get(signal, signal)


def quantity_name(name: str) -> str:
    """Return how a quantity is written for people.

    Examples
    --------
    >>> quantity_name("lut"), quantity_name("logic_depth")
    ('LUT', 'Logic depth')
    """
    return QUANTITIES.get(name, plain_name(name))


def plain_name(name: str) -> str:
    """Return a field name as words: ``wall_time`` becomes ``Wall time``."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def unit_of(name: str, unit: str, value: float) -> str:
    """Return the unit of a quantity; `unit` is what the record says.

    Examples
    --------
    >>> unit_of("ii", "", 1.0), unit_of("latency_clocks", "clocks", 15.0)
    ('clock', 'clocks')
    """
    known = unit or UNITS.get(name, "")
    return "clock" if known == "clocks" and value == 1 else known
