"""Writes a flat netlist as Verilog of plain expressions, for Verilator and other simulators."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from l1ad.emulation.netlist_cells import HIGH, LOW, Cell, Netlist
from l1ad.hardware.rtl_ports import INPUT_PORT, OUTPUT_PORT

_CONSTANTS = {LOW: "1'b0", HIGH: "1'b1"}


def netlist_verilog(netlist: Netlist, top: str) -> str:
    """Return one module that does what the netlist does: a wire a net, an expression a primitive.

    Parameters
    ----------
    netlist : Netlist
    top : str
        Name of the module.

    Examples
    --------
    >>> gate = Netlist((Cell("g", "LUT", (2, 3), (4,), 0b0110),), (2, 3), (4,), 5, 0)
    >>> print(netlist_verilog(gate, "dut").splitlines()[3])
    wire n4 = (n2 ^ n3);
    """
    lines = [
        f"module {top} (input clk, input [{len(netlist.inputs) - 1}:0] {INPUT_PORT},",
        f"    output [{len(netlist.outputs) - 1}:0] {OUTPUT_PORT});",
    ]
    lines.append(" ".join(f"wire n{net} = {INPUT_PORT}[{bit}];" for bit, net in enumerate(netlist.inputs)))
    clocked = list[str]()
    for number, cell in enumerate(netlist.cells):
        if cell.kind == "REGISTER":
            steps = [_name(cell.inputs[0]), *(f"r{number}_{step}" for step in range(1, cell.init))]
            steps.append(_name(cell.outputs[0]))
            lines += [f"reg {name};" for name in steps[1:]]
            clocked += [f"    {after} <= {before};" for before, after in itertools.pairwise(steps)]
        elif cell.kind == "CARRY":
            lines += _carry(cell, number)
        else:
            lines.append(f"wire {_name(cell.outputs[0])} = {_expression(cell)};")
    if clocked:
        lines += ["always @(posedge clk) begin", *clocked, "end"]
    lines += [f"assign {OUTPUT_PORT}[{bit}] = {_name(net)};" for bit, net in enumerate(netlist.outputs)]
    return "\n".join([*lines, "endmodule", ""])


def _name(net: int) -> str:
    return _CONSTANTS.get(net, f"n{net}")


def _expression(cell: Cell) -> str:
    """Return the expression of a cell with one output."""
    inputs = [_name(net) for net in cell.inputs]
    if cell.kind == "LUT":
        return look_up_expression(cell.init, inputs)
    if cell.kind == "MUX":
        return f"{inputs[2]} ? {inputs[1]} : {inputs[0]}"
    return inputs[0]


def _carry(cell: Cell, number: int) -> list[str]:
    """Return the places of a carry chain; a carry that leads nowhere gets a name of its own."""
    now, lines = _name(cell.inputs[0]), list[str]()
    for place in range(4):
        data, select = _name(cell.inputs[1 + place]), _name(cell.inputs[5 + place])
        carry, total = cell.outputs[place], cell.outputs[4 + place]
        if total not in _CONSTANTS:
            lines.append(f"wire {_name(total)} = {select} ^ {now};")
        name = f"c{number}_{place}" if carry in _CONSTANTS else _name(carry)
        lines.append(f"wire {name} = {select} ? {now} : {data};")
        now = name
    return lines


def look_up_expression(init: int, inputs: Sequence[str]) -> str:
    """Return a LUT as an expression, split by the last input, halves that are equal or opposite written once.

    Examples
    --------
    >>> look_up_expression(0b1000, ["a", "b"])
    '(b & a)'
    """
    full = (1 << (1 << len(inputs))) - 1
    if init in (0, full):
        return _CONSTANTS[LOW] if init == 0 else _CONSTANTS[HIGH]
    half = 1 << (len(inputs) - 1)
    ones = (1 << half) - 1
    low, high, select, rest = init & ones, init >> half, inputs[-1], inputs[:-1]
    if low == high:
        return look_up_expression(low, rest)
    if {low, high} == {0, ones}:
        return select if high else f"~{select}"
    lower, upper = look_up_expression(low, rest), look_up_expression(high, rest)
    if low == high ^ ones:
        return f"({lower} ^ {select})"
    if low in (0, ones):
        return f"({select} & {upper})" if low == 0 else f"(~{select} | {upper})"
    if high in (0, ones):
        return f"(~{select} & {lower})" if high == 0 else f"({select} | {lower})"
    return f"({select} ? {upper} : {lower})"
