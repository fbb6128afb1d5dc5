"""The numbers of C synthesis that stand in the head of generated RTL, in the attribute CORE_GENERATION_INFO.

They survive when the reports are lost. ``HLS_SYN_MEM`` is not read: no document found states its unit. Vitis HLS
writes ``HLS_SYN_DSP=0`` whatever the design uses, so that zero is missing here. A latency that is not known stands as
-1 (seen: Vivado HLS 2018.2 and 2019.1, Vitis HLS 2022.1).
"""

from __future__ import annotations

import re
from pathlib import Path

from l1ad.errors import DataError
from l1ad.synthesis.reports.csynth import check_clock, hls_tool
from l1ad.synthesis.reports.record import Collector, ToolReport

#: The attribute in Verilog and in VHDL; a line may be broken inside it.
ATTRIBUTE = re.compile(r'CORE_GENERATION_INFO\b[^"]{0,120}"\s*([A-Za-z_]\w*)\s*,\s*hls_ip_\w+\s*,\s*\{([^}"]*)\}', re.S)

#: So much of a file is searched: the attribute stands before the ports.
HEAD_BYTES = 65536

_NAMES = {
    "HLS_INPUT_CLOCK": "clock_target_ns",
    "HLS_SYN_CLOCK": "clock_ns",
    "HLS_SYN_LAT": "latency_clocks",
    "HLS_SYN_TPT": "ii",
    "HLS_SYN_DSP": "dsp",
    "HLS_SYN_FF": "ff",
    "HLS_SYN_LUT": "lut",
}


def read_rtl_header(path: Path, file: str = "") -> ToolReport:
    """Read the attribute of a Verilog or VHDL file.

    Parameters
    ----------
    path : Path
    file : str, optional
        Name of the file in the record.

    Returns
    -------
    ToolReport
        Kind ``rtl``, stage ``csynth``.

    Raises
    ------
    DataError
        When the file has no such attribute.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(HEAD_BYTES).decode("utf-8", errors="replace")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from error
    attribute = ATTRIBUTE.search(text)
    if attribute is None:
        raise DataError(f"{path}: no CORE_GENERATION_INFO of an HLS tool. Is this RTL that HLS generated?")
    fields = dict(item.split("=", 1) for item in re.sub(r"\s+", "", attribute[2]).split(",") if "=" in item)
    release = fields.get("HLS_VERSION") or _release(attribute[0])
    version = ".".join(release.split("_")[:2])
    # The name is doubled, as in testDec_testDec, since Vivado HLS 2020.1.
    top = re.sub(r"^(\w+)_\1$", r"\1", attribute[1])
    tool = hls_tool(version, flow_target=False, dsp48=True)
    found = Collector(path, file or path.name, tool, version, "csynth")
    for field, name in _NAMES.items():
        found.add(name, "-1: not known" if fields.get(field) == "-1" else fields.get(field))
    if found.tool == "Vitis HLS" and fields.get("HLS_SYN_DSP") == "0":
        found.drop(("dsp",), "0, which Vitis HLS also writes for designs with DSP slices (seen: 2024.2)")
    check_clock(found)
    return found.report("rtl", fields.get("HLS_INPUT_PART", ""), top)


def _release(attribute: str) -> str:
    found = re.search(r"hls_ip_(\d+_\d+)", attribute)
    return "" if found is None else found[1]
