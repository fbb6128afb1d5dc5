"""The event sample that ships with l1ad, checked against its manifest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from l1ad.errors import DataError, nearest
from l1ad.events.adc2021 import EventSource
from l1ad.provenance import file_digest
from l1ad.resources import resource

#: Version of the manifest's fields; a reader refuses any other.
MANIFEST_VERSION = 1
_BACKGROUND = "background"
_REINSTALL = "Reinstall l1ad, or make the sample again with benchmarks/make_embedded_sample.py."


@dataclass(frozen=True)
class Sample:
    """The embedded sample: background, signals and what its manifest says of them.

    Attributes
    ----------
    folder : Path
        Where the files are.
    manifest : dict
        The content of MANIFEST.json.
    """

    folder: Path
    manifest: dict[str, Any]

    @property
    def source_tag(self) -> str:
        """Label of every result on this sample."""
        return str(self.manifest["source_tag"])

    @property
    def acceptance(self) -> float:
        """Events of the sample a bunch crossing; the manifest holds the formula."""
        return float(self.manifest["acceptance"]["events_per_crossing"])

    @property
    def background(self) -> EventSource:
        """The background files as one source."""
        return self.source(_BACKGROUND)

    @property
    def signals(self) -> dict[str, EventSource]:
        """Signal name -> its files."""
        return {name: self.source(name) for name in self.manifest["samples"] if name != _BACKGROUND}

    def source(self, name: str) -> EventSource:
        """Return the files of the sample `name`.

        Raises
        ------
        DataError
            When the manifest does not list it.
        """
        samples = self.manifest["samples"]
        if name not in samples:
            raise DataError(f"embedded sample: no {name!r}. {nearest(name, samples)}")
        return EventSource(tuple(self.folder / entry["file"] for entry in samples[name]), self.manifest["variant"])

    def digests(self) -> dict[str, str]:
        """Return file name -> SHA-256 as the manifest lists them."""
        return {entry["file"]: entry["sha256"] for entries in self.manifest["samples"].values() for entry in entries}

    def verify(self) -> None:
        """Check that every file is the one that the manifest lists.

        Raises
        ------
        DataError
            Naming the first file that is absent or differs.
        """
        for name, expected in self.digests().items():
            path = self.folder / name
            if not path.is_file():
                raise DataError(f"{path}: missing from the embedded sample. {_REINSTALL}")
            found = file_digest(path)
            if found != expected:
                raise DataError(f"{path}: SHA-256 {found}; the manifest says {expected}. {_REINSTALL}")


def open_sample(folder: Path | None = None, *, verify: bool = True) -> Sample:
    """Open the embedded sample.

    Parameters
    ----------
    folder : Path or None, optional
        Another folder of the same form.
    verify : bool, optional
        Compare the digest of every file with the manifest first.

    Raises
    ------
    DataError
        When the manifest is unreadable or of another version, or a file differs from it.
    """
    folder = resource("sample") if folder is None else folder
    path = folder / "MANIFEST.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable ({error}). {_REINSTALL}") from error
    if not isinstance(manifest, dict) or manifest.get("version") != MANIFEST_VERSION:
        raise DataError(f"{path}: not a sample manifest of version {MANIFEST_VERSION}. {_REINSTALL}")
    sample = Sample(folder, manifest)
    if verify:
        sample.verify()
    return sample
