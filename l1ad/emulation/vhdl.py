"""VHDL for Verilator: GHDL reads it and writes the same design as Verilog."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from l1ad.emulation.toolchain import run_tool
from l1ad.errors import ToolError, ToolMissingError

#: The oldest version that was tried (2.0.0 of Debian 12); older ones are refused.
MINIMUM_GHDL = (2, 0)
#: Seconds that GHDL may take for one design; the dense network takes two.
_LIMIT_S = 1800.0
#: The generator declares functions whose arguments hide generics, which is allowed.
_OPTIONS = ("--std=08", "-Wno-hide", "-fno-caret-diagnostics")


@dataclass(frozen=True)
class Ghdl:
    """The program that reads VHDL.

    Attributes
    ----------
    program : Path
    version : str
    """

    program: Path
    version: str

    def __str__(self) -> str:
        return f"GHDL {self.version}"


def find_ghdl() -> Ghdl:
    """Return the GHDL on PATH.

    Raises
    ------
    ToolMissingError
        When there is none, or it is older than `MINIMUM_GHDL`.
    """
    found = shutil.which("ghdl")
    if found is None:
        raise ToolMissingError(
            "ghdl is not on PATH; it reads the VHDL project for the simulation. On Debian: apt-get install ghdl. "
            "Or take vhdl out of conversion.backends: the Verilog project is the same logic and needs no GHDL."
        )
    match = re.search(r"GHDL (\d+(?:\.\d+)+)", run_tool([found, "--version"], what="GHDL"))
    version = match[1] if match else ""
    if tuple(map(int, version.split(".")[:2] if version else ())) < MINIMUM_GHDL:
        wanted = ".".join(map(str, MINIMUM_GHDL))
        raise ToolMissingError(f"{found} is version {version!r}; expected {wanted} or later. apt-get install ghdl")
    return Ghdl(Path(found), version)


def vhdl_to_verilog(ghdl: Ghdl, sources: Sequence[str], module: str, *, cwd: Path, out: Path) -> Path:
    """Write the VHDL design `module` as one Verilog file into the folder `out`, and return its path.

    Parameters
    ----------
    ghdl : Ghdl
        What `find_ghdl` returned.
    sources : sequence of str
        VHDL files, relative to `cwd`, in any order.
    module : str
        Name of the top entity.
    cwd : Path
        Folder to run in.
    out : Path
        Folder for the library of GHDL and the Verilog.

    Raises
    ------
    ToolError
        When the VHDL has an error; the message holds the first one.
    """
    out.mkdir(parents=True, exist_ok=True)
    options = [*_OPTIONS, f"--workdir={out}"]
    # `import` finds the units of all files, so that their order does not matter; `make` analyzes what is needed.
    run_tool([str(ghdl.program), "-i", *options, *sources], what=f"GHDL on {module}", cwd=cwd, limit_s=_LIMIT_S)
    run_tool([str(ghdl.program), "-m", *options, module], what=f"GHDL on {module}", cwd=cwd, limit_s=_LIMIT_S)
    verilog = run_tool(
        [str(ghdl.program), "--synth", *options, "--out=verilog", module],
        what=f"GHDL on {module}",
        cwd=cwd,
        limit_s=_LIMIT_S,
    )
    if f"module {module.lower()}" not in verilog.lower():
        raise ToolError(f"GHDL on {module}: wrote no module of that name.")
    path = out / "translated.v"
    path.write_text(verilog, encoding="utf-8")
    return path
