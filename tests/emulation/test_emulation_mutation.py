"""Bits that are flipped on purpose: which ones the rungs see, and the reasons for those that they do not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from l1ad.emulation import open_project
from l1ad.emulation.compare import LayerValues
from l1ad.emulation.hls_weights import read_arrays
from l1ad.emulation.mutants import CONSTANT, LITERAL, SHIFT, SUBTRACT, TABLE, choose_rtl, fixed, rtl_sites
from l1ad.emulation.mutation import LADDER, MISSED, RANGE, mutate_rtl, mutate_weights, whole_range
from l1ad.emulation.weight_reasons import reason
from l1ad.errors import DataError

TABLE_TEXT = """module table_a(input [1:0] in, output reg [2:0] out);
always @(*) case (in)
2'h0: out = 3'h1;
2'h1: out = 3'h6;
default: out = {3{1'bx}};
endcase
endmodule
"""
STAGE_TEXT = """module logic0 (
    input [7:0] model_inp, output [4:0] model_out
);
    wire [3:0] v0; assign v0[3:0] = model_inp[3:0];
    wire [3:0] v1; assign v1[3:0] = 'b0101;
    wire [4:0] v2; shift_adder #(4,4,1,1,5,0,-1,0) op_2 (v0[3:0],4'b0011,v2[4:0]);
    assign model_out[4:0] = v2[4:0];
endmodule
"""


def test_sites_are_the_bits_of_constants() -> None:
    found = [*rtl_sites("logic0.v", STAGE_TEXT), *rtl_sites("tables.v", TABLE_TEXT)]
    assert sorted((site.kind, site.bits) for site in found) == sorted(
        [(SUBTRACT, 1), (SHIFT, 1), (LITERAL, 4), (CONSTANT, 4), (TABLE, 3), (TABLE, 3)]
    )


def test_the_same_seed_chooses_the_same_bits() -> None:
    texts = {"logic0.v": STAGE_TEXT, "tables.v": TABLE_TEXT}
    first, again, other = (choose_rtl(texts, 3, seed) for seed in (1, 1, 2))
    assert first == again
    assert first[1] != other[1]
    assert [mutant.number for mutant in first[1]] == [1, 2, 3]
    # One bit a line: four lines hold constants.
    assert len(choose_rtl(texts, 100, 1)[1]) == 4
    assert choose_rtl({"wires.v": "module a; endmodule"}, 3, 1)[1] == []


def test_a_mutant_can_be_fixed() -> None:
    changed, mutants = choose_rtl({"logic0.v": STAGE_TEXT}, 2, 1)
    text = fixed(changed["logic0.v"], mutants[0].number)
    assert "wire [31:0] l1ad_chosen = 32'd1;" in text
    assert "plusargs" not in text
    assert "l1ad_mark" not in text


@pytest.fixture(scope="module")
def vectors(network, events):
    return events[:400], network.outputs(events[:400])


def test_flipped_weights_are_seen_or_explained(hls_folder: Path, vectors, builds: Path) -> None:
    project = open_project(hls_folder)
    found = list(mutate_weights(project, *vectors, 24, builds, seed=2))
    assert len({(mutant.file, mutant.what) for mutant in found}) == 24
    assert {mutant.kind for mutant in found} == {"weight", "bias"}
    assert sum(mutant.caught == LADDER for mutant in found) >= 20
    for mutant in found:
        assert (mutant.reason != "") is (mutant.caught == MISSED)
    assert open_project(hls_folder).record == project.record
    assert found[:3] == list(mutate_weights(project, *vectors, 24, builds, seed=2))[:3]


def test_nothing_is_mutated_when_the_whole_differs(hls_folder: Path, rtl_folder: Path, vectors, builds: Path) -> None:
    inputs, expected = vectors
    wrong = expected + 1
    with pytest.raises(DataError, match="before a bit is flipped"):
        next(mutate_weights(open_project(hls_folder), inputs, wrong, 2, builds, seed=1))
    project = open_project(rtl_folder)
    empty = dataclasses.replace(project, record=dataclasses.replace(project.record, files={}))
    with pytest.raises(DataError, match="no constant to change"):
        next(mutate_rtl(empty, *vectors, 2, builds, **OPTIONS))


OPTIONS = {"latency": 1, "seed": 1, "prove": lambda module, gold, gate: False}


@pytest.mark.heavy
def test_flipped_constants_are_seen_or_explained(rtl_folder: Path, vectors, builds: Path) -> None:
    asked = []

    def prove(module: str, gold: list[Path], gate: list[Path]) -> bool:
        asked.append((module, gate[0].read_text()))
        return False

    from l1ad.emulation.rtl import build_rtl
    from l1ad.emulation.timing import measure_timing

    project = open_project(rtl_folder)
    timing = measure_timing(build_rtl(project, builds), vectors[0])
    latency = int(next(line.value for line in timing if line.name == "latency_clocks"))
    found = list(mutate_rtl(project, *vectors, 30, builds, latency=latency, seed=1, prove=prove))
    assert len(found) == 30
    assert {mutant.kind for mutant in found} >= {SUBTRACT, SHIFT}
    missed = [mutant for mutant in found if mutant.caught == MISSED]
    assert len(missed) <= 6
    assert len(asked) == sum(mutant.kind != TABLE for mutant in missed)
    assert all(mutant.reason for mutant in missed)
    assert all("l1ad_chosen = 32'd" in text for _, text in asked)


def test_events_over_the_whole_range_reach_its_limits(hls_folder: Path) -> None:
    project = open_project(hls_folder)
    found, kind = whole_range(project, 300), project.record.input_type
    assert (found.min(), found.max()) == (kind.minimum, kind.maximum)
    assert np.abs(found).max(axis=1).min() < kind.maximum


def test_reasons_follow_the_events(hls_folder: Path, vectors, builds: Path) -> None:
    """An input that is 0, a unit at its limit, and a change below the last bit are told apart."""
    project = open_project(hls_folder)
    arrays, types = read_arrays(project.folder)
    first = next(array for array in arrays if array.name.startswith("w"))
    kind, layers = types[first.type_name], project.record.layers
    events = vectors[0].copy()
    events[:, 0] = 0
    name = next(iter(layers))
    busy = {name: LayerValues(np.arange(len(events) * 4).reshape(-1, 4) % 7, layers[name])}
    stuck = {name: LayerValues(np.full((len(events), 4), layers[name].maximum), layers[name])}
    assert reason(project, first, 1, 0, kind, [(events, busy)]) == f"input 0 of {name} is 0 in every event"
    assert "stands at a limit" in reason(project, first, 4, 0, kind, [(events, stuck)])
    assert reason(project, first, 4, 0, kind, [(events, busy)]).startswith(f"rounding: the sum of {name}[0]")
    assert RANGE != LADDER
