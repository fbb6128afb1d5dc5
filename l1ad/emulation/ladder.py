"""The ladder of truth: the same raw integers through Keras, interpreter, native emulator, C-simulation and RTL."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from l1ad.config import EmulationConfig
from l1ad.emulation.compare import LayerValues, compare, compare_layers
from l1ad.emulation.controls import control_csim, control_interpreter, control_native, control_rtl
from l1ad.emulation.csim import BACKENDS, build_csim
from l1ad.emulation.interpreter import load_interpreter
from l1ad.emulation.native import build_native
from l1ad.emulation.project import OpenProject, open_project
from l1ad.emulation.rtl import build_rtl
from l1ad.emulation.simulation import SimulationResult
from l1ad.emulation.timing import measure_timing
from l1ad.emulation.vectors import Integers, check_events
from l1ad.errors import DataError
from l1ad.provenance import write_json
from l1ad.records import BitReport, Measurement, NegativeControl, RungReport

logger = logging.getLogger(__name__)

REPORT = "bits.json"

#: Called with one line about what begins.
Progress = Callable[[str], None]


class _Ladder:
    """The reference, and what every rung needs."""

    def __init__(
        self,
        inputs: Integers,
        expected: Integers,
        references: Mapping[str, LayerValues],
        control_events: int,
        build_folder: Path,
        progress: Progress,
    ) -> None:
        self.inputs = inputs
        self.expected = expected
        self.references = references
        self.control_inputs, self.control_expected = inputs[:control_events], expected[:control_events]
        self.build_folder = build_folder
        self.progress = progress

    def interpreter(self, project: OpenProject) -> RungReport:
        """Run alkaid's interpreter and its control."""
        self.progress("interpreter: run and negative control")
        result = load_interpreter(project).run(self.inputs)
        control = control_interpreter(project, self.build_folder, self.control_inputs, self.control_expected)
        return self._report("interpreter", result, control)

    def native(self, project: OpenProject) -> RungReport:
        """Run the native emulator and its control."""
        self.progress("native emulator: compile and run")
        result = build_native(project, self.build_folder).run(self.inputs)
        self.progress("native emulator: negative control")
        control = control_native(project, self.build_folder, self.control_inputs, self.control_expected)
        return self._report("native", result, control)

    def csim(self, project: OpenProject) -> RungReport:
        """Run the C-simulation and its control."""
        backend = project.record.backend
        self.progress(f"C-simulation ({backend}): compile")
        simulation = build_csim(project, self.build_folder)
        self.progress(f"C-simulation ({backend}): run")
        layers = [name for name in project.record.layers if name in self.references]
        result = simulation.run(self.inputs, layers=layers)
        self.progress(f"C-simulation ({backend}): negative control")
        control = control_csim(project, self.build_folder, self.control_inputs, self.control_expected)
        return self._report("csim", result, control)

    def rtl(self, project: OpenProject) -> tuple[RungReport, tuple[Measurement, ...]]:
        """Run the RTL simulation, measure its timing, and run its control."""
        self.progress("RTL simulation: translate and compile")
        simulation = build_rtl(project, self.build_folder)
        self.progress("RTL simulation: measure the timing and run")
        timing = measure_timing(simulation, self.inputs[_changing(self.expected)])
        latency = int(next(line.value for line in timing if line.name == "latency_clocks"))
        result = simulation.run(self.inputs, latency=latency)
        self.progress("RTL simulation: negative control")
        control = control_rtl(project, self.build_folder, self.control_inputs, self.control_expected, latency=latency)
        rung = "rtl_vhdl" if project.record.backend == "vhdl" else "rtl"
        return self._report(rung, result, control), timing

    def _report(self, rung: str, result: SimulationResult, control: NegativeControl) -> RungReport:
        output = compare(self.expected, result.outputs, result.output_type, result.output_type, "output")
        layers, difference = compare_layers(self.references, result.layers)
        report = RungReport(
            rung=rung,
            engine=result.engine,
            events=len(self.expected),
            equal_events=output.equal_events,
            events_per_second=result.events_per_second,
            layers=layers,
            first_difference=difference or output.difference,
            control=control,
        )
        if report.first_difference is not None:
            logger.warning("%s differs: %s", rung, report.first_difference)
        if not control.caught:
            logger.warning("%s: the negative control was not caught: %s", rung, control.what)
        return report


def _changing(outputs: Integers) -> npt.NDArray[np.bool_]:
    """Return which events have another output than the event before: only these show when the output settles."""
    return np.concatenate([[True], (outputs[1:] != outputs[:-1]).any(axis=1)])


