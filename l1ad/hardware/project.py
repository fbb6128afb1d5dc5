"""Opens a firmware project and verifies that its files are the ones that the converter wrote."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from l1ad.errors import DataError
from l1ad.provenance import check_name, file_digest
from l1ad.records import FirmwareProject

#: Name of the record inside a project folder.
RECORD = "project.json"


def read_project(folder: Path) -> FirmwareProject:
    """Return the record of the project in `folder` after verifying every file that it lists.

    Raises
    ------
    DataError
        When the record is missing or malformed, or a file is absent, changed, or outside the folder; the message
        names it.
    """
    project = FirmwareProject.read(folder / RECORD)
    check_name(project.top, "top")
    if not project.files:
        raise DataError(f"{folder / RECORD}: lists no files. Convert again.")
    for name, digest in project.files.items():
        _verify(folder, name, digest)
    return project


def _verify(folder: Path, name: str, digest: str) -> None:
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or PurePosixPath(name).is_absolute():
        raise DataError(f"{folder / RECORD}: file name {name!r} leaves the project folder.")
    path = folder / name
    if not path.is_file():
        raise DataError(f"{path}: listed in {RECORD} and absent. Convert again.")
    found = file_digest(path)
    if found != digest:
        raise DataError(
            f"{path}: changed since the conversion: expected SHA-256 {digest[:12]}, found {found[:12]}. Convert again."
        )
