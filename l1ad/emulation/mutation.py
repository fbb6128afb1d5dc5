"""The mutation figure: bits of a project are flipped one at a time, and its rung of the ladder has to see each.

In an HLS project they are bits of weights, biases and tables, which the C-simulation reads when it starts; in Verilog
they are subtract bits, shifts, constants and table entries, chosen while Verilator's model runs. One program a project
serves all mutants. A mutant is caught when an integer of the output, or of a layer that the rung shows, differs. One
that the events of the ladder do not catch meets events over the whole range of the inputs, and then needs a reason.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from l1ad.emulation.compare import LayerValues
from l1ad.emulation.csim import WEIGHTS, CSimulation, build_csim
from l1ad.emulation.hls_weights import Weights, read_arrays, wrapped, write_weight
from l1ad.emulation.mutants import TABLE, Mutant, choose_rtl, fixed, reached
from l1ad.emulation.project import OpenProject, copy_project
from l1ad.emulation.rtl import RtlSimulation, build_rtl
from l1ad.emulation.simulation import SimulationResult
from l1ad.emulation.vectors import Integers
from l1ad.emulation.weight_reasons import reason
from l1ad.errors import DataError
from l1ad.provenance import folder_digests
from l1ad.records import FixedType, Record

#: How a mutant was caught: by events of the ladder, by events over the whole range of the inputs alone, or not.
LADDER, RANGE, MISSED = "ladder", "whole range", "missed"

#: Module, its Verilog, and the Verilog of the mutant -> whether the two are the same function; None when not decided.
Prover = Callable[[str, list[Path], list[Path]], bool | None]


@dataclass(frozen=True)
class MutantResult(Record):
    """One mutant and what became of it.

    Attributes
    ----------
    rung : str
        ``csim`` or ``rtl``.
    file, kind, what : str
        Where the bit is, what it belongs to, and what it becomes.
    caught : str
        `LADDER`, `RANGE` or `MISSED`.
    where : str
        ``output``, or the first layer that shows it.
    reason : str
        Why it was missed.
    """

    rung: str
    file: str
    kind: str
    what: str
    caught: str
    where: str = ""
    reason: str = ""


@dataclass(frozen=True)
class MutationReport(Record):
    """All mutants of a run.

    Attributes
    ----------
    seed : int
        Of the choice.
    events : int
        Events of the ladder that each mutant saw, and as many over the whole range of the inputs.
    mutants : tuple of MutantResult
    """

    seed: int
    events: int
    mutants: tuple[MutantResult, ...]

    def count(self, caught: str) -> int:
        """Return how many mutants were caught that way."""
        return sum(mutant.caught == caught for mutant in self.mutants)


def whole_range(project: OpenProject, count: int, seed: int = 0) -> Integers:
    """Return events whose inputs are uniform over their type, a tenth of that, or its limits."""
    kind, rng = project.record.input_type, np.random.default_rng(seed)
    events = rng.integers(kind.minimum, kind.maximum, (count, project.record.n_inputs), endpoint=True)
    limits = rng.choice([kind.minimum, kind.maximum], events.shape)
    choice = rng.random((count, 1))
    return np.where(choice < 0.2, limits, np.where(choice < 0.5, events // 10, events)).astype(np.int64)


def mutate_weights(
    project: OpenProject, events: Integers, expected: Integers, count: int, build_folder: Path, *, seed: int
) -> Iterator[MutantResult]:
    """Flip `count` bits of weights, biases and tables of an HLS project, one at a time.

    Parameters
    ----------
    project : OpenProject
        An HLS project; copies of its weights are changed.
    events, expected : array of int64
        Raw inputs of the ladder, and the outputs.
    count : int
        Bits, drawn at random among all bits of all arrays.
    build_folder : Path
        Where the program is kept.
    seed : int
        Of the draw.

    Yields
    ------
    MutantResult
        One a bit.

    Raises
    ------
    DataError
        When there are no weights, or the outputs are not those of the project.
    """
    arrays, types = read_arrays(project.folder)
    if not arrays:
        raise DataError(f"{project.folder / WEIGHTS}: no array of fixed-point weights to change.")
    sizes = np.array([len(array.values) * types[array.type_name].width for array in arrays])
    chosen = np.random.default_rng(seed).choice(int(sizes.sum()), size=min(count, int(sizes.sum())), replace=False)
    whole = build_csim(project, build_folder)
    layers = list(project.record.layers)
    sets = {LADDER: events, RANGE: whole_range(project, len(events))}
    right = {name: whole.run(inputs, layers=layers) for name, inputs in sets.items()}
    _require_whole(project, right[LADDER].outputs, expected)
    for place in chosen:
        array, index, bit = _locate(arrays, sizes, int(place), types)
        with tempfile.TemporaryDirectory(dir=build_folder.resolve(), prefix="mutant-") as scratch:
            folder = Path(scratch)
            what = _flip(project, folder, array, index, bit, types[array.type_name])
            changed = CSimulation(dataclasses.replace(project, folder=folder), whole.program, whole.compiler)
            found = MutantResult("csim", array.name, _kind(array), what, MISSED)
            for name, inputs in sets.items():
                where = _first_seen(right[name], changed.run(inputs, layers=layers))
                if where:
                    found = dataclasses.replace(found, caught=name, where=where)
                    break
        if found.caught == MISSED:
            seen = [(sets[name], right[name].layers) for name in sets]
            why = reason(project, array, index, bit, types[array.type_name], seen)
            found = dataclasses.replace(found, reason=why)
        yield found


def mutate_rtl(
    project: OpenProject,
    events: Integers,
    expected: Integers,
    count: int,
    build_folder: Path,
    *,
    latency: int,
    seed: int,
    prove: Prover,
) -> Iterator[MutantResult]:
    """Flip `count` bits of the constants in Verilog, one at a time.

    Parameters
    ----------
    project : OpenProject
        A Verilog project of alkaid; a copy is changed.
    events, expected : array of int64
        Raw inputs of the ladder, and the outputs.
    count : int
        Bits, drawn at random among all bits of all constants, one a line.
    build_folder : Path
        Where the model is built; the copy is removed.
    latency : int
        Clocks from event to result.
    seed : int
        Of the draw.
    prove : callable
        Asked about a module with a mutant that no event showed.

    Yields
    ------
    MutantResult
        One a bit.

    Raises
    ------
    DataError
        When there are no constants, or the outputs are not those of the project.
    ToolError
        When the model does not compile or run.
    """
    build_folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build_folder.resolve(), prefix="mutants-") as scratch:
        folder = Path(scratch)
        copy_project(project, folder)
        names = [name for name in project.record.files if name.startswith("src/") and name.endswith(".v")]
        texts = {name: (folder / name).read_text(encoding="utf-8") for name in names}
        changed, mutants = choose_rtl(texts, count, seed)
        if not mutants:
            raise DataError(f"{project.folder / 'src'}: no constant to change.")
        for name, text in changed.items():
            (folder / name).write_text(text, encoding="utf-8")
        record = dataclasses.replace(project.record, files=folder_digests(folder, project.record.files))
        model = build_rtl(OpenProject(folder, record), folder, fast=False)
        sets = {LADDER: events, RANGE: whole_range(project, len(events))}
        right = {name: model.run_mutant(inputs, latency=latency, number=0)[0] for name, inputs in sets.items()}
        _require_whole(project, right[LADDER], expected)
        for mutant in mutants:
            caught, printed = _caught(model, mutant, sets, right, latency)
            found = MutantResult("rtl", Path(mutant.file).name, mutant.kind, mutant.what, caught)
            if caught == MISSED:
                text = fixed(changed[mutant.file], mutant.number)
                why = _why_hidden(project, mutant, text, reached(mutant, printed), folder, prove)
                yield dataclasses.replace(found, reason=why)
            else:
                yield dataclasses.replace(found, where="output")


def _caught(
    model: RtlSimulation, mutant: Mutant, sets: Mapping[str, Integers], right: Mapping[str, Integers], latency: int
) -> tuple[str, str]:
    """Return how a mutant was caught, and what the runs printed."""
    everything = ""
    for name, inputs in sets.items():
        outputs, printed = model.run_mutant(inputs, latency=latency, number=mutant.number)
        everything += printed
        if not np.array_equal(outputs, right[name]):
            return name, everything
    return MISSED, everything


def _why_hidden(project: OpenProject, mutant: Mutant, text: str, was_reached: bool, folder: Path, prove: Prover) -> str:
    """Return why no event shows a mutant of Verilog."""
    if mutant.kind == TABLE:
        return "hidden behind later logic" if was_reached else "no event addresses the entry"
    module = Path(mutant.file).stem
    path = folder / f"{module}.mutant.v"
    path.write_text(text, encoding="utf-8")
    others = [project.folder / name for name in project.record.files if _is_library(name, mutant.file)]
    same = prove(module, [project.folder / mutant.file, *others], [path, *others])
    if same:
        return f"proved: {module} gives the same outputs for all inputs"
    if same is False:
        return f"{module} differs for inputs that no event gives, or that later logic hides"
    return "hidden behind later logic in all events" if was_reached else "no event gives another value at its place"


def _is_library(name: str, of: str) -> bool:
    """Return whether a file may hold what a stage instantiates: tables and what is common to all stages."""
    return name.endswith(".v") and name != of and ("/static/" in name or name.endswith("_tables.v"))


def _require_whole(project: OpenProject, outputs: Integers, expected: Integers) -> None:
    if not np.array_equal(outputs, expected):
        raise DataError(f"{project.folder}: differs from the reference before a bit is flipped. Run: l1ad emulate RUN")


def _locate(
    arrays: list[Weights], sizes: np.ndarray, place: int, types: Mapping[str, FixedType]
) -> tuple[Weights, int, int]:
    """Return array, index and bit of the bit `place` of all arrays."""
    ends = np.cumsum(sizes)
    which = int(np.searchsorted(ends, place, side="right"))
    index, bit = divmod(place - int(ends[which] - sizes[which]), types[arrays[which].type_name].width)
    return arrays[which], index, bit


def _flip(project: OpenProject, folder: Path, array: Weights, index: int, bit: int, fixed_type: FixedType) -> str:
    """Write a folder in which the C-simulation finds the weights with one bit flipped, and say which."""
    weights = folder / WEIGHTS
    weights.mkdir(parents=True)
    for path in (project.folder / WEIGHTS).iterdir():
        if path.stem == array.name:
            (weights / path.name).write_bytes(path.read_bytes())
        else:
            (weights / path.name).symlink_to(path)
    raw = array.raw(index, fixed_type)
    flipped = wrapped(raw ^ (1 << bit), fixed_type)
    write_weight(folder, array, index, flipped, fixed_type)
    return f"[{index}] bit {bit}: {raw} became {flipped} ({fixed_type})"


def _kind(array: Weights) -> str:
    prefix = array.name.rstrip("0123456789")
    return {"w": "weight", "b": "bias", "table": "table"}.get(prefix, prefix)


def _first_seen(right: SimulationResult, found: SimulationResult) -> str:
    """Return ``output`` or the first layer that differs; empty when nothing does."""
    if not np.array_equal(right.outputs, found.outputs):
        return "output"
    layers: Mapping[str, LayerValues] = right.layers
    return next((n for n, layer in layers.items() if not np.array_equal(layer.values, found.layers[n].values)), "")
