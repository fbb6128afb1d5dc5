"""Vendor tools on the firmware projects of a run: write a plan, run it, take the results into the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from l1ad.errors import ConfigurationError, RunFolderError, nearest
from l1ad.hardware.project import read_project
from l1ad.pipeline.run_folder import RunFolder
from l1ad.pipeline.stages import CONVERT
from l1ad.synthesis.vendor.plan import VendorPlan, write_plan
from l1ad.synthesis.vendor.run import VendorResults, read_results, run_plan, write_results

#: Folder of a run that holds the results of vendor tools, one file a backend.
RESULTS = "tools"

#: Tool as the user names it -> backend of the project that it takes.
BACKENDS = {"vitis": "vitis", "vivado_hls": "vivado", "vivado": "verilog"}


def plan_run(run: RunFolder, tool: str, folder: Path | None = None, steps: Sequence[str] = ()) -> Path:
    """Write the plan of a run for `tool` and return its folder.

    Parameters
    ----------
    run : RunFolder
    tool : str
        ``vitis`` and ``vivado_hls`` take the HLS project of the run, and Vivado on what comes out of it; ``vivado``
        takes the Verilog project.
    folder : Path, optional
        Where the plan goes; by default below the build folder of the run.
    steps : sequence of str, optional
        Keys of `l1ad.synthesis.vendor.plan.STEPS`; by default all.

    Raises
    ------
    ConfigurationError
        When the tool or a step is not known, or the folder holds something else.
    RunFolderError
        When the run has no such project.
    """
    if tool == "yosys":
        raise ConfigurationError("Yosys comes with l1ad and needs no plan. Name --tool vitis, vivado_hls or vivado.")
    if tool not in BACKENDS:
        raise ConfigurationError(f"tool {tool!r} is not known. {nearest(tool, [*BACKENDS, 'yosys'])}")
    backend = BACKENDS[tool]
    place = folder or run.build / "vendor" / backend
    write_plan(_project(run, backend), place, steps)
    return place


def run_planned(folder: Path, *, container: str = "", host: str = "") -> None:
    """Carry out the plan in `folder`; see `l1ad.synthesis.vendor.run.run_plan`."""
    run_plan(folder, container=container, host=host)


def take_results(run: RunFolder, folder: Path) -> VendorResults:
    """Read the results of a plan and keep them in the run.

    Raises
    ------
    DataError
        When they are of another design, or a report is broken.
    ToolError
        When the plan has not been run.
    """
    plan = VendorPlan.read(folder / "plan.json")
    if plan.backend not in BACKENDS.values():
        raise ConfigurationError(f"{folder}: a plan for backend {plan.backend!r}, which l1ad does not know.")
    results = read_results(folder, read_project(_project(run, plan.backend)).digest)
    write_results(results, run.path / RESULTS / f"{plan.backend}.json")
    return results


def kept_results(run: RunFolder) -> tuple[tuple[VendorResults, ...], tuple[str, ...]]:
    """Return the results that the run holds of its present projects, and a warning for each that is stale."""
    found, stale = [], []
    for path in sorted((run.path / RESULTS).glob("*.json")):
        results = VendorResults.read(path)
        project = run.stage(CONVERT) / path.stem
        if CONVERT in run.manifest().stages and read_project(project).digest == results.project_digest:
            found.append(results)
        else:
            stale.append(f"{path}: of a design that the run no longer has; it does not count")
    return tuple(found), tuple(stale)


def _project(run: RunFolder, backend: str) -> Path:
    """Return the folder of a project of the run."""
    folder = run.stage(CONVERT) / backend
    if CONVERT not in run.manifest().stages or not folder.is_dir():
        raise RunFolderError(
            f"{run.path}: no {backend} project. Add {backend} to conversion.backends and run: l1ad convert {run.path}"
        )
    return folder
