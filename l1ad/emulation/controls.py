"""Negative controls: one bit of a copy of a project is flipped, and the comparison has to see it."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import json
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from l1ad.emulation.csim import WEIGHTS, build_csim
from l1ad.emulation.hls_weights import flip_sum, read_arrays, wrapped, write_weight
from l1ad.emulation.interpreter import PROGRAM, load_interpreter
from l1ad.emulation.native import build_native
from l1ad.emulation.project import OpenProject, copy_project
from l1ad.emulation.rtl import build_rtl
from l1ad.emulation.vectors import Integers
from l1ad.errors import DataError
from l1ad.provenance import folder_digests
from l1ad.records import FirmwareProject, NegativeControl

#: Flips that are tried until one reaches the output. A flip may have no effect: a unit that is off in all events,
#: a bit that saturation hides. Those are named in the control as well.
_TRIES = 4

#: alkaid's opcodes of a sum and a difference (alkaid 0.8.2, types.py).
_ADD, _SUBTRACT = 0, 1
#: An adder of alkaid's Verilog and VHDL; one parameter says whether it subtracts (verilog/comb.py, vhdl/comb.py).
_ADDERS = {
    ".v": re.compile(r"shift_adder #\([-\d,]*,(?P<bit>[01])\) (?P<name>op_\d+)"),
    ".vhd": re.compile(r"(?P<name>op_\d+):entity work\.shift_adder generic map\([^)]*IS_SUB=>(?P<bit>[01])\)"),
}


def control_csim(project: OpenProject, build_folder: Path, inputs: Integers, expected: Integers) -> NegativeControl:
    """Flip the lowest bit that is set in the largest weight of a layer, the last layer first, and run the C-simulation.

    With learned widths the lowest bits of the common type belong to few weights; below the others' own unit a change
    would be lost in the next quantizer.

    In a project with distributed arithmetic a sum becomes a difference, or the reverse.

    Parameters
    ----------
    project : OpenProject
        An HLS project; it is copied, not changed.
    build_folder : Path
        Where the copy is made and compiled; the copy is removed.
    inputs, expected : array of int64
        Raw integers of the events and of their outputs.

    Raises
    ------
    DataError
        When no weights are found.
    ToolError
        When the copy does not compile or run.
    """

    def attempt(number: int) -> tuple[str, Integers] | None:
        """Flip bit `number` of a copy and run it; None when there is no such bit."""
        with _copy(project, build_folder) as folder:
            # Distributed arithmetic has no weights; then the operations of its code stand for them.
            what = _flip_weight(folder, number) or flip_sum(folder, number)
            if what is None:
                return None
            changed = dataclasses.replace(project, folder=folder, record=_redigested(project, folder))
            return what, build_csim(changed, build_folder).run(inputs).outputs

    return _control(attempt, expected, f"{project.folder / WEIGHTS}: no array of fixed-point weights to corrupt.")


def control_rtl(
    project: OpenProject, build_folder: Path, inputs: Integers, expected: Integers, *, latency: int
) -> NegativeControl:
    """Make an adder a subtractor, or the reverse, in the middle of the pipeline, and simulate the RTL.

    Parameters
    ----------
    project : OpenProject
        A Verilog or VHDL project of alkaid; it is copied, not changed.
    build_folder : Path
        Where the copy is made and compiled; the copy is removed.
    inputs, expected : array of int64
        Raw integers of the events and of their outputs.
    latency : int
        Clocks from event to result.

    Raises
    ------
    DataError
        When no adder is found.
    ToolError
        When the copy does not compile or run.
    """

    def attempt(number: int) -> tuple[str, Integers] | None:
        """Flip bit `number` of a copy and run it; None when there is no such bit."""
        with _copy(project, build_folder) as folder:
            what = _flip_adder(folder, number)
            if what is None:
                return None
            changed = dataclasses.replace(project, folder=folder, record=_redigested(project, folder))
            return what, build_rtl(changed, build_folder, fast=False).run(inputs, latency=latency).outputs

    return _control(attempt, expected, f"{project.folder / 'src'}: no adder to corrupt.")


def control_interpreter(
    project: OpenProject, build_folder: Path, inputs: Integers, expected: Integers
) -> NegativeControl:
    """Make a sum of alkaid's program a difference, or the reverse, the last one first, and interpret it.

    Parameters
    ----------
    project : OpenProject
        A project of alkaid; its program is copied, not changed.
    build_folder : Path
        Where the copy is made; it is removed.
    inputs, expected : array of int64
        Raw integers of the events and of their outputs.

    Raises
    ------
    DataError
        When the program holds no sum.
    """
    return _control_program(project, build_folder, expected, lambda p: load_interpreter(project, p).run(inputs).outputs)


def control_native(project: OpenProject, build_folder: Path, inputs: Integers, expected: Integers) -> NegativeControl:
    """Make a sum of alkaid's program a difference, or the reverse, the last one first, and compile and run it.

    Parameters
    ----------
    project : OpenProject
        A project of alkaid; its program is copied, not changed.
    build_folder : Path
        Where the copy is made and compiled; both are removed.
    inputs, expected : array of int64
        Raw integers of the events and of their outputs.

    Raises
    ------
    DataError
        When the program holds no sum.
    ToolError
        When the copy does not compile.
    """

    def run(program: Path) -> Integers:
        """Compile beside the program, in the folder that is removed."""
        return build_native(project, program.parent, program, fast=False).run(inputs).outputs

    return _control_program(project, build_folder, expected, run)


def _control_program(
    project: OpenProject, build_folder: Path, expected: Integers, run: Callable[[Path], Integers]
) -> NegativeControl:
    """Flip bits of copies of alkaid's program and `run` them."""

    def attempt(number: int) -> tuple[str, Integers] | None:
        """Flip bit `number` of a copy and run it; None when there is no such bit."""
        with _scratch(build_folder) as folder:
            program = folder / "comb.json.gz"
            what = _flip_operation(project.folder / PROGRAM, program, number)
            return None if what is None else (what, run(program))

    return _control(attempt, expected, f"{project.folder / PROGRAM}: no sum to corrupt.")


