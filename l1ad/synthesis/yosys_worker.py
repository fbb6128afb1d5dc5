"""Runs one Yosys job: ``python -m l1ad.synthesis.yosys_worker JOB.json``.

Yosys is a library here (`pyosys`). It ends its process on an error and keeps its memory until the end, so each job
has a process of its own.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from l1ad.provenance import whole_file, write_json
from l1ad.records import Record

#: Beginning of a command that divides the top.
SPLIT = "split "

#: Gives LUTs of Yosys the names of AMD's cells, one for one (Yosys 0.70, techlibs/xilinx/lut_map.v).
_LUT_NAMES = "techmap -map +/xilinx/lut_map.v -D LUT_WIDTH=6"


@dataclass(frozen=True)
class Request(Record):
    """What the worker is asked to do.

    Attributes
    ----------
    project_dir : str
        Absolute path; the commands' file names are relative to it.
    commands : tuple of str
        Yosys commands that end with a mapped top module. One that begins with `SPLIT` is not of Yosys: it divides
        the cells of the top into modules of about as many bits as it says, and the commands behind it run on one
        after the other. Carry chains are not divided, and little logic is shared between them.
    report : str
        Absolute path of the file to write.
    digest : str
        Copied to the report.
    netlist : str
        Absolute path of the file that takes what was counted: ports and cells in the JSON of Yosys, gzip over it.
        Empty for none.
    """

    project_dir: str
    commands: tuple[str, ...]
    report: str
    digest: str
    netlist: str = ""


@dataclass(frozen=True)
class CellReport(Record):
    """The cells of one mapped module, and what mapping it took.

    Attributes
    ----------
    digest : str
        Digest of the job.
    version : str
        Version as Yosys prints it.
    cells : dict of str to int
        Cell type -> number.
    wall_s : float
        Time of the commands.
    cpu_s : float
        CPU time of the worker and of what it started.
    peak_memory_mb : float
        Largest resident set of the worker or of a process that it started (abc), in MiB.
    multipliers : int
        Products of two variables in the RTL.
    """

    digest: str
    version: str
    cells: dict[str, int]
    wall_s: float
    cpu_s: float
    peak_memory_mb: float
    multipliers: int = 0


def work(request: Request) -> CellReport:
    """Run the commands of `request` in this process."""
    os.chdir(request.project_dir)
    from pyosys import libyosys

    design, cells, start = libyosys.Design(), Counter[str](), time.monotonic()
    place = next((i for i, command in enumerate(request.commands) if command.startswith(SPLIT)), None)
    multipliers = _run(design, request.commands[:place])
    netlist = _Netlist(request.netlist)
    if place is None:
        cells += _count(design.top_module())
        netlist.add(design)
    else:
        for part in _split(design, int(request.commands[place].removeprefix(SPLIT))):
            libyosys.run_pass(f"select {part}", design)
            _run(design, request.commands[place + 1 :])
            cells += _count(design.module(libyosys.IdString(f"\\{part}")))
            netlist.add(design, "-selected")
            libyosys.run_pass("select -clear", design)
            # What is counted is removed: the next part takes its memory.
            libyosys.run_pass(f"delete {part}", design)
        cells += _count(design.top_module(), own=False)
        netlist.add(design)
    netlist.close()
    return CellReport(
        digest=request.digest,
        version=str(libyosys.yosys_maybe_version()),
        cells=dict(sorted(cells.items())),
        wall_s=time.monotonic() - start,
        cpu_s=sum(os.times()[:4]),
        peak_memory_mb=_peak_memory_mb(),
        multipliers=multipliers,
    )


class _Netlist:
    """Collects the mapped modules in one file, which appears when it is complete."""

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None
        self._modules: dict[str, Any] = {}

    def add(self, design: Any, option: str = "") -> None:
        """Take the modules of the design that are not black boxes; LUTs get the names and INIT values of AMD."""
        if self._path is None:
            return
        from pyosys import libyosys

        with tempfile.TemporaryDirectory(prefix="l1ad-netlist-") as scratch:
            part = Path(scratch, "part.json")
            for command in (_LUT_NAMES, "clean", f"write_json {option} {part}"):
                libyosys.run_pass(command, design)
            self._modules |= {n: _cells(module) for n, module in _read(part)["modules"].items() if _whole(module)}

    def close(self) -> None:
        """Write the file."""
        if self._path is not None:
            text = json.dumps({"modules": self._modules}, separators=(",", ":"))
            with whole_file(self._path) as stream:
                stream.write(gzip.compress(text.encode(), compresslevel=4, mtime=0))


def _whole(module: dict[str, Any]) -> bool:
    return not int(module.get("attributes", {}).get("blackbox", "0"), 2)


def _cells(module: dict[str, Any]) -> dict[str, Any]:
    """Return ports and cells of a module in the JSON of Yosys, without names of wires and notes."""
    ports = {name: {"direction": port["direction"], "bits": port["bits"]} for name, port in module["ports"].items()}
    cells = {
        name: {"type": cell["type"], "parameters": cell["parameters"], "connections": cell["connections"]}
        for name, cell in module["cells"].items()
        if cell["type"] != "$scopeinfo"
    }
    return {"ports": ports, "cells": cells}


def _run(design: Any, commands: Sequence[str]) -> int:
    """Run `commands` and return how many multipliers there were before they were taken apart."""
    from pyosys import libyosys

    multipliers = 0
    for command in commands:
        if command == "alumacc" or "-run map_dsp" in command:
            multipliers = sum(cell.type.str() == "$mul" for cell in design.top_module().cells_.values())
        libyosys.run_pass(command, design)
    return multipliers


def _split(design: Any, bits: int) -> list[str]:
    """Move the cells of the top, but for instances, into modules of about `bits` wires each; return their names."""
    from pyosys import libyosys

    top, attribute = design.top_module(), libyosys.IdString("\\submod")
    number, filled = 0, 0
    for cell in list(top.cells_.values()):
        if not _is_own(cell):
            continue
        cell.set_string_attribute(attribute, f"part{number}")
        filled += max((signal.size() for signal in cell.connections_.values()), default=0)
        if filled >= bits:
            number, filled = number + 1, 0
    known = {module.name.str() for module in design.modules_.values()}
    _separate_outputs(top)
    # Ports of one bit are read or driven by a part. A wider one can be both, and passes then drop its drivers.
    libyosys.run_pass("splitnets", design)
    # Every bit by one name: a part that drives a bit by another name than its reader knows would lose it.
    libyosys.run_pass("opt_clean -purge", design)
    libyosys.run_pass("submod", design)
    names = sorted(module.name.str() for module in design.modules_.values())
    return [name.removeprefix("\\") for name in names if name not in known]


def _separate_outputs(top: Any) -> None:
    """Put a buffer before each output port, so that the parts drive plain wires."""
    from pyosys import libyosys

    for wire in [wire for wire in top.wires_.values() if wire.port_output]:
        name = wire.name.str()
        top.rename(wire, libyosys.IdString(f"{name}_inside"))
        port = top.addWire(libyosys.IdString(name), wire.width)
        port.port_output, port.port_id = True, wire.port_id
        wire.port_output, wire.port_id = False, 0
        cell = libyosys.IdString(f"{name}_buffer")
        # A buffer would be taken out by `opt_clean`; the value or itself is not.
        top.addOr(cell, libyosys.SigSpec(wire), libyosys.SigSpec(wire), libyosys.SigSpec(port), False)
    top.fixup_ports()


def _is_own(cell: Any) -> bool:
    """Return whether a cell is one of Yosys's own, and neither an instance nor a note on a scope."""
    name = cell.type.str()
    return bool(name.startswith("$")) and name != "$scopeinfo" and not name.startswith("$paramod")


