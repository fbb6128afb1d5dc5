"""Plans a run of vendor tools as data, and writes it as a folder that can be carried to the machine with the licence.

A folder of a plan holds ``plan.json``, ``run.sh``, ``scripts/`` with the settings, ``project/`` with the firmware
project, and after the run ``results/`` and ``logs/``.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from l1ad.errors import ConfigurationError, DataError, nearest
from l1ad.hardware.parts import resolve_part
from l1ad.hardware.project import RECORD, read_project
from l1ad.provenance import check_name, file_digest, text_digest, value_digest, write_json, write_text
from l1ad.records import FirmwareProject
from l1ad.resources import resource
from l1ad.synthesis.base import Job, SynthesisPlan, Tool
from l1ad.synthesis.vendor.tools import COMMANDS
from l1ad.synthesis.verilog import read_design

PLAN_FILE = "plan.json"
SCRIPT = "run.sh"

#: Steps in their order -> stage of what they measure. Export measures nothing and comes last: since 2022 it fails in
#: older releases that lack a patch of AMD (the revision, made from the date, overflows).
STEPS = {"csynth": "csynth", "cosim": "cosim", "synth": "synth", "impl": "route", "export": "csynth"}
HLS_STEPS = ("csynth", "cosim", "export")

#: Backend of a project -> HLS tool, and the clock uncertainty that the tool takes by default (UG1399; UG902).
_HLS_TOOLS = {"vitis": ("vitis", "27%"), "vivado": ("vivado_hls", "12.5%")}


@dataclass(frozen=True)
class VendorPlan(SynthesisPlan):
    """A plan whose jobs are steps that follow one another.

    Attributes
    ----------
    top : str
        Top function or module.
    clock_ns : float
        Clock period that is asked for.
    backend : str
        Backend of the project.
    files : dict of str to str
        File of the folder, apart from the plan and the results -> SHA-256.
    """

    top: str = ""
    clock_ns: float = 0.0
    backend: str = ""
    files: dict[str, str] = field(default_factory=dict)


def default_steps(backend: str) -> tuple[str, ...]:
    """Return the steps that a project of `backend` goes through; Verilog needs no HLS."""
    return tuple(STEPS) if backend in _HLS_TOOLS else ("synth", "impl")


def make_plan(project_dir: Path, steps: Sequence[str] = ()) -> tuple[VendorPlan, dict[str, str]]:
    """Return what has to be run for a project, and the scripts of the plan; nothing is written.

    Parameters
    ----------
    project_dir : Path
        Folder of a firmware project.
    steps : sequence of str, optional
        Keys of `STEPS`; by default all that fit the project.

    Returns
    -------
    VendorPlan
        Its tool has no version: the machine that runs it decides.
    dict of str to str
        Name of a script in the folder -> its text.

    Raises
    ------
    ConfigurationError
        When a step is unknown, does not fit the project, or lacks the step before it; or the project has no clock.
    DataError
        When a file of the project is absent or changed.
    """
    project = read_project(project_dir)
    chosen = _check_steps(project, steps or default_steps(project.backend))
    part = resolve_part(project.part)
    scripts = {"scripts/settings.tcl": _settings(project_dir, project, part.name)}
    scripts[SCRIPT] = _template("run.sh")
    if set(chosen) & set(HLS_STEPS):
        scripts["scripts/hls.tcl"] = _template("hls/hls.tcl")
    if set(chosen) - set(HLS_STEPS):
        scripts["scripts/rtl.tcl"] = _template("rtl/rtl.tcl")
    contents = {name: text_digest(text) for name, text in scripts.items()}
    jobs = tuple(_job(step, project, contents) for step in chosen)
    digest = value_digest([part.name, project.digest, [job.digest for job in jobs], contents])
    scripts["scripts/steps.sh"] = _steps_script(project, chosen, digest)
    files = {name: text_digest(text) for name, text in scripts.items()}
    files.update({f"project/{name}": content for name, content in project.files.items()})
    tool = Tool(_HLS_TOOLS[project.backend][0] if project.backend in _HLS_TOOLS else "vivado", "")
    plan = VendorPlan(
        tool, part.name, project.digest, jobs, digest, project.top, project.clock_ns, project.backend, files
    )
    return plan, scripts


def write_plan(project_dir: Path, folder: Path, steps: Sequence[str] = ()) -> VendorPlan:
    """Write the plan of a project to `folder` and return it.

    A folder that holds the same plan is left as it is, with its results.

    Raises
    ------
    ConfigurationError, DataError
        As `make_plan`; and when `folder` holds something else.
    """
    plan, scripts = make_plan(project_dir, steps)
    if (folder / PLAN_FILE).exists():
        known = VendorPlan.read(folder / PLAN_FILE)
        if known.digest != plan.digest:
            raise ConfigurationError(
                f"{folder}: holds a plan of another design or other steps ({known.digest[:12]}, this one is "
                f"{plan.digest[:12]}). Choose another folder, or remove it."
            )
    elif folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder}: is not empty and holds no plan. Choose another folder.")
    for name, text in scripts.items():
        write_text(folder / name, text)
    for name in [*read_project(project_dir).files, RECORD]:
        target = folder / "project" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project_dir / name, target)
    write_json(folder / PLAN_FILE, plan.to_dict())
    return plan


def verify_plan(folder: Path) -> VendorPlan:
    """Return the plan in `folder` after verifying that scripts and project are as they were written.

    Raises
    ------
    DataError
        When there is no plan, or a file is absent or changed; the message names it.
    """
    plan = VendorPlan.read(folder / PLAN_FILE)
    for name, digest in plan.files.items():
        path = folder / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise DataError(f"{folder / PLAN_FILE}: file name {name!r} leaves the folder.")
        if not path.is_file():
            raise DataError(f"{path}: listed in {PLAN_FILE} and absent. Write the plan again.")
        if file_digest(path) != digest:
            raise DataError(f"{path}: changed since the plan was written. Results would be of another design.")
    return plan


def _check_steps(project: FirmwareProject, steps: Sequence[str]) -> tuple[str, ...]:
    for step in steps:
        if step not in STEPS:
            raise ConfigurationError(f"step {step!r} is not known. {nearest(step, STEPS)}")
    hls = project.backend in _HLS_TOOLS
    if not hls and set(steps) & set(HLS_STEPS):
        raise ConfigurationError(f"a {project.backend} project has no step {sorted(set(steps) & set(HLS_STEPS))[0]}.")
    if hls and "csynth" not in steps:
        raise ConfigurationError("an HLS project begins with the step csynth.")
    if "impl" in steps and "synth" not in steps:
        raise ConfigurationError("step impl needs step synth.")
    if not hls and not project.stages:
        raise ConfigurationError(f"{project.top}: has no pipeline stage, so no clock to time it by.")
    return tuple(step for step in STEPS if step in steps)


def _job(step: str, project: FirmwareProject, contents: dict[str, str]) -> Job:
    """Return a step as a job; its report is the mark that the script leaves when it is done."""
    tools = COMMANDS[_HLS_TOOLS[project.backend][0]] if step in HLS_STEPS else COMMANDS["vivado"]
    script = "scripts/hls.tcl" if step in HLS_STEPS else "scripts/rtl.tcl"
    commands = tuple(f"{tool.name} {script}" for tool in tools)
    digest = value_digest([step, commands, contents[script], contents["scripts/settings.tcl"], project.digest])
    return Job(step, commands, (), 1, f"results/marks/{step}", digest)


def _settings(project_dir: Path, project: FirmwareProject, part: str) -> str:
    """Return the settings as Tcl: names were checked, and braces keep Tcl from reading more into them."""
    top = check_name(project.top, "top")
    hls = project.backend in _HLS_TOOLS
    sources: list[str] = []
    if not hls:
        sources = sorted({name for names in read_design(project_dir, project).files.values() for name in names})
    values = {
        "top": top,
        "part": part,
        "clock_ns": f"{project.clock_ns:g}",
        "clock_port": "ap_clk" if hls else "clk",
        "vivado_hls": "1" if project.backend == "vivado" else "0",
        "uncertainty": _HLS_TOOLS[project.backend][1] if hls else "0%",
        "hls_source": f"firmware/{top}.cpp" if hls else "",
        "hls_bench": f"{top}_test.cpp" if hls else "",
        "bench_data": "firmware/weights tb_data" if hls else "",
        "rtl_sources": "".join(f"\n    {name}" for name in sources) + ("\n" if sources else ""),
        "rtl_generated": "hls/solution1/syn/verilog/*.v" if hls else "",
    }
    lines = [f"set {name} {{{value}}}" for name, value in values.items()]
    return "\n".join(["# Written by l1ad for one plan.", *lines]) + "\n"


def _steps_script(project: FirmwareProject, steps: Sequence[str], digest: str) -> str:
    tools = COMMANDS[_HLS_TOOLS[project.backend][0]] if project.backend in _HLS_TOOLS else ()
    names = " ".join(tool.name for tool in tools)
    return f"# Written by l1ad for one plan.\nSTEPS='{' '.join(steps)}'\nHLS_TOOLS='{names}'\nDIGEST={digest}\n"


def _template(name: str) -> str:
    return resource(f"vivado_projects/{name}").read_text(encoding="utf-8")
