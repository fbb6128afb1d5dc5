"""Runs one Yosys job: ``python -m l1ad.synthesis.yosys_worker JOB.json``.

Yosys is a library here (`pyosys`). It ends its process on an error and keeps its memory until the end, so each job
has a process of its own.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from l1ad.provenance import write_json
from l1ad.records import Record


@dataclass(frozen=True)
class Request(Record):
    """What the worker is asked to do.

    Attributes
    ----------
    project_dir : str
        Absolute path; the commands' file names are relative to it.
    commands : tuple of str
        Yosys commands that end with a mapped top module.
    report : str
        Absolute path of the file to write.
    digest : str
        Copied to the report.
    """

    project_dir: str
    commands: tuple[str, ...]
    report: str
    digest: str


@dataclass(frozen=True)
class CellReport(Record):
    """The cells of one mapped module, and what mapping it took.

    Attributes
    ----------
    digest : str
        Digest of the job.
    version : str
        Version as Yosys prints it.
    cells : dict of str to int
        Cell type -> number.
    wall_s : float
        Time of the commands.
    cpu_s : float
        CPU time of the worker and of what it started.
    peak_memory_mb : float
        Largest resident set of the worker or of a process that it started (abc), in MiB.
    """

    digest: str
    version: str
    cells: dict[str, int]
    wall_s: float
    cpu_s: float
    peak_memory_mb: float


def work(request: Request) -> CellReport:
    """Run the commands of `request` in this process."""
    os.chdir(request.project_dir)
    from pyosys import libyosys

    design = libyosys.Design()
    start = time.monotonic()
    for command in request.commands:
        libyosys.run_pass(command, design)
    wall_s = time.monotonic() - start
    cells = Counter(cell.type.str().removeprefix("\\") for cell in design.top_module().cells_.values())
    return CellReport(
        digest=request.digest,
        version=str(libyosys.yosys_maybe_version()),
        cells=dict(sorted(cells.items())),
        wall_s=wall_s,
        cpu_s=sum(os.times()[:4]),
        peak_memory_mb=_peak_memory_mb(),
    )


def main(arguments: Sequence[str]) -> int:
    """Read the request named in `arguments`, do the work, write the report."""
    request = Request.from_dict(_read(Path(arguments[0])))
    write_json(Path(request.report), work(request).to_dict())
    return 0


def _read(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


def _peak_memory_mb() -> float:
    """Return the peak of this process or its children; Linux counts in KiB, macOS in bytes (getrusage(2))."""
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
