"""Yosys through the `pyosys` wheel: an estimate of resources that needs no licence.

The pipeline stages of a project are combinational modules, and the top module holds the registers between them.
Each stage is mapped in a process of its own, and the top with the stages as black boxes, and the cells are added.
A signal that passes through several stages is counted there as that many flip-flops; mapped flat, Yosys merges
registers that hold equal bits and may turn three or more in a row into a shift register in a LUT, as Vivado does.

Mapped flat, a design goes through ``synth_xilinx``. A module without a clock needs little of it: neither the libraries
of cells (a second), nor the search for RAM and shift registers (two seconds), nor abc9, which treats every carry chain
as a box with timing and takes five times as long as abc. `_LOGIC` is what remains. `benchmarks/bench_yosys.py`
compares the two: time, memory, and the number of LUTs.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from l1ad.errors import ConfigurationError, DataError, ToolError, ToolMissingError
from l1ad.hardware.parts import Part, resolve_part
from l1ad.provenance import check_name, library_version, value_digest, write_json
from l1ad.records import FirmwareProject, Measurement, SynthesisReport
from l1ad.synthesis.base import Job, Progress, SynthesisPlan, Tool
from l1ad.synthesis.cells import QUANTITIES, count_resources
from l1ad.synthesis.processes import Process, run_parallel
from l1ad.synthesis.verilog import Design, read_design
from l1ad.synthesis.yosys_worker import SPLIT, CellReport, Request

#: Family of a part -> family of ``synth_xilinx``.
_FAMILIES = {
    "virtex_ultrascale_plus": "xcup",
    "kintex_ultrascale_plus": "xcup",
    "zynq_ultrascale_plus": "xcup",
    "kintex_ultrascale": "xcu",
    "virtex_7": "xc7",
}

#: The steps of ``synth_xilinx`` that logic and plain registers need, in its order (Yosys 0.70, ``help synth_xilinx``),
#: with abc for LUTs of up to six inputs at its end. Costs of a LUT are those that ``synth_xilinx`` gives.
_LOGIC = (
    "hierarchy -check -top {top}",
    "proc",
    "flatten",
    "opt_expr",
    "opt_clean",
    "opt -nodffe -nosdff",
    "wreduce",
    "peepopt",
    "opt_clean",
    "memory_collect",
    "memory_map",
    "alumacc",
    "share",
    "opt",
    f"{SPLIT}3000",
    "techmap -map +/techmap.v -D LUT_SIZE=6 -map +/xilinx/arith_map.v",
    "opt -fast",
    "dfflegalize -cell $_DFFE_?P?P_ 01 -cell $_SDFFE_?P?P_ 01 -cell $_DLATCH_?P?_ 01",
    "abc -luts 2:2,3,6:5",
    "clean",
)

#: End of the names of files with mapped cells.
NETLIST_SUFFIX = ".cells.json.gz"

#: What the measurements of a report are called, and their units.
_MEASURED = {"lut": "", "ff": "", "dsp": "", "bram": "RAMB36"}


class YosysOptions(BaseModel):
    """How Yosys maps a project."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    flat: bool = Field(False, description="one process for the whole design instead of one a stage")
    dsp: bool = Field(False, description="let multipliers become DSP slices")
    netlist: bool = Field(False, description="keep the mapped modules")
    timeout_s: float = Field(3600.0, gt=0, description="time that one process may take")


class _Work(NamedTuple):
    """What one job maps: a module, its sources, and those that are read for their ports only."""

    name: str
    sources: tuple[str, ...]
    box_sources: tuple[str, ...] = ()
    boxes: tuple[str, ...] = ()
    instances: int = 1
    options: str = ""
    logic: bool = False


