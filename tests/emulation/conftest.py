"""Projects of a small network, written by the real generators, and the same network in int64 arithmetic."""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from l1ad.provenance import folder_digests, value_digest, write_json
from l1ad.records import FirmwareProject, FixedType

INPUT = FixedType(signed=True, width=10, integer=4)
HIDDEN = FixedType(signed=False, width=8, integer=3)
SUM = FixedType(signed=True, width=22, integer=12)
OUTPUT = FixedType(signed=True, width=21, integer=12)
N_INPUTS, N_HIDDEN, N_OUTPUTS = 6, 4, 2


@dataclass(frozen=True)
class Network:
    """6-4-2: weights fixed<6,2>, activation ufixed<8,3> that truncates and saturates, output exact."""

    kernels: tuple[np.ndarray, np.ndarray]
    biases: tuple[np.ndarray, np.ndarray]

    def hidden(self, inputs: np.ndarray) -> np.ndarray:
        total = inputs @ self.kernels[0] + (self.biases[0] << 6)  # fraction 6 + 4
        return np.clip(total >> 5, 0, 255)  # to fraction 5

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        return self.hidden(inputs) @ self.kernels[1] + (self.biases[1] << 5)  # fraction 5 + 4


class Workshop:
    """Writes ``project.json`` and makes changed copies."""

    @staticmethod
    def record(folder: Path, backend: str, top: str, **changes: object) -> Path:
        (folder / "project.json").unlink(missing_ok=True)
        files = folder_digests(folder)
        values: dict[str, object] = {
            "backend": backend,
            "top": top,
            "part": "xcvu9p-flga2104-2L-e",
            "clock_ns": 5.0,
            "engine": "hls4ml 1.3.0" if backend == "vitis" else "alkaid 0.8.2",
            "input_type": INPUT,
            "n_inputs": N_INPUTS,
            "output_type": OUTPUT,
            "n_outputs": N_OUTPUTS,
            "files": files,
            "digest": value_digest(files),
            **changes,
        }
        write_json(folder / "project.json", FirmwareProject(**values).to_dict())  # type: ignore[arg-type]
        return folder

    @classmethod
    def changed(cls, project: Path, target: Path, name: str, old: str, new: str) -> Path:
        """Copy a project, replace `old` in the file `name`, and write the digests anew."""
        shutil.copytree(project, target)
        text = (target / name).read_text()
        if old not in text:
            raise AssertionError(f"{name} does not hold {old!r}")
        (target / name).write_text(text.replace(old, new))
        return cls.refreshed(target)

    @classmethod
    def refreshed(cls, folder: Path, **changes: object) -> Path:
        """Write the digests and `changes` to the record of a project."""
        values = FirmwareProject.read(folder / "project.json").__dict__
        skipped = {"backend", "top", "files", "digest"}
        kept = {key: value for key, value in values.items() if key not in skipped}
        return cls.record(folder, values["backend"], values["top"], **{**kept, **changes})

    @classmethod
    def verilog(cls, folder: Path, source: str, width: int = 8) -> Path:
        """Write a hand-written module `dut` with one input and one output of `width` bits."""
        (folder / "src").mkdir(parents=True)
        (folder / "src" / "dut.v").write_text(source)
        word = FixedType(signed=True, width=width, integer=width)
        return cls.record(folder, "verilog", "dut", input_type=word, output_type=word, n_inputs=1, n_outputs=1)

    @classmethod
    def hls(cls, folder: Path, source: str, **changes: object) -> Path:
        """Write a hand-written HLS top `dut` beside the headers that hls4ml copies into every project."""
        templates = Path(importlib.util.find_spec("hls4ml").origin).parent / "templates" / "vivado"
        for name in ("ap_types", "nnet_utils"):
            shutil.copytree(templates / name, folder / "firmware" / name)
        (folder / "firmware" / "dut.cpp").write_text(source)
        return cls.record(folder, "vitis", "dut", **changes)

    @staticmethod
    def program(path: Path, script: str) -> Path:
        """Write a program that stands in for a driver or a tool."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path


@pytest.fixture(scope="session")
def workshop() -> type[Workshop]:
    return Workshop


@pytest.fixture(scope="session")
def network() -> Network:
    generator = np.random.default_rng(1)
    kernels = [generator.integers(-31, 32, shape) for shape in ((N_INPUTS, N_HIDDEN), (N_HIDDEN, N_OUTPUTS))]
    biases = [generator.integers(-31, 32, size) for size in (N_HIDDEN, N_OUTPUTS)]
    return Network((kernels[0], kernels[1]), (biases[0], biases[1]))


@pytest.fixture(scope="session")
def events() -> np.ndarray:
    return np.random.default_rng(2).integers(INPUT.minimum, INPUT.maximum + 1, (1000, N_INPUTS))


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("builds")


@pytest.fixture(scope="session")
def rtl_folder(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from alkaid.codegen.rtl.rtl_model import RTLModel
    from alkaid.trace import FVArrayInput, HWConfig, trace

    inputs = FVArrayInput(N_INPUTS, HWConfig(1, 1, -1), {"hard_dc": 2}).quantize(1, 3, 6)
    total = inputs @ (network.kernels[0] / 16.0) + network.biases[0] / 16.0
    hidden = np.maximum(total, 0).quantize(0, 3, 5, overflow_mode="SAT", round_mode="TRN")
    program = trace(inputs, hidden @ (network.kernels[1] / 16.0) + network.biases[1] / 16.0)
    folder = tmp_path_factory.mktemp("verilog")
    RTLModel(program, folder, prj_name="net6", flavor="verilog", latency_cutoff=2.5, ternary_fuse=False).write()
    return Workshop.record(folder, "verilog", "net6")


def _write_hls(network: Network, folder: Path, io_type: str) -> Path:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import hls4ml
    import keras

    tensor = inputs = keras.Input((N_INPUTS,), name="x")
    tensor = keras.layers.Dense(N_HIDDEN, name="fc0")(tensor)
    tensor = keras.layers.ReLU(name="act0")(tensor)
    model = keras.Model(inputs, keras.layers.Dense(N_OUTPUTS, name="fc1")(tensor))
    for name, kernel, bias in zip(("fc0", "fc1"), network.kernels, network.biases, strict=True):
        model.get_layer(name).set_weights([kernel / 16.0, bias / 16.0])
    weights = {"weight": "ap_fixed<6,2>", "bias": "ap_fixed<6,2>"}
    layers = {
        "x": {"Precision": "ap_fixed<10,4>"},
        "fc0": {"Precision": {**weights, "result": "ap_fixed<22,12>", "accum": "ap_fixed<22,12>"}},
        "act0": {"Precision": {"result": "ap_ufixed<8,3,AP_TRN,AP_SAT>"}},
        "fc1": {"Precision": {**weights, "result": "ap_fixed<21,12>", "accum": "ap_fixed<21,12>"}},
    }
    config = {
        "Model": {"Precision": "ap_fixed<24,12>", "ReuseFactor": 1, "Strategy": "Latency"},
        "LayerName": {name: {**layer, "Trace": True} for name, layer in layers.items()},
    }
    graph = hls4ml.converters.convert_from_keras_model(
        model, output_dir=str(folder), project_name="net6", backend="Vitis", io_type=io_type, hls_config=config
    )
    graph.config.trace_output = True
    graph.write()
    return Workshop.record(folder, "vitis", "net6", layers={"fc0": SUM, "act0": HIDDEN, "fc1": OUTPUT})


@pytest.fixture(scope="session")
def hls_folder(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write_hls(network, tmp_path_factory.mktemp("hls"), "io_parallel")


@pytest.fixture(scope="session")
def stream_folder(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write_hls(network, tmp_path_factory.mktemp("stream"), "io_stream")
