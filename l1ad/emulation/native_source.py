"""Writes a native program as C++: one line a step, vectors of events, in parts that compile independently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from l1ad.emulation.native_program import NativeProgram, Step, Term
from l1ad.records import FixedType

#: Steps in one function. The compiler's time grows faster than the length of a function; measured on 2 cores, parts
#: of this size compile fastest and run as fast as larger ones.
PART_STEPS = 400

_NAMESPACE = "l1ad"
_HEADER = '#include "native_lanes.h"\n\nnamespace l1ad {\n\n'


@dataclass
class _Slots:
    """Places in memory for the values that one part leaves for another; a free one is used again."""

    free: list[int] = field(default_factory=list)
    count: int = 0

    def take(self) -> int:
        """Return a free place."""
        if self.free:
            return self.free.pop()
        self.count += 1
        return self.count - 1


def native_sources(program: NativeProgram, input_type: FixedType, *, part_steps: int = PART_STEPS) -> dict[str, str]:
    """Return file name -> C++ of a program.

    Parameters
    ----------
    program : NativeProgram
        What `l1ad.emulation.native_program.read_program` returned.
    input_type : FixedType
        Type of every raw input; other values are refused by the driver.
    part_steps : int, optional
        Steps in a function.

    Returns
    -------
    dict of str to str
        ``native_program.h`` for the driver, and one ``part<N>.cpp`` a part.
    """
    used = _used(program)
    parts = [used[i : i + part_steps] for i in range(0, len(used), part_steps)]
    writer = _Writer(program, parts)
    sources = {f"part{number}.cpp": writer.part(number) for number in range(len(parts))}
    return {"native_program.h": writer.header(input_type), **sources}


def _used(program: NativeProgram) -> list[int]:
    """Return the steps that an output depends on, in order."""
    wanted = {term.index for term in program.outputs}
    for index in reversed(range(len(program.steps))):
        if index in wanted:
            wanted.update(term.index for term in program.steps[index].terms)
    return sorted(index for index in wanted if index >= 0)


class _Writer:
    """Writes the parts in their order."""

    def __init__(self, program: NativeProgram, parts: Sequence[Sequence[int]]) -> None:
        self.program, self.parts = program, parts
        self.home = {index: number for number, part in enumerate(parts) for index in part}
        self.last = dict(self.home)
        for index, number in self.home.items():
            for term in program.steps[index].terms:
                self.last[term.index] = max(self.last[term.index], number)
        for term in program.outputs:
            if term.index >= 0:
                self.last[term.index] = len(parts) - 1
        # The driver puts the inputs into the first places; they stay there.
        self.slots = {"narrow": _Slots(count=program.n_inputs), "wide": _Slots()}
        self.place: dict[int, tuple[str, int]] = {}

    def part(self, number: int) -> str:
        """Return the C++ of one part. Parts are written in order: places are given and taken back."""
        steps = self.parts[number]
        lines: list[str] = []
        tables = sorted({self.program.steps[i].number for i in steps if self.program.steps[i].kind == "table"})
        known: set[int] = set()
        for index in steps:
            step = self.program.steps[index]
            lines += [self._load(i) for i in self._from_before(step, known, number)]
            known.update(term.index for term in step.terms)
            lines.append(f"const {_vector(step.type)} v{index} = {self._expression(step)};")
            known.add(index)
        lines += [self._store(index) for index in steps if self.last[index] > number]
        if number == len(self.parts) - 1:
            lines += list(self._results(known))
        self._give_back(number)
        body = "".join(f"    {line}\n" for line in lines)
        # Tables are static: every part has its own.
        entries = "".join(
            f"const std::int32_t table{t}[] = {{{', '.join(map(str, self.program.tables[t]))}}};\n" for t in tables
        )
        static = f"namespace {{\n{entries}}}\n\n" if entries else ""
        results = ", Wide *results" if number == len(self.parts) - 1 else ""
        return f"{_HEADER}{static}void part{number}(const Slots &slots{results}) {{\n{body}}}\n\n}} // namespace l1ad\n"

    def header(self, input_type: FixedType) -> str:
        """Return the header that the driver includes; called after all parts."""
        last = len(self.parts) - 1
        declared = [
            f"void part{n}(const Slots &slots{', Wide *results' if n == last else ''});" for n in range(last + 1)
        ]
        calls = [f"    part{n}(slots{', results' if n == last else ''});" for n in range(last + 1)]
        sizes = {
            "int INPUTS": self.program.n_inputs,
            "int OUTPUTS": len(self.program.outputs),
            "std::int64_t INPUT_MINIMUM": input_type.minimum,
            "std::int64_t INPUT_MAXIMUM": input_type.maximum,
            "int NARROW_SLOTS": self.slots["narrow"].count,
            "int WIDE_SLOTS": max(self.slots["wide"].count, 1),
        }
        constants = [f"constexpr {name} = {value};" for name, value in sizes.items()]
        run = ["inline void run_program(const Slots &slots, Wide *results) {", *calls, "}"]
        return _HEADER + "\n".join([*constants, "", *declared, "", *run]) + "\n\n} // namespace l1ad\n"

    def _from_before(self, step: Step, known: set[int], number: int) -> list[int]:
        """Return the operands that an earlier part has left."""
        wanted = dict.fromkeys(term.index for term in step.terms)
        return [index for index in wanted if index not in known and self.home[index] < number]

    def _load(self, index: int) -> str:
        kind, place = self.place[index]
        return f"const {_vector(self.program.steps[index].type)} v{index} = slots.{kind}[{place}];"

    def _store(self, index: int) -> str:
        kind = _vector(self.program.steps[index].type).lower()
        self.place[index] = kind, self.slots[kind].take()
        return f"slots.{kind}[{self.place[index][1]}] = v{index};"

    def _give_back(self, number: int) -> None:
        """Free the places of values that no later part reads."""
        for index in [i for i in self.place if self.last[i] <= number]:
            kind, place = self.place.pop(index)
            self.slots[kind].free.append(place)

    def _results(self, known: set[int]) -> Iterator[str]:
        for number, term in enumerate(self.program.outputs):
            if term.index < 0:
                yield f"results[{number}] = Wide{{}};"
                continue
            if term.index not in known:
                known.add(term.index)
                yield self._load(term.index)
            sign = "-" if term.negative else ""
            yield f"results[{number}] = {sign}(widen(v{term.index}) << {term.left});"

    def _expression(self, step: Step) -> str:
        """Return the C++ of one step."""
        if step.type.width == 0:
            return f"{_vector(step.type)}{{}}"
        wide = step.wide or any(_is_wide(self.program.steps[t.index].type) for t in step.terms)
        exact = self._exact(step, wide)
        if step.left or step.drop:
            exact = f"({exact}) {'<<' if step.left else '>>'} {step.left or step.drop}"
        if step.wraps:
            sign = "signed" if step.type.signed else "unsigned"
            exact = f"wrap_{sign}<{step.type.width}>({exact})"
        return f"widen({exact})" if _is_wide(step.type) else f"narrow({exact})"

    def _exact(self, step: Step, wide: bool) -> str:
        """Return the C++ of the result before it is brought to its type."""
        vector = "Wide" if wide else "Narrow"
        values = [self._term(term, wide) for term in step.terms]
        match step.kind:
            case "input":
                return f"slots.narrow[{step.number}]"
            case "constant":
                return f"{vector}{{}} + {_literal(step.number, wide)}"
            case "sum":
                return self._sum(step, values, wide)
            case "relu":
                return f"({values[0]} > 0) ? {values[0]} : {vector}{{}}"
            case "mux":
                return f"{self._key(step.terms[2], wide)} ? {values[0]} : {values[1]}"
            case "product":
                return f"{values[0]} * {values[1]}"
            case "table":
                lowest = self.program.steps[step.terms[0].index].type.minimum
                found = f"look_up(table{step.number}, v{step.terms[0].index}, {lowest})"
                return f"widen({found})" if wide else found
            case "not":
                return f"~{values[0]}"
            case "any":
                return f"({values[0]} != 0) & 1"
            case "all":
                kind = self.program.steps[step.terms[0].index].type
                return f"({values[0]} == {_literal(-1 if kind.signed else kind.maximum, wide)}) & 1"
            case _:
                return f"{values[0]} {({'and': '&', 'or': '|', 'xor': '^'})[step.kind]} {values[1]}"

    def _sum(self, step: Step, values: list[str], wide: bool) -> str:
        text = ""
        for term, value in zip(step.terms, values, strict=True):
            sign = "-" if term.negative else ("+" if text else "")
            text += f" {sign} {value}" if text else f"{sign}{value}"
        return f"{text} + {_literal(step.number, wide)}" if step.number else text

    def _term(self, term: Term, wide: bool) -> str:
        """Return an operand, shifted; the sign is left to the sum."""
        value = f"v{term.index}"
        if wide and not _is_wide(self.program.steps[term.index].type):
            value = f"widen({value})"
        return f"({value} << {term.left})" if term.left else value

    def _key(self, term: Term, wide: bool) -> str:
        """Return whether the highest bit of the key is set."""
        kind = self.program.steps[term.index].type
        value = self._term(term, wide)
        if kind.signed:
            return f"({value} < 0)"
        return f"({value} >= {_literal(1 << max(kind.width - 1, 0), wide)})"


def _is_wide(kind: FixedType) -> bool:
    """Return whether a value needs 64 bits."""
    return kind.width + int(not kind.signed) > 32


def _vector(kind: FixedType) -> str:
    return "Wide" if _is_wide(kind) else "Narrow"


def _literal(number: int, wide: bool) -> str:
    """Return an integer of C++ that has the size of a lane."""
    if wide:
        return f"std::int64_t({number}LL)"
    wrapped = (number + (1 << 31)) % (1 << 32) - (1 << 31)
    return f"std::int32_t({wrapped}LL)"
