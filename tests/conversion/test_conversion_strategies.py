"""The strategies of hls4ml: reused multipliers and distributed arithmetic give the integers of Keras as well."""

from __future__ import annotations

import pytest

from l1ad.config.load import parse_config
from l1ad.conversion.base import convert
from l1ad.emulation.compare import compare, compare_layers
from l1ad.emulation.controls import control_csim
from l1ad.emulation.csim import build_csim
from l1ad.emulation.project import open_project
from l1ad.errors import ConfigurationError, ToolMissingError

LIGHT = [("dense_vae", "rz", "vitis", "io_parallel", "resource", 8)]
HEAVY = [
    (network, kind, backend, io_type, strategy, reuse)
    for network, kind, backend, io_type in (
        ("dense_vae", "rz", "vitis", "io_parallel"),
        ("dense_vae", "mu2", "vivado", "io_stream"),
        ("cnn_vae", "rz", "vitis", "io_parallel"),
    )
    for strategy, reuse in (("resource", 1), ("resource", 8), ("distributed_arithmetic", 1))
    if (network, kind, backend, io_type, strategy, reuse) not in LIGHT
]


def check_strategy(conversion, examples, tmp_path, case) -> None:
    network, kind, backend, io_type, strategy, reuse = case
    example = examples(network, kind)
    options = {"io_type": io_type, "strategy": strategy, "reuse_factor": reuse}
    job = conversion.job(backend, example.inputs, example.keras.score, **options)
    convert(example.model, job, tmp_path / "project")
    project = open_project(tmp_path / "project")
    code = (tmp_path / "project" / "firmware" / "parameters.h").read_text()
    assert ("nnet::resource" in code) == (strategy == "resource")
    result = build_csim(project, tmp_path / "build").run(example.inputs, layers=list(project.record.layers))
    found = compare(example.keras.score, result.outputs, example.keras.score_type, result.output_type, "score")
    assert found.difference is None
    types = {name: values.fixed_type for name, values in result.layers.items()}
    layers, layer = compare_layers(example.references(types), result.layers)
    assert layers
    assert layer is None
    control = control_csim(project, tmp_path / "build", example.inputs[:1000], example.keras.score[:1000])
    assert control.caught


@pytest.mark.parametrize("case", LIGHT, ids=lambda case: "-".join(map(str, case)))
def test_csim_equals_keras(conversion, examples, tmp_path, case) -> None:
    check_strategy(conversion, examples, tmp_path, case)


@pytest.mark.heavy
@pytest.mark.parametrize("case", HEAVY, ids=lambda case: "-".join(map(str, case)))
def test_csim_equals_keras_with_every_strategy(conversion, examples, tmp_path, case) -> None:
    if case[4] == "distributed_arithmetic":
        pytest.importorskip("da4ml", reason="da4ml is not installed (extra da)")
    check_strategy(conversion, examples, tmp_path, case)


def test_without_its_library_distributed_arithmetic_is_refused(conversion, examples, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("l1ad.conversion.hls.library_version", lambda name: None)
    example = examples("dense_vae", "rz")
    job = conversion.job("vitis", example.inputs, example.keras.score, strategy="distributed_arithmetic")
    with pytest.raises(ToolMissingError, match=r"da4ml is not installed.*l1ad\[da\].*verilog"):
        convert(example.model, job, tmp_path / "project")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("strategy", ["latency", "distributed_arithmetic"])
def test_only_resource_reuses_multipliers(strategy: str) -> None:
    with pytest.raises(ConfigurationError, match=r"reuse_factor \(4\) above 1 needs strategy: resource"):
        parse_config({"conversion": {"strategy": strategy, "reuse_factor": 4}}, "test")
