"""What a reference model is on disk, and how its files are read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import CheckFailedError, ConfigurationError, DataError
from l1ad.events.dataset import CONTRACT_FILE
from l1ad.provenance import file_digest
from l1ad.records import FixedType, Record
from l1ad.resources import resource
from l1ad.training.record import ENCODER_FILE, FIRMWARE_FILE, LAYERS_FILE, TEACHER_FILE, TRAINING_FILE

#: What the field `kind` of the manifest holds; the manifest of a run has no such field.
KIND = "reference model of l1ad"

CONFIG_FILE = "config.yaml"
MANIFEST_FILE = "manifest.json"
CARD_FILE = "card.md"
METRICS_FILE = "metrics.json"
CONTENT_FILE = "content.json"
THRESHOLDS_FILE = "thresholds.json"
VECTORS_FILE = "vectors.json"
#: Files that a run takes over into its stage train.
TRAINED_FILES = (ENCODER_FILE, FIRMWARE_FILE, TEACHER_FILE, TRAINING_FILE, LAYERS_FILE)
#: Files without which a folder is no reference model.
NEEDED_FILES = (
    CONFIG_FILE, CARD_FILE, METRICS_FILE, CONTENT_FILE, THRESHOLDS_FILE, VECTORS_FILE, CONTRACT_FILE, ENCODER_FILE,
    FIRMWARE_FILE, TRAINING_FILE,
)  # fmt: skip


@dataclass(frozen=True)
class ReferenceManifest(Record):
    """What a reference model was made from and what its files are.

    Attributes
    ----------
    kind : str
        `KIND`.
    name : str
    created : str
        Day, UTC.
    source_tag : str
        Sample on which it was trained and measured.
    seed : int
    commands : tuple of str
        What makes it again.
    versions : dict of str to str
        Library -> version.
    sources : dict of str to str
        Event file -> SHA-256.
    weights : dict of str to str
        ``layer/kernel`` -> SHA-256 of its raw integers and their type.
    files : dict of str to str
        File of the folder -> SHA-256.
    """

    kind: str
    name: str
    created: str
    source_tag: str
    seed: int
    commands: tuple[str, ...]
    versions: dict[str, str]
    sources: dict[str, str]
    weights: dict[str, str]
    files: dict[str, str]


@dataclass(frozen=True)
class Vectors:
    """Recorded events.

    Attributes
    ----------
    background, signal : int
        The events are the first of the background and the first of each signal.
    score_type : FixedType
    inputs : ndarray of int64, shape (N, inputs)
        Raw inputs.
    scores : ndarray of int64, shape (N,)
        Raw scores.
    """

    background: int
    signal: int
    score_type: FixedType
    inputs: NDArray[np.int64]
    scores: NDArray[np.int64]

    def to_json(self) -> str:
        """Return the vectors as JSON, one event a line."""
        rows = zip(self.inputs.tolist(), self.scores.tolist(), strict=True)
        events = ",\n  ".join(json.dumps([score, *inputs], separators=(",", ":")) for inputs, score in rows)
        head = {
            "what": f"raw score, then the {self.inputs.shape[1]} raw inputs, of each event",
            "background": self.background,
            "signal": self.signal,
            "score_type": self.score_type.to_dict(),
        }
        return f'{json.dumps(head)[:-1]}, "events": [\n  {events}\n]}}\n'


def is_reference(folder: Path) -> bool:
    """Return whether `folder` is a reference model."""
    try:
        values = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and values.get("kind") == KIND


def find_reference(path: Path) -> Path | None:
    """Return the folder of a reference model: `path`, or what ships with l1ad under that path; None without one.

    Examples
    --------
    >>> find_reference(Path("models")) is None
    True
    """
    if path.exists():
        return path if is_reference(path) else None
    if not path.is_absolute() and len(path.parts) == 2 and path.parts[0] == "models" and ".." not in path.parts:
        try:
            shipped = resource(path.as_posix())
        except ConfigurationError:
            return None
        return shipped if is_reference(shipped) else None
    return None


def read_manifest(folder: Path) -> ReferenceManifest:
    """Read the manifest of a reference model, and compare the digest of every file with it.

    Raises
    ------
    DataError
        When the folder is no reference model or a file is absent.
    CheckFailedError
        When a file is not the one that the manifest names.
    """
    if not is_reference(folder):
        raise DataError(f"{folder}: no reference model (no {MANIFEST_FILE} that says so). See `l1ad export model`.")
    manifest = ReferenceManifest.read(folder / MANIFEST_FILE)
    absent = [name for name in NEEDED_FILES if name not in manifest.files]
    if absent:
        raise DataError(f"{folder / MANIFEST_FILE}: does not list {absent[0]}, which a reference model has.")
    for name, digest in manifest.files.items():
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise DataError(f"{path}: absent; the manifest lists it. Get the folder again, or run make models.")
        found = file_digest(path)
        if found != digest:
            raise CheckFailedError(
                f"{path}: SHA-256 {found[:12]}; the manifest says {digest[:12]}. The file was changed since the model "
                "was written. Get it again, or make the model again with make models."
            )
    return manifest


def read_vectors(path: Path) -> Vectors:
    """Read recorded events.

    Raises
    ------
    DataError
        When the file does not hold them.
    """
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        events = np.array(values["events"], dtype=np.int64)
        fixed = FixedType.from_dict(values["score_type"])
        if events.ndim != 2 or len(events) == 0 or events.shape[1] < 2:
            raise ValueError(f"events of shape {events.shape}")
        return Vectors(int(values["background"]), int(values["signal"]), fixed, events[:, 1:], events[:, 0])
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise DataError(f"{path}: not readable as recorded events ({error}).") from error
