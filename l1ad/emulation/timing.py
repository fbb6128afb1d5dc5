"""Latency and initiation interval, measured by watching the output port of the simulated RTL."""

from __future__ import annotations

import numpy as np

from l1ad.emulation.rtl import RtlSimulation
from l1ad.emulation.vectors import Integers
from l1ad.errors import ToolError
from l1ad.records import Measurement
from l1ad.units import clocks_to_ns

#: Events whose transitions are watched for the latency.
LATENCY_EVENTS = 24
#: Transitions that must agree, at least.
MINIMUM_TRANSITIONS = 4
#: Events sent back to back for the initiation interval.
INTERVAL_EVENTS = 256
#: Longest latency looked for, in clocks.
LONGEST_LATENCY = 4096

_SHORTEST_HOLD = 64


def measure_latency(simulation: RtlSimulation, inputs: Integers) -> int:
    """Return the latency in clocks.

    An event is held until the output settles, then the next one is put on. The latency is the number of rising
    edges, the one that first samples the new event included, until the output shows the settled value of the new
    event and keeps it. 0 is logic without a register. Every transition that changes the output must give the same
    number.

    Parameters
    ----------
    simulation : RtlSimulation
        The compiled project.
    inputs : array of int64, shape (N, n_inputs)
        Raw integers; the first `LATENCY_EVENTS` are used.

    Raises
    ------
    ToolError
        When the output does not settle, too few transitions change it, or they do not agree.
    """
    hold = _SHORTEST_HOLD
    while hold <= 2 * LONGEST_LATENCY:
        events = inputs[:LATENCY_EVENTS]
        rows = simulation.clocks(events, interval=hold).reshape(len(events), hold, -1)
        found = _settling(rows)
        if found and max(found) <= hold // 2:
            return _agreed(found, simulation) if simulation.ports.clocked else 0
        if not found and hold > _SHORTEST_HOLD:
            break
        hold *= 4
    raise ToolError(
        f"{simulation.project.folder}: no latency up to {LONGEST_LATENCY} clocks explains the output. "
        "It does not settle, or it is the same for all events."
    )


def measure_interval(simulation: RtlSimulation, inputs: Integers, latency: int) -> int:
    """Return the initiation interval in clocks.

    Different events follow each other every 1, 2, ... clocks; the first spacing at which each gives, `latency`
    clocks later, the value that it gives when held alone is the initiation interval.

    Raises
    ------
    ToolError
        When no spacing below twice the latency and 16 clocks works.
    """
    events = inputs[:INTERVAL_EVENTS]
    hold = 2 * latency + 16
    alone = simulation.clocks(events, interval=hold)[hold - 1 :: hold]
    first = max(latency - 1, 0)
    for spacing in range(1, hold):
        rows = simulation.clocks(events, interval=spacing, flush=latency)
        if np.array_equal(rows[first::spacing][: len(events)], alone):
            return spacing
    raise ToolError(f"{simulation.project.folder}: no initiation interval below {hold} clocks works.")


def measure_timing(simulation: RtlSimulation, inputs: Integers) -> tuple[Measurement, ...]:
    """Return ``latency_clocks``, ``latency_ns`` and ``ii``, stage ``simulation``.

    Parameters
    ----------
    simulation : RtlSimulation
        The compiled project.
    inputs : array of int64, shape (N, n_inputs)
        Raw integers of events whose outputs change from one to the next.

    Raises
    ------
    ToolError
        When `measure_latency` or `measure_interval` finds no answer.
    """
    latency = measure_latency(simulation, inputs)
    interval = measure_interval(simulation, inputs, latency)
    clock_ns = simulation.project.record.clock_ns

    def line(name: str, value: float, unit: str, events: int) -> Measurement:
        source = f"{simulation.verilator}, {events} events"
        return Measurement(name, value, unit, "simulation", source)

    watched, sent = min(LATENCY_EVENTS, len(inputs)), min(INTERVAL_EVENTS, len(inputs))
    return (
        line("latency_clocks", latency, "clocks", watched),
        line("latency_ns", clocks_to_ns(latency, clock_ns), "ns", watched),
        line("ii", interval, "clocks", sent),
    )


def _settling(rows: Integers) -> list[int]:
    """Return, for every event whose settled output differs from the one before, the edges until it is settled."""
    settled = rows[:, -1, :]
    found = []
    for event in range(1, len(rows)):
        if np.array_equal(settled[event], settled[event - 1]):
            continue
        wrong = np.flatnonzero((rows[event] != settled[event]).any(axis=1))
        found.append(int(wrong[-1]) + 2 if len(wrong) else 1)
    return found


def _agreed(found: list[int], simulation: RtlSimulation) -> int:
    if len(found) < MINIMUM_TRANSITIONS:
        raise ToolError(
            f"{simulation.project.folder}: {len(found)} of the first {LATENCY_EVENTS} events change the output; "
            f"expected at least {MINIMUM_TRANSITIONS} to measure the latency. Give more events, or train longer."
        )
    if len(set(found)) > 1:
        raise ToolError(
            f"{simulation.project.folder}: the latency depends on the event: {min(found)} to {max(found)} clocks."
        )
    return found[0]
