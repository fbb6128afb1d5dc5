"""Opens what computes a run's scores by its name: the native emulator, the interpreter, C-simulation or RTL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from l1ad.emulation.csim import BACKENDS, build_csim
from l1ad.emulation.interpreter import load_interpreter
from l1ad.emulation.native import build_native
from l1ad.emulation.project import OpenProject, open_project
from l1ad.emulation.rtl import RtlSimulation, build_rtl
from l1ad.emulation.simulation import SimulationResult
from l1ad.emulation.timing import measure_latency
from l1ad.errors import ConfigurationError, DataError, nearest


class Engine(Protocol):
    """Computes raw integers from raw integers."""

    @property
    def project(self) -> OpenProject:
        """The project whose arithmetic it computes."""

    def run(self, inputs: npt.ArrayLike) -> SimulationResult:
        """Run all events of `inputs`, shape (N, n_inputs)."""


@dataclass
class RtlEngine:
    """The RTL simulation, with the latency that it shows on the first events."""

    simulation: RtlSimulation
    latency: int | None = None

    @property
    def project(self) -> OpenProject:
        """The project whose RTL is simulated."""
        return self.simulation.project

    def run(self, inputs: npt.ArrayLike) -> SimulationResult:
        """Run one event a clock.

        Raises
        ------
        DataError
            When an input does not fit.
        ToolError
            When the simulation fails, or the first events do not show the latency.
        """
        if self.latency is None:
            self.latency = measure_latency(self.simulation, np.asarray(inputs, dtype=np.int64))
        return self.simulation.run(inputs, latency=self.latency)


#: Name -> backends that it runs, in the order of preference, and how it is opened.
ENGINES: dict[str, tuple[tuple[str, ...], Callable[[OpenProject, Path], Engine]]] = {
    "native": (("verilog",), build_native),
    "interpreter": (("verilog",), lambda project, _: load_interpreter(project)),
    "csim": (BACKENDS, build_csim),
    "rtl": (("verilog",), lambda project, build_folder: RtlEngine(build_rtl(project, build_folder))),
}


def open_engine(name: str, projects: Mapping[str, Path], build_folder: Path) -> Engine:
    """Open an engine on the project of a run that it can compute.

    Parameters
    ----------
    name : str
        Key of `ENGINES`.
    projects : mapping of str to Path
        Backend -> project folder.
    build_folder : Path
        Where programs are compiled and kept.

    Raises
    ------
    ConfigurationError
        When there is no such engine.
    DataError
        When the run has no project that it can compute.
    ToolMissingError
        When a compiler, simulator or library is missing.
    ToolError
        When it does not build.
    """
    if name not in ENGINES:
        raise ConfigurationError(f"rung {name!r} is not known. {nearest(name, ENGINES)}")
    backends, build = ENGINES[name]
    found = next((projects[backend] for backend in backends if backend in projects), None)
    if found is None:
        raise DataError(
            f"rung {name}: needs a project of the backend {' or '.join(backends)}; the run has "
            f"{_listed(sorted(projects))}. Add the backend to conversion.backends and convert again, or choose "
            f"another rung."
        )
    return build(open_project(found), build_folder)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
