"""Opens a firmware project and verifies that its files are the ones the converter wrote."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from l1ad.errors import DataError
from l1ad.provenance import check_name, file_digest, value_digest
from l1ad.records import FirmwareProject

#: Name of the record inside a project folder.
RECORD = "project.json"


@dataclass(frozen=True)
class OpenProject:
    """A project folder and its record; the digests of the files agreed when it was opened.

    Attributes
    ----------
    folder : Path
        Absolute path of the project.
    record : FirmwareProject
        What ``project.json`` holds.
    """

    folder: Path
    record: FirmwareProject

    @property
    def key(self) -> str:
        """SHA-256 over the names and digests of the files."""
        return value_digest(self.record.files)


def open_project(folder: Path) -> OpenProject:
    """Read ``project.json`` of `folder` and verify every file it lists.

    Parameters
    ----------
    folder : Path
        Folder that a converter wrote.

    Raises
    ------
    DataError
        When the record is missing or wrong, or a file is absent, outside the folder, or changed.
    """
    root = folder.resolve()
    record = FirmwareProject.read(root / RECORD)
    check_name(record.top, "top")
    if not record.files:
        raise DataError(f"{root / RECORD}: lists no files. Convert again.")
    for name, digest in record.files.items():
        path = root / _inside(name, root)
        if not path.is_file():
            raise DataError(f"{path}: listed in {RECORD} and absent. Convert again.")
        found = file_digest(path)
        if found != digest:
            raise DataError(
                f"{path}: changed since the conversion: expected SHA-256 {digest[:12]}, found {found[:12]}. "
                "Convert again."
            )
    return OpenProject(root, record)


def copy_project(project: OpenProject, folder: Path) -> None:
    """Copy the listed files of `project` to `folder`; links are not followed out of the project."""
    for name in project.record.files:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project.folder / name, target)


def _inside(name: str, root: Path) -> PurePosixPath:
    """Return `name` as a path that stays inside the project."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise DataError(f"{root / RECORD}: file name {name!r} leaves the project folder.")
    return path
