"""Files of finished work: arrays that appear whole, with a record of what they are and their SHA-256 beside them."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.provenance import file_digest, text_digest, whole_file, write_json

_log = logging.getLogger(__name__)


def write_piece(path: Path, arrays: dict[str, NDArray[Any]], record: dict[str, Any]) -> None:
    """Write arrays to `path` (``.npz``) and their record to the ``.json`` beside it.

    The record is written last: an array file without one counts as not made.

    Raises
    ------
    RunFolderError
        When the disk is full or the folder cannot be written; no half file is left.
    """
    with whole_file(path) as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]
    write_json(path.with_suffix(".json"), {"sha256": file_digest(path), **record})


def piece_record(path: Path, key: str) -> dict[str, Any] | None:
    """Return the record of a finished piece, or None when it has to be made.

    Parameters
    ----------
    path : Path
        The ``.npz`` file.
    key : str
        What the piece must have been made from: the ``key`` of its record.

    A piece that is truncated or was changed is reported as a warning and counts as not made.
    """
    try:
        record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        _log.warning("%s: its record is not readable; it is made again.", path)
        return None
    if not isinstance(record, dict) or record.get("key") != key:
        return None
    if not path.is_file() or file_digest(path) != record.get("sha256"):
        _log.warning("%s: truncated or changed since it was written; it is made again.", path)
        return None
    return record


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a piece."""
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def derived_seed(seed: int, *names: str | int) -> np.random.SeedSequence:
    """Return a seed that depends on `seed` and on every name, and on nothing else.

    Examples
    --------
    >>> derived_seed(1, "W", 0).entropy == derived_seed(1, "W", 1).entropy
    False
    """
    digest = text_digest("/".join(str(name) for name in (seed, *names)))
    return np.random.SeedSequence(int(digest[:32], 16))


def pythia_seed(sequence: np.random.SeedSequence) -> int:
    """Return a seed for Pythia, 1 to 900,000,000."""
    return int(sequence.generate_state(1, np.uint64)[0] % 900_000_000) + 1
