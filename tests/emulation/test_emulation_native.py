"""The native emulator against alkaid's interpreter and int64 arithmetic, over random programs and bad input."""

from __future__ import annotations

import dataclasses
import gzip
import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from l1ad.emulation.controls import control_native
from l1ad.emulation.interpreter import PROGRAM, load_interpreter
from l1ad.emulation.native import build_native
from l1ad.emulation.native_program import read_program
from l1ad.emulation.native_source import native_sources
from l1ad.emulation.project import open_project
from l1ad.errors import DataError, ToolError, ToolMissingError
from l1ad.records import FixedType

PORT = FixedType(signed=True, width=8, integer=4)
RESULT = FixedType(signed=True, width=53, integer=33)


def written(folder: Path, workshop, operations: list, outputs: list[int], **changes):
    """Write a program as alkaid does, and return it as a project with inputs of `PORT`."""
    n_inputs = changes.pop("n_inputs", 4)
    shape = [n_inputs, len(outputs)]
    model = [shape, [0] * n_inputs, outputs, changes.pop("shifts", [0] * len(outputs)),
             changes.pop("negatives", [False] * len(outputs)), operations, 1, 1,
             changes.pop("tables", None)]  # fmt: skip
    path = folder / PROGRAM
    path.parent.mkdir(parents=True)
    version = changes.pop("version", 4)
    path.write_bytes(gzip.compress(json.dumps({"model": model, "meta": "ALIRModel", "spec_version": version}).encode()))
    ports = {"n_inputs": n_inputs, "n_outputs": len(outputs), "input_type": PORT, "output_type": RESULT}
    workshop.record(folder, "verilog", "dut", **{**ports, **changes})
    return open_project(folder)


def leaf(position: int, low: int = -128, high: int = 127) -> list:
    return [[], -1, [position], [low / 16, high / 16, 1 / 16], 0, 0]


