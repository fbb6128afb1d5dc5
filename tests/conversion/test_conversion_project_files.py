"""The files of a project: complete, the same bytes every time, and free of this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from l1ad.emulation.toolchain import find_compiler
from l1ad.errors import ConversionError
from l1ad.provenance import file_digest
from l1ad.records import FirmwareProject

BACKENDS = ["vitis", "vivado", "verilog"]

#: Converts a saved model in a process of its own; prints the digests.
SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np
from l1ad.conversion.base import ConversionJob, convert
from l1ad.hardware.parts import resolve_part
from l1ad.networks.firmware_model import load_model
from l1ad.records import FixedType
folder = Path(sys.argv[1])
model, inputs, score = load_model(folder / "model.keras"), np.load(folder / "x.npy"), np.load(folder / "y.npy")
part, fixed, found = resolve_part("xcvu9p"), FixedType(True, 10, 4), {}
for backend in ("vitis", "vivado", "verilog"):
    job = ConversionJob(backend, "small_vae", part, 5.0, "io_parallel", 3.8, fixed, 57, inputs, score)
    found[backend] = convert(model, job, folder / backend).files
print("FILES" + json.dumps(found))
"""


def files(folder: Path) -> dict[str, Path]:
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("backend", BACKENDS)
def test_record_lists_every_file_with_its_digest(projects, backend: str) -> None:
    folder = projects("dense_vae", "rz", backend)
    record, found = FirmwareProject.read(folder / "project.json"), files(folder)
    assert set(record.files) == set(found) - {"project.json"}
    assert record.files == {name: file_digest(path) for name, path in found.items() if name in record.files}


def test_hls_project_is_complete_for_vitis(examples, projects) -> None:
    folder = projects("dense_vae", "rz", "vitis")
    found = files(folder)
    wanted = ["build_prj.tcl", "build_opt.tcl", "project.tcl", "vivado_synth.tcl", "build_lib.sh", "small_vae_test.cpp"]
    wanted += ["firmware/small_vae.cpp", "firmware/small_vae.h", "firmware/parameters.h", "firmware/defines.h"]
    wanted += [f"firmware/nnet_utils/nnet_{name}.h" for name in ("latent_score", "dense", "compare_results")]
    wanted += ["firmware/ap_types/ap_fixed.h", "tb_data/tb_input_features.dat", "tb_data/tb_output_predictions.dat"]
    assert [name for name in wanted if name not in found] == []
    tcl = found["project.tcl"].read_text()
    for line in ('set project_name "small_vae"', 'set part "xcvu9p-flga2104-2L-e"', "set clock_period 5.0"):
        assert line in tcl.splitlines()
    assert "set_top ${project_name}" in found["build_prj.tcl"].read_text()
    example = examples("dense_vae", "rz")
    inputs = np.loadtxt(found["tb_data/tb_input_features.dat"]) * 2**6
    outputs = np.loadtxt(found["tb_data/tb_output_predictions.dat"]) * 2**4
    assert np.array_equal(inputs, example.inputs[:100])
    assert np.array_equal(outputs, example.keras.score[:100, 0])


def test_verilog_project_is_complete(projects) -> None:
    folder = projects("dense_vae", "rz", "verilog")
    found, record = files(folder), FirmwareProject.read(folder / "project.json")
    stages = [f"src/logic{number}.v" for number in range(record.stages)]
    wanted = ["src/small_vae.v", "src/small_vae.xdc", "model/comb.json.gz", "build_vivado_prj.tcl", *stages]
    assert [name for name in wanted if name not in found] == []
    top = found["src/small_vae.v"].read_text()
    assert re.search(r"module small_vae\b", top)
    assert all(f"logic{number}" in top for number in range(record.stages))
    assert f"src/logic{record.stages}.v" not in found
    assert 'set device "xcvu9p-flga2104-2L-e"' in found["build_vivado_prj.tcl"].read_text()
    assert "set clock_period 5.0" in found["src/small_vae.xdc"].read_text()
    names = {line.name: line.value for line in record.estimates}
    assert names["cost"] > 0
    assert names["stages"] == record.stages
    assert 0 < names["stage_ns"] <= record.clock_ns / 1.3 + 1e-9


