"""Reads runs for a comparison, from their folders or from the JSON of their reports, and holds them together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from l1ad import __version__
from l1ad.errors import DataError, L1adError, RunFolderError
from l1ad.pipeline.run_folder import CONFIG_FILE, RUNS, RunFolder, open_run
from l1ad.pipeline.stages import REPORT, stages_of
from l1ad.pipeline.summary import gather
from l1ad.provenance import file_digest
from l1ad.reporting.collect import RunReport, check_report
from l1ad.reporting.comparison import Comparison, compare, parse_tolerances
from l1ad.reporting.html import JSON_NAME


@dataclass(frozen=True)
class LoadedRun:
    """The report of a run, where it was read from, and what a reader has to know."""

    report: RunReport
    source: str
    warnings: tuple[str, ...] = ()


def compare_runs(paths: Sequence[Path], *, tolerances: Sequence[str] = (), allow_missing: bool = False) -> Comparison:
    """Compare runs with the first of them.

    Parameters
    ----------
    paths : sequence of Path
        Folders of runs, their names below ``runs/``, or ``report.json`` files; the first is the baseline.
    tolerances : sequence of str, optional
        See `l1ad.reporting.comparison.parse_tolerances`.
    allow_missing : bool, optional
        See `l1ad.reporting.comparison.compare`.

    Raises
    ------
    ConfigurationError
        When there are fewer than two runs, or a tolerance is not usable.
    RunFolderError, DataError
        When there is no run, or it cannot be read.
    """
    limits = parse_tolerances(tolerances)
    loaded = [load_run(path) for path in paths]
    return compare(
        [run.report for run in loaded],
        sources=[run.source for run in loaded],
        tolerances=limits,
        allow_missing=allow_missing,
        warnings=list(dict.fromkeys(warning for run in loaded for warning in run.warnings)),
    )


def load_run(path: Path) -> LoadedRun:
    """Read a run: the stages that have finished of a folder, or a report as JSON.

    A folder that another version of l1ad wrote, or whose configuration cannot be read, gives the report that was
    written in it, with a warning.

    Raises
    ------
    RunFolderError
        When there is neither a run nor a report at `path`.
    DataError
        When a report or a record of a stage is broken.
    """
    if path.is_file():
        return _from_json(path)
    folder = next((found for found in (path, RUNS / path) if (found / CONFIG_FILE).is_file()), None)
    if folder is None:
        for found in (path / JSON_NAME, path / REPORT / JSON_NAME):
            if found.is_file():
                return _from_json(found)
        raise RunFolderError(
            f"{path}: no run and no report here (neither {CONFIG_FILE} nor {JSON_NAME}). "
            f"Give the folder of a run, its name below {RUNS}/, or the {JSON_NAME} of a report."
        )
    try:
        return _from_folder(open_run(folder))
    except L1adError as error:
        written = folder / REPORT / JSON_NAME
        if not written.is_file():
            raise
        loaded = _from_json(written)
        reason = f"{folder}: the stages cannot be read, so the report written there is compared ({error})"
        return LoadedRun(loaded.report, loaded.source, (reason, *loaded.warnings))


def _from_folder(run: RunFolder) -> LoadedRun:
    """Read the stages of a run that have finished."""
    manifest = run.manifest()
    if not manifest.stages:
        raise RunFolderError(f"{run.path}: no stage has finished. Run: l1ad run {run.path / CONFIG_FILE}")
    report = gather(run, manifest)
    check_report(report, str(run.path))
    expected = stages_of(run.config.network.frontend, run.config.conversion.backends, run.config.synthesis.netlist)
    open_stages = [name for name in expected if name not in manifest.stages and name != REPORT]
    warnings = []
    if open_stages:
        warnings.append(f"{run.path}: not finished: {', '.join(open_stages)}; what they measure is not measured")
    changed = [f"{name}/{file}" for name, file in _changed_files(run)]
    if changed:
        warnings.append(f"{run.path}: changed since the stage wrote it: {', '.join(changed)}")
    return LoadedRun(report, str(run.path), tuple(warnings))


def _changed_files(run: RunFolder) -> list[tuple[str, str]]:
    """Return stage and name of the JSON files that are not as their stage left them."""
    return [
        (name, file)
        for name, entry in run.manifest().stages.items()
        for file, digest in entry.files.items()
        if file.endswith(".json")
        and (run.stage(name) / file).is_file()
        and file_digest(run.stage(name) / file) != digest
    ]


def _from_json(path: Path) -> LoadedRun:
    """Read ``report.json``; a report of another version is read when this version knows its fields."""
    version = _version(path)
    other = f"{path}: written by l1ad {version}, this is {__version__}"
    try:
        report = RunReport.read(path)
        check_report(report, str(path))
    except DataError as error:
        if version and version != __version__:
            raise DataError(f"{other}: {error} Write the report again with this version.") from error
        raise
    except (TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
        raise DataError(f"{path}: does not hold the report of a run ({type(error).__name__}: {error}).") from error
    return LoadedRun(report, str(path), (other,) if version and version != __version__ else ())


def _version(path: Path) -> str:
    """Return the version of l1ad that a report names; empty when it names none or is not JSON."""
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
        return str(values["versions"]["l1ad"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
