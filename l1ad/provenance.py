"""Digests, versions, and files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from l1ad import __version__
from l1ad.errors import L1adError, RunFolderError


def file_digest(path: Path) -> str:
    """Return the SHA-256 of the file `path` as hexadecimal text."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def text_digest(text: str) -> str:
    """Return the SHA-256 of `text` in UTF-8.

    Examples
    --------
    >>> text_digest("")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(text.encode()).hexdigest()


def value_digest(value: Any) -> str:
    """Return the SHA-256 of a JSON `value`, independent of the order of its keys."""
    return text_digest(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str))


def folder_digests(folder: Path, names: Iterable[str] | None = None) -> dict[str, str]:
    """Return relative path -> SHA-256 of the files below `folder`, in sorted order."""
    if names is None:
        names = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return {name: file_digest(folder / name) for name in sorted(names)}


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears as `path` only when the block ends without an error.

    The bytes go to a neighbour of `path`, are flushed to the disk, and are renamed.

    Raises
    ------
    RunFolderError
        When the file cannot be written (no space, no permission). Nothing is left behind then.
    """
    part: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        part = Path(name)
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.chmod(0o644)
        part.replace(path)
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be written ({error.strerror or error}). Nothing was changed.") from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    with whole_file(path) as stream:
        stream.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write a JSON `value` to `path`, whole or not at all."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def library_version(distribution: str) -> str | None:
    """Return the installed version of `distribution`, or None when it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def versions(distributions: Iterable[str] = ()) -> dict[str, str]:
    """Return the versions of l1ad, Python and the named distributions; absent ones are left out."""
    found = {"l1ad": __version__, "python": platform.python_version()}
    for name in distributions:
        version = library_version(name)
        if version is not None:
            found[name] = version
    return found


def check_name(name: str, what: str) -> str:
    """Return `name` when it is safe in a path, in Tcl and in C++.

    Raises
    ------
    L1adError
        When it holds anything but letters, digits and underscores, or begins with a digit.

    Examples
    --------
    >>> check_name("dense_vae", "model name")
    'dense_vae'
    """
    if not name.isascii() or not name.isidentifier():
        raise L1adError(
            f"{what} {name!r} is not usable in file names, Tcl and C++: "
            "expected letters, digits and underscores, not beginning with a digit."
        )
    return name