@pytest.mark.parametrize("backend", BACKENDS)
def test_files_hold_nothing_of_this_machine(projects, backend: str) -> None:
    folder = projects("dense_vae", "rz", backend)
    foreign = [str(Path.home()), str(Path(__file__).parents[2]), str(folder.parent), os.uname().nodename, "l1ad-tb-"]
    for name, path in files(folder).items():
        content = path.read_bytes()
        assert [text for text in foreign if len(text) > 4 and text.encode() in content] == [], name
    with_time = [name for name, path in files(folder).items() if name.endswith(".gz") and any(path.read_bytes()[4:8])]
    assert with_time == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_conversion_gives_the_same_bytes_again(conversion, examples, projects, tmp_path, backend: str) -> None:
    from l1ad.conversion.base import convert

    example = examples("dense_vae", "rz")
    # A gzip header or a stamp with the time would change from one second to the next.
    while time.time() < (projects("dense_vae", "rz", backend) / "project.json").stat().st_mtime + 1.1:
        time.sleep(0.1)
    job = conversion.job(backend, example.inputs, example.keras.score)
    again = convert(conversion.firmware("dense_vae", "rz"), job, tmp_path / "again")
    first = FirmwareProject.read(projects("dense_vae", "rz", backend) / "project.json")
    assert again.files == first.files
    assert again.digest == first.digest
    assert again == FirmwareProject.read(tmp_path / "again" / "project.json")


@pytest.mark.heavy
def test_conversion_gives_the_same_bytes_in_another_process(examples, projects, tmp_path) -> None:
    from l1ad.networks.firmware_model import save_model

    example = examples("cnn_vae", "rz")
    save_model(example.model, tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", example.inputs[:100])
    np.save(tmp_path / "y.npy", example.keras.score[:100])
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    assert process.returncode == 0, process.stderr[-2000:]
    found = json.loads(process.stdout.partition("FILES")[2])
    for backend in BACKENDS:
        here = FirmwareProject.read(projects("cnn_vae", "rz", backend) / "project.json").files
        assert found[backend] == here, backend


def test_digest_sees_another_weight(conversion, examples, projects, tmp_path) -> None:
    from l1ad.conversion.base import convert

    example, model = examples("dense_vae", "rz"), conversion.firmware("dense_vae", "rz")
    bias = model.get_layer("dense_mean").bias
    bias.assign(-np.asarray(bias))
    for backend in ("vitis", "verilog"):
        job = conversion.job(backend, example.inputs, example.keras.score)
        changed = convert(model, job, tmp_path / backend)
        record = FirmwareProject.read(projects("dense_vae", "rz", backend) / "project.json")
        assert changed.digest != record.digest
        if backend == "vitis":
            stamps = [
                re.search(r"LIB_STAMP=(\w+)", (folder / "build_lib.sh").read_text())[1]
                for folder in (tmp_path / backend, projects("dense_vae", "rz", backend))
            ]
            assert stamps[0] != stamps[1]
            assert all(re.fullmatch(r"[0-9a-f]{8}", stamp) for stamp in stamps)


@pytest.fixture(scope="module")
def bench(projects, tmp_path_factory) -> Path:
    """The test bench of the Vitis project, compiled in a copy of the project as its build script compiles."""
    folder = tmp_path_factory.mktemp("bench") / "project"
    shutil.copytree(projects("dense_vae", "rz", "vitis"), folder)
    command = [str(find_compiler().path), "-O0", "-std=c++14", "-w", "-I.", "-Ifirmware", "-Ifirmware/ap_types"]
    command += ['-DWEIGHTS_DIR="firmware/weights"', "small_vae_test.cpp", "firmware/small_vae.cpp", "-o", "bench"]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr[:2000]
    return folder


def run_bench(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(folder / "bench")], cwd=folder, capture_output=True, text=True, check=False)


def test_bench_logs_the_predictions(bench: Path) -> None:
    process = run_bench(bench)
    assert process.returncode == 0, process.stderr
    log = np.loadtxt(bench / "tb_data" / "csim_results.log")
    expected = np.loadtxt(bench / "tb_data" / "tb_output_predictions.dat")
    assert len(log) == 100
    assert np.array_equal(log, expected)
    # Six digits, the default of a C++ stream, would not hold every score of the example.
    assert any(float(f"{value:.6g}") != value for value in expected)


def test_bench_fails_on_a_wrong_prediction_and_on_short_files(bench: Path) -> None:
    path = bench / "tb_data" / "tb_output_predictions.dat"
    text = path.read_text()
    lines = text.splitlines()
    try:
        path.write_text("\n".join([*lines[:70], f"{float(lines[70]) + 2**-4} ", *lines[71:]]) + "\n")
        process = run_bench(bench)
        assert process.returncode == 1
        assert "value 70" in process.stderr
        path.write_text("")
        assert run_bench(bench).returncode == 1
        path.unlink()
        assert run_bench(bench).returncode == 1
    finally:
        path.write_text(text)


def test_another_hls4ml_is_noticed(projects, tmp_path) -> None:
    from l1ad.conversion.hls_files import finish_files

    folder = tmp_path / "project"
    shutil.copytree(projects("dense_vae", "rz", "vitis"), folder)
    # Finished already: the bench holds its include and its comparison, as a later hls4ml might.
    with pytest.raises(ConversionError, match=r"small_vae_test.cpp: 0 places .* Use hls4ml 1.3.0"):
        finish_files(folder, "small_vae")
