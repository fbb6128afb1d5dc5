"""The stages convert, emulate and synth."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.conversion.base import ConversionJob, convert
from l1ad.emulation.compare import LayerValues
from l1ad.emulation.ladder import run_ladder, write_bit_report
from l1ad.emulation.vectors import write_test_vectors
from l1ad.errors import DataError, RunFolderError
from l1ad.events.dataset import Dataset, load_dataset
from l1ad.hardware.budgets import check_budget
from l1ad.hardware.fixed_point import cast
from l1ad.hardware.parts import resolve_part
from l1ad.networks.firmware_model import load_model
from l1ad.networks.inference import KerasOutputs, producers, run_firmware_model
from l1ad.pipeline.netlist import CELLS_FOLDER
from l1ad.pipeline.observer import Observer
from l1ad.pipeline.projects import projects
from l1ad.pipeline.run_folder import RunFolder
from l1ad.pipeline.stages import BITS_FILE, BUDGET_FILE, CONVERT, DATA, EMULATE, SYNTH, TRAIN
from l1ad.pipeline.triggers import trigger_rungs
from l1ad.provenance import library_version, write_json
from l1ad.records import BitReport, FirmwareProject, Measurement
from l1ad.synthesis.run import synthesize, write_synthesis
from l1ad.training.record import FIRMWARE_FILE

#: Events that go with a project as its test bench.
_BENCH_EVENTS = 100


@dataclass(frozen=True)
class _Model:
    """The Keras model that firmware implements, with the data of the run."""

    keras: Any
    data: Dataset

    def outputs(self, inputs: NDArray[np.int64], *, layers: bool = False) -> KerasOutputs:
        return run_firmware_model(self.keras, inputs, self.data.contract.type, layers=layers)


def _open_model(run: RunFolder) -> _Model:
    path = run.stage(TRAIN) / FIRMWARE_FILE
    if run.config.network.frontend == "float":
        raise RunFolderError(
            f"{run.path}: network.frontend is float; only a quantized network becomes firmware. "
            "Set network.frontend to qkeras and train again."
        )
    return _Model(load_model(path), load_dataset(run.stage(DATA)))


def run_convert(run: RunFolder, observer: Observer) -> None:
    """Write one firmware project a backend."""
    options = run.config.conversion
    part = resolve_part(options.part)
    model = _open_model(run)
    inputs = np.asarray(model.data.inputs["test"][:_BENCH_EVENTS], dtype=np.int64)
    outputs = model.outputs(inputs)
    for number, backend in enumerate(options.backends, start=1):
        job = ConversionJob(
            backend=backend,
            top=run.config.name,
            part=part,
            clock_ns=options.clock_ns,
            io_type=options.io_type,
            logic_ns=options.clock_ns / options.derating,
            input_type=model.data.contract.type,
            n_inputs=inputs.shape[1],
            test_inputs=inputs,
            test_outputs=outputs.score,
            contract=model.data.contract,
            thresholds=options.thresholds,
            strategy=options.strategy,
            reuse_factor=options.reuse_factor,
            extra_adder_levels=options.extra_adder_levels,
        )
        convert(model.keras, job, run.stage(CONVERT) / backend, observer.step)
        observer.advance(number, len(options.backends), backend)
    _remove_others(run)


def _remove_others(run: RunFolder) -> None:
    """Remove projects of backends that the configuration no longer names: they show a former network."""
    for folder in run.stage(CONVERT).iterdir():
        if folder.is_dir() and folder.name not in run.config.conversion.backends:
            shutil.rmtree(folder)


def run_emulate(run: RunFolder, observer: Observer) -> None:
    """Run every project on the same events and compare every integer with Keras."""
    model, records = _open_model(run), projects(run)
    options = run.config.emulation
    inputs = _events(model.data, options.events)
    observer.step("Keras reference")
    reference = model.outputs(inputs, layers=True)
    report = run_ladder(
        [run.stage(CONVERT) / backend for backend in records],
        inputs,
        reference.score,
        layer_references=_layers(model.keras, reference, records),
        options=options,
        build_folder=run.build / EMULATE,
        progress=observer.step,
        reference_engine=f"Keras {library_version('keras')}, TensorFlow {library_version('tensorflow')}",
        reference_rate=reference.events_per_second,
    )
    triggers = trigger_rungs(
        run, model.data.contract, lambda raw: model.outputs(raw).score, inputs[: options.control_events], observer
    )
    write_test_vectors(run.stage(EMULATE), inputs, reference.score)
    write_bit_report(dataclasses.replace(report, rungs=report.rungs + triggers), run.stage(EMULATE))


def _events(data: Dataset, events: int) -> NDArray[np.int64]:
    """Return events of the test part, with a fifth of them from the signals: anomalies reach other integers."""
    share = events // (5 * max(len(data.signals), 1)) if data.signals else 0
    parts = [np.asarray(x[:share], dtype=np.int64) for x in data.signals.values()]
    taken = sum(len(part) for part in parts)
    parts.insert(0, np.asarray(data.inputs["test"][: events - taken], dtype=np.int64))
    found = np.concatenate(parts)
    if len(found) < events:
        raise DataError(
            f"emulation.events asks for {events} events; test part and signals give {len(found)}. "
            "Reduce emulation.events or give more events."
        )
    return found


def _layers(model: Any, outputs: KerasOutputs, records: dict[str, FirmwareProject]) -> dict[str, LayerValues]:
    """Return the references of the layers that a project shows, under the project's names and in its types."""
    found = {}
    shown = {name: fixed for record in records.values() for name, fixed in record.layers.items()}
    for quantizer, producer in producers(model).items():
        if producer in shown and quantizer in outputs.layers:
            values = cast(outputs.layers[quantizer], outputs.layer_types[quantizer], shown[producer])
            found[producer] = LayerValues(values, shown[producer])
    return found


def run_synth(run: RunFolder, observer: Observer) -> None:
    """Estimate resources with Yosys and hold everything measured against the budget."""
    records = projects(run)
    if "verilog" not in records:
        raise RunFolderError(
            f"{run.path}: no Verilog project, so nothing to map. Add verilog to conversion.backends and convert again."
        )
    report = synthesize(
        run.stage(CONVERT) / "verilog",
        run.build / SYNTH,
        workers=run.config.synthesis.workers,
        netlist=run.stage(SYNTH) / CELLS_FOLDER if run.config.synthesis.netlist else None,
        progress=lambda done, total, name: observer.advance(done, total, name),
    )
    write_synthesis(report, run.stage(SYNTH))
    measurements: list[Measurement] = [*report.measurements, *_simulated(run)]
    budget = check_budget(run.config.synthesis.budget, measurements, resolve_part(run.config.conversion.part))
    write_json(run.stage(SYNTH) / BUDGET_FILE, budget.to_dict())


def _simulated(run: RunFolder) -> tuple[Measurement, ...]:
    """Return latency and interval of the RTL simulation; nothing when the run has not been emulated."""
    if EMULATE not in run.manifest().stages:
        return ()
    return BitReport.read(run.stage(EMULATE) / BITS_FILE).measurements
