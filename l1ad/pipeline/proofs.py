"""How far the ladder of a run can be trusted: formal proofs of the netlist, and flipped bits that it has to see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from l1ad.emulation.csim import BACKENDS
from l1ad.emulation.mutation import MutantResult, MutationReport, mutate_rtl, mutate_weights
from l1ad.emulation.project import open_project
from l1ad.emulation.vectors import read_test_vectors
from l1ad.errors import RunFolderError
from l1ad.pipeline.netlist import CELLS_FOLDER, latency_clocks
from l1ad.pipeline.observer import Observer
from l1ad.pipeline.projects import projects
from l1ad.pipeline.run_folder import RunFolder
from l1ad.pipeline.stages import CONVERT, EMULATE, SYNTH
from l1ad.provenance import write_json
from l1ad.synthesis.equivalence import EQUAL, OPEN, ProofReport, prove_equal, prove_netlist

PROOFS_FILE, MUTATIONS_FILE = "proofs.json", "mutations.json"

#: Time of a proof that a mutant is the same function.
_MUTANT_LIMIT_S = 20.0


def prove_run(run: RunFolder, limit_s: float, observer: Observer) -> ProofReport:
    """Prove the stages of a run's Verilog equal to the netlist, and write ``proofs.json`` to the run.

    Parameters
    ----------
    run : RunFolder
        A run that has been synthesized, its netlist kept.
    limit_s : float
        Time for one module.
    observer : Observer
        Receives the progress.

    Raises
    ------
    DataError
        When there is no netlist.
    ToolError
        When Yosys fails.
    """
    report = prove_netlist(
        run.stage(CONVERT) / "verilog",
        run.stage(SYNTH) / CELLS_FOLDER,
        limit_s=limit_s,
        workers=run.config.synthesis.workers or 2,
        progress=observer.advance,
    )
    write_json(run.path / PROOFS_FILE, report.to_dict())
    return report


def mutate_run(run: RunFolder, count: int, *, events: int, seed: int, observer: Observer) -> MutationReport:
    """Flip bits of the projects of a run, one at a time, and write ``mutations.json`` to the run.

    Parameters
    ----------
    run : RunFolder
        A run that has been emulated. Half of the bits are in its first HLS project, half in its Verilog.
    count : int
        Bits in all.
    events : int
        Events of the ladder that each mutant sees.
    seed : int
        Of the choice of bits.
    observer : Observer
        Receives the progress.

    Raises
    ------
    RunFolderError
        When the run has not been emulated.
    DataError, ToolError
        When a project changed, or a simulation does not build or run.
    """
    if EMULATE not in run.manifest().stages:
        raise RunFolderError(f"{run.path}: has no test vectors. Run: l1ad emulate {run.path}")
    found = list[MutantResult]()
    total = min(events, len(read_test_vectors(run.stage(EMULATE))[0]))
    for mutant in _mutants(run, count, events, seed):
        found.append(mutant)
        observer.advance(len(found), count, f"{mutant.file}: {mutant.caught}")
    report = MutationReport(seed, total, tuple(found))
    write_json(run.path / MUTATIONS_FILE, report.to_dict())
    return report


def _mutants(run: RunFolder, count: int, events: int, seed: int) -> Iterator[MutantResult]:
    """Yield the mutants of both projects."""
    backends = projects(run)
    hls = next((name for name in backends if name in BACKENDS), None)
    inputs, expected = read_test_vectors(run.stage(EMULATE))
    # Spread over all vectors: background comes first, the signals last.
    rows = np.linspace(0, len(inputs) - 1, min(events, len(inputs))).astype(np.int64)
    vectors, folder = (inputs[rows], expected[rows]), run.build / EMULATE
    of_rtl = 0 if "verilog" not in backends else count if hls is None else count // 2
    if hls is not None:
        yield from mutate_weights(open_project(run.stage(CONVERT) / hls), *vectors, count - of_rtl, folder, seed=seed)
    if of_rtl:
        project = open_project(run.stage(CONVERT) / "verilog")
        yield from mutate_rtl(project, *vectors, of_rtl, folder, latency=latency_clocks(run), seed=seed, prove=_is_same)


def _is_same(module: str, gold: list[Path], gate: list[Path]) -> bool | None:
    verdict = prove_equal(module, gold, gate, limit_s=_MUTANT_LIMIT_S)
    return None if verdict == OPEN else verdict == EQUAL
