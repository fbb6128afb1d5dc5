"""Finds the C++ compiler, runs tools without a shell, and keeps what was built under its digest."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from l1ad.errors import ToolError, ToolMissingError

logger = logging.getLogger(__name__)

#: First g++ whose C++17 is complete (GCC release notes, https://gcc.gnu.org/gcc-9/changes.html).
MINIMUM_GXX = (9,)
#: A compilation that takes longer has run away; measured ones take seconds to a few minutes.
COMPILE_LIMIT_S = 1800.0

_DECISIVE = re.compile(r"error:|^%Error|^ERROR|^terminate called|what\(\):|undefined reference", re.MULTILINE)


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler and its version, such as ``12.2.0``."""

    path: Path
    version: str

    def __str__(self) -> str:
        return f"g++ {self.version}"


def find_compiler() -> Compiler:
    """Return the g++ on PATH.

    Raises
    ------
    ToolMissingError
        When there is none, or it is older than `MINIMUM_GXX`.
    """
    found = shutil.which("g++")
    if found is None:
        raise ToolMissingError("g++ is not on PATH; it compiles the simulations. On Debian: apt-get install g++")
    version = run_tool([found, "-dumpfullversion", "-dumpversion"], what="g++").strip()
    numbers = tuple(int(part) for part in re.findall(r"\d+", version))
    if numbers < MINIMUM_GXX:
        wanted = ".".join(map(str, MINIMUM_GXX))
        raise ToolMissingError(
            f"{found} is version {version!r}; expected {wanted} or later for C++17. On Debian: apt-get install g++"
        )
    return Compiler(Path(found), version)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_tool(
    command: Sequence[str],
    *,
    what: str,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    limit_s: float | None = None,
) -> str:
    """Run `command` and return its standard output.

    Parameters
    ----------
    command : sequence of str
        Program and arguments; no shell reads them.
    what : str
        Name of the tool or step; stands in the error.
    cwd : Path, optional
        Folder to run in.
    environment : mapping, optional
        Variables added to the inherited ones.
    limit_s : float, optional
        Stop the program after so many seconds.

    Raises
    ------
    ToolError
        When it cannot start, exits with another status than 0, is killed by a signal, or runs longer than
        `limit_s`; the message holds the decisive line of its output.
    """
    logger.debug("%s: %s", what, " ".join(command))
    try:
        done = subprocess.run(
            list(command),
            cwd=cwd,
            env=None if environment is None else {**os.environ, **environment},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"{what}: stopped after {limit_s:.0f} s.") from error
    except OSError as error:
        raise ToolError(f"{what}: {command[0]} cannot be started ({error.strerror or error}).") from error
    if done.returncode:
        raise ToolError(f"{what}: {_ending(done.returncode)}. {decisive_line(done.stderr + done.stdout)}")
    return done.stdout


def _ending(status: int) -> str:
    """Say how a process ended."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def decisive_line(log: str) -> str:
    r"""Return the first line of `log` that names an error, else its last line.

    Examples
    --------
    >>> decisive_line("compiling\na.cpp:3:1: error: expected ';'\ncompilation terminated.")
    "a.cpp:3:1: error: expected ';'"
    >>> decisive_line("")
    'It wrote no message.'
    """
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for line in lines:
        if _DECISIVE.search(line):
            return line
    return lines[-1] if lines else "It wrote no message."


def build_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return `folder`, filled by `make` when it does not exist yet.

    `make` receives an empty neighbour of `folder`, which takes the name of `folder` when `make` returns; after an
    error nothing is left.

    Raises
    ------
    ToolError
        When `make` fails or the folder cannot be written.
    """
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise ToolError(f"{folder}: cannot be written ({error.strerror or error}).") from error
    try:
        make(part)
        part.rename(folder)
    except OSError as error:
        if not folder.is_dir():  # another process may have built the same digest first
            raise ToolError(f"{folder}: cannot be written ({error.strerror or error}).") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


@dataclass(frozen=True)
class Unit:
    """A C++ source and the flags to compile it with."""

    source: Path
    flags: tuple[str, ...]


def compile_units(compiler: Compiler, units: Sequence[Unit], *, cwd: Path, out: Path) -> list[Path]:
    """Compile `units` on all cores and return the objects in the folder `out`, in the same order.

    Raises
    ------
    ToolError
        When a source does not compile; the message holds the compiler's first error.
    """
    objects = [out / f"{unit.source.stem}.o" for unit in units]
    with ThreadPoolExecutor(cores()) as pool:
        jobs = []
        for unit, target in zip(units, objects, strict=True):
            command = [str(compiler.path), *unit.flags, "-c", str(unit.source), "-o", str(target)]
            what = f"g++ on {unit.source.name}"
            jobs.append(pool.submit(run_tool, command, what=what, cwd=cwd, limit_s=COMPILE_LIMIT_S))
        for job in jobs:
            job.result()
    return objects


def link(compiler: Compiler, objects: Sequence[Path], out: Path, *, shared: bool = False) -> None:
    """Link `objects` to the program `out`, or to a shared object.

    Raises
    ------
    ToolError
        When a symbol is missing.
    """
    options = ["-pthread", *(["-shared"] if shared else [])]
    run_tool([str(compiler.path), *map(str, objects), *options, "-o", str(out)], what=f"g++ (link of {out.name})")
