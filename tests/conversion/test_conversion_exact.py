"""Real conversions against Keras, integer by integer, with negative controls."""

from __future__ import annotations

import numpy as np
import pytest

from l1ad.emulation.compare import compare, compare_layers
from l1ad.emulation.controls import control_csim, control_interpreter, control_native
from l1ad.emulation.csim import build_csim
from l1ad.emulation.interpreter import load_interpreter
from l1ad.emulation.native import build_native
from l1ad.emulation.project import open_project
from l1ad.records import FirmwareProject

NETWORKS = ["dense_vae", "cnn_vae"]
SCORES = ["rz", "mu2"]
AUTOENCODERS = ["dense_ae", "cnn_ae"]
#: Networks and scores whose every value is compared in the light tests.
CASES = [
    *((network, kind) for network in NETWORKS for kind in SCORES),
    ("dense_vae", "kl"),
    *((network, "reconstruction") for network in AUTOENCODERS),
    ("feature_ae", "feature_error"),
]

#: Every value of network, score, backend and interface stands in a light case; each costs a compilation.
LIGHT = [
    ("dense_vae", "rz", "vitis", "io_parallel"),
    ("cnn_vae", "rz", "vitis", "io_parallel"),
    ("dense_vae", "mu2", "vivado", "io_stream"),
    ("dense_vae", "kl", "vitis", "io_parallel"),
    ("dense_ae", "reconstruction", "vitis", "io_parallel"),
]
HEAVY = (
    [
        (network, kind, backend, io_type)
        for network in NETWORKS
        for kind in (*SCORES, "kl")
        for backend in ("vitis", "vivado")
        for io_type in ("io_parallel", "io_stream")
        if (network, kind, backend, io_type) not in LIGHT
    ]
    + [
        (network, "reconstruction", backend, "io_parallel")
        for network in AUTOENCODERS
        for backend in ("vitis", "vivado")
        if (network, "reconstruction", backend, "io_parallel") not in LIGHT
    ]
    + [("feature_ae", "feature_error", backend, "io_parallel") for backend in ("vitis", "vivado")]
)


def differences(example, result) -> list[object]:
    """Return the first difference of the output and of the layers; empty when every integer agrees."""
    output = compare(example.keras.score, result.outputs, example.keras.score_type, result.output_type, "score")
    layers, layer = compare_layers(example.references(result_types(result)), result.layers)
    assert all(comparison.values for comparison in layers)
    return [found for found in (output.difference, layer) if found is not None]


def result_types(result) -> dict[str, object]:
    return {name: values.fixed_type for name, values in result.layers.items()}


@pytest.mark.parametrize(("network", "kind"), CASES)
def test_events_reach_the_extremes_of_every_type(examples, network: str, kind: str) -> None:
    example = examples(network, kind)
    assert len(example.inputs) >= 2000
    assert (example.inputs.min(), example.inputs.max()) == (-512, 511)
    if kind in ("reconstruction", "feature_error"):
        prediction = example.keras.layers["reconstruction"]
        assert (prediction.min(), prediction.max()) == (-16, 15)
    else:
        assert example.keras.layers["mean"].min() == -128
    score = example.keras.score
    assert score.max() == example.keras.score_type.maximum
    assert 0 < (score == score.max()).sum() < 3 * len(score) // 4
    assert len(np.unique(score)) > 200
    if kind in ("rz", "kl"):
        log_variance = example.keras.layers["log_variance"]
        assert (log_variance.min(), log_variance.max()) == (-32, 31)
        assert len(np.unique(log_variance)) == 64


@pytest.mark.parametrize(("network", "kind"), CASES)
def test_interpreter_equals_keras(examples, projects, tmp_path, network: str, kind: str) -> None:
    example, project = examples(network, kind), open_project(projects(network, kind, "verilog"))
    result = load_interpreter(project).run(example.inputs)
    assert differences(example, result) == []
    control = control_interpreter(project, tmp_path, example.inputs[:1000], example.keras.score[:1000])
    assert control.caught


