"""Test bench of the trigger's top level in cocotb: bunch crossings back to back, with gaps, and with resets.

The folder in the variable L1AD_BENCH holds ``words.txt``, one event a line in hexadecimal digits, and for each way
``<way>.txt`` with one clock a line: event, valid, reset, write, address, data, and what has to stand at the outputs
after the rising edge: valid, score, accept, fire, error.
"""

from __future__ import annotations

import os
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

FOLDER = Path(os.environ["L1AD_BENCH"])
OUTPUTS = ("out_valid", "score", "accept", "fire", "cfg_error")
PERIOD_NS = 4


async def play(dut, way: str) -> None:
    """Put the clocks of a file on the ports at falling edges and compare the outputs at the next one."""
    words = [int(line, 16) for line in (FOLDER / "words.txt").read_text().split()]
    lines = (FOLDER / f"{way}.txt").read_text().splitlines()
    cocotb.start_soon(Clock(dut.clk, PERIOD_NS, unit="ns").start())
    await FallingEdge(dut.clk)
    decisions = 0
    for clock, line in enumerate(lines):
        event, valid, reset, write, address, data, *expected = map(int, line.split())
        dut.words.value = words[event]
        dut.in_valid.value = valid
        dut.rst.value = reset
        dut.cfg_write.value = write
        dut.cfg_address.value = address
        dut.cfg_data.value = data
        await FallingEdge(dut.clk)
        found = [int(getattr(dut, name).value) for name in OUTPUTS]
        if found != expected:
            raise AssertionError(f"clock {clock}: expected {expected}, found {found} ({', '.join(OUTPUTS)})")
        decisions += found[0]
    if not decisions:
        raise AssertionError("no event left the trigger")
    dut._log.info("%s: %d clocks, %d decisions", way, len(lines), decisions)


@cocotb.test()
async def back_to_back(dut) -> None:
    """One event a clock: the initiation interval is 1."""
    await play(dut, "back_to_back")


@cocotb.test()
async def gaps(dut) -> None:
    """The valid flag is low in between while the lines hold other events."""
    await play(dut, "gaps")


@cocotb.test()
async def resets(dut) -> None:
    """A reset forgets the events in flight and restores the registers."""
    await play(dut, "resets")
