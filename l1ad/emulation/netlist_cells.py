"""Reads the cells that Yosys mapped and orders them, from the inputs of the design to its outputs."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from l1ad.emulation.cells import MULTIPLEXERS, REGISTERS
from l1ad.errors import DataError

#: Nets of the two constants.
LOW, HIGH = 0, 1


@dataclass(frozen=True)
class Cell:
    """One primitive.

    Attributes
    ----------
    name : str
        Path of instances to the cell.
    kind : str
        ``LUT``, ``CARRY``, ``MUX``, ``REGISTER`` or ``WIRE``.
    inputs, outputs : tuple of int
        Nets.
    init : int
        Contents of a LUT; clocks of a register.
    """

    name: str
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    init: int = 0


@dataclass(frozen=True)
class Netlist:
    """A design of primitives without hierarchy.

    Attributes
    ----------
    cells : tuple of Cell
        Each behind all that it depends on.
    inputs, outputs : tuple of int
        Nets of the ports, lowest bit first.
    nets : int
        How many there are.
    latency : int
        Registers on every path from the inputs to the outputs.
    """

    cells: tuple[Cell, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    nets: int
    latency: int

    def count(self, kind: str) -> int:
        """Return the number of cells of a kind."""
        return sum(cell.kind == kind for cell in self.cells)


def read_cells(folder: Path, top: str, input_port: str, output_port: str) -> Netlist:
    """Read the ``.cells.json.gz`` files of a folder and return the design under `top`.

    Parameters
    ----------
    folder : Path
        What the synthesis kept.
    top : str
        Module.
    input_port, output_port : str
        Ports with the events and the results; besides them there is the clock.

    Raises
    ------
    DataError
        When a file is damaged, a module or a primitive is not known, a bit has two drivers or none, or paths of
        different latency meet; the cell is named.
    """
    modules: dict[str, Any] = {}
    for path in sorted(folder.glob("*.cells.json.gz")):
        try:
            modules |= json.loads(gzip.decompress(path.read_bytes()))["modules"]
        except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: not a netlist of Yosys ({error!r}). Run: l1ad synth RUN") from error
    if top not in modules:
        raise DataError(f"{folder}: holds no netlist of {top}. Run: l1ad synth RUN")
    flat = _Flat(modules)
    try:
        known: dict[int | str, int] = {}
        ports = {name: flat.nets(port["bits"], known) for name, port in modules[top]["ports"].items()}
        flat.add(top, "", known)
        ends = ports[input_port], ports[output_port]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{folder}: not a netlist of {top} ({error!r}). Run: l1ad synth RUN") from error
    return flat.ordered(*ends)


class _Flat:
    """Takes the hierarchy apart; nets that an instance joins become one."""

    def __init__(self, modules: dict[str, Any]) -> None:
        self._modules = modules
        self._same = [LOW, HIGH]
        self._cells: list[tuple[str, str, list[int], list[int], int]] = []

    def nets(self, bits: list[int | str], known: dict[int | str, int]) -> list[int]:
        """Return the nets of bits of a module; new bits get new nets."""
        found = []
        for bit in bits:
            if isinstance(bit, str):
                # An undefined bit is one that nothing depends on; as 0 it would be seen if that were wrong.
                found.append(HIGH if bit == "1" else LOW)
                continue
            if bit not in known:
                known[bit] = len(self._same)
                self._same.append(known[bit])
            found.append(known[bit])
        return found

    def add(self, module: str, path: str, known: dict[int | str, int]) -> None:
        """Add the cells of an instance whose ports are joined to nets already."""
        for name, cell in self._modules[module]["cells"].items():
            where, kind = f"{path}{name}", cell["type"]
            wires = {port: self.nets(bits, known) for port, bits in cell["connections"].items()}
            if kind in self._modules:
                self._join(kind, f"{where}.", wires)
            else:
                self._cells += _primitives(where, kind, cell.get("parameters", {}), wires)

    def _join(self, module: str, path: str, wires: dict[str, list[int]]) -> None:
        inside: dict[int | str, int] = {}
        for port, item in self._modules[module]["ports"].items():
            outer = wires.get(port)
            for place, bit in enumerate(item["bits"]):
                if outer is None:
                    continue
                if isinstance(bit, str) or bit in inside:
                    self._unite(outer[place], self.nets([bit], inside)[0])
                else:
                    inside[bit] = outer[place]
        self.add(module, path, inside)

    def _find(self, net: int) -> int:
        while self._same[net] != net:
            self._same[net] = self._same[self._same[net]]
            net = self._same[net]
        return net

    def _unite(self, one: int, other: int) -> None:
        first, second = sorted((self._find(one), self._find(other)))
        if {first, second} == {LOW, HIGH}:
            raise ValueError("a bit is joined to both constants")
        self._same[second] = first

    def ordered(self, inputs: list[int], outputs: list[int]) -> Netlist:
        """Return the design, its cells in the order of their dependence."""
        cells = [
            Cell(name, kind, tuple(map(self._find, ins)), tuple(map(self._find, outs)), init)
            for name, kind, ins, outs, init in self._cells
        ]
        starts, ends = tuple(map(self._find, inputs)), tuple(map(self._find, outputs))
        order, depth = _order(cells, starts)
        depths = {value for net in ends if (value := depth.get(net)) is not None}
        missing = [net for net in ends if net not in depth]
        if missing or len(depths) != 1:
            latencies = ", ".join(map(str, sorted(depths)))
            raise DataError(
                f"netlist: {len(missing)} output bits have no driver; latencies of the others: {latencies}."
            )
        return Netlist(tuple(order), starts, ends, len(self._same), depths.pop())


def _primitives(
    name: str, kind: str, parameters: dict[str, str], wires: dict[str, list[int]]
) -> Iterator[tuple[str, str, list[int], list[int], int]]:
    """Yield name, kind, inputs, outputs and contents of a primitive."""
    if kind.startswith("LUT") and kind[3:].isdigit():
        inputs = [wires[f"I{place}"][0] for place in range(int(kind[3:]))]
        yield name, "LUT", inputs, wires["O"], int(parameters["INIT"], 2)
    elif kind == "INV":
        yield name, "LUT", wires["I"], wires["O"], 0b01
    elif kind == "CARRY4":
        first = [net for port in ("CI", "CYINIT") for net in wires.get(port, [LOW])]
        if LOW not in first:
            raise DataError(f"cell {name}: CARRY4 with CI and CYINIT at once.")
        entry = first[0] if first[1] == LOW else first[1]
        yield (
            name,
            "CARRY",
            [entry, *wires["DI"], *wires["S"]],
            [*wires.get("CO", [LOW] * 4), *wires.get("O", [LOW] * 4)],
            0,
        )
    elif kind == "$or" and wires["A"] == wires["B"]:  # wires only: what joins the parts of a large module to its port
        for place, (source, target) in enumerate(zip(wires["A"], wires["Y"], strict=True)):
            yield f"{name}[{place}]", "WIRE", [source], [target], 0
    elif kind in MULTIPLEXERS:
        yield name, "MUX", [wires[port][0] for port in ("I0", "I1", "S")], wires["O"], 0
    elif kind in REGISTERS:
        for port, value in REGISTERS[kind].items():
            constant = HIGH if value == "1" else LOW
            if wires.get(port, [constant]) != [constant]:
                raise DataError(f"cell {name}: {kind} whose {port} is not {value}; only plain pipelines are simulated.")
        clocks = _clocks(name, kind, wires)
        for place, (source, target) in enumerate(zip(wires["D"], wires["Q"], strict=True)):
            yield f"{name}[{place}]", "REGISTER", [source], [target], clocks
    else:
        raise DataError(f"cell {name}: the primitive {kind} has no model.")


def _clocks(name: str, kind: str, wires: dict[str, list[int]]) -> int:
    """Return how many clocks a register takes: one, or of a shift register in a LUT what its address says."""
    if not kind.startswith("SRL"):
        return 1
    address = wires["A"] if "A" in wires else [wires[f"A{place}"][0] for place in range(4)]
    if not set(address) <= {LOW, HIGH}:
        raise DataError(f"cell {name}: {kind} whose address is not constant.")
    if kind == "SRLC32E" and "Q31" in wires:
        raise DataError(f"cell {name}: SRLC32E with a second output.")
    return 1 + sum((net == HIGH) << place for place, net in enumerate(address))


def _order(cells: list[Cell], starts: tuple[int, ...]) -> tuple[list[Cell], dict[int, int | None]]:
    """Return the cells behind what they depend on, and how many registers lie before each net.

    A constant lies at every depth, and so does what depends on constants alone.
    """
    depth: dict[int, int | None] = {LOW: None, HIGH: None, **dict.fromkeys(starts, 0)}
    waiting: dict[int, list[int]] = {}
    open_inputs = [0] * len(cells)
    ready: list[int] = []
    for number, cell in enumerate(cells):
        missing = {net for net in cell.inputs if net not in depth}
        open_inputs[number] = len(missing)
        for net in missing:
            waiting.setdefault(net, []).append(number)
        if not missing:
            ready.append(number)
    order = []
    while ready:
        cell = cells[ready.pop()]
        order.append(cell)
        for net in cell.outputs:
            if net in (LOW, HIGH):  # an output that leads nowhere
                continue
            if net in depth:
                raise DataError(f"cell {cell.name}: drives a bit that has a driver already.")
            depth[net] = _depth(cell, depth)
            for number in waiting.pop(net, []):
                open_inputs[number] -= 1
                if not open_inputs[number]:
                    ready.append(number)
    if len(order) != len(cells):
        left = next(cell for number, cell in enumerate(cells) if open_inputs[number])
        raise DataError(f"cell {left.name}: depends on itself or on a bit without a driver.")
    return order, depth


def _depth(cell: Cell, depth: dict[int, int | None]) -> int | None:
    """Return how many registers lie before the outputs of a cell."""
    found = {value for net in cell.inputs if (value := depth[net]) is not None}
    if len(found) > 1:
        raise DataError(f"cell {cell.name}: paths of {min(found)} and {max(found)} clocks meet.")
    if not found:
        return None
    return found.pop() + (cell.init if cell.kind == "REGISTER" else 0)