class YosysSynthesizer:
    """Maps Verilog projects with ``synth_xilinx``.

    Parameters
    ----------
    **options
        Fields of `YosysOptions`.

    Raises
    ------
    ConfigurationError
        When an option is unknown or out of range.
    """

    def __init__(self, **options: Any) -> None:
        try:
            self.options = YosysOptions.model_validate(options)
        except ValidationError as error:
            first = error.errors()[0]
            raise ConfigurationError(f"Yosys option {'.'.join(map(str, first['loc']))}: {first['msg']}.") from error

    def find(self) -> Tool:
        """Return the installed Yosys.

        Raises
        ------
        ToolMissingError
            When the distribution `pyosys` is not installed.
        """
        version = library_version("pyosys")
        if version is None or importlib.util.find_spec("pyosys") is None:
            raise ToolMissingError("Yosys is not installed. Get it with: pip install pyosys")
        return Tool("Yosys", version)

    def plan(self, project_dir: Path, project: FirmwareProject, work_dir: Path) -> SynthesisPlan:
        """Return one job a stage and one for the top, or one for all when ``flat``."""
        tool, part = self.find(), resolve_part(project.part)
        if part.family not in _FAMILIES:
            raise ConfigurationError(f"{project_dir}: Yosys maps to no cells of {part.device} ({part.family}).")
        works = self._works(read_design(project_dir, project))
        jobs = tuple(self._job(tool, part, project, work) for work in works)
        return SynthesisPlan(tool, part.name, project.digest, jobs, value_digest([job.digest for job in jobs]))

    def run(
        self,
        plan: SynthesisPlan,
        project_dir: Path,
        work_dir: Path,
        *,
        workers: int = 0,
        progress: Progress | None = None,
    ) -> None:
        """Map every module whose report is not in `work_dir` yet."""
        write_json(work_dir / "plan.json", plan.to_dict())
        missing = [job for job in plan.jobs if not self._is_done(job, work_dir)]
        done = len(plan.jobs) - len(missing)

        def finished(name: str) -> None:
            """Count a finished job and tell how far the plan is."""
            nonlocal done
            done += 1
            if progress is not None:
                progress(done, len(plan.jobs), name)

        run_parallel(
            [self._process(job, project_dir.resolve(), work_dir.resolve()) for job in missing],
            workers=workers or _cores(),
            timeout_s=self.options.timeout_s,
            finished=finished,
        )

    def read(self, plan: SynthesisPlan, work_dir: Path) -> SynthesisReport:
        """Add the cells of all jobs; ``wall_s`` is the sum over the processes, the memory that of the largest."""
        reports = {job.name: _read_report(job, work_dir) for job in plan.jobs}
        modules = {job.name: _resources(job, reports[job.name]) for job in plan.jobs}
        total = dict.fromkeys(QUANTITIES, 0.0)
        for job in plan.jobs:
            for quantity in QUANTITIES:
                total[quantity] += modules[job.name][quantity] * job.instances
        if not any(total.values()):
            raise ToolError("Yosys mapped the design to no cells: its outputs do not depend on its inputs.")
        source = f"{plan.tool.name} {plan.tool.version}"
        return SynthesisReport(
            tool=plan.tool.name,
            version=plan.tool.version,
            stage="netlist",
            part=plan.part,
            project_digest=plan.project_digest,
            measurements=tuple(Measurement(n, total[n], unit, "netlist", source) for n, unit in _MEASURED.items()),
            modules=modules,
            wall_s=sum(report.wall_s for report in reports.values()),
            peak_memory_mb=max(report.peak_memory_mb for report in reports.values()),
        )

    def _is_done(self, job: Job, work_dir: Path) -> bool:
        try:
            done = CellReport.read(work_dir / job.report).digest == job.digest
        except DataError:
            return False
        return done and (not self.options.netlist or _netlist(job, work_dir).is_file())

    def _process(self, job: Job, project_dir: Path, work_dir: Path) -> Process:
        request, report = work_dir / f"{job.name}.request.json", work_dir / job.report
        netlist = str(_netlist(job, work_dir)) if self.options.netlist else ""
        asked = Request(str(project_dir), job.commands, str(report), job.digest, netlist)
        write_json(request, asked.to_dict())
        command = (sys.executable, "-m", "l1ad.synthesis.yosys_worker", str(request))
        return Process(f"Yosys on {job.name}", command, work_dir / f"{job.name}.log")

    def _works(self, design: Design) -> list[_Work]:
        """Return what the jobs map: the top and the stages, longest first; or all at once."""
        if self.options.flat or not design.stages:
            sources = {name for files in design.files.values() for name in files}
            return [_Work(design.top, tuple(sorted(sources)))]
        order = sorted(design.stages, key=lambda stage: -design.sizes[stage])
        boxes = {name for stage in order for name in design.files[stage]} - set(design.files[design.top])
        # Between black boxes there is nothing to extract, and the search takes minutes for 20,000 registers.
        options, plain = " -nosrl", not self.options.dsp and design.top not in design.memories
        top = _Work(design.top, design.files[design.top], tuple(sorted(boxes)), tuple(sorted(order)), 1, options, plain)
        return [top, *(self._stage(design, stage) for stage in order)]

    def _stage(self, design: Design, stage: str) -> _Work:
        logic = not self.options.dsp and stage not in design.clocked
        return _Work(stage, design.files[stage], instances=design.stages[stage], logic=logic)

    def _job(self, tool: Tool, part: Part, project: FirmwareProject, work: _Work) -> Job:
        check_name(work.name, "module name")
        commands = [f"read_verilog {' '.join(work.sources)}"]
        if work.box_sources:
            commands.append(f"read_verilog -lib {' '.join(work.box_sources)}")
        commands.extend(
            [step.format(top=work.name) for step in _LOGIC] if work.logic else self._synth_xilinx(part, work)
        )
        contents = {source: project.files[source] for source in (*work.sources, *work.box_sources)}
        digest = value_digest([tool.to_dict(), commands, contents])
        report = f"{work.name}.{digest[:16]}.json"
        return Job(work.name, tuple(commands), work.boxes, work.instances, report, digest)

    def _synth_xilinx(self, part: Part, work: _Work) -> tuple[str, str]:
        """Return ``synth_xilinx`` in two parts; between them multipliers are still cells and can be counted."""
        dsp = "" if self.options.dsp else " -nodsp"
        options = f"-flatten -noiopad -noclkbuf{dsp}{work.options}"
        command = f"synth_xilinx -family {_FAMILIES[part.family]} {options} -top {work.name} -run "
        return f"{command}begin:map_dsp", f"{command}map_dsp:edif"


