"""Verilog projects small enough to be counted by hand, one that alkaid wrote, and tools of vendors that are fakes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from l1ad.provenance import folder_digests, value_digest, write_json
from l1ad.records import FirmwareProject, FixedType

#: Two combinational stages between three rows of registers: 16 + 9 + 9 flip-flops.
TOP = """
module tiny (input clk, input [15:0] model_inp, output reg [8:0] model_out);
    reg [15:0] first; reg [8:0] second;
    wire [8:0] sum; wire [8:0] mixed;
    adder _inst_adder (.model_inp(first), .model_out(sum));
    mixer _inst_mixer (.model_inp(second), .model_out(mixed));
    always @(posedge clk) begin
        first <= model_inp; second <= sum; model_out <= mixed;
    end
endmodule
"""
ADDER = """
module adder (input [15:0] model_inp, output [8:0] model_out);
    assign model_out = model_inp[7:0] + model_inp[15:8]; // mixer is not used here
endmodule
"""
#: Each output is a function of two inputs: nine LUT2.
MIXER = """
module mixer (input [8:0] model_inp, output [8:0] model_out);
    assign model_out = model_inp ^ {model_inp[7:0], model_inp[8]};
endmodule
"""
WRAPPER = """
module tiny_wrapper (input clk, input [15:0] model_inp, output [8:0] model_out);
    tiny tiny_inst (.clk(clk), .model_inp(model_inp), .model_out(model_out));
endmodule
"""
SOURCES = {"tiny.v": TOP, "adder.v": ADDER, "mixer.v": MIXER, "tiny_wrapper.v": WRAPPER}

MakeProject = Callable[..., Path]


def write_project(folder: Path, **fields: Any) -> Path:
    """Write the record of the files below `folder`."""
    files = folder_digests(folder)
    values = {
        "backend": "verilog",
        "top": "tiny",
        "part": "xcvu9p-flga2104-2L-e",
        "clock_ns": 5.0,
        "engine": "test",
        "input_type": FixedType(True, 8, 4),
        "n_inputs": 2,
        "output_type": FixedType(True, 9, 5),
        "n_outputs": 1,
        "stages": 2,
    }
    project = FirmwareProject(**{**values, **fields, "files": files, "digest": value_digest(files)})
    write_json(folder / "project.json", project.to_dict())
    return folder


@pytest.fixture(scope="session")
def make_project(tmp_path_factory: pytest.TempPathFactory) -> MakeProject:
    def make(sources: dict[str, str] | None = None, **fields: Any) -> Path:
        folder = tmp_path_factory.mktemp("project")
        (folder / "src").mkdir()
        for name, text in {**SOURCES, **(sources or {})}.items():
            (folder / "src" / name).write_text(text)
        return write_project(folder, **fields)

    return make


@pytest.fixture(scope="session")
def alkaid_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a 6-4-2 dense network of random 4-bit weights as alkaid writes it."""
    trace = pytest.importorskip("alkaid.trace")
    rtl = pytest.importorskip("alkaid.codegen.rtl.rtl_model")
    folder, rng = tmp_path_factory.mktemp("alkaid"), np.random.default_rng(1)
    inputs = trace.FVArray.from_kif(np.ones(6, int), np.full(6, 3), np.full(6, 2), trace.HWConfig(1, 1, -1))
    hidden = inputs @ (rng.integers(-8, 8, (6, 4)) / 8)
    hidden = hidden.relu(i=np.full(4, 4), f=np.full(4, 2), round_mode="RND")
    logic = trace.trace(inputs, hidden @ (rng.integers(-8, 8, (4, 2)) / 8))
    options = {"flavor": "verilog", "latency_cutoff": 4.0, "ternary_fuse": False}
    rtl.RTLModel(logic, folder, prj_name="dense", **options).write()
    return write_project(folder, top="dense")


SAMPLES = Path(__file__).parent / "report_samples"

#: A program that records how it was called and leaves what the real one would: a report and, done well, its mark.
FAKE = """#!/bin/sh
case "$1" in *version) echo "v2024.1 (64-bit)"; exit 0 ;; esac
echo "$(basename "$0") $* step=$L1AD_STEP in=$(basename "$PWD")" >>"$CALLS"
echo "INFO: running $L1AD_STEP"
if [ "$FAIL" = "$L1AD_STEP" ]; then
    echo "ERROR: [Common 17-345] A valid license was not found for feature 'Synthesis'."
    echo "ERROR: [Common 17-69] Command failed"
    exit 1
fi
[ "$SILENT" = "$L1AD_STEP" ] && exit 0
case "$L1AD_STEP" in
    csynth) mkdir -p hls/solution1/syn/report; cp "$SAMPLES/detector_csynth.xml" hls/solution1/syn/report/ ;;
    cosim) mkdir -p hls/solution1/sim/report; cp "$SAMPLES/detector_cosim.rpt" hls/solution1/sim/report/ ;;
    synth) mkdir -p vivado
           sed 's/: Routed/: Synthesized/' "$SAMPLES/utilization_routed.rpt" >vivado/detector_utilization_synth.rpt ;;
    impl) cp "$SAMPLES/utilization_routed.rpt" vivado/detector_utilization_routed.rpt
          cp "$SAMPLES/timing_routed.rpt" vivado/detector_timing_routed.rpt ;;
esac
touch "marks/$L1AD_STEP"
"""


def write_vendor_project(folder: Path, backend: str, **fields: object) -> Path:
    """Write a small firmware project with the files that a plan names."""
    names = ("src/detector.v",) if backend == "verilog" else ("firmware/detector.cpp", "detector_test.cpp")
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            "module detector (input clk, input [7:0] a, output reg [7:0] b); always @(posedge clk) b <= a; endmodule\n"
        )
    return write_project(folder, **{"top": "detector", "backend": backend, "stages": 1, **fields})


@pytest.fixture
def vendor_project() -> Callable[..., Path]:
    return write_vendor_project


@pytest.fixture
def hls(tmp_path: Path) -> Path:
    return write_vendor_project(tmp_path / "hls_project", "vitis")


@pytest.fixture
def verilog(tmp_path: Path) -> Path:
    return write_vendor_project(tmp_path / "rtl_project", "verilog")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Put fake tools before PATH; the function that is returned gives their calls."""
    folder, calls = tmp_path / "bin", tmp_path / "calls"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    for name, value in (("CALLS", calls), ("SAMPLES", SAMPLES), ("FAIL", ""), ("SILENT", "")):
        monkeypatch.setenv(name, str(value))

    def install(*names: str) -> list[str]:
        for name in names:
            (folder / name).write_text(FAKE)
            (folder / name).chmod(0o755)
        return calls.read_text().splitlines() if calls.exists() else []

    return install
