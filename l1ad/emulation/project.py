"""Opens a firmware project and verifies that its files are the ones the converter wrote."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from l1ad.hardware.project import read_project
from l1ad.provenance import value_digest
from l1ad.records import FirmwareProject


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
    return OpenProject(root, read_project(root))


def copy_project(project: OpenProject, folder: Path) -> None:
    """Copy the listed files of `project` to `folder`; links are not followed out of the project."""
    for name in project.record.files:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project.folder / name, target)
