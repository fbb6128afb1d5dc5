"""C-simulation of HLS projects: hls4ml's C++ compiled with g++ and run on raw integers."""

from __future__ import annotations

import itertools
import re
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from l1ad.emulation.compare import LayerValues
from l1ad.emulation.project import OpenProject
from l1ad.emulation.simulation import SimulationResult
from l1ad.emulation.toolchain import Compiler, Unit, build_once, compile_units, cores, find_compiler, link, run_tool
from l1ad.emulation.vectors import Integers, check_events, read_integers, write_integers
from l1ad.errors import DataError, ToolError, nearest
from l1ad.provenance import file_digest, text_digest, value_digest
from l1ad.records import FixedType
from l1ad.resources import resource

BACKENDS = ("vitis", "vivado")
#: Where hls4ml's text weights are opened, relative to the project: its own build script passes an absolute path
#: (hls4ml 1.3.0, templates/vivado/build_lib.sh); a relative one keeps the program independent of the place.
WEIGHTS = "firmware/weights"
#: Fewer events than this do not pay for another process.
CHUNK_EVENTS = 256

_DRIVER = "firmware/sim/csim_driver.cpp"
_DRIVER_HEADERS = ("firmware/sim/raw_values.h", "firmware/sim/raw_ports.h")
_SOURCES = {".cpp", ".h", ".hpp", ".hh"}
#: hls4ml's weight headers hold the numbers in the branch that only synthesis reads (VivadoWriter.print_array_to_cpp).
_SYNTHESIS_ONLY = re.compile(r"#ifndef __SYNTHESIS__\n(.*?)#else\n.*?#endif", re.DOTALL)


@dataclass(frozen=True)
class CSimulation:
    """A compiled HLS project.

    Attributes
    ----------
    project : OpenProject
        What is simulated; its folder holds the weights that are read at run time.
    program : Path
        The compiled driver with the top function.
    compiler : Compiler
        What compiled it.
    """

    project: OpenProject
    program: Path
    compiler: Compiler

    def run(self, inputs: npt.ArrayLike, *, layers: Sequence[str] = ()) -> SimulationResult:
        """Run all events, on all cores.

        Parameters
        ----------
        inputs : array_like of int, shape (N, n_inputs)
            Raw integers of the project's input type.
        layers : sequence of str
            Layers of ``project.layers`` whose values to return.

        Raises
        ------
        DataError
            When an input does not fit, a layer is unknown, or the C++ has other types than the record.
        ToolError
            When the program fails, crashes, or leaves a short file.
        """
        record = self.project.record
        events = check_events(inputs, record.input_type, record.n_inputs, "inputs of the C-simulation")
        for name in layers:
            if name not in record.layers:
                raise DataError(f"layer {name} is not shown by {self.project.folder}. {nearest(name, record.layers)}")
        with tempfile.TemporaryDirectory(dir=self.program.parent, prefix="run-") as scratch:
            write_integers(Path(scratch, "inputs.bin"), events)
            bounds = _chunks(len(events))
            start = time.perf_counter()
            with ThreadPoolExecutor(cores()) as pool:
                parts = list(pool.map(lambda part: self._chunk(Path(scratch), part, layers), bounds))
            seconds = time.perf_counter() - start
        outputs = np.concatenate([part[0] for part in parts])
        traces = {
            name: LayerValues(np.concatenate([part[1][name] for part in parts]), record.layers[name])
            for name in record.layers
            if name in layers
        }
        engine = f"{record.engine} ({record.backend}), {self.compiler}"
        return SimulationResult(engine, outputs, record.output_type, len(events) / seconds, traces)

    def _chunk(
        self, scratch: Path, bounds: tuple[int, int], layers: Sequence[str]
    ) -> tuple[Integers, dict[str, Integers]]:
        """Run the events `bounds`[0] up to `bounds`[1] in one process."""
        record, (first, last) = self.project.record, bounds
        what = f"C-simulation of {record.top}"
        outputs, trace = scratch / f"outputs-{first}.bin", scratch / f"trace-{first}.bin"
        arguments = [scratch / "inputs.bin", outputs, record.n_inputs, record.n_outputs, first, last - first, trace]
        command = [str(self.program), *map(str, arguments), *layers]
        ports = _parse_ports(run_tool(command, what=what, cwd=self.project.folder), what)
        sizes = self._check_ports(ports, layers)
        found = read_integers(outputs, (last - first, record.n_outputs), what)
        if not layers:
            return found, {}
        width = sum(sizes[name] for name in layers)
        values = read_integers(trace, (last - first, width), what)
        stops = np.cumsum([sizes[name] for name in layers])[:-1]
        return found, dict(zip(layers, np.split(values, stops, axis=1), strict=True))

    def _check_ports(self, ports: dict[str, tuple[FixedType, int]], layers: Sequence[str]) -> dict[str, int]:
        """Compare the types in the C++ with the record and return the number of values of each layer."""
        record = self.project.record
        wanted = {"input": record.input_type, "output": record.output_type}
        wanted |= {f"layer {name}": record.layers[name] for name in layers}
        for name, expected in wanted.items():
            if name not in ports:
                raise ToolError(f"{self.project.folder}: the C-simulation does not show {name}.")
            if ports[name][0] != expected:
                raise DataError(
                    f"{self.project.folder}: {name} is {ports[name][0]} in the C++ and {expected} in project.json. "
                    "Convert again."
                )
        return {name: ports[f"layer {name}"][1] for name in layers}


