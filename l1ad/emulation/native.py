"""The native emulator: C++ generated from alkaid's program, compiled for this processor, run on many events at once."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from l1ad.emulation.interpreter import PROGRAM
from l1ad.emulation.native_program import read_program
from l1ad.emulation.native_source import native_sources
from l1ad.emulation.project import OpenProject
from l1ad.emulation.simulation import SimulationResult
from l1ad.emulation.toolchain import Compiler, Unit, build_once, compile_units, cores, find_compiler, link, run_tool
from l1ad.errors import DataError, ToolError
from l1ad.provenance import file_digest, text_digest, value_digest
from l1ad.resources import resource

_DRIVER = "firmware/sim/native_driver.cpp"
_LANES = "firmware/sim/native_lanes.h"
_LIBRARY = "native.so"
#: Holds the SHA-256 of the shared object.
_DIGEST = "native.sha256"
#: What the driver returns besides the first bad event.
_DONE, _NO_MEMORY = -1, -2
_DTYPES = tuple(np.dtype(kind) for kind in (np.int16, np.int32, np.int64))


@dataclass(frozen=True)
class NativeEmulator:
    """A compiled program.

    Attributes
    ----------
    project : OpenProject
        Where types and shapes come from.
    library : Path
        The compiled shared object.
    compiler : Compiler
        What compiled it.
    function : callable
        Its one function; see ``firmware/sim/native_driver.cpp``.
    """

    project: OpenProject
    library: Path
    compiler: Compiler
    function: Callable[..., int]

    def run(self, inputs: npt.ArrayLike, *, threads: int | None = None) -> SimulationResult:
        """Run all events.

        Parameters
        ----------
        inputs : array_like of int, shape (N, n_inputs)
            Raw integers of the project's input type; int16, int32 and int64 are read as they are.
        threads : int, optional
            Threads to run on; by default one a core.

        Raises
        ------
        DataError
            When the shape is another, or a value is no integer of the input type; the event is named.
        ToolError
            When there is not enough memory.
        """
        record = self.project.record
        events = np.asarray(inputs)
        if events.ndim != 2 or events.shape[1] != record.n_inputs or not len(events):
            raise DataError(
                f"inputs of the native emulator: shape {events.shape}; expected (events, {record.n_inputs}) with at "
                "least one event."
            )
        if events.dtype.kind not in "iu" or not np.can_cast(events.dtype, np.int64):
            raise DataError(f"inputs of the native emulator: {events.dtype}; expected integers of {record.input_type}.")
        events = np.ascontiguousarray(events if events.dtype in _DTYPES else events.astype(np.int64))
        outputs = np.empty((len(events), record.n_outputs), dtype=np.int64)
        start = time.perf_counter()
        status = self.function(
            events.ctypes.data, events.dtype.itemsize, len(events), outputs.ctypes.data, threads or cores()
        )
        seconds = time.perf_counter() - start
        self._check(status, events)
        engine = f"native ({record.engine}, {self.compiler})"
        return SimulationResult(engine, outputs, record.output_type, len(events) / seconds)

    def _check(self, status: int, events: npt.NDArray[Any]) -> None:
        """Turn what the driver returned into an error."""
        if status == _DONE:
            return
        if status == _NO_MEMORY:
            raise ToolError(f"{self.library}: not enough memory for {len(events)} events. Run fewer at once.")
        kind = self.project.record.input_type
        if not 0 <= status < len(events):
            raise ToolError(f"{self.library}: returned {status}. Delete the folder of the library and run again.")
        row = events[status]
        channel = int(np.flatnonzero((row < kind.minimum) | (row > kind.maximum))[0])
        raise DataError(
            f"inputs of the native emulator: event {status}, input {channel} is {row[channel]}; {kind} holds "
            f"{kind.minimum} to {kind.maximum}."
        )


def build_native(
    project: OpenProject, build_folder: Path, program: Path | None = None, *, fast: bool = True
) -> NativeEmulator:
    """Generate and compile the native emulator of an alkaid project.

    What was built before from the same program, by the same compiler and for the same processor, is used again.

    Parameters
    ----------
    project : OpenProject
        A project with ``model/comb.json.gz``.
    build_folder : Path
        Where the shared object is kept.
    program : Path, optional
        Another program for the same ports.
    fast : bool
        Whether to optimize: it runs many times faster and compiles several times longer.

    Raises
    ------
    DataError
        When the project has no program, or it cannot be read.
    ToolMissingError
        When there is no g++, or it is too old.
    ToolError
        When the C++ does not compile or cannot be loaded.
    """
    if project.record.backend != "verilog" or PROGRAM not in project.record.files:
        raise DataError(f"{project.folder}: backend {project.record.backend}; expected verilog with {PROGRAM}.")
    sources = native_sources(
        read_program(program or project.folder / PROGRAM, project.record), project.record.input_type
    )
    compiler, driver, lanes = find_compiler(), resource(_DRIVER), resource(_LANES)
    level = ("-O3", "-march=native") if fast else ("-O0",)
    # -fwrapv: integers wrap, as the wires do. Signed shifts to the left are defined with it.
    flags = (*level, "-std=c++17", "-fPIC", "-fvisibility=hidden", "-fwrapv", "-w", f"-I{lanes.parent}", "-I.")
    tools = [file_digest(driver), file_digest(lanes), str(compiler), level, _processor(compiler) if fast else ""]
    key = value_digest([{name: text_digest(text) for name, text in sources.items()}, tools])

    def make(folder: Path) -> None:
        for name, text in sources.items():
            (folder / name).write_text(text, encoding="utf-8")
        names = [Path(name) for name in sources if name.endswith(".cpp")]
        objects = compile_units(compiler, [Unit(path, flags) for path in (driver, *names)], cwd=folder, out=folder)
        link(compiler, objects, folder / _LIBRARY, shared=True)
        for path in objects:
            path.unlink()
        (folder / _DIGEST).write_text(file_digest(folder / _LIBRARY), encoding="utf-8")

    library = build_once(build_folder.resolve() / f"native-{key[:16]}", make) / _LIBRARY
    return NativeEmulator(project, library, compiler, _load(library))


def _processor(compiler: Compiler) -> str:
    """Return a digest of the instructions that ``-march=native`` uses: a run folder may move to another machine."""
    command = [str(compiler.path), "-march=native", "-dM", "-E", "-x", "c++", "/dev/null"]
    return text_digest(run_tool(command, what="g++ -march=native"))


def _load(library: Path) -> Callable[..., int]:
    """Load the shared object; a truncated one would end the process, so its digest is checked first."""
    try:
        if (library.parent / _DIGEST).read_text(encoding="utf-8") != file_digest(library):
            raise OSError("its digest is not that of the build")
        function = ctypes.CDLL(str(library)).l1ad_native_run
    except (OSError, AttributeError) as error:
        raise ToolError(f"{library}: cannot be loaded ({error}). Delete its folder and run again.") from error
    function.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int]
    function.restype = ctypes.c_int64
    found: Callable[..., int] = function
    return found