class RandomProgram:
    """Operations of every kind with intervals that hold, as alkaid promises."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.operations = [leaf(position) for position in range(4)]
        self.tables: list[dict] = []
        for a, b in ((0, 1), (4, 4), (5, 2)):  # 15, 29 and 36 bits
            self.operations.append([*self.product_of(a, b), 0, 0])
        self.grow(120)

    def grow(self, steps: int) -> None:
        makers = [self.sum, self.sum, self.three, self.negate, self.relu, self.quantize, self.constant_sum, self.mux,
                  self.product, self.table, self.unary, self.binary]  # fmt: skip
        while len(self.operations) < steps:
            made = makers[self.random.integers(len(makers))]()
            if made is not None:
                self.operations.append([*made, 0, 0])

    def pick(self, widest: int = 40) -> int:
        narrow = [i for i in range(len(self.operations)) if self.kind(i).width <= widest]
        return int(self.random.choice(narrow))

    def interval(self, index: int) -> tuple[float, float, float]:
        return tuple(self.operations[index][3])

    def kind(self, index: int) -> FixedType:
        low, high, step = self.interval(index)
        lowest, highest = round(low / step), round(high / step)
        width = max(highest.bit_length() if highest > 0 else 0, (~lowest).bit_length() if lowest < 0 else 0)
        return FixedType(low < 0, width + (low < 0), width + (low < 0) + round(math.log2(step)))

    def shift(self) -> int:
        return int(self.random.integers(-2, 3))

    def sum(self):
        a, b, shift, minus = self.pick(), self.pick(), self.shift(), bool(self.random.integers(2))
        (l0, h0, s0), (l1, h1, s1) = self.interval(a), (x * 2.0**shift for x in self.interval(b))
        low, high = (l0 - h1, h0 - l1) if minus else (l0 + l1, h0 + h1)
        return [a, b], int(minus), [shift], [low, high, min(s0, s1)]

    def three(self):
        indices, data, low, high, steps = [self.pick() for _ in range(3)], [], 0.0, 0.0, []
        for index in indices:
            plus, shift = int(self.random.integers(2)), self.shift()
            bottom, top, step = (x * 2.0**shift for x in self.interval(index))
            low, high = (low + bottom, high + top) if plus else (low - top, high - bottom)
            data += [plus, shift]
            steps.append(step)
        return indices, 11, data, [low, high, min(steps)]

    def negate(self):
        a = self.pick()
        low, high, step = self.interval(a)
        return [a], -2, [], [-high, -low, step]

    def relu(self):
        a = self.pick()
        _, high, step = self.interval(a)
        if high <= 0:
            return None
        return [a], 2, [], [0.0, math.floor(high / step / 2) * step * 2, step * 2]

    def quantize(self):
        a, shift = self.pick(), self.shift()
        kind = self.kind(a)
        if kind.width < 4:
            return None
        fraction, width, signed = kind.fraction - shift - 1, kind.width - 2, bool(self.random.integers(2))
        top = 2.0 ** (width - signed)
        step = 2.0**-fraction
        return [a], 3, [shift], [-top * step if signed else 0.0, (top - 1) * step, step]

    def constant_sum(self):
        a, number, fraction = self.pick(), int(self.random.integers(-50, 50)) * 2 + 1, int(self.random.integers(-2, 8))
        low, high, step = self.interval(a)
        value = number * 2.0**-fraction
        return [a], 4, [number, fraction], [low + value, high + value, min(step, 2.0**-fraction)]

    def mux(self):
        a, b, key = self.pick(), self.pick(), self.pick()
        (l0, h0, s0), (l1, h1, s1) = self.interval(a), self.interval(b)
        if self.kind(key).width == 0:
            return None
        return [a, b, key], 6, [0], [min(l0, l1), max(h0, h1), min(s0, s1)]

    def product(self):
        return self.product_of(self.pick(16), self.pick(16))

    def product_of(self, a: int, b: int):
        (l0, h0, s0), (l1, h1, s1) = self.interval(a), self.interval(b)
        corners = [l0 * l1, l0 * h1, h0 * l1, h0 * h1]
        return [a, b], 7, [], [min(corners), max(corners), s0 * s1]

    def table(self):
        a = self.pick(9)
        low, high, step = self.interval(a)
        size = round((high - low) / step) + 1
        if not 1 < size <= 512:
            return None
        values = self.random.integers(-100, 100, size)
        values[:2] = -100, 99
        interval = {"min": -25.0, "max": 24.75, "step": 0.25}
        spec = {"hash": "", "out_qint": interval, "inp_width": math.ceil(math.log2(size))}
        self.tables.append({"spec": spec, "table": values.tolist()})
        return [a], 8, [len(self.tables) - 1], [-25.0, 24.75, 0.25]

    def unary(self):
        a, which = self.pick(), int(self.random.integers(2))
        kind = self.kind(a)
        if which:
            return [a], 9, [1], [0.0, 1.0, 1.0]
        if kind.width < 1:
            return None
        step = 2.0**-kind.fraction
        return [a], 9, [0], [kind.minimum * step, kind.maximum * step, step]

    def binary(self):
        a, b, which = self.pick(24), self.pick(24), int(self.random.integers(3))
        kinds = self.kind(a), self.kind(b)
        if min(k.width for k in kinds) < 1:
            return None
        fraction = max(k.fraction for k in kinds)
        bits = max(k.width - k.signed - k.fraction for k in kinds) + fraction
        if bits > 30:
            return None
        signed = any(k.signed for k in kinds)
        step = 2.0**-fraction
        return [a, b], 10, [0, which], [-(2.0**bits) * step if signed else 0.0, (2.0**bits - 1) * step, step]


@pytest.mark.parametrize("seed", range(2))
def test_random_programs_equal_the_interpreter(tmp_path: Path, workshop, builds: Path, seed: int) -> None:
    program = RandomProgram(seed)
    kinds = [program.kind(index) for index in range(len(program.operations))]
    outputs = [i for i, k in enumerate(kinds) if k.fraction <= RESULT.fraction - 2 and k.width - k.fraction <= 30]
    shifts = [int(program.random.integers(-2, 3)) for _ in outputs]
    negatives = [bool(program.random.integers(2)) for _ in outputs]
    project = written(tmp_path, workshop, program.operations, outputs, tables=program.tables, shifts=shifts,
                      negatives=negatives)  # fmt: skip
    inputs = program.random.integers(-128, 128, (3000, 4))
    expected = load_interpreter(project).run(inputs).outputs
    native = build_native(project, builds)
    found = native.run(inputs).outputs
    assert len(outputs) > 60
    assert {operation[1] for operation in program.operations} >= {-2, -1, 0, 1, 2, 3, 4, 6, 7, 9, 10, 11}
    wrong = np.flatnonzero((expected != found).any(axis=0))
    assert [(int(i), program.operations[outputs[i]]) for i in wrong] == []
    parsed = read_program(project.folder / PROGRAM, project.record)
    assert sum(step.wraps for step in parsed.steps) > 3
    assert sum(step.wide for step in parsed.steps) > 3
    assert max(step.type.width for step in parsed.steps) > 32


def test_a_program_is_the_same_in_parts_of_any_length(tmp_path: Path, workshop, builds: Path, monkeypatch) -> None:
    program = RandomProgram(3)
    project = written(tmp_path, workshop, program.operations, [len(program.operations) - 1], tables=program.tables)
    parsed = read_program(project.folder / PROGRAM, project.record)
    assert len(native_sources(parsed, PORT, part_steps=7)) > 3
    inputs = program.random.integers(-128, 128, (500, 4))
    whole = build_native(project, builds).run(inputs).outputs
    monkeypatch.setattr(native_sources, "__kwdefaults__", {"part_steps": 7})
    assert np.array_equal(build_native(project, builds).run(inputs).outputs, whole)
    assert len(np.unique(whole)) > 1


@pytest.fixture(scope="module")
def native(rtl_folder: Path, builds: Path):
    return build_native(open_project(rtl_folder), builds)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.int8])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_network_equals_int64_arithmetic(native, network, events, dtype, threads: int) -> None:
    rows = np.tile(events, (20, 1)) if threads > 1 else events[:997]
    rows = (rows % 128).astype(dtype) if dtype is np.int8 else rows.astype(dtype)
    result = native.run(rows, threads=threads)
    assert np.array_equal(result.outputs, network.outputs(rows.astype(np.int64)))
    assert result.output_type == native.project.record.output_type
    assert result.events_per_second > 0
    assert result.engine.startswith("native (alkaid 0.8.2, g++ ")


def test_what_was_compiled_is_used_again(rtl_folder: Path, builds: Path, native) -> None:
    before = native.library.stat().st_mtime_ns
    assert build_native(open_project(rtl_folder), builds).library == native.library
    assert native.library.stat().st_mtime_ns == before


def test_one_flipped_bit_of_the_program_is_seen(rtl_folder: Path, builds: Path, network, events) -> None:
    control = control_native(open_project(rtl_folder), builds, events[:300], network.outputs(events[:300]))
    assert control.caught
    assert control.events == 300
    assert "the subtract bit of operation" in control.what


def test_one_flipped_bit_of_a_table_is_seen(tmp_path: Path, workshop, builds: Path) -> None:
    spec = {"hash": "", "out_qint": {"min": 0.0, "max": 255.0, "step": 1.0}, "inp_width": 8}
    inputs = np.arange(-128, 128).reshape(-1, 1)
    found = []
    for name, value in (("good", 7), ("flipped", 6)):
        table = {"spec": spec, "table": [(17 * i + 3) % 256 for i in range(256)]}
        table["table"][100] = value
        operations = [leaf(0), [[0], 8, [0], [0.0, 255.0, 1.0], 0, 0]]
        project = written(tmp_path / name, workshop, operations, [1], tables=[table], n_inputs=1)
        found.append(build_native(project, builds).run(inputs).outputs[:, 0])
    assert np.flatnonzero(found[0] != found[1]).tolist() == [100]


@pytest.mark.parametrize("event", [0, 5, 4100, 7999])
def test_the_first_value_out_of_range_is_named(native, events, event: int) -> None:
    rows = np.tile(events, (8, 1))
    rows[event, 3] = 512
    rows[-1, 0] = -513
    expected = f"event {event}, input 3 is 512; fixed<10,4> holds -512 to 511" if event < 7999 else "event 7999"
    with pytest.raises(DataError, match=expected):
        native.run(rows, threads=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[:, :5], r"shape \(1000, 5\); expected \(events, 6\)"),
        (lambda x: x[:0], "at least one event"),
        (lambda x: x / 2, "float64; expected integers"),
        (lambda x: x.astype(np.uint64), "uint64; expected integers"),
        (lambda x: np.full((3, 6), np.nan), "float64; expected integers"),
    ],
)
def test_arrays_that_are_no_raw_inputs_are_refused(native, events, change, message: str) -> None:
    with pytest.raises(DataError, match=message):
        native.run(change(events))


@pytest.mark.parametrize(
    ("operations", "outputs", "changes", "message"),
    [
        ([leaf(0)], [0], {"version": 3}, "format 3 of alkaid; expected 4"),
        ([leaf(9)], [0], {}, "operation 0 cannot be read .reads input 9 of 4"),
        ([[[1], -2, [], [0.0, 1.0, 1.0], 0, 0]], [0], {}, r"operands \[1\] are not computed before it"),
        ([leaf(0), [[0], 17, [], [0.0, 1.0, 1.0], 0, 0]], [1], {}, "operation 1 cannot be read"),
        ([[[], -1, [0], [0.0, 1.0, 0.3], 0, 0]], [0], {}, "expected a power of two"),
        ([[[], 5, [1], [0.0, 2.0**70, 1.0], 0, 0]], [0], {}, "a value of 71 bits; at most 63"),
        ([leaf(0)], [0], {"output_type": FixedType(True, 4, 2)}, "output 0 is fixed<8,4>, which fixed<4,2>"),
        ([leaf(0)], [0], {"input_type": FixedType(True, 40, 20)}, "inputs of fixed<40,20>; at most 32 bits"),
        ([leaf(0), [[0], 8, [0], [0.0, 1.0, 1.0], 0, 0]], [1], {"tables": [{"spec": {"out_qint": {
            "min": 0.0, "max": 1.0, "step": 1.0}}, "table": [0] * 300}]}, "a table of 300 entries"),
    ],
)  # fmt: skip
def test_programs_that_cannot_be_read_are_named(
    tmp_path: Path, workshop, builds: Path, operations, outputs, changes, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        build_native(written(tmp_path, workshop, operations, outputs, **changes), builds)


def test_a_damaged_program_and_another_backend(rtl_folder: Path, hls_folder: Path, builds: Path, tmp_path) -> None:
    whole = (rtl_folder / PROGRAM).read_bytes()
    short = tmp_path / "comb.json.gz"
    short.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"comb\.json\.gz: not a program of alkaid"):
        build_native(open_project(rtl_folder), builds, short)
    with pytest.raises(DataError, match="backend vitis; expected verilog"):
        build_native(open_project(hls_folder), builds)


def test_without_a_compiler(rtl_folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match=r"g\+\+ is not on PATH"):
        build_native(open_project(rtl_folder), tmp_path)


def test_a_library_that_cannot_be_loaded(rtl_folder: Path, tmp_path: Path) -> None:
    project = open_project(rtl_folder)
    library = build_native(project, tmp_path / "first", fast=False).library
    second = tmp_path / "second" / library.parent.name / library.name
    second.parent.mkdir(parents=True)
    for end in (1000, -1000):
        for path in library.parent.iterdir():
            (second.parent / path.name).write_bytes(path.read_bytes())
        second.write_bytes(library.read_bytes()[:end])
        with pytest.raises(ToolError, match=r"cannot be loaded \(its digest is not"):
            build_native(project, tmp_path / "second", fast=False)
    (second.parent / "native.sha256").unlink()
    with pytest.raises(ToolError, match="cannot be loaded"):
        build_native(project, tmp_path / "second", fast=False)


def test_what_the_driver_returns_becomes_an_error(native, events) -> None:
    for status, message in ((-2, "not enough memory for 1000 events"), (-3, "returned -3")):
        broken = dataclasses.replace(native, function=lambda *_, found=status: found)
        with pytest.raises(ToolError, match=message):
            broken.run(events)
    assert SimpleNamespace(**vars(native)).library.is_file()
