"""Digests that decide whether a stage has to run again."""

from __future__ import annotations

from pathlib import Path

from l1ad import __version__
from l1ad.config import RunConfig
from l1ad.errors import RunFolderError
from l1ad.pipeline.reference.record import MANIFEST_FILE as REFERENCE_MANIFEST
from l1ad.pipeline.run_folder import CONFIG_FILE, RUNS, Manifest, RunFolder, without_stages
from l1ad.pipeline.stages import CONVERT, DATA, REPORT, STAGES, SYNTH, TRAIN
from l1ad.pipeline.vendor import RESULTS
from l1ad.provenance import file_digest, folder_digests, value_digest
from l1ad.resources import resource

_PACKAGE = Path(__file__).resolve().parent.parent

#: Digest that stands for a stage whose results are not there.
_NOT_RUN = "not run"


def inputs_digest(run: RunFolder, name: str, manifest: Manifest) -> str:
    """Return the digest of what a stage reads in the run: its part of the configuration, files of stages before.

    The report also reads what vendor tools gave for the run. Event files are left out: they may be gone when the run
    is looked at.

    Raises
    ------
    RunFolderError
        When a stage that it needs has not finished; the message says how to run it.
    """
    stage = STAGES[name]
    config = run.config.model_dump(mode="json")
    read: dict[str, object] = {
        "config": {section: config[section] for section in stage.sections},
        "before": {needed: _files(run, name, needed, manifest) for needed in stage.needs},
    }
    if name == REPORT:
        read["tools"] = folder_digests(run.path / RESULTS)
    return value_digest(read)


def stage_key(run: RunFolder, name: str, manifest: Manifest) -> str:
    """Return the digest of everything that decides the result of a stage: what it reads, event files, and code.

    Raises
    ------
    RunFolderError
        When a stage that it needs has not finished; the message says how to run it.
    """
    code = {room: value_digest(_code(room)) for room in STAGES[name].rooms}
    sources = _sources(run.config) if name == DATA else _model_sources(run.config) if name == TRAIN else {}
    inputs = inputs_digest(run, name, manifest)
    return value_digest({"version": __version__, "code": code, "sources": sources, "inputs": inputs})


def current(run: RunFolder, manifest: Manifest) -> Manifest:
    """Return the manifest without the stages that belong to another configuration or to former files.

    What is left fits together, so a report never mixes the results of two models.
    """
    for name in STAGES:
        if name in manifest.stages and not _fits(run, name, manifest):
            manifest = without_stages(manifest, {name})
    return manifest


def _fits(run: RunFolder, name: str, manifest: Manifest) -> bool:
    try:
        return manifest.stages[name].inputs == inputs_digest(run, name, manifest)
    except RunFolderError:
        return False


def _files(run: RunFolder, name: str, needed: str, manifest: Manifest) -> str:
    """Return the digest of the files that stage `needed` left for stage `name`."""
    if needed in manifest.stages:
        return value_digest(manifest.stages[needed].files)
    if STAGES[name].optional and (name, needed) != (SYNTH, CONVERT):
        return _NOT_RUN
    remedy = f"l1ad convert {run.path}" if needed == CONVERT else f"l1ad run {run.path / CONFIG_FILE}"
    if needed != CONVERT and run.path.parent != RUNS:
        remedy += f" --runs {run.path.parent}"
    raise RunFolderError(
        f"{run.path}: stage {name} needs stage {needed}, which has not finished with this configuration. Run: {remedy}"
    )


def _code(room: str) -> dict[str, str]:
    """Return the digests of the files of a package or module of l1ad, or of the hardware sources."""
    if room == "firmware":
        return folder_digests(resource(room))
    path = _PACKAGE / room
    if path.is_file():
        return {room: file_digest(path)}
    return folder_digests(path, [p.relative_to(path).as_posix() for p in path.rglob("*.py")])


def _sources(config: RunConfig) -> dict[str, str]:
    """Return the digests of the event files that the configuration names; an absent file is reported by the stage."""
    names = [] if config.inputs.contract is None else [config.inputs.contract]
    if config.data.background is None:
        return {"sample": file_digest(resource("sample/MANIFEST.json"))} | _digests(names)
    return _digests([*names, config.data.background, *config.data.signals.values()])


def _model_sources(config: RunConfig) -> dict[str, str]:
    """Return the digests of the files of a network that is not trained here; none for one that is."""
    network = config.network
    if network.reference is not None:
        return _digests([str(Path(network.reference) / REFERENCE_MANIFEST)])
    return _digests([name for name in (network.file, network.predictions) if name is not None])


def _digests(names: list[str]) -> dict[str, str]:
    """Return the digests of files; an absent one is reported by the stage that reads it."""
    return {name: file_digest(Path(name)) if Path(name).is_file() else "absent" for name in names}
