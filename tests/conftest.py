"""One small run, from events to the report, that the tests of the pipeline and of the command line share."""

from __future__ import annotations

import importlib.util
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

#: A network that is trained, converted, simulated and mapped in seconds; it is not meant to find anything.
SMALL = {
    "name": "small_run",
    "data": {"max_background": 8000, "max_signal": 500},
    "network": {
        "hidden": [4],
        "latent": 2,
        "kernel": "quantized_bits(4,1,alpha=1)",
        "latent_kernel": "quantized_bits(4,1,alpha=1)",
        "activation": "quantized_relu(6,3)",
        "mean": "quantized_bits(7,2,alpha=1)",
        "log_variance": "quantized_bits(5,2,alpha=1)",
    },
    "score": {"table_width": 6, "table_integer": 5, "width": 16, "integer": 10},
    "training": {"float_epochs": 2, "epochs": 2, "batch_size": 256, "xla": False},
    "conversion": {"backends": ["vitis", "verilog"], "clock_ns": 12.5},
    "emulation": {"events": 600, "control_events": 200},
    "synthesis": {"budget": {"latency_ns": 200, "ii": 1, "lut": "5 %", "ff": "5 %", "dsp": 0, "bram": 0}},
}


@dataclass
class Recorder:
    """An observer that notes which stages ran, which were skipped, and how often a stage told its progress."""

    ran: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    progress: list[str] = field(default_factory=list)

    def begin(self, stage: str) -> None:
        self.ran.append(stage)

    def skip(self, stage: str) -> None:
        self.skipped.append(stage)

    def end(self, stage: str, seconds: float) -> None:
        assert seconds >= 0
        self.finished.append(stage)

    def step(self, text: str) -> None:
        assert text

    def advance(self, done: float, total: float, text: str) -> None:
        assert 0 <= done <= total
        self.progress.append(text)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="session")
def small_config(tmp_path_factory) -> Path:
    """Return the configuration file of the small run."""
    path = tmp_path_factory.mktemp("config") / "small.yaml"
    path.write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory, small_config) -> Path:
    """Make the small run with the command line. Tests read it, and copy it before they change it."""
    from l1ad.cli.main import main

    runs = tmp_path_factory.mktemp("finished")
    level = logging.getLogger("l1ad").level
    try:
        code = main(["--quiet", "run", str(small_config), "--runs", str(runs)])
    finally:
        logging.getLogger("l1ad").setLevel(level)
    assert code == 0, (runs / "small_run" / "run.log").read_text()
    return runs / "small_run"


@pytest.fixture
def run_copy(finished_run, tmp_path) -> Iterator[Path]:
    """Return a copy of the small run, in ``runs/small_run`` below the folder of the test."""
    path = tmp_path / "runs" / "small_run"
    shutil.copytree(finished_run, path)
    yield path
    shutil.rmtree(path.parent, ignore_errors=True)


@pytest.fixture(scope="session")
def region_data(tmp_path_factory) -> dict:
    """Return the section `data` of a configuration that reads event files with regions: 6,000 and 2 x 400 events."""
    path = Path(__file__).with_name("region_files.py")
    spec = importlib.util.spec_from_file_location("region_files", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.write_region_files(tmp_path_factory.mktemp("regions"), 6000, 400)


@pytest.fixture(scope="session")
def student_values(region_data) -> dict:
    """Return the configuration of a small student over regions, as plain values."""
    return {
        "name": "small_student",
        "data": {**region_data, "acceptance": 1e-4},
        "inputs": {"kind": "regions", "width": 8, "integer": 4},
        "network": {
            "architecture": "cicada_student",
            "student": {"filters": 2, "units": 4, "teacher_filters": [2, 4], "teacher_latent": 4},
            "kernel": "quantized_bits(6,2,alpha=1)",
            "bias": "quantized_bits(8,3,alpha=1)",
            "activation": "quantized_relu(8,5)",
            "latent_kernel": "quantized_bits(8,3,alpha=1)",
            "layers": {"dense_output": {"bias": "quantized_bits(10,7,alpha=1)"}},
        },
        "score": {"kind": "output", "width": 16, "integer": 8},
        "training": {
            "float_epochs": 2,
            "epochs": 6,
            "batch_size": 128,
            "score_teacher": "autoencoder",
            "quantized_learning_rate": 0.02,
            "xla": False,
        },
        "conversion": {"backends": ["vitis", "verilog"], "clock_ns": 12.5},
        "emulation": {"events": 600, "control_events": 200},
        "synthesis": {"budget": {"latency_ns": 200}},
    }
