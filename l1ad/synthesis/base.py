"""What every synthesis tool offers: find it, plan a run as data, run the plan, read the reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from l1ad.records import FirmwareProject, Record, SynthesisReport

#: Called after each job with the jobs done, the jobs in all, and the name of the job.
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Tool(Record):
    """A tool that was found on this machine."""

    name: str
    version: str


@dataclass(frozen=True)
class Job(Record):
    """One process of a plan.

    Attributes
    ----------
    name : str
        Module that the process maps.
    commands : tuple of str
        Commands of the tool, in order. File names are relative to the project folder.
    black_boxes : tuple of str
        Modules that count as nothing in this job, because another job maps them.
    instances : int
        How often the design holds the module.
    report : str
        File that the job writes, relative to the work folder.
    digest : str
        SHA-256 over tool, version, commands and the content of the sources. Equal digests mean equal reports.
    """

    name: str
    commands: tuple[str, ...]
    black_boxes: tuple[str, ...]
    instances: int
    report: str
    digest: str


@dataclass(frozen=True)
class SynthesisPlan(Record):
    """A run as data: it can be read, stored, and carried out elsewhere.

    Attributes
    ----------
    tool : Tool
        What carries it out.
    part : str
        Full part name.
    project_digest : str
        Digest of the firmware project.
    jobs : tuple of Job
        Independent of one another, longest first.
    digest : str
        SHA-256 over the digests of the jobs.
    """

    tool: Tool
    part: str
    project_digest: str
    jobs: tuple[Job, ...]
    digest: str


class Synthesizer(Protocol):
    """A synthesis tool."""

    def find(self) -> Tool:
        """Return the tool and its version.

        Raises
        ------
        ToolMissingError
            When it is not installed; the message says how to get it.
        """

    def plan(self, project_dir: Path, project: FirmwareProject, work_dir: Path) -> SynthesisPlan:
        """Return what has to be run for `project`; nothing is written."""

    def run(
        self,
        plan: SynthesisPlan,
        project_dir: Path,
        work_dir: Path,
        *,
        workers: int = 0,
        progress: Progress | None = None,
    ) -> None:
        """Carry out `plan` and leave the reports in `work_dir`; jobs whose report exists are not repeated.

        Raises
        ------
        ToolError
            When the tool fails, is killed, or runs past its time.
        """

    def read(self, plan: SynthesisPlan, work_dir: Path) -> SynthesisReport:
        """Return what the reports of `plan` say.

        Raises
        ------
        ToolError
            When a report is missing or holds something that cannot be counted.
        """