def _cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def netlist_files(plan: SynthesisPlan, work_dir: Path) -> dict[str, Path]:
    """Return module -> file with its mapped cells, which are those that `YosysSynthesizer.read` counts.

    Raises
    ------
    ToolError
        When one is not there.
    """
    files = {job.name: _netlist(job, work_dir) for job in plan.jobs}
    for path in files.values():
        if not path.is_file():
            raise ToolError(f"{path}: Yosys left no netlist. Run the synthesis again.")
    return files


def _netlist(job: Job, work_dir: Path) -> Path:
    return work_dir / f"{job.report.removesuffix('.json')}{NETLIST_SUFFIX}"


def _read_report(job: Job, work_dir: Path) -> CellReport:
    try:
        report = CellReport.read(work_dir / job.report)
    except DataError as error:
        raise ToolError(f"Yosys left no usable report of {job.name}: {error}") from error
    if report.digest != job.digest:
        raise ToolError(f"{work_dir / job.report}: belongs to another job. Run the synthesis again.")
    return report


def _resources(job: Job, report: CellReport) -> dict[str, float]:
    """Return the resources of one instance, and time and memory of its process."""
    try:
        counts = count_resources(report.cells, job.black_boxes)
    except ToolError as error:
        raise ToolError(f"module {job.name}: {error}") from error
    missing = [name for name in job.black_boxes if name not in report.cells]
    if missing:
        raise ToolError(f"module {job.name}: stage {missing[0]} is gone from the netlist: nothing depends on it.")
    return {
        **counts,
        "multipliers": float(report.multipliers),
        "instances": float(job.instances),
        "wall_s": report.wall_s,
        "cpu_s": report.cpu_s,
        "peak_memory_mb": report.peak_memory_mb,
    }
