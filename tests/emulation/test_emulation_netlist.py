"""Mapped cells: the primitives by hand, the reader on broken netlists, and real netlists against the RTL."""

from __future__ import annotations

import dataclasses
import gzip
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from l1ad.emulation import open_project
from l1ad.emulation.cells import carry, choose, look_up
from l1ad.emulation.netlist import addressed, control_netlist, open_netlist, run_netlist
from l1ad.emulation.netlist_cells import read_cells
from l1ad.emulation.netlist_verilog import netlist_verilog
from l1ad.emulation.rtl import build_rtl
from l1ad.emulation.toolchain import run_tool
from l1ad.emulation.verilator import find_verilator
from l1ad.errors import DataError, ToolError
from l1ad.resources import resource
from l1ad.synthesis.run import synthesize
from l1ad.synthesis.yosys import NETLIST_SUFFIX, YosysSynthesizer, netlist_files
from l1ad.synthesis.yosys_worker import SPLIT


@pytest.mark.parametrize("inputs", range(1, 7))
def test_look_up_is_the_entry_of_every_address(inputs: int) -> None:
    rng = np.random.default_rng(inputs)
    size = 1 << inputs
    address = np.arange(64) % size
    words = [np.packbits(address >> k & 1, bitorder="little").view("<u8") for k in range(inputs)]
    contents = [0, (1 << size) - 1, 1, 1 << (size - 1)]
    contents += [int.from_bytes(rng.bytes(8), "little") & ((1 << size) - 1) for _ in range(60)]
    for init in contents:
        found = np.unpackbits(look_up(init, words).view(np.uint8), bitorder="little")
        assert np.array_equal(
            found, (init >> address % size) & 1 if size < 64 else [init >> int(a) & 1 for a in address]
        )


def test_a_carry_chain_adds() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 16, 64), rng.integers(0, 16, 64)
    entry = rng.integers(0, 2, 64)

    def words(values: np.ndarray, bit: int) -> np.ndarray:
        return np.packbits(values >> bit & 1, bitorder="little").view("<u8")

    data = [words(a, bit) for bit in range(4)]
    select = [words(a ^ b, bit) for bit in range(4)]
    carries, sums = carry(words(entry, 0), data, select)
    bits = [np.unpackbits(w.view(np.uint8), bitorder="little").astype(int) for w in (*sums, carries[3])]
    assert np.array_equal(sum(bit << place for place, bit in enumerate(bits)), a + b + entry)
    one, zero = np.array([0b10], np.uint64), np.array([0b01], np.uint64)
    assert int(choose(zero, one, np.array([0b11], np.uint64))[0]) == 0b10


def cells(folder: Path, **changes: object) -> Path:
    """Write a design of one LUT and two registers, and change it."""
    lut = {"type": "LUT2", "parameters": {"INIT": "1000"}, "connections": {"I0": [2], "I1": [3], "O": [6]}}
    registers = {
        f"r{place}": {"type": "$_DFF_P_", "parameters": {}, "connections": {"C": [1], "D": [d], "Q": [q]}}
        for place, (d, q) in enumerate([(6, 7), (7, 8)])
    }
    ports = {
        "clk": {"direction": "input", "bits": [1]},
        "model_inp": {"direction": "input", "bits": [2, 3]},
        "model_out": {"direction": "output", "bits": [8]},
    }
    module = {"ports": ports, "cells": {"lut": lut, **registers, **changes}}
    folder.mkdir(exist_ok=True)
    (folder / "dut.cells.json.gz").write_bytes(gzip.compress(json.dumps({"modules": {"dut": module}}).encode()))
    return folder


def lut1(source: int, target: int) -> dict[str, object]:
    return {"type": "LUT1", "parameters": {"INIT": "01"}, "connections": {"I0": [source], "O": [target]}}


def read(folder: Path):
    return read_cells(folder, "dut", "model_inp", "model_out")


def test_latency_is_read_from_the_registers(tmp_path: Path) -> None:
    netlist = read(cells(tmp_path / "net"))
    assert netlist.latency == 2
    assert (netlist.count("LUT"), netlist.count("REGISTER")) == (1, 2)


