"""Simulation of RTL projects: Verilator's model of the RTL run on raw integers, clock by clock."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy.typing as npt

from l1ad.emulation.project import OpenProject
from l1ad.emulation.simulation import SimulationResult
from l1ad.emulation.toolchain import Compiler, Unit, build_once, find_compiler, run_tool
from l1ad.emulation.vectors import Integers, check_events, read_integers, write_integers
from l1ad.emulation.verilator import Verilator, compile_model, compile_runtime, find_verilator, translate
from l1ad.emulation.vhdl import Ghdl, find_ghdl, vhdl_to_verilog
from l1ad.errors import DataError
from l1ad.hardware.rtl_ports import INPUT_PORT, OUTPUT_PORT, SIGNALS, PortTypes, has_clock, wrapper_ports
from l1ad.provenance import file_digest, value_digest
from l1ad.resources import resource

#: How the sources of a backend end.
_SUFFIXES = {"verilog": ".v", "vhdl": ".vhd"}

_DRIVER, _PORTS = "firmware/sim/rtl_driver.cpp", "firmware/sim/verilated_ports.h"


@dataclass(frozen=True)
class RtlSimulation:
    """A compiled Verilog or VHDL project.

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
    ghdl : Ghdl or None
        What read the VHDL.
    """

    project: OpenProject
    program: Path
    ports: PortTypes
    verilator: Verilator
    compiler: Compiler
    ghdl: Ghdl | None = None

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
        return self._drive(inputs, interval, flush)[0]

    def run_mutant(self, inputs: npt.ArrayLike, *, latency: int, number: int) -> tuple[Integers, str]:
        """Run one event a clock with one bit flipped, in a model that was built with mutants.

        Parameters
        ----------
        inputs : array_like of int, shape (N, n_inputs)
            Raw integers of the project's input type.
        latency : int
            Clocks from event to result.
        number : int
            Mutant to choose; 0 for the whole design.

        Returns
        -------
        array of int64, shape (N, n_outputs)
            Raw integers of the project's output type.
        str
            What the model printed.
        """
        rows, printed = self._drive(inputs, 1, latency, f"+mutation={number}")
        first = max(latency - 1, 0)
        return rows[first : first + len(rows) - latency], printed

    def _drive(self, inputs: npt.ArrayLike, interval: int, flush: int, *options: str) -> tuple[Integers, str]:
        """Return the output port after every rising edge, and what the model printed."""
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
            printed = run_tool([str(self.program), *map(str, arguments), *options], what=what)
            found = read_integers(target, (len(events) * interval + flush, record.n_outputs), what)
        return _shift(found, record.output_type.fraction - types.output.fraction), printed

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
        engine = ", ".join(str(tool) for tool in (self.ghdl, self.verilator, self.compiler) if tool is not None)
        return SimulationResult(engine, outputs, self.project.record.output_type, len(outputs) / seconds)


def build_rtl(project: OpenProject, build_folder: Path, *, fast: bool = True) -> RtlSimulation:
    """Translate a project with Verilator, VHDL with GHDL before that, and compile the model.

    What was built before under the same digest is used again; nothing is written to the project.

    Parameters
    ----------
    project : OpenProject
        A project of alkaid, ``src/*.v`` or ``src/*.vhd`` in it.
    build_folder : Path
        Where the program is kept.
    fast : bool
        Whether to optimize the model: it runs several times faster and compiles several times longer.

    Raises
    ------
    DataError
        When the project has no RTL or does not say how its ports are packed.
    ToolMissingError
        When Verilator, g++ or, for VHDL, GHDL is missing or too old.
    ToolError
        When the translation or compilation fails; the message holds the first error.
    """
    suffix = _SUFFIXES.get(project.record.backend, "")
    sources = [name for name in project.record.files if suffix and name.startswith("src/") and name.endswith(suffix)]
    if not sources:
        raise DataError(f"{project.folder}: backend {project.record.backend}; expected verilog with src/*.v.")
    ghdl = find_ghdl() if project.record.backend == "vhdl" else None
    verilator, compiler = find_verilator(), find_compiler()
    unit = driver_unit()
    ports = port_types(project)
    _require_exact(project, ports)
    digests = {name: project.record.files[name] for name in sources}
    tools = [
        file_digest(unit.source),
        file_digest(resource(_PORTS)),
        unit.flags,
        str(verilator),
        str(compiler),
        fast,
        str(ghdl),
    ]
    key = value_digest([digests, ports.module, tools])
    root = build_folder.resolve()
    runtime = compile_runtime(verilator, compiler, root)

    def make(folder: Path) -> None:
        given = sources
        if ghdl is not None:
            path = vhdl_to_verilog(ghdl, sources, ports.module, cwd=project.folder, out=folder / "ghdl")
            given = [str(path)]
        translate(verilator, given, ports.module, cwd=project.folder, out=folder / "model")
        compile_model(verilator, compiler, unit, folder, runtime, fast=fast)

    folder = build_once(root / f"rtl-{key[:16]}", make)
    return RtlSimulation(project, folder / "rtl", ports, verilator, compiler, ghdl)


def driver_unit() -> Unit:
    """Return the driver of a network and its flags."""
    return Unit(resource(_DRIVER), ("-O2", f"-DL1AD_IN={INPUT_PORT}", f"-DL1AD_OUT={OUTPUT_PORT}"))


def port_types(project: OpenProject) -> PortTypes:
    """Return how the elements lie on the ports: on those of alkaid's wrapper, or of the module itself."""
    record = project.record
    if SIGNALS in record.files:
        return wrapper_ports(project.folder, record.top, record.n_inputs, record.n_outputs)
    clocked = has_clock(project.folder, record.top)
    return PortTypes(record.top, record.input_type, record.output_type, clocked)


def _shift(values: Integers, left: int) -> Integers:
    """Move the point of raw integers; bits that fall off on the right are lost."""
    return values << left if left >= 0 else values >> -left


def _require_exact(project: OpenProject, ports: PortTypes) -> None:
    """Refuse outputs with more fraction bits than the project's output type: reading them would lose bits."""
    if ports.output.fraction > project.record.output_type.fraction:
        raise DataError(
            f"{project.folder}: the RTL gives {ports.output}, project.json says {project.record.output_type}, "
            "which has fewer bits right of the point. Convert again."
        )
