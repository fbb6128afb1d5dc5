"""Formal equivalence of RTL and mapped cells, with netlists that are broken on purpose."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from l1ad.errors import DataError, L1adError, ToolError
from l1ad.synthesis.equivalence import CLOCKED, DIFFERENT, EQUAL, OPEN, prove_equal, prove_netlist
from l1ad.synthesis.run import synthesize

# The weighted square of a score: (mean * mean) * weight, cut and saturated.
SCORE = """module term (input signed [4:0] mean, input [3:0] weight, output [7:0] score);
wire [9:0] square = mean * mean;
wire [13:0] product = square * weight;
wire [11:0] cut = product >> 2;
assign score = cut > 255 ? 8'd255 : cut[7:0];
endmodule
"""


@pytest.fixture(scope="module")
def mapped(tmp_path_factory) -> tuple[Path, Path]:
    """The RTL of a score's term, and its cells as Yosys maps them."""
    import subprocess
    import sys

    from l1ad.provenance import write_json
    from l1ad.synthesis.yosys import _LOGIC
    from l1ad.synthesis.yosys_worker import Request

    folder = tmp_path_factory.mktemp("term")
    (folder / "term.v").write_text(SCORE)
    commands = ("read_verilog term.v", *(step.format(top="term") for step in _LOGIC))
    netlist = folder / "term.cells.json.gz"
    request = Request(str(folder), commands, str(folder / "report.json"), "d", str(netlist))
    write_json(folder / "request.json", request.to_dict())
    command = [sys.executable, "-m", "l1ad.synthesis.yosys_worker", str(folder / "request.json")]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "term.v", netlist


def changed(netlist: Path, target: Path, place: int) -> Path:
    """Copy a netlist with the LUT number `place` inverted."""
    values = json.loads(gzip.decompress(netlist.read_bytes()))
    cells = [cell for module in values["modules"].values() for cell in module["cells"].values()]
    luts = [cell for cell in cells if cell["type"].startswith("LUT")]
    parameters = luts[place]["parameters"]
    parameters["INIT"] = "".join("10"[int(bit)] for bit in parameters["INIT"])
    target.write_bytes(gzip.compress(json.dumps(values).encode()))
    return target


def test_the_multiplier_of_the_score_is_what_was_mapped(mapped) -> None:
    rtl, netlist = mapped
    assert b"LUT6" in gzip.decompress(netlist.read_bytes())
    assert prove_equal("term", [rtl], [netlist]) == EQUAL


def test_inverted_luts_are_different(mapped, tmp_path) -> None:
    rtl, netlist = mapped
    broken = [changed(netlist, tmp_path / f"broken{place}.cells.json.gz", place) for place in range(3)]
    assert DIFFERENT in {prove_equal("term", [rtl], [path]) for path in broken}


def test_a_project_against_its_netlist(make_project, tmp_path) -> None:
    """Every module without registers is proved, the top is named, and a stage that was changed is found."""
    project, folder = make_project(), tmp_path / "netlist"
    synthesize(project, tmp_path / "work", workers=1, netlist=folder)
    seen: list[tuple[int, int, str]] = []
    options = {"limit_s": 60.0, "workers": 1, "progress": lambda *told: seen.append(told)}
    report = prove_netlist(project, folder, **options)
    assert report.of(EQUAL) == ("adder", "mixer")
    assert report.of(CLOCKED) == ("tiny",)
    assert seen == [(1, 2, "adder"), (2, 2, "mixer")]
    path = folder / "mixer.cells.json.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b'"INIT":"0110"', b'"INIT":"0111"', 1)))
    assert prove_netlist(project, folder, **options).of(DIFFERENT) == ("mixer",)
    path.write_bytes(b"cut")
    with pytest.raises(DataError, match=r"mixer\.cells\.json\.gz: not a netlist"):
        prove_netlist(project, folder, **options)
    path.unlink()
    with pytest.raises(DataError, match="holds no netlist of mixer"):
        prove_netlist(project, folder, **options)


def test_a_proof_that_takes_too_long_stays_open(tmp_path) -> None:
    square = "module wide (input [23:0] a, input [23:0] b, output [47:0] y);\nassign y = {};\nendmodule\n"
    one, other = tmp_path / "one.v", tmp_path / "other.v"
    one.write_text(square.format("a * b"))
    other.write_text(square.format("b * a + 48'd0"))
    assert prove_equal("wide", [one], [other], limit_s=3) == OPEN


def test_what_cannot_be_read_is_an_error(mapped, tmp_path) -> None:
    rtl, _ = mapped
    (tmp_path / "no.v").write_text("this is not Verilog")
    with pytest.raises(ToolError, match="equivalence of term"):
        prove_equal("term", [rtl], [tmp_path / "no.v"])
    with pytest.raises(L1adError, match="module name"):
        prove_equal("term; shell", [rtl], [rtl])


def test_undefined_bits_may_be_anything_and_defined_ones_not(tmp_path) -> None:
    table = "module table_(input [1:0] in, output reg [2:0] out);\nalways @(*) case (in)\n2'h0: out = 3'h1;\n"
    table += "2'h1: out = 3'h{};\ndefault: out = {};\nendcase\nendmodule\n"
    texts = {"gold": table.format(6, "{3{1'bx}}"), "free": table.format(6, "3'h5"), "wrong": table.format(7, "3'h5")}
    for name, text in texts.items():
        (tmp_path / f"{name}.v").write_text(text)
    gold = [tmp_path / "gold.v"]
    assert prove_equal("table_", gold, [tmp_path / "free.v"]) == EQUAL
    assert prove_equal("table_", gold, [tmp_path / "wrong.v"]) == DIFFERENT
