"""State of the routing as Vivado's ``report_route_status`` states it: a design with open nets is no design."""

from __future__ import annotations

import re
from pathlib import Path

from l1ad.errors import DataError
from l1ad.synthesis.reports.record import Collector, ToolReport
from l1ad.synthesis.reports.text import number, read_text

#: First line of such a report.
TITLE = re.compile(r"^\s*Design Route Status\s*$", flags=re.MULTILINE)

_ROW = re.compile(r"^\s*# of ([a-z ]+?)\.*\s*:\s*(\d+)\s*:\s*$", flags=re.MULTILINE)


def read_route_status(path: Path, file: str = "") -> ToolReport:
    """Read the state of the routing.

    Parameters
    ----------
    path : Path
    file : str, optional
        Name of the file in the record.

    Returns
    -------
    ToolReport
        Kind ``route_status``, stage ``route``, without measurements. Nets with errors, or routable nets that are not
        routed, are a failure.

    Raises
    ------
    DataError
        When the file is not such a report or ends before its last row.
    """
    text = read_text(path)
    rows = {name: number(value) for name, value in _ROW.findall(text)}
    routable, routed, wrong = (rows.get(n) for n in ("routable nets", "fully routed nets", "nets with routing errors"))
    if TITLE.search(text) is None or routable is None or wrong is None:
        raise DataError(f"{path}: no rows of routable nets and of nets with routing errors. Make the report again.")
    found = Collector(path, file or path.name, "Vivado", "", "route")
    if wrong > 0:
        found.failures.append(f"{wrong:g} nets with routing errors")
    if (routed or 0.0) < routable:
        found.failures.append(f"{routed or 0:g} of {routable:g} nets are routed")
    return found.report("route_status", "", "")
