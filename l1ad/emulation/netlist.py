"""Simulation of the synthesized netlist, primitive by primitive, 64 events in a word.

The pipeline of a network has no feedback: every path from the inputs to the outputs passes the same number of
registers, which is proved when the netlist is read. So a register passes its bit on, and the number is the latency.
Verilator simulates small netlists as well (`l1ad.emulation.netlist_verilog`); tests compare the two. Of 26,000 LUTs it
makes 28 MB of C++, which g++ needs three minutes of CPU time for even at -O0; this takes seconds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from l1ad.emulation.cells import Words, carry, choose, look_up
from l1ad.emulation.compare import compare
from l1ad.emulation.netlist_cells import HIGH, LOW, Cell, Netlist, read_cells
from l1ad.emulation.project import OpenProject
from l1ad.emulation.vectors import Integers, check_events
from l1ad.errors import DataError, ToolError
from l1ad.hardware.rtl_ports import INPUT_PORT, OUTPUT_PORT, SIGNALS, element_types
from l1ad.records import FixedType, NegativeControl, RungReport

_log = logging.getLogger(__name__)

#: Events whose nets are held at once: 87,000 nets take 45 MB.
CHUNK_EVENTS = 4096
#: Entries of LUTs that the control flips until one reaches the output: many cannot be addressed at all.
_TRIES = 32


@dataclass(frozen=True)
class NetlistSimulation:
    """A netlist and how the integers lie on its ports.

    Attributes
    ----------
    project : OpenProject
        The Verilog project that was mapped.
    netlist : Netlist
        Its primitives.
    inputs, outputs : tuple of FixedType
        Of the elements of the ports.
    """

    project: OpenProject
    netlist: Netlist
    inputs: tuple[FixedType, ...]
    outputs: tuple[FixedType, ...]

    def run(self, inputs: npt.ArrayLike) -> Integers:
        """Return the outputs of all events.

        Parameters
        ----------
        inputs : array_like of int, shape (N, n_inputs)
            Raw integers of the project's input type.

        Returns
        -------
        array of int64, shape (N, n_outputs)
            Raw integers of the project's output type.

        Raises
        ------
        DataError
            When an input does not fit.
        """
        record = self.project.record
        events = check_events(inputs, record.input_type, record.n_inputs, "inputs of the netlist")
        parts = [self.settle(events[first : first + CHUNK_EVENTS]) for first in range(0, len(events), CHUNK_EVENTS)]
        sizes = [min(CHUNK_EVENTS, len(events) - first) for first in range(0, len(events), CHUNK_EVENTS)]
        return np.concatenate([self.read(nets, size) for nets, size in zip(parts, sizes, strict=True)])

    def settle(self, events: Integers) -> list[Words | None]:
        """Return the value of every net, for events of the project's input type."""
        nets: list[Words | None] = [None] * self.netlist.nets
        bits = _packed(events, self.inputs, self.project.record.input_type)
        width = -(-len(events) // 64)
        nets[LOW], nets[HIGH] = np.zeros(width, np.uint64), ~np.zeros(width, np.uint64)
        for net, column in zip(self.netlist.inputs, bits, strict=True):
            nets[net] = column
        for cell in self.netlist.cells:
            _evaluate(cell, nets, cell.init)
        return nets

    def settle_flipped(self, nets: list[Words | None], place: int, bit: int) -> list[Words | None]:
        """Return the nets with one entry of one LUT flipped; only what depends on it is computed again.

        Parameters
        ----------
        nets : list of uint64 arrays
            What `settle` returned.
        place : int
            Index of the LUT in ``netlist.cells``.
        bit : int
            Entry of its INIT.
        """
        changed, found = set[int](), list(nets)
        for number in range(place, len(self.netlist.cells)):
            cell = self.netlist.cells[number]
            if number != place and changed.isdisjoint(cell.inputs):
                continue
            before = [found[net] for net in cell.outputs]
            _evaluate(cell, found, cell.init ^ (1 << bit if number == place else 0))
            changed.update(
                net
                for net, old in zip(cell.outputs, before, strict=True)
                if old is not None and not np.array_equal(_value(found, net), old)
            )
            if number == place and not changed:
                break
        return found

    def read(self, nets: list[Words | None], events: int) -> Integers:
        """Return the integers at the outputs, shape (events, n_outputs)."""
        columns, low = [], 0
        for fixed_type in self.outputs:
            raw = np.zeros(events, dtype=np.int64)
            for bit, net in enumerate(self.netlist.outputs[low : low + fixed_type.width]):
                raw |= _unpacked(_value(nets, net), events) << np.int64(bit)
            if fixed_type.signed:
                sign = np.int64(1) << np.int64(fixed_type.width - 1)
                raw = (raw ^ sign) - sign
            columns.append(raw << np.int64(self.project.record.output_type.fraction - fixed_type.fraction))
            low += fixed_type.width
        return np.stack(columns, axis=1)


def open_netlist(project: OpenProject, folder: Path) -> NetlistSimulation:
    """Read the netlist that the synthesis kept.

    Parameters
    ----------
    project : OpenProject
        The Verilog project that was mapped.
    folder : Path
        Folder with a ``.cells.json.gz`` file a module.

    Raises
    ------
    DataError
        When it is damaged, holds a primitive without a model, or is of another project.
    """
    record = project.record
    if SIGNALS in record.files:
        inputs, outputs = element_types(project.folder, record.n_inputs, record.n_outputs)
    else:
        inputs, outputs = [record.input_type] * record.n_inputs, [record.output_type] * record.n_outputs
    netlist = read_cells(folder, record.top, INPUT_PORT, OUTPUT_PORT)
    for types, nets, port in ((inputs, netlist.inputs, INPUT_PORT), (outputs, netlist.outputs, OUTPUT_PORT)):
        width = sum(item.width for item in types)
        if width != len(nets):
            raise DataError(f"{folder}: {port} has {len(nets)} bits; the project says {width}. Run: l1ad synth RUN")
    return NetlistSimulation(project, netlist, tuple(inputs), tuple(outputs))


def run_netlist(
    simulation: NetlistSimulation,
    inputs: Integers,
    expected: Integers,
    *,
    latency: int,
    control_events: int,
    progress: Callable[[str], None],
) -> RungReport:
    """Simulate the netlist on the vectors of the ladder and compare every integer.

    Parameters
    ----------
    simulation : NetlistSimulation
    inputs, expected : array of int64
        Raw integers of the events and of their outputs, which the RTL gives.
    latency : int
        Clocks from event to result, as measured on the RTL.
    control_events : int
        Events that the negative control sees.
    progress : callable
        Called with one line when a step begins.

    Raises
    ------
    ToolError
        When the netlist has another latency than the RTL.
    DataError
        When arrays do not fit together.
    """
    if simulation.netlist.latency != latency:
        raise ToolError(
            f"{simulation.project.folder}: the netlist has {simulation.netlist.latency} registers from event to "
            f"result; the RTL takes {latency} clocks."
        )
    progress(f"netlist: {simulation.netlist.count('LUT'):,} LUT, run")
    start = time.perf_counter()
    outputs = simulation.run(inputs)
    seconds = time.perf_counter() - start
    fixed_type = simulation.project.record.output_type
    found = compare(expected, outputs, fixed_type, fixed_type, "output")
    progress("netlist: negative control")
    control = control_netlist(simulation, inputs[:control_events])
    if found.difference is not None:
        _log.warning("netlist differs: %s", found.difference)
    return RungReport(
        rung="netlist",
        engine=f"l1ad, {len(simulation.netlist.cells):,} mapped cells, latency {latency} clocks",
        events=len(expected),
        equal_events=found.equal_events,
        events_per_second=len(expected) / seconds,
        first_difference=found.difference,
        control=control,
    )


def control_netlist(simulation: NetlistSimulation, inputs: Integers, seed: int = 1) -> NegativeControl:
    """Flip one entry of one LUT after the other until an output changes.

    Those without effect are counted by reason: no event addressed the entry, or other logic hid what it changed.

    Parameters
    ----------
    simulation : NetlistSimulation
    inputs : array of int64
        Raw integers of events.
    seed : int
        Of the choice of LUTs.

    Raises
    ------
    DataError
        When the netlist holds no LUT.
    """
    events = inputs[:CHUNK_EVENTS]
    luts = [place for place, cell in enumerate(simulation.netlist.cells) if cell.kind == "LUT"]
    if not luts:
        raise DataError(f"{simulation.project.folder}: the netlist holds no LUT to corrupt.")
    rng = np.random.default_rng(seed)
    nets = simulation.settle(events)
    whole = simulation.read(nets, len(events))
    hidden = unaddressed = 0
    for place in rng.permutation(luts)[:_TRIES]:
        cell = simulation.netlist.cells[place]
        bit = int(rng.integers(1 << len(cell.inputs)))
        outputs = simulation.read(simulation.settle_flipped(nets, int(place), bit), len(events))
        changed = int((outputs != whole).any(axis=1).sum())
        what = f"{cell.name}: entry {bit} of LUT{len(cell.inputs)} {cell.init:#x}"
        if changed:
            return NegativeControl(what + _without_effect(hidden, unaddressed), len(events), changed)
        was_addressed = addressed(nets, cell, bit, len(events))
        hidden, unaddressed = hidden + was_addressed, unaddressed + (not was_addressed)
    return NegativeControl("entries of LUTs" + _without_effect(hidden, unaddressed), len(events), 0)


def _without_effect(hidden: int, unaddressed: int) -> str:
    """Return what became of the entries that were flipped before."""
    if not hidden + unaddressed:
        return ""
    return f" (without effect: {unaddressed} that no event addresses, {hidden} that other logic hides)"


def addressed(nets: list[Words | None], cell: Cell, bit: int, events: int) -> bool:
    """Return whether one of the events addresses an entry of a LUT."""
    hits = ~np.zeros_like(_value(nets, LOW))
    for place, net in enumerate(cell.inputs):
        hits &= _value(nets, net) if bit >> place & 1 else ~_value(nets, net)
    return bool(_unpacked(hits, events).any())


def _value(nets: list[Words | None], net: int) -> Words:
    value = nets[net]
    if value is None:
        raise DataError(f"netlist: net {net} has no value.")
    return value


def _evaluate(cell: Cell, nets: list[Words | None], init: int) -> None:
    """Compute the outputs of a cell."""
    inputs = [_value(nets, net) for net in cell.inputs]
    if cell.kind == "LUT":
        outputs = [look_up(init, inputs)]
    elif cell.kind == "CARRY":
        outputs = [word for part in carry(inputs[0], inputs[1:5], inputs[5:9]) for word in part]
    elif cell.kind == "MUX":
        outputs = [choose(*inputs)]
    else:
        outputs = inputs
    for net, value in zip(cell.outputs, outputs, strict=True):
        if net not in (LOW, HIGH):
            nets[net] = value


def _packed(events: Integers, types: tuple[FixedType, ...], source: FixedType) -> list[Words]:
    """Return the bits of the elements, first lowest, each over all events."""
    columns = []
    padded = np.zeros((-(-len(events) // 64) * 64, events.shape[1]), dtype=np.int64)
    padded[: len(events)] = events
    for place, fixed_type in enumerate(types):
        left = fixed_type.fraction - source.fraction
        raw = padded[:, place] << np.int64(max(left, 0)) >> np.int64(max(-left, 0))
        for bit in range(fixed_type.width):
            ones = ((raw >> np.int64(bit)) & 1).astype(np.uint8)
            columns.append(np.packbits(ones, bitorder="little").view("<u8").astype(np.uint64))
    return columns


def _unpacked(words: Words, events: int) -> Integers:
    """Return one bit an event as int64."""
    octets = np.ascontiguousarray(words.astype("<u8")).view(np.uint8)
    return np.unpackbits(octets, bitorder="little")[:events].astype(np.int64)
