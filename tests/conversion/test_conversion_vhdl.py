"""The VHDL project: GHDL reads it, Verilator runs it, and every integer is that of Keras."""

from __future__ import annotations

import shutil

import pytest

from l1ad.config import EmulationConfig
from l1ad.emulation.ladder import run_ladder
from l1ad.emulation.project import open_project
from l1ad.emulation.rtl import build_rtl
from l1ad.errors import ToolError, ToolMissingError
from l1ad.records import FirmwareProject

needs_ghdl = pytest.mark.skipif(shutil.which("ghdl") is None, reason="ghdl is not on PATH: apt-get install ghdl")
OPTIONS = EmulationConfig(events=2000, control_events=1000)


@needs_ghdl
@pytest.mark.parametrize("kind", ["rz", "mu2"])
def test_every_integer_is_that_of_keras(examples, projects, tmp_path, kind: str) -> None:
    example = examples("dense_vae", kind)
    report = run_ladder(
        [projects("dense_vae", kind, "vhdl")],
        example.inputs,
        example.keras.score,
        options=OPTIONS,
        build_folder=tmp_path,
        reference_engine="Keras",
        reference_rate=1.0,
    )
    rung = report.rungs[1]
    assert (rung.rung, rung.events, rung.equal_events) == ("rtl_vhdl", 2000, 2000)
    assert rung.engine.startswith("GHDL ")
    assert rung.control.caught
    assert ".vhd: the subtract bit of op_" in rung.control.what
    record = FirmwareProject.read(projects("dense_vae", kind, "vhdl") / "project.json")
    timing = {line.name: line.value for line in report.measurements}
    assert (timing["latency_clocks"], timing["ii"]) == (record.stages + 1, 1)


def test_vhdl_and_verilog_are_one_program(projects) -> None:
    records = [FirmwareProject.read(projects("dense_vae", "rz", name) / "project.json") for name in ("vhdl", "verilog")]
    assert records[0].files["model/comb.json.gz"] == records[1].files["model/comb.json.gz"]
    assert records[0].stages == records[1].stages
    assert "src/small_vae_wrapper.vhd" in records[0].files
    assert not [name for name in records[0].files if name.endswith(".v")]


def test_without_ghdl(projects, tmp_path, monkeypatch) -> None:
    found = shutil.which
    monkeypatch.setattr("shutil.which", lambda name: None if name == "ghdl" else found(name))
    with pytest.raises(ToolMissingError, match=r"apt-get install ghdl.*conversion\.backends"):
        build_rtl(open_project(projects("dense_vae", "rz", "vhdl")), tmp_path)


def test_a_ghdl_that_is_too_old(projects, tmp_path, monkeypatch) -> None:
    program = tmp_path / "ghdl"
    program.write_text("#!/bin/sh\necho 'GHDL 0.37 (Debian) [Dunoon edition]'\n")
    program.chmod(0o755)
    found = shutil.which
    monkeypatch.setattr("shutil.which", lambda name: str(program) if name == "ghdl" else found(name))
    with pytest.raises(ToolMissingError, match=r"version '0\.37'; expected 2\.0 or later"):
        build_rtl(open_project(projects("dense_vae", "rz", "vhdl")), tmp_path / "build")


@needs_ghdl
def test_an_error_in_the_vhdl_is_shown(projects, tmp_path) -> None:
    from l1ad.emulation.vhdl import find_ghdl, vhdl_to_verilog

    source = tmp_path / "broken.vhd"
    source.write_text(
        "entity broken is port(clk: in std_logic); end entity broken;\n"
        "architecture rtl of broken is begin end architecture rtl;\n"
    )
    with pytest.raises(ToolError, match=r"GHDL on broken: .*std_logic"):
        vhdl_to_verilog(find_ghdl(), [source.name], "broken", cwd=tmp_path, out=tmp_path / "out")
    assert list((tmp_path / "out").glob("*.v")) == []
