"""Synthesizes a firmware project and writes what came out."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from l1ad.errors import ConfigurationError, RunFolderError
from l1ad.hardware.project import read_project
from l1ad.provenance import write_json
from l1ad.records import FirmwareProject, SynthesisReport
from l1ad.synthesis.base import Progress
from l1ad.synthesis.calibration import counts_of, estimates
from l1ad.synthesis.registry import get_synthesizer
from l1ad.synthesis.yosys import NETLIST_SUFFIX, netlist_files

#: File that `write_synthesis` writes.
REPORT = "synthesis.json"


def synthesize(
    project_dir: Path,
    work_dir: Path,
    *,
    workers: int = 0,
    flat: bool = False,
    dsp: bool = False,
    tool: str = "yosys",
    progress: Progress | None = None,
    netlist: Path | None = None,
) -> SynthesisReport:
    """Estimate the resources of a Verilog project.

    Parameters
    ----------
    project_dir : Path
        Folder with ``project.json`` and the files that it lists.
    work_dir : Path
        Where the plan, logs and reports of the tool go. Modules that did not change are not mapped again.
    workers : int, optional
        Processes at a time; 0 means one a core.
    flat : bool, optional
        Map the whole design in one process. It takes longer and more memory; the benchmark compares the two.
    dsp : bool, optional
        Let multipliers become DSP slices.
    tool : str, optional
        Key of `l1ad.synthesis.registry.SYNTHESIZERS`.
    progress : callable, optional
        Called with jobs done, jobs in all, and the name of the job.
    netlist : Path, optional
        Folder that takes the mapped modules, so that what is counted can be simulated; of Yosys.

    Returns
    -------
    SynthesisReport
        Estimates with their bands (`l1ad.synthesis.calibration`), and behind them what was counted, stage
        ``netlist``. ``wall_s`` is the time of this call; ``modules`` holds that of each process.

    Raises
    ------
    DataError
        When a file of the project is missing or changed.
    ConfigurationError
        When the project is not Verilog, or its part is unknown.
    ToolMissingError, ToolError
        When the tool is absent or fails.
    """
    start = time.monotonic()
    project = read_project(project_dir)
    if project.backend != "verilog":
        raise ConfigurationError(
            f"{project_dir}: {tool} cannot synthesize a {project.backend} project. Convert with --backend verilog."
        )
    synthesizer = get_synthesizer(tool, flat=flat, dsp=dsp, netlist=netlist is not None)
    plan = synthesizer.plan(project_dir, project, work_dir)
    synthesizer.run(plan, project_dir, work_dir, workers=workers, progress=progress)
    if netlist is not None and tool == "yosys":
        _keep_netlist(netlist_files(plan, work_dir), netlist)
    report = calibrate(synthesizer.read(plan, work_dir), project)
    return dataclasses.replace(report, wall_s=time.monotonic() - start)


def _keep_netlist(files: Mapping[str, Path], folder: Path) -> None:
    """Copy the modules to `folder`, named after the module alone."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for module, path in files.items():
            shutil.copyfile(path, folder / f"{module}{NETLIST_SUFFIX}")
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be written ({error}). Free space and run again.") from error


def calibrate(report: SynthesisReport, project: FirmwareProject) -> SynthesisReport:
    """Return `report` with estimates of the routed design before its counts.

    Parameters
    ----------
    report : SynthesisReport
        What Yosys counted.
    project : FirmwareProject
        The design; what its generator says of cost and delay is used when it is there.
    """
    products = sum(module.get("multipliers", 0.0) * module["instances"] for module in report.modules.values())
    source = f"{report.tool} {report.version}" + (f", {project.engine}" if project.estimates else "")
    counts = counts_of(report.measurements, project.estimates, source, multipliers=products)
    return dataclasses.replace(report, stage="estimate", measurements=(*estimates(counts), *report.measurements))


def write_synthesis(report: SynthesisReport, folder: Path) -> Path:
    """Write `report` as ``synthesis.json`` into `folder` and return the path."""
    path = folder / REPORT
    write_json(path, report.to_dict())
    return path


def read_synthesis(folder: Path) -> SynthesisReport:
    """Read what `write_synthesis` wrote.

    Raises
    ------
    DataError
        When the file is absent or malformed.
    """
    return SynthesisReport.read(folder / REPORT)
