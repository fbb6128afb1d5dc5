"""Vendor tools behind the interface that every synthesis tool has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from l1ad.errors import ConfigurationError, ToolError
from l1ad.records import FirmwareProject, SynthesisReport
from l1ad.synthesis.base import Progress, SynthesisPlan, Tool
from l1ad.synthesis.vendor.plan import VendorPlan, make_plan, write_plan
from l1ad.synthesis.vendor.run import TIMEOUT_S, read_results, run_plan, synthesis_reports
from l1ad.synthesis.vendor.tools import find_tool


class VendorOptions(BaseModel):
    """How a vendor tool is run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: tuple[str, ...] = Field((), description="csynth, cosim, synth, impl, export; empty: all that fit")
    container: str = Field("", description="image with the tools")
    host: str = Field("", description="machine with the tools, reached by ssh")
    timeout_s: float = Field(TIMEOUT_S, gt=0, description="time for all steps together")


class VendorSynthesizer:
    """Runs a plan below the work folder.

    Parameters
    ----------
    tool : str
        Key of `l1ad.synthesis.vendor.tools.COMMANDS`.
    **options
        Fields of `VendorOptions`.

    Raises
    ------
    ConfigurationError
        When an option is unknown or out of range.
    """

    def __init__(self, tool: str, **options: Any) -> None:
        self.tool = tool
        try:
            self.options = VendorOptions.model_validate(options)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise ConfigurationError(f"{tool} option {place}: {first['msg']}.") from error

    def find(self) -> Tool:
        """Return the installed program and its version."""
        return find_tool(self.tool)

    def plan(self, project_dir: Path, project: FirmwareProject, work_dir: Path) -> VendorPlan:
        """Return the steps of the project; nothing is written.

        Raises
        ------
        ConfigurationError
            When the project is for another tool, or a step does not fit.
        """
        plan, _ = make_plan(project_dir, self.options.steps)
        if plan.tool.name != self.tool:
            raise ConfigurationError(
                f"{project_dir}: a {project.backend} project is for {plan.tool.name}, not {self.tool}."
            )
        return plan

    def run(
        self,
        plan: SynthesisPlan,
        project_dir: Path,
        work_dir: Path,
        *,
        workers: int = 0,
        progress: Progress | None = None,
    ) -> None:
        """Write the plan to `work_dir` and carry it out; the steps follow one another, so `workers` says nothing."""
        write_plan(project_dir, work_dir, [job.name for job in plan.jobs])
        options = self.options
        run_plan(work_dir, container=options.container, host=options.host, timeout_s=options.timeout_s)
        if progress is not None:
            progress(len(plan.jobs), len(plan.jobs), plan.tool.name)

    def read(self, plan: SynthesisPlan, work_dir: Path) -> SynthesisReport:
        """Return what the last step measured; `l1ad.synthesis.vendor.run.synthesis_reports` gives all stages.

        Raises
        ------
        ToolError
            When a step gave no report, or a co-simulation failed.
        """
        results = read_results(work_dir, plan.project_digest)
        reports: Sequence[SynthesisReport] = synthesis_reports(results)
        if results.failures or not reports:
            raise ToolError(f"{work_dir}: " + ("; ".join(results.failures) or "no report holds a number."))
        return reports[-1]


class VitisSynthesizer(VendorSynthesizer):
    """Vitis HLS, then Vivado on what it generates."""

    def __init__(self, **options: Any) -> None:
        super().__init__("vitis", **options)


class VivadoHlsSynthesizer(VendorSynthesizer):
    """Vivado HLS, then Vivado on what it generates."""

    def __init__(self, **options: Any) -> None:
        super().__init__("vivado_hls", **options)


class VivadoSynthesizer(VendorSynthesizer):
    """Vivado on a Verilog project."""

    def __init__(self, **options: Any) -> None:
        super().__init__("vivado", **options)
