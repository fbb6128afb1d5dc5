"""The run folder: configuration, manifest, log, and one folder a stage."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from l1ad import __version__
from l1ad.config import RunConfig, dump_config, load_config
from l1ad.config.load import parse_config
from l1ad.errors import DataError, RunFolderError
from l1ad.pipeline.preflight import check_config
from l1ad.pipeline.reference.record import find_reference
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
    """A finished stage.

    Attributes
    ----------
    key : str
        Digest of everything that decided the result.
    inputs : str
        Digest of what the stage read in the run: configuration and files of stages before.
    files : dict of str to str
        File in the folder of the stage -> SHA-256.
    seconds : float
        Time that it took.
    """

    key: str
    inputs: str
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

    def clear(self, name: str) -> None:
        """Remove the folder of a stage."""
        folder = self.stage(name)
        try:
            if folder.exists():
                shutil.rmtree(folder)
        except OSError as error:
            raise RunFolderError(f"{folder}: cannot be removed ({error.strerror or error}).") from error

    def digests(self, name: str) -> dict[str, str]:
        """Return the digests of the files of a stage, without hidden ones."""
        folder = self.stage(name)
        names = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
        return folder_digests(folder, [n for n in names if not any(part.startswith(".") for part in n.split("/"))])


def create_run(config: RunConfig, runs: Path = RUNS) -> RunFolder:
    """Create the folder of a run, or take the one that is there. The first stage that runs writes `config` into it.

    Raises
    ------
    ConfigurationError
        When a value of the configuration cannot be carried out.
    RunFolderError
        When the folder cannot be written or belongs to another version.
    """
    check_config(config)
    run = RunFolder(runs / config.name, config)
    try:
        run.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{run.path}: cannot be created ({error}). Choose another folder with --runs.") from error
    run.manifest()
    return run


def open_run(path: Path) -> RunFolder:
    """Open the folder of a run: a path, or a name below ``runs/``.

    The folder of a reference model opens a run below ``runs/`` with its weights, which is made when there is none.

    Raises
    ------
    RunFolderError
        When there is no run.
    """
    reference = find_reference(path)
    if reference is not None:
        from l1ad.pipeline.reference.start import open_reference

        return open_reference(reference, RUNS)
    for folder in (path, RUNS / path):
        if (folder / CONFIG_FILE).is_file():
            if (folder / MANIFEST_FILE).exists():
                _read_manifest(folder / MANIFEST_FILE)
            return RunFolder(folder, load_config(folder / CONFIG_FILE))
    raise RunFolderError(f"{path}: no run here (no {CONFIG_FILE}). Begin one with: l1ad run CONFIG.")


def without_stages(manifest: Manifest, names: Mapping[str, object] | set[str]) -> Manifest:
    """Return the manifest without the stages `names`."""
    stages = {name: entry for name, entry in manifest.stages.items() if name not in names}
    return Manifest(manifest.l1ad, manifest.versions, manifest.seed, stages)


def _read_manifest(path: Path) -> Manifest:
    """Read a manifest and check its version."""
    remedy = "Choose another name with -s name=..., or delete the file to run all stages again."
    try:
        version = json.loads(path.read_text(encoding="utf-8"))["l1ad"]
        if version != __version__:
            raise RunFolderError(f"{path}: written by l1ad {version}, this is {__version__}. {remedy}")
        return Manifest.read(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, DataError) as error:
        raise RunFolderError(f"{path}: not readable as a manifest ({error}). {remedy}") from error


class _LogFile(logging.FileHandler):
    """The log of a run. When it cannot be written, the work goes on."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Ignore that a line was not written: the error of the stage says why."""


@contextlib.contextmanager
def locked(run: RunFolder) -> Iterator[Callable[[str], None]]:
    """Hold the run for this process, and log warnings into its ``run.log``.

    Yields
    ------
    callable
        Writes a line into ``run.log``.

    Raises
    ------
    RunFolderError
        When another process works on the run, or the folder cannot be written.
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
        with _logging_to(run.path / LOG_FILE) as log:
            yield log


@contextlib.contextmanager
def _logging_to(path: Path) -> Iterator[Callable[[str], None]]:
    """Send what l1ad logs to the file `path` as well; yield a function that writes a line whatever the level is."""
    try:
        handler = _LogFile(path, encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be written ({error.strerror or error}).") from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("l1ad")
    logger.addHandler(handler)

    def write(text: str) -> None:
        handler.handle(logging.makeLogRecord({"name": "l1ad.run", "levelname": "INFO", "msg": text}))

    try:
        yield write
    finally:
        logger.removeHandler(handler)
        with contextlib.suppress(OSError):
            handler.close()


def change_config(run: RunFolder, section: str, changes: Mapping[str, object]) -> RunFolder:
    """Return the run with fields of a section of its configuration changed; the next stage that runs writes it.

    Raises
    ------
    ConfigurationError
        When a value is not valid or cannot be carried out.
    """
    values = run.config.model_dump(mode="json")
    values[section] = {**values[section], **changes}
    config = parse_config(values, f"{section} of {run.path}")
    check_config(config)
    return RunFolder(run.path, config)