def build_csim(project: OpenProject, build_folder: Path) -> CSimulation:
    """Compile an HLS project; what was compiled before under the same digest is used again.

    Parameters
    ----------
    project : OpenProject
        A project of hls4ml, ``firmware/<top>.cpp`` in it.
    build_folder : Path
        Where the program is kept; nothing is written to the project.

    Raises
    ------
    DataError
        When the project is not an HLS project.
    ToolMissingError
        When there is no g++, or it is too old.
    ToolError
        When it does not compile; the message holds the compiler's first error.
    """
    record = project.record
    source = f"firmware/{record.top}.cpp"
    if record.backend not in BACKENDS or source not in record.files:
        raise DataError(f"{project.folder}: backend {record.backend}; expected one of {BACKENDS} with {source}.")
    compiler, driver = find_compiler(), resource(_DRIVER)
    flags = [
        "-O2",
        "-std=c++17",
        "-w",
        "-Ifirmware",
        "-Ifirmware/ap_types",
        f'-DWEIGHTS_DIR="{WEIGHTS}"',
        f'-DL1AD_SOURCE="{record.top}.cpp"',
        f"-DL1AD_TOP={record.top}",
    ]
    drivers = [file_digest(path) for path in (driver, *map(resource, _DRIVER_HEADERS))]
    key = value_digest([_seen_by_compiler(project), drivers, str(compiler), flags])

    def make(folder: Path) -> None:
        objects = compile_units(compiler, [Unit(driver, tuple(flags))], cwd=project.folder, out=folder)
        link(compiler, objects, folder / "csim")

    folder = build_once(build_folder.resolve() / f"csim-{key[:16]}", make)
    return CSimulation(project, folder / "csim", compiler)


def _seen_by_compiler(project: OpenProject) -> dict[str, str]:
    """Return the digests of the sources, without weights that the program reads at run time."""
    seen = {}
    for name, digest in project.record.files.items():
        if Path(name).suffix not in _SOURCES or not name.startswith("firmware/"):
            continue
        if name.startswith(WEIGHTS):
            text = (project.folder / name).read_text(encoding="utf-8")
            digest = text_digest(_without_comments(_SYNTHESIS_ONLY.sub(r"\1", text)))
        seen[name] = digest
    return seen


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("//"))


def _chunks(events: int) -> list[tuple[int, int]]:
    """Split `events` in one range a core."""
    count = max(1, min(cores(), events // CHUNK_EVENTS))
    edges = [events * i // count for i in range(count + 1)]
    return list(itertools.pairwise(edges))


def _parse_ports(text: str, what: str) -> dict[str, tuple[FixedType, int]]:
    """Read the lines ``<name> <signed> <width> <integer> <values>`` that the driver prints."""
    ports = {}
    for line in text.splitlines():
        match = re.fullmatch(r"(input|output|layer \S+) ([01]) (\d+) (-?\d+) (\d+)", line)
        if match:  # the generated C++ may print lines of its own
            name, signed, width, integer, values = match.groups()
            ports[name] = (FixedType(signed == "1", int(width), int(integer)), int(values))
    if "input" not in ports:
        raise ToolError(f"{what}: does not name its ports; {text[:80]!r} came instead.")
    return ports
