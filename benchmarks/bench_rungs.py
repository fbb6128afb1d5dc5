"""Events per second of each rung of the ladder, beside hls4ml's own predict.

    python benchmarks/bench_rungs.py                 # the demo's run, or one with a short training
    python benchmarks/bench_rungs.py runs/dense_vae --events 20000

All rungs get the same events in turn, called from the same process. hls4ml's predict compiles the same HLS project
with hls4ml's own script and goes through its own Python binding, with floats, on one core; the C-simulation of l1ad
starts a process a core. A run that has been synthesized also gives its netlist. Building graphs and compiling is not
counted. Every result is compared with Keras.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _bench import converted_run, median, parser, show, write_json

from l1ad.conversion.base import ConversionJob
from l1ad.conversion.hls import _graph
from l1ad.emulation.csim import build_csim
from l1ad.emulation.interpreter import load_interpreter
from l1ad.emulation.native import build_native
from l1ad.emulation.netlist import open_netlist
from l1ad.emulation.project import open_project
from l1ad.emulation.rtl import build_rtl
from l1ad.events.dataset import load_dataset
from l1ad.hardware.fixed_point import to_float, to_raw_exact
from l1ad.hardware.parts import resolve_part
from l1ad.networks.firmware_model import load_model
from l1ad.networks.inference import run_firmware_model
from l1ad.pipeline.netlist import CELLS_FOLDER
from l1ad.pipeline.run_folder import RunFolder
from l1ad.records import BitReport
from l1ad.training.record import FIRMWARE_FILE

#: Runs the events once and returns raw scores and the events per second.
Rung = Callable[[], tuple[np.ndarray[Any, Any], float]]


def hls4ml_predict(run: RunFolder, model: Any, inputs: Any, input_type: Any, score_type: Any, folder: Path) -> Rung:
    """Compile the model with hls4ml's own script and return its predict."""
    options = run.config.conversion
    job = ConversionJob(
        backend="vitis",
        top=run.config.name,
        part=resolve_part(options.part),
        clock_ns=options.clock_ns,
        io_type=options.io_type,
        logic_ns=options.clock_ns,
        input_type=input_type,
        n_inputs=inputs.shape[1],
        test_inputs=inputs[:1],
        test_outputs=np.zeros((1, 1), dtype=np.int64),
    )
    (folder / "bench").mkdir()
    graph = _graph(model, job, folder / "project", folder / "bench")
    with contextlib.redirect_stdout(io.StringIO()):
        graph.compile()
    events = np.ascontiguousarray(to_float(inputs, input_type), dtype=np.float32)
    events = events.reshape(-1, *model.inputs[0].shape[1:])

    def predict() -> tuple[np.ndarray[Any, Any], float]:
        start = time.perf_counter()
        scores = graph.predict(events)
        seconds = time.perf_counter() - start
        return to_raw_exact(scores.reshape(-1, 1).astype(np.float64), score_type), len(events) / seconds

    return predict


def rungs(run: RunFolder, events: int, folder: Path) -> dict[str, Rung]:
    """Return name -> rung, compiled and ready."""
    data, build = load_dataset(run.stage("data")), run.build / "emulate"
    inputs = np.asarray(data.inputs["test"][:events], dtype=np.int64)
    model, input_type = load_model(run.stage("train") / FIRMWARE_FILE), data.contract.type
    projects = {name: open_project(run.stage("convert") / name) for name in ("vitis", "verilog")}
    score_type = projects["vitis"].record.output_type

    def keras() -> tuple[np.ndarray[Any, Any], float]:
        outputs = run_firmware_model(model, inputs, input_type)
        return outputs.score, outputs.events_per_second

    def simulation(run_events: Callable[[], Any]) -> Rung:
        def timed() -> tuple[np.ndarray[Any, Any], float]:
            start = time.perf_counter()
            found = run_events()
            outputs = getattr(found, "outputs", found)
            return outputs, len(inputs) / (time.perf_counter() - start)

        return timed

    interpreter, csim = load_interpreter(projects["verilog"]), build_csim(projects["vitis"], build)
    rtl, native = build_rtl(projects["verilog"], build), build_native(projects["verilog"], build)
    timing = BitReport.read(run.stage("emulate") / "bits.json").measurements
    latency = next(int(line.value) for line in timing if line.name == "latency_clocks")
    cells = run.stage("synth") / CELLS_FOLDER
    mapped = open_netlist(projects["verilog"], cells) if cells.is_dir() else None
    found = {
        "Keras": keras,
        "hls4ml predict (peer)": hls4ml_predict(run, model, inputs, input_type, score_type, folder),
        "alkaid interpreter": simulation(lambda: interpreter.run(inputs)),
        "native emulator": simulation(lambda: native.run(inputs)),
        "C-simulation": simulation(lambda: csim.run(inputs)),
        "Verilator": simulation(lambda: rtl.run(inputs, latency=latency)),
    }
    return found if mapped is None else {**found, "synthesized netlist": simulation(lambda: mapped.run(inputs))}


def main() -> None:
    """Measure the rungs in turn."""
    options = parser(__doc__)
    options.add_argument("run", type=Path, nargs="?", help="folder of a run that was emulated")
    options.add_argument("--events", type=int, default=20_000)
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        run = converted_run(arguments.run, Path(name) / "runs")
        found = rungs(run, arguments.events, Path(name))
        expected, _ = found["Keras"]()
        rates: dict[str, list[float]] = {rung: [] for rung in found}
        equal = {}
        for _ in range(arguments.repeats):
            for rung, measure in found.items():
                scores, rate = measure()
                rates[rung].append(rate)
                equal[rung] = int((scores == expected).all(axis=1).sum())
    peer = median(rates["hls4ml predict (peer)"])
    rows = [[rung, median(r), median(r) / peer, f"{equal[rung]}/{len(expected)}"] for rung, r in rates.items()]
    show(f"{run.config.name}: {len(expected)} events", ["rung", "events/s", "of the peer's", "equal to Keras"], rows)
    write_json(arguments.json, {"unit": "events/s", "events": len(expected), "rates": rates, "equal": equal})


if __name__ == "__main__":
    main()
