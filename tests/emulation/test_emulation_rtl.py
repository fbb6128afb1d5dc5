from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from l1ad.emulation import open_project
from l1ad.emulation.controls import control_rtl
from l1ad.emulation.rtl import RtlSimulation, build_rtl
from l1ad.emulation.timing import measure_interval, measure_latency, measure_timing
from l1ad.errors import DataError, ToolError
from l1ad.records import FixedType

WORDS = np.random.default_rng(3).integers(-128, 128, (300, 1))

ADDER = """module dut (input wire [7:0] model_inp, output wire [7:0] model_out);
assign model_out = model_inp + 8'd1;
endmodule
"""
# Reads its input at every second clock only.
EVERY_SECOND = """module dut (input wire clk, input wire [7:0] model_inp, output reg [7:0] model_out);
reg phase = 1'b0;
always @(posedge clk) begin
  phase <= ~phase;
  if (!phase) model_out <= model_inp;
end
endmodule
"""
CONSTANT = "module dut (input wire clk, input wire [7:0] model_inp, output wire [7:0] model_out);\n"
CONSTANT += "assign model_out = 8'd3;\nendmodule\n"


@pytest.fixture(scope="module")
def simulation(rtl_folder: Path, builds: Path) -> RtlSimulation:
    return build_rtl(open_project(rtl_folder), builds, fast=False)


def test_alkaid_rtl_agrees_with_int64_arithmetic(simulation: RtlSimulation, network, events) -> None:
    latency = measure_latency(simulation, events)
    result = simulation.run(events, latency=latency)
    assert np.array_equal(result.outputs, network.outputs(events))
    assert result.engine.startswith("Verilator 5.")
    # One clock too early or too late is another event.
    for wrong in (latency - 1, latency + 1):
        assert not np.array_equal(simulation.run(events, latency=wrong).outputs, network.outputs(events))


def test_timing_is_measured_at_the_output(simulation: RtlSimulation, rtl_folder: Path, events) -> None:
    source = (rtl_folder / "src" / "net6.v").read_text()
    registers = source.count(" <= ")
    found = {line.name: line for line in measure_timing(simulation, events)}
    assert found["latency_clocks"].value == registers
    assert found["latency_ns"].value == 5.0 * registers
    assert found["ii"].value == 1
    assert {line.stage for line in found.values()} == {"simulation"}
    assert found["ii"].source.endswith(", 256 events")


def test_one_register_more_is_seen_as_one_clock_more(
    simulation: RtlSimulation, rtl_folder: Path, network, events, tmp_path: Path, builds: Path, workshop
) -> None:
    copy = shutil.copytree(rtl_folder, tmp_path / "copy")
    source = copy / "src" / "net6.v"
    text, found = re.subn(r"(output )reg( \[\d+:0\] model_out)", r"\1wire\2", source.read_text())
    text, moved = re.subn(r"model_out(\[(\d+):0\] <= )", r"shorter\1", text)
    assert (found, moved) == (1, 1)
    width = re.search(r"shorter\[(\d+):0\]", text)
    assert width is not None
    registers = f"reg [{width[1]}:0] shorter, longer;\nalways @(posedge clk) longer <= shorter;\n"
    source.write_text(text.replace("endmodule", f"{registers}assign model_out = longer;\nendmodule"))
    longer = build_rtl(open_project(workshop.refreshed(copy)), builds, fast=False)
    latency = measure_latency(longer, events)
    assert latency == measure_latency(simulation, events) + 1
    assert np.array_equal(longer.run(events, latency=latency).outputs, network.outputs(events))


def test_a_flipped_adder_is_seen_and_the_project_stays(simulation, rtl_folder: Path, network, events, builds) -> None:
    latency = measure_latency(simulation, events)
    control = control_rtl(simulation.project, builds, events, network.outputs(events), latency=latency)
    assert control.caught
    assert control.what.startswith("src/logic")
    assert open_project(rtl_folder).record == simulation.project.record


def test_logic_without_a_register_has_no_latency(tmp_path: Path, builds: Path, workshop) -> None:
    simulation = build_rtl(open_project(workshop.verilog(tmp_path / "adder", ADDER)), builds)
    assert measure_latency(simulation, WORDS) == 0
    assert measure_interval(simulation, WORDS, 0) == 1
    found = simulation.run(WORDS, latency=0).outputs
    assert np.array_equal(found, (WORDS + 1 + 128) % 256 - 128)


def test_an_input_read_every_second_clock_has_interval_two(tmp_path: Path, builds: Path, workshop) -> None:
    simulation = build_rtl(open_project(workshop.verilog(tmp_path / "second", EVERY_SECOND)), builds)
    assert measure_latency(simulation, WORDS) == 1
    assert measure_interval(simulation, WORDS, 1) == 2


def test_an_output_that_never_changes_gives_no_latency(tmp_path: Path, builds: Path, workshop) -> None:
    simulation = build_rtl(open_project(workshop.verilog(tmp_path / "constant", CONSTANT)), builds)
    with pytest.raises(ToolError, match="same for all events"):
        measure_latency(simulation, WORDS)


def test_wrong_use_is_refused(simulation: RtlSimulation, hls_folder: Path, events, builds: Path) -> None:
    with pytest.raises(DataError, match=r"expected \(events, 6\)"):
        simulation.clocks(events[:, :5])
    with pytest.raises(DataError, match="outside fixed<10,4>"):
        simulation.clocks(events - 512)
    with pytest.raises(DataError, match="backend vitis"):
        build_rtl(open_project(hls_folder), builds)


def test_a_driver_that_crashes_or_stops_early_is_an_error(simulation, events, tmp_path: Path, workshop) -> None:
    crash = dataclasses.replace(simulation, program=workshop.program(tmp_path / "crash", "kill -ABRT $$"))
    with pytest.raises(ToolError, match="RTL simulation of net6: killed by SIGABRT"):
        crash.clocks(events)
    short = dataclasses.replace(simulation, program=workshop.program(tmp_path / "short", 'printf 12345678 > "$2"'))
    with pytest.raises(ToolError, match="has 8 bytes; expected 16000"):
        short.clocks(events)


def test_a_verilog_error_gives_its_line_and_leaves_nothing(tmp_path: Path, builds: Path, workshop) -> None:
    project = workshop.verilog(tmp_path / "broken", ADDER.replace("+ 8'd1", "+ missing"))
    before = sorted(builds.iterdir())
    with pytest.raises(ToolError, match=r"Verilator on dut: exit status 1\. %Error: src/dut\.v:2:\d+: .*missing"):
        build_rtl(open_project(project), builds)
    assert sorted(builds.iterdir()) == before


def test_ports_that_do_not_fit_are_refused(rtl_folder: Path, tmp_path: Path, builds: Path, workshop) -> None:
    copy = shutil.copytree(rtl_folder, tmp_path / "copy")
    coarse = FixedType(signed=True, width=12, integer=12)
    with pytest.raises(DataError, match="fewer bits right of the point"):
        build_rtl(open_project(workshop.refreshed(copy, output_type=coarse)), builds)
    with pytest.raises(DataError, match=r"ports of \[6, 2\] elements; expected \[6, 3\]"):
        build_rtl(open_project(workshop.refreshed(copy, n_outputs=3)), builds)
    (copy / "model" / "fsm.json.gz").write_bytes(b"not gzip")
    with pytest.raises(DataError, match=r"fsm\.json\.gz: not a record"):
        build_rtl(open_project(workshop.refreshed(copy)), builds)
