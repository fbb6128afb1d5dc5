"""Runs a plan here, in a container, or on another machine, and reads what came out."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from l1ad.errors import ConfigurationError, DataError, ToolError, ToolMissingError
from l1ad.provenance import write_json
from l1ad.records import Record, SynthesisReport
from l1ad.synthesis.processes import Process, run_parallel
from l1ad.synthesis.reports.folder import read_reports
from l1ad.synthesis.reports.logs import decisive_error
from l1ad.synthesis.reports.record import ReportSet
from l1ad.synthesis.vendor.plan import HLS_STEPS, SCRIPT, STEPS, VendorPlan, verify_plan
from l1ad.synthesis.vendor.tools import find_tool

#: Time that a whole plan may take by default.
TIMEOUT_S = 24 * 3600.0

#: What a host for ssh, and an image for a container, may be: no option, no shell.
_HOST = re.compile(r"(?:[A-Za-z0-9_][\w.-]*@)?[A-Za-z0-9][\w.-]*")
_IMAGE = re.compile(r"[A-Za-z0-9/][\w./:@-]*")

#: Programs that run a container, best first.
ENGINES = ("docker", "podman", "apptainer")

#: A report of this kind at this stage -> that the step has measured something.
_WANTED = {
    "csynth": ("csynth", ("csynth",)),
    "cosim": ("cosim", ("cosim",)),
    "synth": ("synth", ("utilization",)),
    "impl": ("route", ("utilization", "timing")),
}


@dataclass(frozen=True)
class VendorResults(Record):
    """What a plan has given.

    Attributes
    ----------
    plan_digest, project_digest : str
        Of the plan and of the firmware project that the reports are of.
    reports : ReportSet
    missing : tuple of str
        Steps of the plan without their report, each with the decisive line of its log.
    """

    plan_digest: str
    project_digest: str
    reports: ReportSet
    missing: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[str, ...]:
        """Return what keeps the results from being signed."""
        return self.missing + self.reports.failures


def run_plan(
    folder: Path, *, container: str = "", host: str = "", engine: str = "", timeout_s: float = TIMEOUT_S
) -> None:
    """Carry out the plan in `folder`; steps that are done are not repeated.

    Parameters
    ----------
    folder : Path
        What `write_plan` wrote.
    container : str, optional
        Image with the tools; the folder is mounted in it.
    host : str, optional
        Machine with the tools, reached by ssh; the folder is copied there and back with rsync.
    engine : str, optional
        One of `ENGINES`; by default the first of them on PATH.
    timeout_s : float, optional
        Time for all steps together.

    Raises
    ------
    ConfigurationError
        When both a container and a host are given, or one is not a name.
    DataError
        When the folder is not as it was written.
    ToolMissingError
        When a tool that is to run here is not installed, or what reaches the other machine or the container.
    ToolError
        When a step fails, is killed, or takes too long; the message has the decisive line of its log.
    """
    if container and host:
        raise ConfigurationError("give a container or a host, not both.")
    plan = verify_plan(folder)
    if not container and not host:
        for name in sorted({plan.tool.name if job.name in HLS_STEPS else "vivado" for job in plan.jobs}):
            find_tool(name)
    (folder / "logs").mkdir(exist_ok=True)
    failed: ToolError | None = None
    commands = _commands(folder.resolve(), plan, container, host, engine)
    for name in dict.fromkeys(command[0] for command in commands):
        if shutil.which(name) is None:
            raise ToolMissingError(f"{name} is not on PATH. Install it, or carry {folder} by hand.")
    for number, command in enumerate(commands):
        process = Process(f"plan {folder}", command, folder / "logs" / f"run{number}.log")
        try:
            run_parallel([process], workers=1, timeout_s=timeout_s, finished=lambda name: None)
        except ToolError as error:
            if command[0] != "ssh":
                raise ToolError(f"{failed or error} {_explain(folder)}".strip()) from error
            # What the other machine has written is fetched all the same: its logs say why it failed.
            failed = error
    if failed is not None:
        raise ToolError(f"{failed} {_explain(folder)}".strip()) from failed


def read_results(folder: Path, project_digest: str) -> VendorResults:
    """Read what the plan in `folder` has given.

    Parameters
    ----------
    folder : Path
        What `write_plan` wrote, after it was run, here or elsewhere.
    project_digest : str
        Digest of the firmware project that the results have to be of.

    Returns
    -------
    VendorResults
        A step without its report stands in ``missing``: the other steps count.

    Raises
    ------
    DataError
        When the plan or its results are of another design, a file of the plan was changed, or a report is broken or
        of another part.
    ToolError
        When the plan has not been run.
    """
    plan = verify_plan(folder)
    if plan.project_digest != project_digest:
        raise DataError(
            f"{folder}: results of another design: planned for project {plan.project_digest[:12]}, "
            f"this one is {project_digest[:12]}. Write and run a new plan."
        )
    mark = folder / "results" / "DIGEST"
    if not mark.is_file():
        raise ToolError(
            f"{folder}: the plan has not been run: {mark} is absent. Run sh {SCRIPT}. {_explain(folder)}".strip()
        )
    found = mark.read_text(encoding="utf-8", errors="replace").strip()
    if found != plan.digest:
        raise DataError(f"{mark}: results of another plan, {found[:12]}; expected {plan.digest[:12]}.")
    try:
        reports = read_reports(folder / "results", part=plan.part)
    except DataError as error:
        raise DataError(f"{error} {_explain(folder)}".strip()) from error
    reports = replace(reports, log_errors={**reports.log_errors, **_log_errors(folder)})
    return VendorResults(plan.digest, plan.project_digest, reports, _missing(folder, plan, reports))


def synthesis_reports(results: VendorResults) -> tuple[SynthesisReport, ...]:
    """Return the results as one record a stage, in the order of the steps."""
    records = []
    for stage in dict.fromkeys(STEPS.values()):
        reports = [report for report in results.reports.reports if report.stage == stage]
        measured = tuple(m for report in reports for m in report.measurements if m.stage == stage)
        if not measured:
            continue
        modules = next((report.modules for report in reports if report.modules), {})
        tool, version = reports[0].tool, reports[0].version
        part = results.reports.part
        records.append(SynthesisReport(tool, version, stage, part, results.project_digest, measured, modules))
    return tuple(records)


def write_results(results: VendorResults, path: Path) -> None:
    """Write `results` as JSON."""
    write_json(path, results.to_dict())


def _commands(folder: Path, plan: VendorPlan, container: str, host: str, engine: str) -> list[tuple[str, ...]]:
    """Return the commands that carry a plan out, without a shell of our own."""
    if container:
        return [_container(folder, container, engine or _engine())]
    if host:
        if not _HOST.fullmatch(host):
            raise ConfigurationError(f"host {host!r}: expected a name such as user@machine.")
        remote = f"l1ad-plan-{plan.digest[:16]}"
        return [
            ("rsync", "-a", f"{folder}/", f"{host}:{remote}/"),
            ("ssh", host, f"sh {remote}/{SCRIPT}"),
            ("rsync", "-a", f"{host}:{remote}/results/", f"{folder}/results/"),
            ("rsync", "-a", f"{host}:{remote}/logs/", f"{folder}/logs/"),
        ]
    return [("sh", str(folder / SCRIPT))]


def _engine() -> str:
    """Return the first program on PATH that runs containers."""
    found = next((name for name in ENGINES if shutil.which(name) is not None), None)
    if found is None:
        raise ToolMissingError(f"none of {', '.join(ENGINES)} is on PATH. Install one, or run the tool without one.")
    return found


def _container(folder: Path, image: str, engine: str) -> tuple[str, ...]:
    """Return the command that runs the plan in a container, with its folder as /plan."""
    if not _IMAGE.fullmatch(image) or engine not in ENGINES:
        raise ConfigurationError(f"container {image!r} with {engine!r}: expected an image and {', '.join(ENGINES)}.")
    if "," in str(folder) or (engine == "apptainer" and ":" in str(folder)):
        raise ConfigurationError(f"{folder}: a comma or colon in the path cannot be mounted. Choose another folder.")
    if engine == "apptainer":
        return (engine, "exec", "--bind", f"{folder}:/plan", "--pwd", "/plan", image, "sh", SCRIPT)
    mount = f"type=bind,source={folder},target=/plan"
    return (engine, "run", "--rm", "--init", "--mount", mount, "--workdir", "/plan", image, "sh", SCRIPT)


def _missing(folder: Path, plan: VendorPlan, reports: ReportSet) -> tuple[str, ...]:
    """Return the steps without a report that says something, each with its log's decisive line."""
    missing = []
    for job in plan.jobs:
        stage, kinds = _WANTED.get(job.name, ("", ()))
        for kind in kinds:
            if not any(report.kind == kind and report.stage == stage for report in reports.reports):
                line = decisive_error(folder / "logs" / f"{job.name}.log")
                missing.append(f"step {job.name}: no report of {kind}" + (f"; log: {line}" if line else ""))
    return tuple(missing)


def _log_errors(folder: Path) -> dict[str, str]:
    """Return log -> decisive line of the logs of the steps."""
    found = {path.name: decisive_error(path) for path in sorted((folder / "logs").glob("*.log"))}
    return {f"logs/{name}": line for name, line in found.items() if line is not None}


def _explain(folder: Path) -> str:
    """Return the decisive line of the step that failed, or nothing."""
    steps = {name: line for name, line in _log_errors(folder).items() if not name.startswith("logs/run")}
    return "; ".join(f"{name}: {line}" for name, line in steps.items())