def shift_register(address: str) -> dict[str, object]:
    """Return a shift register in a LUT instead of the second register."""
    bits = {f"A{place}": [bit] for place, bit in enumerate(address)}
    return {"type": "SRL16E", "parameters": {}, "connections": {"D": [7], "Q": [8], "CE": ["1"], "CLK": [1], **bits}}


def test_a_shift_register_takes_the_clocks_of_its_address(tmp_path: Path) -> None:
    netlist = read(cells(tmp_path / "net", r1=shift_register("1010")))
    assert netlist.latency == 1 + 1 + 0b0101
    assert netlist_verilog(netlist, "dut").count("<=") == 7
    changed = shift_register("1010")
    changed["connections"]["A1"] = [2]
    with pytest.raises(DataError, match="whose address is not constant"):
        read(cells(tmp_path / "net", r1=changed))


@pytest.mark.parametrize(
    ("name", "cell", "text"),
    [
        ("x", lut1(2, 6), "a driver already"),
        ("x", lut1(9, 10), "without a driver"),
        ("x", lut1(9, 9), "depends on itself"),
        ("x", {"type": "DSP48E2", "parameters": {}, "connections": {}}, "primitive DSP48E2 has no model"),
        (
            "x",
            {"type": "LUT2", "parameters": {"INIT": "01"}, "connections": {"I0": [2], "I1": [7], "O": [9]}},
            "paths of 0 and 1 clocks meet",
        ),
        (
            "x",
            {"type": "FDRE", "parameters": {}, "connections": {"C": [1], "CE": [2], "D": [6], "R": ["0"], "Q": [9]}},
            "FDRE whose CE is not 1",
        ),
        ("r1", lut1(7, 9), "1 output bits"),
    ],
)  # fmt: skip
def test_broken_netlists_are_refused_with_the_cell(tmp_path: Path, name: str, cell: dict, text: str) -> None:
    with pytest.raises(DataError, match=text):
        read(cells(tmp_path / "net", **{name: cell}))


# The header of gzip holds the time: every worker has to see the same parameters.
@pytest.mark.parametrize(
    "content", [b"", b"{", *(gzip.compress(text, mtime=0) for text in (b"", b"[]", b'{"modules": []}'))]
)
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    folder = cells(tmp_path / "net")
    path = folder / "dut.cells.json.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="not a netlist"):
        read(folder)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"not a netlist|holds no netlist"):
        read(folder)
    with pytest.raises(DataError, match="holds no netlist of dut"):
        read(tmp_path)


@pytest.fixture(scope="module")
def mapped(rtl_folder: Path, tmp_path_factory):
    """The mapped cells of the small network."""
    folder = tmp_path_factory.mktemp("mapped")
    synthesize(rtl_folder, folder / "work", workers=1, netlist=folder / "netlist")
    return folder / "netlist"


def test_a_real_netlist_equals_int64_arithmetic(rtl_folder, mapped, network, events) -> None:
    simulation = open_netlist(open_project(rtl_folder), mapped)
    expected = network.outputs(events)
    latency = simulation.netlist.latency
    options = {"latency": latency, "control_events": 500, "progress": lambda line: None}
    report = run_netlist(simulation, events, expected, **options)
    assert report.passed
    assert (report.rung, report.events) == ("netlist", len(events))
    wrong = expected.copy()
    wrong[17, 1] += 1
    broken = run_netlist(simulation, events, wrong, **options)
    assert not broken.passed
    assert broken.first_difference.event == 17
    with pytest.raises(ToolError, match=rf"{latency} registers from event to result; the RTL takes {latency + 1}"):
        run_netlist(simulation, events, expected, **{**options, "latency": latency + 1})


