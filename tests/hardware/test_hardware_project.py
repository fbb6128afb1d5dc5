"""Opening a firmware project and refusing one that changed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from l1ad.errors import DataError, L1adError
from l1ad.hardware.project import read_project
from l1ad.provenance import folder_digests, value_digest, write_json
from l1ad.records import FirmwareProject, FixedType


@pytest.fixture
def project(tmp_path: Path) -> FirmwareProject:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "top.v").write_text("module top; endmodule\n")
    files = folder_digests(tmp_path)
    kind = FixedType(True, 8, 4)
    record = FirmwareProject("verilog", "top", "xcvu9p", 5.0, "test", kind, 1, kind, 1, files, value_digest(files))
    write_json(tmp_path / "project.json", record.to_dict())
    return record


def rewrite(folder: Path, project: FirmwareProject, **fields: object) -> None:
    write_json(folder / "project.json", dataclasses.replace(project, **fields).to_dict())  # type: ignore[arg-type]


def test_unchanged_project_is_read(project: FirmwareProject, tmp_path: Path) -> None:
    assert read_project(tmp_path) == project


def test_changed_and_absent_files_are_named(project: FirmwareProject, tmp_path: Path) -> None:
    source = tmp_path / "src" / "top.v"
    source.write_text("module top; wire a; endmodule\n")
    with pytest.raises(DataError, match=r"top\.v: changed since the conversion"):
        read_project(tmp_path)
    source.unlink()
    with pytest.raises(DataError, match=r"top\.v: listed in project\.json and absent"):
        read_project(tmp_path)


@pytest.mark.parametrize("name", ["../outside.v", "/etc/hostname", ""])
def test_file_outside_the_project(project: FirmwareProject, tmp_path: Path, name: str) -> None:
    rewrite(tmp_path, project, files={name: "0"})
    with pytest.raises(DataError, match="leaves the project folder"):
        read_project(tmp_path)


def test_malformed_records(project: FirmwareProject, tmp_path: Path) -> None:
    rewrite(tmp_path, project, files={})
    with pytest.raises(DataError, match="lists no files"):
        read_project(tmp_path)
    rewrite(tmp_path, project, top="top; exec")
    with pytest.raises(L1adError, match="top"):
        read_project(tmp_path)
    (tmp_path / "project.json").write_text("{")
    with pytest.raises(DataError, match="not readable as JSON"):
        read_project(tmp_path)
    (tmp_path / "project.json").unlink()
    with pytest.raises(DataError, match="no such file"):
        read_project(tmp_path)
