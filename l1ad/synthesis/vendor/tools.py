"""Finds the tools of AMD on PATH and asks each for its version."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass

from l1ad.errors import ConfigurationError, ToolError, ToolMissingError, nearest
from l1ad.synthesis.base import Tool

#: Time that a tool may take to say its version; the first start from a network disk is slow.
_VERSION_S = 120.0

_VERSION = re.compile(r"\bv?(20[12]\d\.\d)(?:\.\d)?\b")


@dataclass(frozen=True)
class Command:
    """A program, and the releases that have it.

    Attributes
    ----------
    name : str
        What is looked for on PATH.
    version_option : str
        What makes it print its version.
    first, last : str
        First and last release; `last` is empty while there is no end.
    """

    name: str
    version_option: str
    first: str
    last: str = ""


#: Vitis HLS is started as vitis-run from 2023.2 on (UG1702), vitis_hls before (UG1399); Vivado HLS ended with 2020.1.
VITIS_RUN = Command("vitis-run", "--version", "2023.2")
VITIS_HLS = Command("vitis_hls", "-version", "2020.1")
VIVADO_HLS = Command("vivado_hls", "-version", "2018.1", "2020.1")
VIVADO = Command("vivado", "-version", "2018.1")

#: Tool as the user names it -> programs that serve it, best first.
COMMANDS = {"vitis": (VITIS_RUN, VITIS_HLS), "vivado_hls": (VIVADO_HLS,), "vivado": (VIVADO,)}


def find_tool(name: str) -> Tool:
    """Return the program that serves `name`, with its version.

    Parameters
    ----------
    name : str
        Key of `COMMANDS`.

    Raises
    ------
    ConfigurationError
        When `name` is not known.
    ToolMissingError
        When none of its programs is on PATH.
    ToolError
        When the program does not say a version, or is of a release that does not have it.
    """
    if name not in COMMANDS:
        raise ConfigurationError(f"vendor tool {name!r} is not known. {nearest(name, COMMANDS)}")
    for command in COMMANDS[name]:
        path = shutil.which(command.name)
        if path is not None:
            return Tool(command.name, _version(command, path))
    names = " or ".join(command.name for command in COMMANDS[name])
    raise ToolMissingError(
        f"{names} is not on PATH. Source settings64.sh of the tool, or write a plan with --plan FOLDER and run it on "
        "the machine that has the tool."
    )


def _version(command: Command, path: str) -> str:
    try:
        done = subprocess.run(
            [path, command.version_option],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{path} {command.version_option}: {error}.") from error
    found = _VERSION.search(done.stdout + done.stderr)
    if found is None:
        lines = (done.stdout + done.stderr).strip().splitlines()
        said = lines[-1] if lines else "nothing"
        raise ToolError(f"{path} {command.version_option}: no version such as 2024.1; it said: {said}")
    version = found[1]
    if float(version) < float(command.first) or (command.last and float(version) > float(command.last)):
        span = f"{command.first} to {command.last}" if command.last else f"{command.first} or newer"
        raise ToolError(f"{path}: version {version}; expected {span}.")
    return version
