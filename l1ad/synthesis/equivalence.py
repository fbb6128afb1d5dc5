"""Formal equivalence of RTL and mapped cells, by Yosys's own SAT solver on a miter.

The miter joins the inputs of both versions and raises a flag where an output differs; the solver proves that it never
rises, or finds inputs at which it does. Stages of a few hundred adders take seconds to minutes; a wide product of two
variables does not finish. An output bit that the RTL leaves undefined may be anything in the netlist.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from l1ad.errors import DataError, ToolError
from l1ad.hardware.project import read_project
from l1ad.provenance import check_name
from l1ad.records import Record
from l1ad.resources import resource
from l1ad.synthesis.processes import Process, run_parallel
from l1ad.synthesis.verilog import read_design
from l1ad.synthesis.yosys import NETLIST_SUFFIX

#: What a proof can end with: proved, inputs found at which the two differ, or not decided in time.
EQUAL, DIFFERENT, OPEN = "equal", "different", "open"

#: A module with registers: its stages are other modules, and simulation checks it.
CLOCKED = "registers"

#: What Yosys 0.70 says when inputs exist at which the two differ (``sat -verify``).
_FAILED = "proof did fail"

_LUT = re.compile(r"LUT[1-6]")

#: Models of the primitives.
_CELLS = "firmware/sim/cells.v"


@dataclass(frozen=True)
class ProofRequest(Record):
    """Sources of both versions in the folder of the request; `top` is in both."""

    top: str
    gold: tuple[str, ...]
    gate: tuple[str, ...]
    result: str


@dataclass(frozen=True)
class ModuleProof(Record):
    """What became of one module.

    Attributes
    ----------
    module : str
    verdict : str
        `EQUAL`, `DIFFERENT`, `OPEN` or `CLOCKED`.
    seconds : float
        Time of the proof.
    """

    module: str
    verdict: str
    seconds: float


@dataclass(frozen=True)
class ProofReport(Record):
    """The modules of a project against the netlist.

    Attributes
    ----------
    project_digest : str
    limit_s : float
        Time that one module had.
    modules : tuple of ModuleProof
    """

    project_digest: str
    limit_s: float
    modules: tuple[ModuleProof, ...]

    def of(self, verdict: str) -> tuple[str, ...]:
        """Return the modules with a verdict."""
        return tuple(proof.module for proof in self.modules if proof.verdict == verdict)


def prove_netlist(
    project_dir: Path,
    netlist: Path,
    *,
    limit_s: float,
    workers: int,
    progress: Callable[[int, int, str], None],
) -> ProofReport:
    """Prove every stage of a Verilog project equal to what was mapped.

    Parameters
    ----------
    project_dir : Path
        Folder with ``project.json``.
    netlist : Path
        Folder that `l1ad.synthesis.run.synthesize` filled.
    limit_s : float
        Time for one module.
    workers : int
        Proofs at a time.
    progress : callable
        Called with proofs done, proofs in all, and the module.

    Raises
    ------
    DataError
        When a file of the project changed, or the netlist is not there.
    ToolError
        When Yosys fails.
    """
    project = read_project(project_dir)
    design = read_design(project_dir, project)
    missing = [module for module in design.files if not (netlist / f"{module}{NETLIST_SUFFIX}").is_file()]
    if missing:
        raise DataError(f"{netlist}: holds no netlist of {missing[0]}. Run: l1ad synth RUN")
    stages = [module for module in design.files if module not in design.clocked]
    done = 0

    def prove(module: str) -> ModuleProof:
        """Prove one module."""
        nonlocal done
        start = time.monotonic()
        gold = [project_dir / name for name in design.files[module]]
        verdict = prove_equal(module, gold, [netlist / f"{module}{NETLIST_SUFFIX}"], limit_s=limit_s)
        done += 1
        progress(done, len(stages), module)
        return ModuleProof(module, verdict, round(time.monotonic() - start, 1))

    with ThreadPoolExecutor(max(workers, 1)) as pool:
        proofs = list(pool.map(prove, stages))
    proofs += [ModuleProof(module, CLOCKED, 0.0) for module in design.files if module in design.clocked]
    return ProofReport(project.digest, limit_s, tuple(proofs))


def prove_equal(top: str, gold: Sequence[Path], gate: Sequence[Path], *, limit_s: float = 120.0) -> str:
    """Prove that two versions of a combinational module give the same outputs for all inputs.

    Parameters
    ----------
    top : str
        Module.
    gold, gate : sequence of Path
        Verilog of the two versions, with all that they instantiate, or what the synthesis kept
        (``.cells.json.gz``).
    limit_s : float
        Time for the proof.

    Returns
    -------
    str
        `EQUAL`, `DIFFERENT`, or `OPEN` when the time is over.

    Raises
    ------
    ToolError
        When Yosys fails, for example because a source is not Verilog.
    """
    check_name(top, "module name")
    with tempfile.TemporaryDirectory(prefix="l1ad-proof-") as scratch:
        folder = Path(scratch)
        names = [_copied(paths, folder, version) for version, paths in (("gold", gold), ("gate", gate))]
        result, request = folder / "result.json", folder / "request.json"
        request.write_text(json.dumps(ProofRequest(top, names[0], names[1], result.name).to_dict()), encoding="utf-8")
        command = (sys.executable, "-m", "l1ad.synthesis.equivalence_worker", str(request))
        process = Process(f"equivalence of {top}", command, folder / "log.txt")
        try:
            run_parallel([process], workers=1, timeout_s=limit_s, finished=lambda name: None)
        except ToolError as error:
            if "not done after" in str(error):
                return OPEN
            if _FAILED in str(error):
                return DIFFERENT
            raise
        return str(json.loads(result.read_text(encoding="utf-8"))["verdict"])


def _copied(paths: Sequence[Path], folder: Path, version: str) -> tuple[str, ...]:
    """Copy sources under names that a command of Yosys can take, with models of the primitives to a netlist."""
    names = []
    for number, path in enumerate(paths):
        if path.suffix == ".gz":
            names += [f"{version}{number}.json", f"{version}{number}_cells.v"]
            (folder / names[-2]).write_text(json.dumps(_with_plain_luts(path)), encoding="utf-8")
            shutil.copyfile(resource(_CELLS), folder / names[-1])
        else:
            names.append(f"{version}{number}.v")
            shutil.copyfile(path, folder / names[-1])
    return tuple(names)


def _with_plain_luts(path: Path) -> dict[str, Any]:
    """Read a netlist and write its LUTs as Yosys's own: as models with a parameter they become thousands of cells."""
    try:
        netlist: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
        for module in netlist["modules"].values():
            for cell in module["cells"].values():
                if _LUT.fullmatch(cell["type"]):
                    _make_plain(cell)
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not a netlist of Yosys ({error!r}). Run: l1ad synth RUN") from error
    return netlist


def _make_plain(cell: dict[str, Any]) -> None:
    """Turn a LUT of AMD into a cell ``$lut`` (Yosys 0.70, ``help $lut``): bit k of LUT where A is the number k."""
    width = int(cell["type"].removeprefix("LUT"))
    wires = cell["connections"]
    inputs = [bit for place in range(width) for bit in wires[f"I{place}"]]
    directions = {"A": "input", "Y": "output"}
    parameters = {"WIDTH": format(width, "032b"), "LUT": cell["parameters"]["INIT"]}
    cell.update(
        type="$lut", parameters=parameters, port_directions=directions, connections={"A": inputs, "Y": wires["O"]}
    )
