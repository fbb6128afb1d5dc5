"""The hand-written hardware of the trigger around a network of one adder: our driver and the cocotb bench."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from l1ad.conversion.top_level.write import write_rtl
from l1ad.emulation.cocotb_bench import run_bench, write_bench
from l1ad.emulation.project import OpenProject, open_project
from l1ad.emulation.trigger import build_trigger
from l1ad.emulation.trigger_rung import TriggerEvents, run_trigger
from l1ad.errors import ConversionError, DataError
from l1ad.hardware.rtl_ports import PortTypes
from l1ad.hardware.trigger import TriggerInput, TriggerSpec
from l1ad.records import FixedType

RAW, SCORE = FixedType(True, 8, 5), FixedType(False, 8, 8)
#: The port leaves out the sign, which this network never looks at, and two bits of the fraction.
PORT = FixedType(False, 5, 4)
INPUTS = (TriggerInput("a", False, 12, 72, 6), TriggerInput("b", True, 6, -3, -1), TriggerInput("c", True, 9, 5, 2))

# Adds the three elements; two registers, as many as alkaid puts around one stage.
NETWORK = """module net_wrapper (input wire clk, input wire [14:0] model_inp, output reg [6:0] model_out);
reg [14:0] held;
always @(posedge clk) begin
  held <= model_inp;
  model_out <= held[4:0] + held[9:5] + held[14:10];
end
endmodule
"""
PORTS = PortTypes("net_wrapper", PORT, FixedType(False, 7, 7), True)
SPEC = TriggerSpec("net", INPUTS, RAW, SCORE, (40, 20, 255, 255, 255), (1, 2, 0, 0, 0), 2, "")


def scores(words: np.ndarray) -> np.ndarray:
    """Return what the network computes: the sum of the five bits of each raw input that the port has."""
    return ((SPEC.scale(words) >> 2) & 31).sum(axis=1)


@pytest.fixture(scope="module")
def project(workshop, tmp_path_factory) -> OpenProject:
    folder = tmp_path_factory.mktemp("net")
    (folder / "src").mkdir()
    (folder / "src" / "net_wrapper.v").write_text(NETWORK)
    write_rtl(SPEC, PORTS, folder)
    types = {"input_type": RAW, "n_inputs": 3, "output_type": SCORE, "n_outputs": 1}
    return open_project(workshop.record(folder, "verilog", "net", **types))


@pytest.fixture(scope="module")
def events() -> TriggerEvents:
    low = [item.type.minimum for item in INPUTS]
    high = [item.type.maximum for item in INPUTS]
    words = np.random.default_rng(7).integers(low, high, (400, 3), endpoint=True)
    assert len(np.unique(scores(words))) > 40
    return TriggerEvents(words, scores(words))


def test_every_clock_and_the_controls(project, events, builds) -> None:
    report = run_trigger(project, events, builds, lambda line: None)
    assert report.passed
    assert report.control.caught
    assert report.rung == "trigger"


def test_scores_that_are_wrong_are_named(project, events, builds) -> None:
    wrong = events.scores.copy()
    wrong[5] += 1
    report = run_trigger(project, TriggerEvents(events.words, wrong), builds, lambda line: None)
    assert not report.passed
    assert "clock of the trigger, score" in str(report.first_difference)
    with pytest.raises(DataError, match="400 events with 399 scores"):
        run_trigger(project, TriggerEvents(events.words, wrong[:-1]), builds, lambda line: None)


def test_the_bench_in_cocotb(project, events, builds) -> None:
    pytest.importorskip("cocotb", reason="cocotb is not installed")
    result = run_bench(project, events, builds)
    assert result.passed, result.failures
    assert result.tests == ("back_to_back", "gaps", "resets")
    # A latency of one clock more, and scores one too high, are seen by every test.
    late = run_bench(project, events, builds, spec=dataclasses.replace(SPEC, network_latency=3))
    raised = run_bench(project, TriggerEvents(events.words, events.scores + 1), builds)
    for broken in (late, raised):
        assert set(broken.failures) == set(result.tests)
        assert not broken.passed
        assert all("expected [" in text for text in broken.failures.values())


def test_the_files_of_the_bench_follow_the_model(events, tmp_path) -> None:
    write_bench(tmp_path, SPEC, events)
    words = [int(line, 16) for line in (tmp_path / "words.txt").read_text().split()]
    assert len(words) == 400
    assert words[0] & 0xFFF == events.words[0, 0]
    rows = [list(map(int, line.split())) for line in (tmp_path / "gaps.txt").read_text().splitlines()]
    assert {len(row) for row in rows} == {11}
    assert 0 < sum(row[1] for row in rows) == 400 < len(rows)


def test_a_network_that_does_not_fit_is_refused(tmp_path) -> None:
    for name, ports, text in (
        ("clock", dataclasses.replace(PORTS, clocked=False), "has no clock"),
        ("wide", dataclasses.replace(PORTS, output=FixedType(False, 9, 9)), r"gives ufixed<9,9>, which does not fit"),
        ("fine", dataclasses.replace(PORTS, output=FixedType(False, 8, 7)), r"gives ufixed<8,7>"),
    ):
        (tmp_path / name).mkdir()
        with pytest.raises(ConversionError, match=text):
            write_rtl(SPEC, ports, tmp_path / name)


def test_a_crashing_simulation_is_an_error(project, events, builds, workshop, tmp_path) -> None:
    from l1ad.errors import ToolError
    from l1ad.hardware.trigger_model import make_stream

    simulation = build_trigger(project, builds)
    broken = dataclasses.replace(simulation, program=workshop.program(tmp_path / "dies", "kill -SEGV $$"))
    with pytest.raises(ToolError, match="SIGSEGV"):
        broken.run(events.words, make_stream(SPEC, events.scores))
