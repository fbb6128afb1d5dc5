"""Writes test vectors to a folder, reads them back, and compares."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from l1ad.emulation.patterns.base import Column, PatternOptions, Vectors, load_format
from l1ad.errors import CheckFailedError, DataError, RunFolderError
from l1ad.provenance import folder_digests, write_json

#: What says where every integer lies in the files beside it.
LAYOUT_FILE = "vectors.json"


def write_vectors(name: str, vectors: Vectors, folder: Path, options: PatternOptions, facts: dict[str, Any]) -> Path:
    """Write test vectors and ``vectors.json``, after reading them back and comparing every integer.

    Parameters
    ----------
    name : str
        Key of `l1ad.emulation.patterns.base.FORMATS`.
    vectors : Vectors
    folder : Path
        A new or empty folder; it appears when everything is written and compared.
    options : PatternOptions
    facts : dict
        Provenance that goes into ``vectors.json``.

    Returns
    -------
    Path
        ``vectors.json``.

    Raises
    ------
    ConfigurationError
        When there is no such format.
    DataError
        When the vectors do not fit the format.
    CheckFailedError
        When what is read back differs; nothing is left then.
    RunFolderError
        When the folder is not empty or cannot be written.
    """
    format_ = load_format(name)
    vectors.check()
    try:
        if folder.exists() and any(folder.iterdir()):
            raise RunFolderError(f"{folder}: is not empty; choose another folder.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            work = Path(scratch) / "vectors"
            work.mkdir()
            layout = format_.write(vectors, work, options)
            document = {
                "format": name,
                "events": len(vectors.inputs),
                "inputs": [column.to_dict() for column in vectors.input_columns],
                "outputs": [column.to_dict() for column in vectors.output_columns],
                "layout": layout,
                "digests": folder_digests(work),
                **facts,
            }
            write_json(work / LAYOUT_FILE, document)
            _compare(vectors, work)
            if folder.exists():
                folder.rmdir()
            work.rename(folder)
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be written ({error.strerror or error}).") from error
    return folder / LAYOUT_FILE


def read_vectors(folder: Path) -> Vectors:
    """Read test vectors by what ``vectors.json`` says of them; the files themselves decide, not their digests.

    Raises
    ------
    DataError
        When a file is absent, truncated or not of the format.
    """
    path = folder / LAYOUT_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        columns = [[Column.from_dict(item) for item in document[key]] for key in ("inputs", "outputs")]
        name, layout, events = document["format"], document["layout"], document["events"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: does not describe test vectors ({error!r}).") from error
    try:
        inputs, expected = load_format(name).read(folder, layout, columns)
    except (KeyError, TypeError, IndexError) as error:
        raise DataError(f"{path}: the layout is incomplete ({error!r}).") from error
    if len(inputs) != events or len(expected) != events:
        raise DataError(f"{folder}: {len(inputs)} events and {len(expected)} answers; {LAYOUT_FILE} says {events}.")
    return Vectors(inputs, expected, tuple(columns[0]), tuple(columns[1]), tuple(layout.get("thresholds", ())))


def _compare(vectors: Vectors, folder: Path) -> None:
    """Read `folder` back and compare every integer."""
    found = read_vectors(folder)
    pairs = (("input", vectors.inputs, found.inputs), ("expected output", vectors.expected, found.expected))
    for what, wanted, got in pairs:
        if not np.array_equal(wanted, got):
            event, column = (int(axis) for axis in np.argwhere(wanted != got)[0])
            raise CheckFailedError(
                f"test vectors: {what} {column} of event {event} is {wanted[event, column]} and was read back as "
                f"{got[event, column]}."
            )
