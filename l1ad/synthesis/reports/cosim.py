"""Co-simulation of the generated RTL with the C test bench (``<top>_cosim.rpt``, ``hls_cosim.rpt``)."""

from __future__ import annotations

import re
from pathlib import Path

from l1ad.errors import DataError
from l1ad.synthesis.reports.record import Collector, ToolReport
from l1ad.synthesis.reports.text import ends_with_rule, number, read_text, rows

#: The heading of the table.
TITLE = re.compile(r"^\+\s+RTL\s+\+\s+Status\s+\+", flags=re.MULTILINE)

#: Measurements in the order of the columns behind the status; the average is not kept.
_COLUMNS = ("latency_min_clocks", "", "latency_clocks", "ii_min", "", "ii", "total_clocks")


def read_cosim(path: Path, file: str = "") -> ToolReport:
    """Read a co-simulation report.

    A language that was not simulated stands as ``NA``. Of a simulation that did not pass, no number is taken: the
    columns of a failed run can hold numbers of the transactions before the failure. A latency of 0 in every column
    is what the tool writes when it saw no transaction, and is missing.

    Parameters
    ----------
    path : Path
    file : str, optional
        Name of the file in the record.

    Returns
    -------
    ToolReport
        Kind and stage ``cosim``. The report names neither tool nor part.

    Raises
    ------
    DataError
        When the file is not such a report or its table is not whole.
    """
    text = read_text(path)
    if TITLE.search(text) is None:
        raise DataError(f"{path}: expected a table with RTL and Status. Is this a co-simulation report?")
    name = file or path.name
    found = Collector(path, name, "", "", "cosim")
    languages = [row for row in rows(text.splitlines()) if row[0] in ("VHDL", "Verilog", "SystemC")]
    if not languages or any(len(row) not in (8, 9) for row in languages) or not ends_with_rule(text):
        raise DataError(f"{path}: the table of languages is not whole. Make the report again, or copy it again.")
    run = [row for row in languages if row[1] not in ("NA", "")]
    if not run:
        found.failures.append("no language was simulated")
    for row in run:
        if row[1].lower() != "pass":
            found.failures.append(f"co-simulation of {row[0]}: {row[1]}")
    _numbers(found, [row[2:] for row in run if row[1].lower() == "pass"])
    top = re.sub(r"_?cosim\.rpt$", "", path.name)
    return found.report("cosim", "", "" if top in ("hls", path.name) else top)


def _numbers(found: Collector, passed: list[list[str]]) -> None:
    """Take the largest of the languages that passed."""
    for place, name in enumerate(_COLUMNS):
        texts = [row[place] for row in passed if place < len(row)]
        if not name or (passed and not texts):
            continue
        values = [text for text in texts if number(text) is not None]
        found.add(name, max(values, key=lambda text: number(text) or 0.0) if values else (texts or ["not run"])[0])
    if any(m.name == "latency_clocks" and m.value == 0 for m in found.measurements):
        found.drop(("latency_clocks", "latency_min_clocks"), "0: no transaction was seen")
