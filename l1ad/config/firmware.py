"""Sections of the configuration behind the training: conversion, simulation, synthesis and its budget."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from l1ad.config.section import Section


class ConversionConfig(Section):
    """What firmware is written, and for which part and clock."""

    part: str = "xcvu9p"
    backends: tuple[Literal["vitis", "vivado", "verilog", "vhdl"], ...] = ("vitis", "verilog")
    clock_ns: float = Field(5.0, gt=0, description="target clock period; 5 ns is 200 MHz, as in arXiv:2108.03986")
    io_type: Literal["io_parallel", "io_stream"] = "io_parallel"
    strategy: Literal["latency", "resource", "distributed_arithmetic"] = Field(
        "latency",
        description="how hls4ml multiplies: unrolled; with reused multipliers and weights in memory; or by shifts and "
        "adders that the extra `da` finds. Verilog is always distributed arithmetic",
    )
    reuse_factor: int = Field(1, ge=1, description="resource: multiplications that share one multiplier")
    derating: float = Field(
        1.3, ge=1, description="clock period over the delay that the RTL generator's model may put in one stage"
    )
    extra_adder_levels: int | None = Field(
        2,
        ge=0,
        description="verilog, vhdl: levels of adders that a product by constants may take beyond the fewest possible; "
        "fewer shorten the latency and cost LUTs; null: any number",
    )
    thresholds: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        (), max_length=5, description="raw thresholds that the trigger's top level has after a reset; others are off"
    )

    @model_validator(mode="after")
    def _check(self) -> ConversionConfig:
        if self.reuse_factor > 1 and self.strategy != "resource":
            raise ValueError(
                f"reuse_factor ({self.reuse_factor}) above 1 needs strategy: resource, not {self.strategy}"
            )
        return self


class EmulationConfig(Section):
    """How much is simulated."""

    events: int = Field(20_000, gt=0)
    control_events: int = Field(2_000, gt=0, description="events that a negative control sees")


class BudgetConfig(Section):
    """Limits. Each is a number, or a text such as ``5 %`` of the part."""

    latency_ns: float | None = 100.0
    ii: float | None = 1.0
    lut: float | str | None = "5 %"
    ff: float | str | None = "2 %"
    dsp: float | str | None = 0.0
    bram: float | str | None = 0.0


class SynthesisConfig(Section):
    """Resource estimates without a licence."""

    workers: int = Field(0, ge=0, description="processes; 0: one a core")
    netlist: bool = Field(True, description="keep what Yosys mapped, simulate it and compare every integer")
    budget: BudgetConfig = BudgetConfig()
