"""The run folder: configuration, manifest, log, and one folder a stage."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from l1ad import __version__
from l1ad.config import RunConfig, dump_config, load_config
from l1ad.config.load import parse_config
from l1ad.errors import RunFolderError
from l1ad.provenance import file_digest, folder_digests, write_json, write_text
from l1ad.records import Record

CONFIG_FILE = "config.yaml"
MANIFEST_FILE = "manifest.json"
LOG_FILE = "run.log"
METRICS_FILE = "metrics.json"
#: Where runs are, relative to the working folder.
RUNS = Path("runs")


@dataclass(frozen=True)
class StageEntry(Record):
    """A finished stage: the digest of what went in, the digests of what came out, and how long it took."""

    key: str
    files: dict[str, str]
    seconds: float


@dataclass(frozen=True)
class Manifest(Record):
    """What a run was made from and which stages have finished."""

    l1ad: str = __version__
    versions: dict[str, str] = field(default_factory=dict)
    seed: int = 0
    stages: dict[str, StageEntry] = field(default_factory=dict)


@dataclass(frozen=True)
class RunFolder:
    """A run on disk.

    Attributes
    ----------
    path : Path
    config : RunConfig
    """

    path: Path
    config: RunConfig

    def stage(self, name: str) -> Path:
        """Return the folder of a stage."""
        return self.path / name

    @property
    def build(self) -> Path:
        """Folder of compiled programs and tool logs: a cache that may be deleted."""
        return self.path / "build"

    def manifest(self) -> Manifest:
        """Read the manifest; an empty one when there is none.

        Raises
        ------
        RunFolderError
            When another version of l1ad wrote it.
        """
        path = self.path / MANIFEST_FILE
        return _read_manifest(path) if path.exists() else Manifest()

    def write_manifest(self, manifest: Manifest) -> None:
        """Write the manifest, whole or not at all."""
        write_json(self.path / MANIFEST_FILE, manifest.to_dict())

    def write_config(self) -> None:
        """Write the resolved configuration."""
        write_text(self.path / CONFIG_FILE, dump_config(self.config))

    def intact(self, name: str, key: str, manifest: Manifest) -> bool:
        """Return whether stage `name` has finished with `key` and its files are as it left them."""
        entry = manifest.stages.get(name)
        if entry is None or entry.key != key:
            return False
        folder = self.stage(name)
        return all((folder / f).is_file() and file_digest(folder / f) == digest for f, digest in entry.files.items())

    def digests(self, name: str) -> dict[str, str]:
        """Return the digests of the files of a stage, without hidden ones."""
        folder = self.stage(name)
        names = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
        return folder_digests(folder, [n for n in names if not any(part.startswith(".") for part in n.split("/"))])


def create_run(config: RunConfig, runs: Path = RUNS) -> RunFolder:
    """Create the folder of a run, or take the one that is there, with `config` as its configuration.

    Raises
    ------
    RunFolderError
        When the folder cannot be written or belongs to another version.
    """
    run = RunFolder(runs / config.name, config)
    try:
        run.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{run.path}: cannot be created ({error}). Choose another folder with --runs.") from error
    run.manifest()
    run.write_config()
    return run


def open_run(path: Path) -> RunFolder:
    """Open the folder of a run: a path, or a name below ``runs/``.

    Raises
    ------
    RunFolderError
        When there is no run.
    """
    for folder in (path, RUNS / path):
        if (folder / CONFIG_FILE).is_file():
            run = RunFolder(folder, load_config(folder / CONFIG_FILE))
            run.manifest()
            return run
    raise RunFolderError(f"{path}: no run here (no {CONFIG_FILE}). Begin one with: l1ad run CONFIG.")


def without_stages(manifest: Manifest, names: Mapping[str, object] | set[str]) -> Manifest:
    """Return the manifest without the stages `names`."""
    stages = {name: entry for name, entry in manifest.stages.items() if name not in names}
    return Manifest(manifest.l1ad, manifest.versions, manifest.seed, stages)


def _read_manifest(path: Path) -> Manifest:
    """Read a manifest and check its version."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        version = values["l1ad"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = "Delete it to run all stages again."
        raise RunFolderError(f"{path}: not readable as a manifest ({error}). {remedy}") from error
    if version != __version__:
        raise RunFolderError(
            f"{path}: written by l1ad {version}, this is {__version__}. Choose another name with -s name=..., or "
            "delete the file to run all stages again."
        )
    return Manifest.read(path)


@contextlib.contextmanager
def locked(run: RunFolder) -> Iterator[None]:
    """Hold the run for this process, and log into its ``run.log``.

    Raises
    ------
    RunFolderError
        When another process works on the run.
    """
    try:
        stream = (run.path / ".lock").open("w")
    except OSError as error:
        raise RunFolderError(f"{run.path}: cannot be written ({error}).") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunFolderError(f"{run.path}: another process works on this run. Wait for it, or stop it.") from error
        handler = logging.FileHandler(run.path / LOG_FILE, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger = logging.getLogger("l1ad")
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            handler.close()


def change_config(run: RunFolder, section: str, changes: Mapping[str, object]) -> RunFolder:
    """Return the run with fields of a section of its configuration changed, on disk as well.

    Raises
    ------
    ConfigurationError
        When a value is not valid.
    """
    if not changes:
        return run
    values = run.config.model_dump(mode="json")
    values[section] = {**values[section], **changes}
    changed = RunFolder(run.path, parse_config(values, f"{section} of {run.path}"))
    changed.write_config()
    return changed