def _count(module: Any, *, own: bool = True) -> Counter[str]:
    """Return the cells of a module by name; without its `own`, only the instances in it."""
    from pyosys import libyosys

    width = libyosys.IdString("\\WIDTH")
    cells = list(module.cells_.values())
    if not own:
        parts = {name for name in map(_type_name, cells) if name.startswith(f"{module.name.str()[1:]}_part")}
        return Counter(_type_name(cell) for cell in cells if not _is_own(cell) and _type_name(cell) not in parts)
    return Counter(_cell_name(cell, width) for cell in cells)


def _type_name(cell: Any) -> str:
    return str(cell.type.str()).removeprefix("\\")


def main(arguments: Sequence[str]) -> int:
    """Read the request named in `arguments`, do the work, write the report."""
    request = Request.from_dict(_read(Path(arguments[0])))
    write_json(Path(request.report), work(request).to_dict())
    return 0


def _cell_name(cell: Any, lut_width: Any) -> str:
    """Return the type of a cell; one of Yosys's own LUTs gets its number of inputs, a register the name ``DFF``."""
    name = _type_name(cell)
    if name == "$lut":
        return f"LUT{cell.getParam(lut_width).as_int()}"
    return "DFF" if name.startswith(("$_DFF", "$_SDFF", "$_DLATCH")) else name


def _read(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


def _peak_memory_mb() -> float:
    """Return the peak of this process or of its children.

    getrusage counts the memory of the process that started this one too: Linux carries it over ``exec``. The high
    water mark of proc(5) begins at ``exec``. Children are started by this process, so theirs holds no more than that.
    """
    scale = 1024 * 1024 if sys.platform == "darwin" else 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
    with contextlib.suppress(OSError):
        found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"), flags=re.MULTILINE)
        own = float(found[1]) / 1024 if found is not None else own
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / scale)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
