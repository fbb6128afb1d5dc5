"""What the reports of Vivado have in common: how they begin, with tool, device and state of the design."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from l1ad.errors import DataError
from l1ad.synthesis.reports.record import Collector
from l1ad.synthesis.reports.text import field_of, read_text


class Heading(NamedTuple):
    """The lines before the first table of a report of Vivado; empty where the report has none."""

    version: str
    command: str
    design: str
    device: str
    state: str


def heading(text: str) -> Heading:
    """Return the heading of a report.

    Examples
    --------
    >>> heading("| Tool Version : Vivado v.2019.2 (lin64) Build 2708876").version
    '2019.2'
    """
    version = re.search(r"Vivado v\.?([0-9][\w.]*)", field_of(text, "Tool Version"))
    return Heading(
        version="" if version is None else version[1],
        command=field_of(text, "Command"),
        design=field_of(text, "Design"),
        device=field_of(text, "Device"),
        state=field_of(text, "Design State"),
    )


def begin(path: Path, file: str, title: re.Pattern[str], expected: str) -> tuple[str, Heading, Collector]:
    """Open a report of Vivado: return its text, its heading, and a collector with tool, version and stage.

    Parameters
    ----------
    path : Path
    file : str
        Name of the file in the record; by default the last part of `path`.
    title : re.Pattern
        What the report holds.
    expected : str
        What the error says when it does not.

    Raises
    ------
    DataError
        When the file is not such a report, or does not say after which step it was made.
    """
    text = read_text(path)
    if title.search(text) is None:
        raise DataError(f"{path}: {expected}")
    found = heading(text)
    return text, found, Collector(path, file or path.name, "Vivado", found.version, stage_of(path, text, found))


def stage_of(path: Path, text: str, found: Heading) -> str:
    """Return after which step a report was made: ``synth``, ``place`` or ``route``.

    The state of the design decides. Reports of timing before Vivado 2020 do not state it; there the nets of the
    paths say whether they are routed, estimated from the placement, or unplaced, and the names of files come last.

    Raises
    ------
    DataError
        When nothing says so: numbers of unknown stages are not comparable.
    """
    for words in (found.state, _nets(text), found.command, path.name):
        lowered = words.lower()
        for word, stage in (("rout", "route"), ("place", "place"), ("physopt", "place"), ("synth", "synth")):
            if word in lowered:
                return stage
        if "opt" in lowered and words is found.state:
            return "synth"
    raise DataError(
        f"{path}: does not say whether the design was synthesized, placed or routed. "
        "Make the report with Vivado 2020.2 or newer, or name the file after the step, such as timing_routed.rpt."
    )


def _nets(text: str) -> str:
    """Return the word for the state of the nets in the paths of a report of timing."""
    found = set(re.findall(r"net \(fo=\d+, (routed|estimated|unplaced)\)", text))
    for word, state in (("unplaced", "synth"), ("estimated", "placed"), ("routed", "routed")):
        if word in found:
            return state
    return ""