def run_ladder(
    projects: Sequence[Path],
    inputs: npt.ArrayLike,
    expected: npt.ArrayLike,
    *,
    layer_references: Mapping[str, LayerValues] | None = None,
    options: EmulationConfig,
    build_folder: Path,
    progress: Progress | None = None,
    reference_engine: str,
    reference_rate: float,
) -> BitReport:
    """Run projects on the same events and compare every integer with the reference.

    Parameters
    ----------
    projects : sequence of Path
        Project folders, each with ``project.json``. Backend ``verilog`` gives the rungs ``interpreter``,
        ``native`` and ``rtl``, ``vhdl`` gives ``rtl_vhdl``, ``vitis`` and ``vivado`` give ``csim``.
    inputs : array_like of int, shape (N, n_inputs)
        Raw integers of the projects' input type; the first ``options.events`` are run.
    expected : array_like of int, shape (N, n_outputs)
        Raw integers that the reference computed, in the projects' output type.
    layer_references : mapping of str to LayerValues, optional
        Layers of the reference, N rows each; compared where a project shows the layer.
    options : EmulationConfig
        Events of the run and of the negative controls.
    build_folder : Path
        Where programs are compiled and kept.
    progress : callable, optional
        Called with one line when a step begins.
    reference_engine : str
        What computed `expected`, with its version.
    reference_rate : float
        Its events per second.

    Returns
    -------
    BitReport
        Rungs in the order keras, interpreter, native, csim, rtl, rtl_vhdl, and the measured timing of the RTL: that of
        the Verilog where there is one.

    Raises
    ------
    DataError
        When a file of a project changed, or arrays, shapes and types do not fit together.
    ToolMissingError
        When g++, Verilator, alkaid, or GHDL for VHDL is missing.
    ToolError
        When a simulation does not build or run.
    """
    opened = [open_project(folder) for folder in projects]
    events, outputs, references = _cut(opened, inputs, expected, layer_references or {}, options.events)
    ladder = _Ladder(
        events, outputs, references, options.control_events, build_folder, progress or (lambda line: logger.info(line))
    )
    rungs = [RungReport("keras", reference_engine, len(outputs), len(outputs), reference_rate)]
    measurements: list[Measurement] = []
    verilog = [project for project in opened if project.record.backend == "verilog"]
    rungs += [ladder.interpreter(project) for project in verilog]
    rungs += [ladder.native(project) for project in verilog]
    rungs += [ladder.csim(project) for project in opened if project.record.backend in BACKENDS]
    for project in (*verilog, *(project for project in opened if project.record.backend == "vhdl")):
        rung, timing = ladder.rtl(project)
        rungs.append(rung)
        measurements = measurements or list(timing)
    return BitReport(tuple(rungs), tuple(measurements))


def write_bit_report(report: BitReport, folder: Path) -> Path:
    """Write the report to ``bits.json`` in `folder`, whole or not at all, and return its path.

    Raises
    ------
    RunFolderError
        When the file cannot be written.
    """
    path = folder / REPORT
    write_json(path, report.to_dict())
    return path


def _cut(
    projects: Sequence[OpenProject],
    inputs: npt.ArrayLike,
    expected: npt.ArrayLike,
    references: Mapping[str, LayerValues],
    events: int,
) -> tuple[Integers, Integers, dict[str, LayerValues]]:
    """Check the arrays against every project and cut them to the number of events asked for."""
    if not projects:
        raise DataError("the ladder needs at least one firmware project. Run the conversion first.")
    first = projects[0].record
    for project in projects:
        record = project.record
        if record.backend not in (*BACKENDS, "verilog", "vhdl"):
            raise DataError(f"{project.folder}: backend {record.backend} has no rung on the ladder.")
        ports = (record.input_type, record.n_inputs, record.output_type, record.n_outputs)
        if ports != (first.input_type, first.n_inputs, first.output_type, first.n_outputs):
            raise DataError(f"{project.folder}: has other ports than {projects[0].folder}. Convert both again.")
    raw = check_events(inputs, first.input_type, first.n_inputs, "inputs")
    outputs = check_events(expected, first.output_type, first.n_outputs, "expected outputs")
    counts = {"expected outputs": len(outputs)} | {name: len(layer.values) for name, layer in references.items()}
    for name, count in counts.items():
        if count != len(raw):
            raise DataError(f"{name}: {count} events; the inputs have {len(raw)}.")
    cut = {name: LayerValues(np.asarray(v.values[:events]), v.fixed_type) for name, v in references.items()}
    return raw[:events], outputs[:events], cut
