"""Fetches the published ADC2021 files from their Zenodo records, with the checksums of the records."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from l1ad.errors import ConfigurationError, DataError, RunFolderError, nearest
from l1ad.events.download import ResumingDownloader, part_path, read_json
from l1ad.events.published import PARTS, PUBLISHED, FetchRecord, PublishedFile, fetch_record_path
from l1ad.provenance import file_digest, write_json

#: Server of the records; another one with the same paths may stand in for it.
SERVER = "https://zenodo.org"
VERSIONS = ("v1", "v2")

_CHECKSUM_SOURCE = "metadata of the Zenodo record, read at the time of the download"

#: Called with the name of a file, bytes that are there, and bytes in all.
Progress = Callable[[str, int, int], None]


def select_files(parts: Sequence[str], version: str) -> tuple[PublishedFile, ...]:
    """Return the published files of the parts and the version.

    Parameters
    ----------
    parts : sequence of str
        Of ``background``, ``signals``, ``blackbox``; none: all.
    version : str
        ``v1`` or ``v2``.

    Raises
    ------
    ConfigurationError
        When a part or the version does not exist.
    """
    for part in parts:
        if part not in PARTS:
            raise ConfigurationError(f"--part {part!r}: unknown. {nearest(part, PARTS)}")
    if version not in VERSIONS:
        raise ConfigurationError(f"--version {version!r}: unknown. {nearest(version, VERSIONS)}")
    return tuple(item for item in PUBLISHED if item.version == version and item.part in (parts or PARTS))


def fetch_files(
    files: Sequence[PublishedFile],
    folder: Path,
    *,
    server: str = SERVER,
    progress: Progress | None = None,
    wait_s: float = 1.0,
) -> list[FetchRecord]:
    """Download published files; what is there already, and whole, is not downloaded again.

    Each file is checked against the MD5 in the metadata of its record and gets a ``NAME.fetch.json`` beside it, from
    which `l1ad data import` knows version and DOI.

    Parameters
    ----------
    files : sequence of PublishedFile
        What to fetch.
    folder : Path
        Where to put the files.
    server : str, optional
        Server of the records.
    progress : callable, optional
        Called while bytes arrive.
    wait_s : float, optional
        Pause after a broken connection; it doubles.

    Raises
    ------
    ToolMissingError
        When the server cannot be reached; what has arrived is kept.
    DataError
        When a record is not what it should be, or a file has another checksum.
    RunFolderError
        When the disk is full.
    """
    return [_fetch(item, entry, folder, progress, wait_s) for item in files for entry in _entries(item, server)]


def _entries(item: PublishedFile, server: str) -> Iterator[dict[str, Any]]:
    """Yield name, size, MD5 and address of the HDF5 files of a record."""
    url = f"{server.rstrip('/')}/api/records/{item.record}"
    metadata = read_json(url, _by_hand(item))
    found = False
    try:
        for file in metadata["files"]:
            name, (kind, _, digest) = str(file["key"]), str(file["checksum"]).partition(":")
            if not name.endswith((".h5", ".hdf5")):
                continue
            if kind != "md5" or Path(name).name != name:
                raise DataError(f"{url}: file {name!r} with checksum {kind}; expected a plain name and md5.")
            found = True
            yield {"name": name, "size": int(file["size"]), "md5": digest, "url": str(file["links"]["self"])}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{url}: not the metadata of a record ({type(error).__name__}: {error}).") from error
    if not found:
        raise DataError(f"{url}: the record has no HDF5 file.")


def _fetch(
    item: PublishedFile, entry: dict[str, Any], folder: Path, progress: Progress | None, wait_s: float
) -> FetchRecord:
    """Download one file and write its record."""
    import pooch

    path = folder / entry["name"]
    _make_room(path, entry["size"])
    pooch.get_logger().setLevel(logging.WARNING)
    downloader = ResumingDownloader(
        path,
        _by_hand(item),
        None if progress is None else lambda done, total: progress(path.name, done, total or entry["size"]),
        wait_s=wait_s,
    )
    try:
        pooch.retrieve(
            entry["url"], known_hash=f"md5:{entry['md5']}", fname=path.name, path=folder, downloader=downloader
        )
    except ValueError as error:
        raise DataError(
            f"{path}: what {entry['url']} sent has not the MD5 {entry['md5']} of the record's metadata. It was "
            "deleted; run the same command again, and report it to the record's authors when it happens twice."
        ) from error
    record = FetchRecord(
        file=path.name,
        part=item.part,
        version=item.version,
        process=item.process,
        doi=item.doi,
        url=entry["url"],
        bytes=path.stat().st_size,
        md5=entry["md5"],
        sha256=file_digest(path),
        checksum_source=_CHECKSUM_SOURCE,
    )
    write_json(fetch_record_path(path), record.to_dict())
    return record


def _make_room(path: Path, size: int) -> None:
    """Make the folder and see that the file fits on the disk."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(path.parent).free
    except OSError as error:
        raise RunFolderError(f"{path.parent}: cannot be written ({error.strerror or error}).") from error
    part = part_path(path)
    missing = 0 if path.exists() else size - (part.stat().st_size if part.exists() else 0)
    if missing > free:
        raise RunFolderError(f"{path}: needs {missing:,} bytes; {free:,} are free. Nothing was downloaded.")


def _by_hand(item: PublishedFile) -> str:
    """Say how to bring a file without a network here."""
    return (
        f"By hand: download the HDF5 file of https://doi.org/{item.doi} ({item.process}, {item.version}) on a machine "
        f"with a network, copy it here, and run `l1ad data import FILE --source {item.source_tag} --out NAME.h5`."
    )
