"""Reads alkaid's program of a Verilog project as exact integer steps: what native C++ is generated from.

The program is the list of operations from which alkaid also writes the Verilog (ALIR; alkaid 0.8.2, ``types.py``).
Every value is a raw integer of a fixed-point type. A step is computed exactly, its lower bits are dropped and its
upper bits wrap, as the wires of the Verilog do. The wrap is left out where the range of the operands proves that
nothing can be lost.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from l1ad.errors import DataError
from l1ad.records import FirmwareProject, FixedType

#: Version of alkaid's format that is read (``ALIR_SPEC_VERSION`` of alkaid 0.8.2).
SPEC_VERSION = 4
#: Widest value and widest exact intermediate result: what int64 holds.
_WIDEST = 63
#: Widest address of a table: more entries than this are no table of a trigger.
_WIDEST_ADDRESS = 16

#: alkaid's opcodes (alkaid 0.8.2, ``CombLogic.exec_op``).
_NEGATE, _INPUT, _ADD, _SUBTRACT, _RELU, _QUANTIZE, _ADD_CONSTANT, _CONSTANT = -2, -1, 0, 1, 2, 3, 4, 5
_MUX, _MULTIPLY, _LOOK_UP, _UNARY, _BINARY, _SUM = 6, 7, 8, 9, 10, 11
_UNARY_KINDS = ("not", "any", "all")
_BINARY_KINDS = ("and", "or", "xor")


@dataclass(frozen=True)
class Term:
    """An operand: the value `index`, shifted to the left, and with the other sign when `negative`."""

    index: int
    left: int = 0
    negative: bool = False


@dataclass(frozen=True)
class Step:
    """One integer operation and the type of its result.

    Attributes
    ----------
    kind : str
        ``input``, ``constant``, ``sum``, ``relu``, ``mux``, ``product``, ``table``, ``not``, ``any``, ``all``,
        ``and``, ``or`` or ``xor``.
    type : FixedType
        Type of the result.
    terms : tuple of Term
        Operands; of a ``mux`` first the two values, then the key.
    number : int
        What a ``sum`` adds, the value of a ``constant``, the position of an ``input``, or the number of a ``table``.
    left, drop : int
        Shifts of the exact result to the left and, with the lower bits dropped, to the right; one of them is 0.
    wraps : bool
        Whether upper bits may be lost.
    low, high : int
        Proven range of the result.
    wide : bool
        Whether the exact result before the shift to the right needs more than 32 bits.
    """

    kind: str
    type: FixedType
    terms: tuple[Term, ...]
    number: int
    left: int
    drop: int
    wraps: bool
    low: int
    high: int
    wide: bool


@dataclass(frozen=True)
class NativeProgram:
    """A whole program.

    Attributes
    ----------
    n_inputs : int
        Raw integers of an event, in the project's input type.
    steps : tuple of Step
        In the order of computation.
    tables : tuple of tuple of int
        Raw values of each table over all bit patterns of its address, from the smallest number to the largest.
    outputs : tuple of Term
        The outputs, in the project's output type; an index of -1 is the constant 0.
    """

    n_inputs: int
    steps: tuple[Step, ...]
    tables: tuple[tuple[int, ...], ...]
    outputs: tuple[Term, ...]


def read_program(path: Path, project: FirmwareProject) -> NativeProgram:
    """Read ``model/comb.json.gz`` of a project.

    Parameters
    ----------
    path : Path
        The program; for a negative control not the one of the project.
    project : FirmwareProject
        Types and sizes of the ports.

    Raises
    ------
    DataError
        When the file is not a program of alkaid 0.8.2, or its ports are others than the project's, or a value needs
        more than 63 bits; the message names the operation.
    """
    try:
        state = json.loads(gzip.decompress(path.read_bytes()))
        if state.get("spec_version") != SPEC_VERSION:
            raise DataError(f"{path}: format {state.get('spec_version')!r} of alkaid; expected {SPEC_VERSION}.")
        return _Reader(path, state["model"], project).read()
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise DataError(f"{path}: not a program of alkaid ({error!r}).") from error


class _Reader:
    """Turns the lists of the file into steps, one after the other."""

    def __init__(self, path: Path, model: list[Any], project: FirmwareProject) -> None:
        self.path, self.project = path, project
        self.shape, self.input_shifts, self.out_indices, self.out_shifts, self.out_negatives = model[:5]
        self.operations = model[5]
        self.raw_tables = (model[8] if len(model) > 8 else None) or []
        self.steps: list[Step] = []
        self.tables: list[tuple[int, ...]] = []

    def read(self) -> NativeProgram:
        """Return the whole program."""
        project = self.project
        if list(self.shape) != [project.n_inputs, project.n_outputs]:
            raise DataError(f"{self.path}: ports {self.shape}; project.json says "
                            f"{[project.n_inputs, project.n_outputs]}. Convert again.")  # fmt: skip
        if any(self.input_shifts):
            raise DataError(f"{self.path}: shifts its inputs; expected a program that takes them as they are.")
        for number, operation in enumerate(self.operations):
            try:
                self.steps.append(self._step(operation))
            except (ValueError, KeyError, TypeError, IndexError) as error:
                raise DataError(f"{self.path}: operation {number} cannot be read ({error}).") from error
        return NativeProgram(project.n_inputs, tuple(self.steps), tuple(self.tables), self._outputs())

    def _step(self, operation: list[Any]) -> Step:
        """Return one operation as a step."""
        operands, opcode, data, interval = operation[0], operation[1], operation[2], operation[3]
        if any(not 0 <= operand < len(self.steps) for operand in operands):
            raise ValueError(f"operands {operands} are not computed before it")
        kind = _type_of(interval)
        if opcode in (_ADD, _SUBTRACT):
            shifted = [(operands[0], 0, False), (operands[1], data[0], opcode == _SUBTRACT)]
            return self._sum(kind, shifted)
        if opcode == _SUM:
            return self._sum(kind, [(a, data[2 * i + 1], not data[2 * i]) for i, a in enumerate(operands)])
        if opcode == _UNARY:
            return self._pattern(kind, operands[0], _UNARY_KINDS[data[0]])
        return self._others[opcode](self, kind, operands, data)

    def _sum(self, kind: FixedType, parts: list[tuple[int, int, bool]], constant: tuple[int, int] = (0, 0)) -> Step:
        """Sum of operands, each shifted and signed, and of a constant ``number * 2**-fraction``."""
        number, fraction = constant
        finest = max([kind.fraction, fraction, *(self._fraction(i) - shift for i, shift, _ in parts)])
        terms = tuple(Term(i, finest - self._fraction(i) + shift, negative) for i, shift, negative in parts)
        number <<= finest - fraction
        ranges = [self._range(term) for term in terms]
        low, high = number + sum(r[0] for r in ranges), number + sum(r[1] for r in ranges)
        return _finish("sum", kind, terms, number, finest, (low, high))

    def _negate(self, kind: FixedType, operands: list[int], data: list[int]) -> Step:
        del data
        return self._sum(kind, [(operands[0], 0, True)])

    def _quantize(self, kind: FixedType, operands: list[int], data: list[int]) -> Step:
        return self._sum(kind, [(operands[0], data[0], False)])

    def _add_constant(self, kind: FixedType, operands: list[int], data: list[int]) -> Step:
        return self._sum(kind, [(operands[0], 0, False)], (data[0], data[1]))

    def _input(self, kind: FixedType, operands: list[int], data: list[int]) -> Step:
        """One input, cut to the bits that the program reads."""
        del operands
        port = self.project.input_type
        if not 0 <= data[0] < self.project.n_inputs:
            raise ValueError(f"reads input {data[0]} of {self.project.n_inputs}")
        if _bits(port.minimum, port.maximum) > 32:
            raise ValueError(f"inputs of {port}; at most 32 bits")
        return _finish("input", kind, (), data[0], port.fraction, (port.minimum, port.maximum))

    def _constant(self, kind: FixedType, operands: list[int], data: list[int]) -> Step:
        del operands
        return _finish("constant", kind, (), data[0], kind.fraction, (data[0], data[0]))

    def _relu(self, kind: FixedType, operands: list[int], data: list[int]) -> Step:
        del data
        fraction = max(self._fraction(operands[0]), kind.fraction)
        term = Term(operands[0], fraction - self._fraction(operands[0]))
        low, high = self._range(term)
        return _finish("relu", kind, (term,), 0, fraction, (max(low, 0), max(high, 0)))

    def _mux(self, kind: FixedType, operands: list[int], data: list[int]) -> Step:
        """The first operand where the key's highest bit is set, else the second."""
        first, second, key = operands
        finest = max(kind.fraction, self._fraction(first), self._fraction(second) - data[0])
        terms = (Term(first, finest - self._fraction(first)), Term(second, finest - self._fraction(second) + data[0]))
        (low0, high0), (low1, high1) = (self._range(term) for term in terms)
        return _finish("mux", kind, (*terms, Term(key)), 0, finest, (min(low0, low1), max(high0, high1)))

    def _product(self, kind: FixedType, operands: list[int], data: list[int]) -> Step:
        del data
        (low0, high0), (low1, high1) = (self._range(Term(i)) for i in operands)
        corners = [low0 * low1, low0 * high1, high0 * low1, high0 * high1]
        fraction = self._fraction(operands[0]) + self._fraction(operands[1])
        terms = tuple(Term(i) for i in operands)
        return _finish("product", kind, terms, 0, fraction, (min(corners), max(corners)))

    def _look_up(self, kind: FixedType, operands: list[int], data: list[int]) -> Step:
        """Entry of a table; alkaid keeps the entries between the smallest and the largest address that occurs."""
        table, address = self.raw_tables[data[0]], self.steps[operands[0]].type
        if address.width > _WIDEST_ADDRESS:
            raise ValueError(f"an address of {address.width} bits; at most {_WIDEST_ADDRESS}")
        spec = table["spec"]["out_qint"]
        entry = _type_of([spec["min"], spec["max"], spec["step"]])
        lowest, _, step = self.operations[operands[0]][3]
        before = round(lowest / step) - address.minimum
        after = (1 << address.width) - before - len(table["table"])
        if before < 0 or after < 0:
            raise ValueError(f"a table of {len(table['table'])} entries for an address of type {address}")
        values = [_wrap(int(value), entry) for value in table["table"]]
        self.tables.append((*[0] * before, *values, *[0] * after))
        limits = (min(self.tables[-1]), max(self.tables[-1]))
        return _finish("table", kind, (Term(operands[0]),), len(self.tables) - 1, entry.fraction, limits)

    def _pattern(self, kind: FixedType, operand: int, name: str) -> Step:
        """A function of the bits of one operand."""
        if name == "not":
            low, high = self._range(Term(operand))
            return _finish(name, kind, (Term(operand),), 0, kind.fraction, (~high, ~low))
        return _finish(name, kind, (Term(operand),), 0, 0, (0, 1))

    def _binary(self, kind: FixedType, operands: list[int], data: list[int]) -> Step:
        """A function of the bits of two operands; its range is that of their signs and widths."""
        shift, name = data[0], _BINARY_KINDS[data[1]]
        finest = max(kind.fraction, self._fraction(operands[0]), self._fraction(operands[1]) - shift)
        shifts = (0, shift)
        terms = tuple(Term(i, finest - self._fraction(i) + s) for i, s in zip(operands, shifts, strict=True))
        ranges = [self._range(term) for term in terms]
        bits = max(max(abs(low), abs(high)).bit_length() for low, high in ranges)
        low = -(1 << bits) if any(low < 0 for low, _ in ranges) else 0
        return _finish(name, kind, terms, 0, finest, (low, (1 << bits) - 1))

    def _fraction(self, index: int) -> int:
        return self.steps[index].type.fraction

    def _range(self, term: Term) -> tuple[int, int]:
        low, high = self.steps[term.index].low << term.left, self.steps[term.index].high << term.left
        return (-high, -low) if term.negative else (low, high)

    def _outputs(self) -> tuple[Term, ...]:
        """Return the outputs in the project's output type."""
        target, terms = self.project.output_type, []
        for number, index in enumerate(self.out_indices):
            if index < 0:
                terms.append(Term(-1))
                continue
            left = target.fraction - self._fraction(index) + self.out_shifts[number]
            term = Term(index, max(left, 0), bool(self.out_negatives[number]))
            low, high = self._range(term)
            if left < 0 or low < target.minimum or high > target.maximum:
                raise DataError(f"{self.path}: output {number} is {self.steps[index].type}, which {target} of "
                                "project.json cannot hold. Convert again.")  # fmt: skip
            terms.append(term)
        return tuple(terms)

    _others: dict[int, Callable[[Any, FixedType, list[int], list[int]], Step]] = {  # noqa: RUF012 - never changed
        _NEGATE: _negate, _INPUT: _input, _RELU: _relu, _QUANTIZE: _quantize, _ADD_CONSTANT: _add_constant,
        _CONSTANT: _constant, _MUX: _mux, _MULTIPLY: _product, _LOOK_UP: _look_up, _BINARY: _binary,
    }  # fmt: skip