def test_a_netlist_mapped_in_parts_is_the_same_function(rtl_folder, network, events, tmp_path) -> None:
    """A module that is divided for mapping must not lose a driver: adders differ when it does."""
    synthesizer = YosysSynthesizer(netlist=True)
    plan = synthesizer.plan(rtl_folder, open_project(rtl_folder).record, tmp_path)
    jobs = [
        dataclasses.replace(job, commands=tuple(f"{SPLIT}30" if c.startswith(SPLIT) else c for c in job.commands))
        for job in plan.jobs
    ]
    divided = dataclasses.replace(plan, jobs=tuple(jobs))
    synthesizer.run(divided, rtl_folder, tmp_path / "work", workers=1)
    folder = tmp_path / "netlist"
    folder.mkdir()
    for module, path in netlist_files(divided, tmp_path / "work").items():
        shutil.copyfile(path, folder / f"{module}{NETLIST_SUFFIX}")
    assert any(b"_part2" in gzip.decompress(path.read_bytes()) for path in folder.iterdir())
    simulation = open_netlist(open_project(rtl_folder), folder)
    assert np.array_equal(simulation.run(events), network.outputs(events))


def test_flips_that_nobody_addresses_have_no_effect(rtl_folder, mapped, events) -> None:
    simulation = open_netlist(open_project(rtl_folder), mapped)
    nets = simulation.settle(events)
    whole = simulation.read(nets, len(events))
    seen = {True: 0, False: 0}
    for place, cell in enumerate(simulation.netlist.cells):
        if cell.kind != "LUT" or place % 7:
            continue
        for bit in range(1 << len(cell.inputs)):
            outputs = simulation.read(simulation.settle_flipped(nets, place, bit), len(events))
            reached = addressed(nets, cell, bit, len(events))
            seen[reached] += 1
            if not reached:
                assert np.array_equal(outputs, whole)
    assert min(seen.values()) > 0
    assert control_netlist(simulation, events).caught
    # One event addresses one entry a LUT, so that most flips have no effect.
    single = control_netlist(simulation, events[:1], seed=4)
    assert re.search(r"entry \d+ of LUT\d .*\(without effect: \d+ that no event addresses, \d+ that", single.what)


def test_verilator_agrees_on_the_same_netlist(rtl_folder, mapped, events, builds, tmp_path, workshop) -> None:
    """The netlist as Verilog, and the same with one LUT inverted."""
    simulation = open_netlist(open_project(rtl_folder), mapped)
    latency, expected = simulation.netlist.latency, simulation.run(events[:300])
    text = netlist_verilog(simulation.netlist, "net6")
    place, cell = next((n, c) for n, c in enumerate(simulation.netlist.cells) if c.kind == "LUT" and len(c.inputs) > 4)
    inverted = dataclasses.replace(cell, init=cell.init ^ ((1 << (1 << len(cell.inputs))) - 1))
    cells_ = (*simulation.netlist.cells[:place], inverted, *simulation.netlist.cells[place + 1 :])
    broken = netlist_verilog(dataclasses.replace(simulation.netlist, cells=cells_), "net6")
    for name, content, equal in (("whole", text, True), ("broken", broken, False)):
        folder = tmp_path / name
        shutil.copytree(rtl_folder, folder)
        shutil.rmtree(folder / "src")
        (folder / "src").mkdir()
        for wrapper in (rtl_folder / "src").glob("*_wrapper.v"):
            shutil.copy(wrapper, folder / "src")
        (folder / "src" / "net6.v").write_text(content)
        verilated = build_rtl(open_project(workshop.refreshed(folder)), builds, fast=False)
        found = verilated.run(events[:300], latency=latency).outputs
        assert np.array_equal(found, expected) is equal


def test_the_models_of_primitives_are_valid_verilog(tmp_path) -> None:
    verilator = find_verilator()
    text = resource("firmware/sim/cells.v").read_text()

    def lint(content: str, top: str) -> str:
        (tmp_path / "cells.v").write_text(content)
        command = [str(verilator.program), "--lint-only", "-Wno-lint", "--top-module", top, "cells.v"]
        return run_tool(command, what=top, cwd=tmp_path, environment={"VERILATOR_ROOT": str(verilator.root)})

    for top in ("LUT6", "CARRY8", "FDRE", "FDSE", "SRL16E", "SRLC32E", "MUXF9"):
        assert "rror" not in lint(text, top)
    with pytest.raises(ToolError, match="LUT6: "):
        lint(text.replace("endmodule", "", 1), "LUT6")
