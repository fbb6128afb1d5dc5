"""Runs alkaid's program of a Verilog project in alkaid's own interpreter."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from l1ad.emulation.project import OpenProject
from l1ad.emulation.simulation import SimulationResult
from l1ad.emulation.toolchain import cores
from l1ad.emulation.vectors import Integers, check_events
from l1ad.errors import DataError, ToolError, ToolMissingError
from l1ad.provenance import library_version
from l1ad.records import FixedType

#: Where alkaid keeps the program of a project (alkaid 0.8.2, RTLModel.write).
PROGRAM = "model/comb.json.gz"
#: Integers up to this width are exact in float64, which the interpreter takes and returns (IEEE 754).
EXACT_BITS = 53


@dataclass(frozen=True)
class Interpreter:
    """A loaded program.

    Attributes
    ----------
    project : OpenProject
        Where types and shapes come from.
    program : alkaid.types.CombLogic
        The program; None of its operations is interpreted by l1ad.
    """

    project: OpenProject
    program: Any

    def run(self, inputs: npt.ArrayLike) -> SimulationResult:
        """Run all events on all cores.

        Parameters
        ----------
        inputs : array_like of int, shape (N, n_inputs)
            Raw integers of the project's input type.

        Raises
        ------
        DataError
            When an input does not fit, or a type is wider than float64 holds exactly.
        ToolError
            When alkaid fails, or an output is not an integer of the project's output type.
        """
        record = self.project.record
        events = check_events(inputs, record.input_type, record.n_inputs, "inputs of the interpreter")
        for fixed_type in (record.input_type, record.output_type):
            if fixed_type.width > EXACT_BITS:
                raise DataError(f"{self.project.folder}: {fixed_type} has more than the {EXACT_BITS} bits of float64.")
        start = time.perf_counter()
        values = np.ldexp(events.astype(np.float64), -record.input_type.fraction)
        try:
            found = self.program.predict(values, n_threads=cores())
        except (RuntimeError, ValueError, AssertionError) as error:
            raise ToolError(f"{self.project.folder}: alkaid's interpreter failed: {error}") from error
        outputs = _exact_integers(found, record.output_type, self.project.folder)
        seconds = time.perf_counter() - start
        if outputs.shape != (len(events), record.n_outputs):
            raise ToolError(f"{self.project.folder}: the interpreter returned shape {outputs.shape}.")
        return SimulationResult(record.engine, outputs, record.output_type, len(events) / seconds)


def load_interpreter(project: OpenProject, program: Path | None = None) -> Interpreter:
    """Load the program of an alkaid project.

    Parameters
    ----------
    project : OpenProject
        A project with ``model/comb.json.gz``.
    program : Path, optional
        Another program for the same ports.

    Raises
    ------
    ToolMissingError
        When alkaid is not installed.
    DataError
        When the project has no program, or it cannot be read, or has other ports.
    """
    record = project.record
    if program is None and PROGRAM not in record.files:
        raise DataError(f"{project.folder}: holds no {PROGRAM}; expected a project of the backend verilog.")
    path = program or project.folder / PROGRAM
    if library_version("alkaid") is None:
        raise ToolMissingError("alkaid is not installed. Install it with: pip install alkaid==0.8.2")
    from alkaid.types import CombLogic

    try:
        loaded = CombLogic.load(path)
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError, AssertionError) as error:
        raise DataError(f"{path}: not a program of alkaid ({error}).") from error
    if tuple(loaded.shape) != (record.n_inputs, record.n_outputs):
        raise DataError(
            f"{path}: has {loaded.shape[0]} inputs and {loaded.shape[1]} outputs; project.json says "
            f"{record.n_inputs} and {record.n_outputs}. Convert again."
        )
    return Interpreter(project, loaded)


def _exact_integers(values: npt.NDArray[np.float64], fixed_type: FixedType, folder: Path) -> Integers:
    """Return float values as raw integers of `fixed_type`; none may be rounded."""
    scaled = np.ldexp(np.asarray(values, dtype=np.float64), fixed_type.fraction)
    exact = np.isfinite(scaled) & (np.rint(scaled) == scaled) & (np.abs(scaled) <= 2.0**EXACT_BITS)
    if not exact.all():
        wrong = scaled[~exact].flat[0]
        raise ToolError(f"{folder}: the interpreter returned {wrong} units of {fixed_type}; expected an integer.")
    return scaled.astype(np.int64)
