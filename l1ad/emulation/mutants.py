"""Mutants of Verilog: one of many bits is flipped while the simulation runs, so that one compilation serves them all.

The plus-argument ``+mutation=ID`` chooses the bit; 0 is the whole design. At the end the model says whether the flipped
bit ever gave another value where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from l1ad.records import Record

#: Kinds of `rtl_sites`.
SUBTRACT, SHIFT, LITERAL, CONSTANT, TABLE = "subtract bit", "shift", "literal", "constant", "table"

_ADDER = re.compile(
    r"(?P<wire>wire \[(?P<high>\d+):0\] (?P<out>v\d+);) shift_adder #\((?P<parameters>[-\d,]+)\) (?P<name>op_\d+) "
    r"\((?P<arguments>.*),(?P=out)\[(?P=high):0\]\);"
)
_LITERAL = re.compile(r"(?<!\w)(\d+)'b([01]+)")
_CONSTANT = re.compile(r"assign (v\d+)\[(\d+):0\] = 'b([01]+);")
_ENTRY = re.compile(r"^(\d+'h[0-9A-Fa-f]+): out = (\d+)'h([0-9A-Fa-f]+);", re.MULTILINE)
#: What `_adder` and `_entry` add for the mark.
_MARKING = re.compile(r"(always @\(\*\) )?if \([^;]*\) l1ad_mark\d+ = 1;")
_HEADER = re.compile(r"\bmodule \w+[^;]*;")

_CHOSEN = '\nreg [31:0] l1ad_chosen; initial if (!$value$plusargs("mutation=%d", l1ad_chosen)) l1ad_chosen = 0;\n'
_MARK = 'reg l1ad_mark{0} = 0; final if (l1ad_mark{0}) $display("{1}");\n'
_REACHED = "l1ad mutant reached"
#: Bits whose flip always gives another value where it stands.
_ALWAYS = (LITERAL, CONSTANT)


@dataclass(frozen=True)
class Mutant(Record):
    """One bit that can be flipped.

    Attributes
    ----------
    number : int
        What ``+mutation`` chooses; from 1.
    file : str
        File of the project, or module of the netlist.
    kind : str
        What the bit belongs to.
    what : str
        Where it is and what it becomes.
    """

    number: int
    file: str
    kind: str
    what: str


@dataclass(frozen=True)
class _Site:
    """A place in a file: kind, start and end of the text, and how many bits can be flipped there."""

    file: str
    kind: str
    start: int
    stop: int
    bits: int


def rtl_sites(name: str, text: str) -> list[_Site]:
    """Return the constants of one Verilog file of alkaid: of adders, of operands, of saturation, of tables."""
    found = []
    for match in _ADDER.finditer(text):
        literals = _LITERAL.finditer(text, match.start("arguments"), match.end("arguments"))
        found += [_Site(name, kind, match.start(), match.end(), 1) for kind in (SUBTRACT, SHIFT)]
        found += [_Site(name, LITERAL, item.start(), item.end(), int(item[1])) for item in literals]
    found += [_Site(name, CONSTANT, m.start(), m.end(), int(m[2]) + 1) for m in _CONSTANT.finditer(text)]
    found += [_Site(name, TABLE, m.start(), m.end(), int(m[2])) for m in _ENTRY.finditer(text)]
    return found


def choose_rtl(texts: dict[str, str], count: int, seed: int) -> tuple[dict[str, str], list[Mutant]]:
    """Return files with `count` bits that can be flipped, chosen at random among all bits, and what they are.

    Parameters
    ----------
    texts : dict of str to str
        Name -> Verilog of alkaid.
    count : int
        Bits.
    seed : int
        Of the choice.

    Returns
    -------
    tuple
        Name -> changed Verilog, and the mutants. No two of them change the same line.
    """
    sites = [site for name, text in texts.items() for site in rtl_sites(name, text)]
    if not sites:
        return dict(texts), []
    rng = np.random.default_rng(seed)
    weights = np.array([site.bits for site in sites], dtype=float)
    # Literals lie inside the line of an adder: one site a line.
    taken: set[tuple[str, int]] = set()
    chosen: list[tuple[_Site, int]] = []
    order = rng.choice(len(sites), size=len(sites), replace=False, p=weights / weights.sum())
    for index in order:
        site = sites[index]
        line = (site.file, texts[site.file].count("\n", 0, site.start))
        if line not in taken and len(chosen) < count:
            taken.add(line)
            chosen.append((site, int(rng.integers(site.bits))))
    return _apply(texts, chosen)


def _apply(texts: dict[str, str], chosen: Sequence[tuple[_Site, int]]) -> tuple[dict[str, str], list[Mutant]]:
    """Rewrite the chosen places, from the end of each file to its beginning."""
    changed, mutants, marks = dict(texts), list[Mutant](), dict[str, str]()
    numbered = list(enumerate(chosen, start=1))
    for number, (site, bit) in sorted(numbered, key=lambda item: -item[1][0].start):
        text = changed[site.file]
        new, what = _REWRITES[site.kind](text[site.start : site.stop], number, bit)
        changed[site.file] = text[: site.start] + new + text[site.stop :]
        mutants.append(Mutant(number, site.file, site.kind, what))
        marks[site.file] = marks.get(site.file, _CHOSEN)
        if site.kind not in _ALWAYS:
            marks[site.file] += _MARK.format(number, _REACHED)
    for name, declared in marks.items():
        changed[name] = _HEADER.sub(partial(_after, declared), changed[name])
    return changed, sorted(mutants, key=lambda mutant: mutant.number)


def _after(added: str, match: re.Match[str]) -> str:
    return match[0] + added


def reached(mutant: Mutant, printed: str) -> bool:
    """Return whether a mutant gave another value where it stands, by what its model printed."""
    return mutant.kind in _ALWAYS or _REACHED in printed


def fixed(text: str, number: int) -> str:
    """Return the Verilog of `choose_rtl` with one mutant chosen for good, for tools that do not simulate."""
    lines = [line for line in text.splitlines() if not line.startswith("reg l1ad_mark")]
    chosen = f"wire [31:0] l1ad_chosen = 32'd{number};"
    lines = [chosen if line.startswith("reg [31:0] l1ad_chosen") else line for line in lines]
    return _MARKING.sub("", "\n".join(lines)) + "\n"


def _adder(text: str, number: int, parameter: int) -> tuple[str, str]:
    """Put a second adder with one parameter changed beside the first."""
    match = _ADDER.fullmatch(text)
    if match is None:  # the site was found by the same expression
        raise ValueError(text)
    values = [int(value) for value in match["parameters"].split(",")]
    other = list(values)
    # A shift keeps its sign: -3 and -2 differ in the lowest bit of the distance.
    other[parameter] = 1 - values[parameter] if parameter == 7 else _flipped_shift(values[parameter])
    out, high, call = match["out"], match["high"], match["arguments"]
    lines = [
        f"{match['wire']} wire [{high}:0] {out}_whole, {out}_other;",
        f"shift_adder #({match['parameters']}) {match['name']} ({call},{out}_whole);",
        f"shift_adder #({','.join(map(str, other))}) {match['name']}_other ({call},{out}_other);",
        f"assign {out} = l1ad_chosen == {number} ? {out}_other : {out}_whole;",
        f"always @(*) if (l1ad_chosen == {number} && {out}_whole != {out}_other) l1ad_mark{number} = 1;",
    ]
    return " ".join(lines), f"{match['name']}: {values[parameter]} became {other[parameter]}"


def _flipped_shift(value: int) -> int:
    return -((-value) ^ 1) if value < 0 else value ^ 1


def _subtract(text: str, number: int, bit: int) -> tuple[str, str]:
    del bit
    return _adder(text, number, 7)


def _shift(text: str, number: int, bit: int) -> tuple[str, str]:
    del bit
    return _adder(text, number, 6)


def _literal(text: str, number: int, bit: int) -> tuple[str, str]:
    width, digits = text.split("'b")
    mask = f"{width}'d{1 << bit}"
    return f"({text} ^ (l1ad_chosen == {number} ? {mask} : {width}'d0))", f"bit {bit} of {width}'b{digits}"


def _constant(text: str, number: int, bit: int) -> tuple[str, str]:
    match = _CONSTANT.fullmatch(text)
    if match is None:
        raise ValueError(text)
    width = int(match[2]) + 1
    value = f"{width}'b{match[3]} ^ (l1ad_chosen == {number} ? {width}'d{1 << bit} : {width}'d0)"
    return f"assign {match[1]}[{match[2]}:0] = {value};", f"bit {bit} of {match[1]} = 'b{match[3]}"


def _entry(text: str, number: int, bit: int) -> tuple[str, str]:
    match = _ENTRY.fullmatch(text)
    if match is None:
        raise ValueError(text)
    value = f"{match[2]}'h{match[3]} ^ (l1ad_chosen == {number} ? {match[2]}'d{1 << bit} : {match[2]}'d0)"
    mark = f"if (l1ad_chosen == {number}) l1ad_mark{number} = 1;"
    return f"{match[1]}: begin out = {value}; {mark} end", f"bit {bit} of entry {match[1]} = {match[2]}'h{match[3]}"


_REWRITES = {SUBTRACT: _subtract, SHIFT: _shift, LITERAL: _literal, CONSTANT: _constant, TABLE: _entry}
