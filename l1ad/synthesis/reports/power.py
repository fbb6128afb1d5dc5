"""Power as Vivado's ``report_power`` estimates it; without simulated activity its confidence is low."""

from __future__ import annotations

import re
from pathlib import Path

from l1ad.errors import DataError
from l1ad.synthesis.reports.record import ToolReport
from l1ad.synthesis.reports.text import rows
from l1ad.synthesis.reports.vivado import begin

#: What every such report has below its heading.
TITLE = re.compile(r"^Power Report\s*$", flags=re.MULTILINE)

_LABELS = {
    "power_w": "Total On-Chip Power (W)",
    "power_dynamic_w": "Dynamic (W)",
    "power_static_w": "Device Static (W)",
    "junction_c": "Junction Temperature (C)",
}


def read_power(path: Path, file: str = "") -> ToolReport:
    """Read a report of power.

    Parameters
    ----------
    path : Path
    file : str, optional
        Name of the file in the record.

    Returns
    -------
    ToolReport
        Kind ``power``. The confidence that the tool states is a warning unless it is high.

    Raises
    ------
    DataError
        When the file is not such a report or ends before its summary.
    """
    wanted = f"no row '{_LABELS['power_w']}'. Is this a whole report of power? Make it again."
    text, found, collector = begin(path, file, TITLE, wanted)
    values = {row[0]: row[1] for row in reversed(rows(text.splitlines())) if len(row) == 2}
    if _LABELS["power_w"] not in values:
        raise DataError(f"{path}: {wanted}")
    for name, label in _LABELS.items():
        collector.add(name, values.get(label))
    if "exceeded" in values[_LABELS["power_w"]].lower():
        collector.warnings.append(f"total power: {values[_LABELS['power_w']]}")
    confidence = values.get("Confidence Level", "not stated")
    if confidence.lower() != "high":
        collector.warnings.append(f"confidence of the power estimate: {confidence}")
    if any(m.name == "power_w" and m.value == 0 for m in collector.measurements):
        collector.drop(("power_w", "power_dynamic_w", "power_static_w"), "0 W in total")
    return collector.report("power", found.device, found.design)
