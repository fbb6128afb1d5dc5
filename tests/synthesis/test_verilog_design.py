"""Which modules of a project are synthesized, and from which files."""

from __future__ import annotations

from pathlib import Path

import pytest

from l1ad.errors import DataError
from l1ad.hardware.project import read_project
from l1ad.synthesis.verilog import Design, read_design


def design_of(folder: Path) -> Design:
    return read_design(folder, read_project(folder))


def test_stages_and_files(make_project) -> None:
    design = design_of(make_project())
    assert design.top == "tiny"
    assert design.stages == {"adder": 1, "mixer": 1}
    assert design.files == {"tiny": ("src/tiny.v",), "adder": ("src/adder.v",), "mixer": ("src/mixer.v",)}
    assert design.clocked == {"tiny"}
    assert design.memories == frozenset()


def test_arrays_of_registers_are_memories(make_project) -> None:
    text = (make_project() / "src" / "tiny.v").read_text()
    held = text.replace("reg [8:0] second;", "reg [8:0] second; reg [8:0] held [0:15];")
    assert held != text
    assert design_of(make_project({"tiny.v": held})).memories == {"tiny"}


def test_wrapper_is_left_out(make_project) -> None:
    assert design_of(make_project(top="tiny_wrapper")) == design_of(make_project())


def test_files_that_a_stage_needs(make_project) -> None:
    inner = "module half (input a, b, output s); assign s = a ^ b; endmodule"
    stage = "module mixer (input [8:0] model_inp, output [8:0] model_out);\n half #() h (model_inp[0]);\nendmodule"
    design = design_of(make_project({"half.v": inner, "mixer.v": stage}))
    assert design.files["mixer"] == ("src/half.v", "src/mixer.v")
    assert "src/half.v" not in design.files["tiny"]


def test_two_instances_count_twice(make_project) -> None:
    top = "module tiny (input a);\n adder one (.model_inp(a));\n adder two (.model_inp(a));\nendmodule"
    assert design_of(make_project({"tiny.v": top})).stages == {"adder": 2}


def test_module_in_the_file_of_the_top_stays_in_it(make_project) -> None:
    folder = make_project()
    both = "".join((folder / "src" / name).read_text() for name in ("tiny.v", "adder.v"))
    design = design_of(make_project({"tiny.v": both, "adder.v": "// moved\n"}))
    assert design.stages == {"mixer": 1}


def test_alkaid_layout(alkaid_project: Path) -> None:
    design = design_of(alkaid_project)
    assert design.top == "dense"
    assert set(design.stages) == {path.stem for path in (alkaid_project / "src").glob("logic*.v")}
    assert design.clocked == {"dense"}
    assert any("static/shift_adder.v" in name for files in design.files.values() for name in files)


def test_bad_designs(make_project) -> None:
    with pytest.raises(DataError, match=r"'tinny' is in no Verilog file.*tiny"):
        design_of(make_project(top="tinny"))
    with pytest.raises(DataError, match="already defined"):
        design_of(make_project({"copy.v": "module adder (input a);\nendmodule"}))
    with pytest.raises(DataError, match="cannot stand in a tool's command"):
        design_of(make_project({"a b.v": "module ab (input a);\nendmodule"}))


def test_project_without_verilog(tmp_path: Path, make_project) -> None:
    folder = make_project()
    project = read_project(folder)
    empty = type(project).from_dict({**project.to_dict(), "files": {"top.cpp": "0"}})
    with pytest.raises(DataError, match="no Verilog module"):
        read_design(folder, empty)
