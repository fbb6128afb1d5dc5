"""The verb `doctor`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

import typer

from l1ad.cli.terminal import say, show_table
from l1ad.errors import ToolMissingError
from l1ad.pipeline.doctor import Finding, examine


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Say which tools and libraries are present, what each is for, and how to get what is missing.

    Exit code 3 when something is missing that the main job needs, from events to the report.

    Raises
    ------
    ToolMissingError
        When the main job cannot run here.
    """
    findings = examine()
    blocked = [finding.name for finding in findings if finding.blocks]
    if as_json:
        say(json.dumps({"ready": not blocked, "findings": [finding.to_dict() for finding in findings]}, indent=1))
    else:
        _show(findings)
    if blocked:
        raise ToolMissingError(f"the main job cannot run here. Look at: {', '.join(blocked)}.")


def _show(findings: Sequence[Finding]) -> None:
    """Print the table, and below it what to do."""
    rows = [[f.name, f.version, _word(f), f.purpose] for f in findings]
    show_table("", ("name", "version", "state", "what it is for"), rows)
    advice: dict[str, list[str]] = {}
    for finding in findings:
        if finding.remedy:
            advice.setdefault(finding.remedy, []).append(finding.name)
    if advice:
        say("What to do:")
    for remedy, names in advice.items():
        say(f"  {', '.join(names)}: {remedy}")
    if not any(finding.blocks for finding in findings):
        say("Everything that the main job needs is present.")


def _word(finding: Finding) -> str:
    """Return the state, with what it means for the main job."""
    if finding.state == "missing":
        return "MISSING" if finding.required else "not installed"
    return finding.state.upper() if finding.blocks else finding.state
