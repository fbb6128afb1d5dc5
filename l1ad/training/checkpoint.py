"""Checkpoints: every number that the training needs to go on as if it had not stopped, in one file."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError, RunFolderError
from l1ad.provenance import whole_file
from l1ad.records import Record

#: What zipfile and NumPy raise on bytes that are not what `save_checkpoint` wrote.
_DAMAGE = (
    OSError, ValueError, LookupError, EOFError, TypeError, AttributeError, RuntimeError, MemoryError, SyntaxError,
    struct.error, zlib.error, zipfile.BadZipFile, DataError,
)  # fmt: skip


@dataclass(frozen=True)
class EpochRecord(Record):
    """Losses of one epoch; a term that the phase does not have is 0."""

    phase: str
    epoch: int
    loss: float
    reconstruction: float
    kl: float
    distillation: float
    score: float
    validation_loss: float
    learning_rate: float
    seconds: float
    invariance: float = 0.0
    variance: float = 0.0
    covariance: float = 0.0


@dataclass(frozen=True)
class Progress(Record):
    """Where the training stands.

    Attributes
    ----------
    phase : str
        ``float`` or ``quantized``, with ``_features`` for an extractor of features.
    epoch : int
        Finished epochs of the phase.
    best_loss, best_epoch : float, int
        Best validation loss of the phase and its epoch.
    wait, reduce_wait : int
        Epochs since the best; since the best or the last reduction of the learning rate.
    learning_rate : float
    finished : bool
        Whether the phase has ended.
    history : tuple of EpochRecord
        All epochs so far, of both phases.
    """

    phase: str
    learning_rate: float
    epoch: int = 0
    best_loss: float = float("inf")
    best_epoch: int = 0
    wait: int = 0
    reduce_wait: int = 0
    finished: bool = False
    history: tuple[EpochRecord, ...] = field(default_factory=tuple)


def save_checkpoint(
    path: Path, key: str, progress: Progress, variables: list[Any], best: list[NDArray[np.generic]]
) -> None:
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    path : Path
        File to write.
    key : str
        Digest of configuration and data; a checkpoint of another key is not resumed.
    progress : Progress
    variables : list of keras.Variable
        Variables of model and optimizer, in their order.
    best : list of ndarray
        Weights of the best epoch, in the model's order.
    """
    counts = {"variables": len(variables), "best": len(best)}
    text = json.dumps({"key": key, "progress": progress.to_dict(), **counts})
    arrays = {f"variable_{i}": np.asarray(v) for i, v in enumerate(variables)}
    arrays |= {f"best_{i}": w for i, w in enumerate(best)}
    with whole_file(path) as stream:
        np.savez(stream, meta=np.frombuffer(text.encode(), dtype=np.uint8), **arrays)  # type: ignore[arg-type]


def load_checkpoint(path: Path, key: str) -> tuple[Progress, list[NDArray[Any]], list[NDArray[Any]]] | None:
    """Read a checkpoint; None when there is none, or when it belongs to another configuration or data.

    Raises
    ------
    RunFolderError
        When the file is damaged.
    """
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            meta = json.loads(archive["meta"].tobytes().decode())
            if meta["key"] != key:
                return None
            variables = _series(archive, "variable", meta["variables"])
            best = _series(archive, "best", meta["best"])
            return Progress.from_dict(meta["progress"]), variables, best
    except _DAMAGE as error:
        raise RunFolderError(f"{path}: damaged checkpoint ({error}). Delete it to train from the start.") from error


def _series(archive: Any, name: str, count: int) -> list[NDArray[Any]]:
    """Return the arrays name_0, name_1, ... of an archive."""
    return [archive[f"{name}_{i}"] for i in range(count)]