def _type_of(interval: list[float]) -> FixedType:
    """Return the smallest type that holds an interval ``[min, max, step]``, as alkaid sizes its wires."""
    low, high, step = interval
    fraction = _exponent(1 / step)
    lowest, highest = round(low / step), round(high / step)
    bits = max(highest.bit_length() if highest > 0 else 0, (~lowest).bit_length() if lowest < 0 else 0)
    width = bits + int(lowest < 0)
    if width > _WIDEST:
        raise ValueError(f"a value of {width} bits; at most {_WIDEST}")
    return FixedType(lowest < 0, width, width - fraction)


def _exponent(value: float) -> int:
    """Return n of the power of two 2**n."""
    mantissa, exponent = value.hex().split("p")
    if mantissa != "0x1.0000000000000":
        raise ValueError(f"a step of {1 / value}; expected a power of two")
    return int(exponent)


def _wrap(value: int, kind: FixedType) -> int:
    """Return the number that the lowest bits of `value` stand for."""
    pattern = value & ((1 << kind.width) - 1)
    return pattern - (1 << kind.width) if kind.signed and pattern >> (kind.width - 1) else pattern


def _finish(
    name: str, kind: FixedType, terms: tuple[Term, ...], number: int, fraction: int, limits: tuple[int, int]
) -> Step:
    """Return the step: the exact result at `fraction`, within `limits`, brought to the type `kind`."""
    left, drop = max(kind.fraction - fraction, 0), max(fraction - kind.fraction, 0)
    exact = limits[0] << left, limits[1] << left
    if _bits(*exact) > _WIDEST + 1:
        raise ValueError(f"a result of {_bits(*exact)} bits; at most {_WIDEST + 1}")
    low, high = exact[0] >> drop, exact[1] >> drop
    wraps = low < kind.minimum or high > kind.maximum
    if kind.width == 0:
        low = high = 0
    elif wraps:
        low, high = kind.minimum, kind.maximum
    wide = (_bits(*exact) if drop else kind.width + int(not kind.signed)) > 32
    return Step(name, kind, terms, number, left, drop, wraps, low, high, wide)


def _bits(low: int, high: int) -> int:
    """Return the bits of the smallest signed integer that holds `low` to `high`."""
    return 1 + max((high if high >= 0 else ~high).bit_length(), (low if low >= 0 else ~low).bit_length())