@pytest.mark.parametrize(("network", "kind"), [("dense_vae", "rz"), ("cnn_vae", "mu2"), ("dense_ae", "reconstruction")])
def test_native_emulator_equals_keras(examples, projects, tmp_path, network: str, kind: str) -> None:
    example, project = examples(network, kind), open_project(projects(network, kind, "verilog"))
    result = build_native(project, tmp_path).run(example.inputs)
    assert differences(example, result) == []
    control = control_native(project, tmp_path, example.inputs[:1000], example.keras.score[:1000])
    assert control.caught


def test_interpreter_shows_one_changed_weight_of_keras(conversion, examples, projects) -> None:
    from l1ad.networks.inference import run_firmware_model

    example, model = examples("dense_vae", "rz"), conversion.firmware("dense_vae", "rz")
    kernel = model.get_layer("dense_1").kernel
    values = np.asarray(kernel).copy()
    values[5, 1] += 2.0**-4 if values[5, 1] < 0 else -(2.0**-4)
    kernel.assign(values)
    changed = run_firmware_model(model, example.inputs, conversion.input_type).score
    result = load_interpreter(open_project(projects("dense_vae", "rz", "verilog"))).run(example.inputs)
    assert 0 < (result.outputs == changed).sum() < len(changed)


def check_csim(examples, projects, builds, case: tuple[str, str, str, str]) -> None:
    example, project = examples(*case[:2]), open_project(projects(*case))
    shown = project.record.layers
    assert set(example.producers.values()) <= set(shown)
    result = build_csim(project, builds).run(example.inputs, layers=list(shown))
    assert differences(example, result) == []
    control = control_csim(project, builds, example.inputs[:1000], example.keras.score[:1000])
    assert control.caught


@pytest.mark.parametrize("case", LIGHT, ids="-".join)
def test_csim_equals_keras(examples, projects, conversion_builds, case) -> None:
    check_csim(examples, projects, conversion_builds, case)


@pytest.mark.heavy
@pytest.mark.parametrize("case", HEAVY, ids="-".join)
def test_csim_equals_keras_in_every_other_combination(examples, projects, conversion_builds, case) -> None:
    check_csim(examples, projects, conversion_builds, case)


def test_csim_comparison_names_the_layer_that_differs(examples, projects, conversion_builds) -> None:
    case = LIGHT[0]
    example, project = examples(*case[:2]), open_project(projects(*case))
    result = build_csim(project, conversion_builds).run(example.inputs, layers=list(project.record.layers))
    result.layers["dense_2"].values[7, 1] ^= 1
    (found,) = differences(example, result)
    assert (found.layer, found.event, found.channel) == ("dense_2", 7, 1)


@pytest.mark.parametrize("backend", ["verilog", "vitis", "vivado"])
def test_record_says_what_was_asked(projects, backend: str) -> None:
    record = FirmwareProject.read(projects("dense_vae", "rz", backend) / "project.json")
    assert (record.backend, record.top, record.part) == (backend, "small_vae", "xcvu9p-flga2104-2L-e")
    assert (record.n_inputs, record.n_outputs, record.clock_ns) == (57, 1, 5.0)
    assert str(record.input_type) == "fixed<10,4>"
    assert str(record.output_type) == "ufixed<14,10>"
    assert record.stages == 0 if backend != "verilog" else record.stages > 1
    assert all(line.stage == "model" for line in record.estimates)


def test_no_autoencoder_is_a_dataflow_because_two_functions_read_its_inputs(projects) -> None:
    for network in AUTOENCODERS:
        source = (projects(network, "reconstruction", "vitis") / "firmware" / "small_vae.cpp").read_text()
        assert source.count("inputs, ") >= 2
        assert "#pragma HLS PIPELINE" in source
        assert "DATAFLOW" not in source
    other = (projects("cnn_vae", "rz", "vitis") / "firmware" / "small_vae.cpp").read_text()
    assert "#pragma HLS DATAFLOW" in other