def _control(
    attempt: Callable[[int], tuple[str, Integers] | None], expected: Integers, nothing: str
) -> NegativeControl:
    """Flip one bit after the other until one reaches the output; DataError with `nothing` when there is none."""
    without_effect: list[str] = []
    for number in range(_TRIES):
        flipped = attempt(number)
        if flipped is None:
            break
        what, outputs = flipped
        changed = int((outputs != expected).any(axis=1).sum())
        if changed:
            note = f" (without effect: {'; '.join(without_effect)})" if without_effect else ""
            return NegativeControl(what + note, len(expected), changed)
        without_effect.append(what)
    if not without_effect:
        raise DataError(nothing)
    return NegativeControl("; ".join(without_effect), len(expected), 0)


@contextlib.contextmanager
def _scratch(build_folder: Path) -> Iterator[Path]:
    build_folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build_folder.resolve(), prefix="control-") as name:
        yield Path(name)


@contextlib.contextmanager
def _copy(project: OpenProject, build_folder: Path) -> Iterator[Path]:
    with _scratch(build_folder) as folder:
        copy_project(project, folder)
        yield folder


def _redigested(project: OpenProject, folder: Path) -> FirmwareProject:
    """Return the record of the corrupted copy, so that nothing built from the project is taken for it."""
    return dataclasses.replace(project.record, files=folder_digests(folder, project.record.files))


def _flip_weight(folder: Path, number: int) -> str | None:
    """Flip the lowest set bit of one weight in the copy `folder` and say which; None when there is no such array."""
    arrays, types = read_arrays(folder)
    # A weight matrix is named w<layer>; a bias b<layer>. The last matrix is the nearest to the output.
    arrays.sort(key=lambda a: (a.name.rstrip("0123456789") == "w", a.number), reverse=True)
    if number >= len(arrays):
        return None
    array = arrays[number]
    fixed_type = types[array.type_name]
    index = max(range(len(array.values)), key=lambda i: abs(array.values[i]))
    raw = array.raw(index, fixed_type)
    flipped = wrapped(raw ^ ((raw & -raw) or 1), fixed_type)
    write_weight(folder, array, index, flipped, fixed_type)
    return f"{WEIGHTS}/{array.name}[{index}]: {raw} became {flipped} ({fixed_type})"


def _flip_adder(folder: Path, number: int) -> str | None:
    """Flip the subtract bit of one adder in the copy `folder` and say which; None when there is no such stage.

    The stages are taken from the middle outwards: the last ones saturate the score and hide much.
    """
    sources = [path for path in sorted((folder / "src").iterdir(), key=_stage) if path.suffix in _ADDERS]
    stages = [path for path in sources if _ADDERS[path.suffix].search(path.read_text(encoding="utf-8"))]
    if number >= len(stages):
        return None
    path = stages[sorted(range(len(stages)), key=lambda i: abs(i - len(stages) // 2))[number]]
    text = path.read_text(encoding="utf-8")
    match = list(_ADDERS[path.suffix].finditer(text))[-1]
    bit = "1" if match["bit"] == "0" else "0"
    path.write_text(text[: match.start("bit")] + bit + text[match.end("bit") :], encoding="utf-8")
    return f"src/{path.name}: the subtract bit of {match['name']}: {match['bit']} became {bit}"


def _stage(path: Path) -> tuple[int, str]:
    """Sort ``logic2.v`` before ``logic10.v``."""
    number = re.search(r"\d+$", path.stem) if path.stem.startswith("logic") else None
    return int(number[0]) if number else -1, path.name


def _flip_operation(source: Path, target: Path, number: int) -> str | None:
    """Copy a program with one sum made a difference, or the reverse, and say which; None when there is no such sum."""
    try:
        state = json.loads(gzip.decompress(source.read_bytes()))
        outputs, operations = state["model"][2], state["model"][5]
        used = {int(i) for i in outputs} | {int(i) for operation in operations for i in operation[0]}
        sums = [i for i, operation in enumerate(operations) if operation[1] in (_ADD, _SUBTRACT) and i in used]
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(f"{source}: not a program of alkaid ({error!r}).") from error
    if number >= len(sums):
        return None
    chosen = sums[-1 - number]
    operations[chosen][1] = _SUBTRACT if operations[chosen][1] == _ADD else _ADD
    target.write_bytes(gzip.compress(json.dumps(state).encode()))
    return f"{PROGRAM}: the subtract bit of operation {chosen} of {len(operations)}"
