"""Finds the modules of a Verilog project: the top, its pipeline stages, and the files that each of them needs."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from l1ad.errors import DataError, nearest
from l1ad.records import FirmwareProject

#: Suffix of the module that pads every port to one width; it holds wires only and is not synthesized.
WRAPPER = "_wrapper"

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_MODULE = re.compile(r"^\s*module\s+([A-Za-z_]\w*)", re.MULTILINE)
_WORD = re.compile(r"[A-Za-z_]\w*")
#: An instance without parameters: module name, instance name, bracket.
_INSTANCE = re.compile(r"^\s*([A-Za-z_]\w*)\s+[A-Za-z_]\w*\s*\(", re.MULTILINE)
_CLOCK = re.compile(r"\b(?:posedge|negedge)\b")
#: An array of registers, which may become a RAM: ``reg [7:0] table [0:255];``.
_ARRAY = re.compile(r"\b(?:reg|logic)\b[^;()]*\w\s*\[[^\]]+\]\s*[;,=]")
#: What a tool's command line takes without quotes.
_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]*")


@dataclass(frozen=True)
class Design:
    """The modules of a project that are synthesized.

    Attributes
    ----------
    top : str
        Module with the pipeline registers.
    stages : dict of str to int
        Module that the top instantiates without parameters -> number of instances.
    files : dict of str to tuple of str
        Module, the top and each stage -> files with it and with all that it instantiates. Those of the top leave
        the stages out.
    sizes : dict of str to int
        Module -> bytes of source, a guide to how long it takes.
    clocked : frozenset of str
        Of these modules, those whose files hold a clock edge.
    memories : frozenset of str
        Of the clocked modules, those whose files hold an array of registers: it may become a RAM.
    """

    top: str
    stages: dict[str, int]
    files: dict[str, tuple[str, ...]]
    sizes: dict[str, int]
    clocked: frozenset[str]
    memories: frozenset[str]


def read_design(project_dir: Path, project: FirmwareProject) -> Design:
    """Find the top and the stages among the Verilog files of `project`.

    Raises
    ------
    DataError
        When there is no Verilog, the top is not among its modules, a module is defined twice, or a file name holds
        characters that a tool's command cannot take.
    """
    texts = {name: _text(project_dir, name) for name in sorted(project.files) if name.endswith(".v")}
    defined = _modules(texts)
    top = _top(project.top, defined)
    uses = {name: set(_WORD.findall(text)) & defined.keys() for name, text in texts.items()}
    found = Counter(_INSTANCE.findall(texts[defined[top]]))
    # A module in the file of the top cannot become a black box: it stays part of the top.
    stages = {name: n for name, n in found.items() if name in defined and defined[name] != defined[top]}
    files = {stage: _needed(defined[stage], defined, uses, frozenset()) for stage in stages}
    files[top] = _needed(defined[top], defined, uses, frozenset(defined[stage] for stage in stages))
    sizes = {module: len(texts[defined[module]]) for module in files}
    clocked = frozenset(name for name in files if any(_CLOCK.search(texts[file]) for file in files[name]))
    memories = frozenset(name for name in clocked if any(_ARRAY.search(texts[file]) for file in files[name]))
    return Design(top, stages, files, sizes, clocked, memories)


def _text(project_dir: Path, name: str) -> str:
    if not _SAFE_NAME.fullmatch(name) or ".." in name.split("/"):
        raise DataError(f"{project_dir / name}: the file name holds characters that cannot stand in a tool's command.")
    try:
        return _COMMENT.sub(" ", (project_dir / name).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{project_dir / name}: cannot be read as text ({error}).") from error


def _modules(texts: dict[str, str]) -> dict[str, str]:
    """Return module -> file that defines it."""
    defined: dict[str, str] = {}
    for name, text in texts.items():
        for module in _MODULE.findall(text):
            if module in defined:
                raise DataError(f"{name}: module {module!r} is already defined in {defined[module]}.")
            defined[module] = name
    if not defined:
        raise DataError("the project holds no Verilog module. Convert with the backend verilog.")
    return defined


def _top(name: str, defined: dict[str, str]) -> str:
    inner = name.removesuffix(WRAPPER)
    for module in (inner, name):
        if module in defined:
            return module
    raise DataError(f"top module {name!r} is in no Verilog file of the project. {nearest(name, defined)}")


def _needed(start: str, defined: dict[str, str], uses: dict[str, set[str]], without: frozenset[str]) -> tuple[str, ...]:
    """Return `start` and every file that it needs, directly or not, except those `without`."""
    found, waiting = {start}, [start]
    while waiting:
        for module in uses[waiting.pop()]:
            name = defined[module]
            if name not in found and name not in without:
                found.add(name)
                waiting.append(name)
    return tuple(sorted(found))
