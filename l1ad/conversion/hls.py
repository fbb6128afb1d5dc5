"""HLS C++ by hls4ml: a project for Vitis or Vivado HLS that g++ compiles as it stands."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from l1ad.conversion import hls4ml_handlers
from l1ad.conversion.base import ConversionJob, Draft, engine_errors
from l1ad.conversion.hls_files import finish_files
from l1ad.errors import ConversionError, ToolMissingError
from l1ad.hardware.fixed_point import to_float
from l1ad.provenance import library_version
from l1ad.records import FixedType

_log = logging.getLogger(__name__)

#: Backend of l1ad -> name in hls4ml.
_BACKENDS = {"vitis": "Vitis", "vivado": "Vivado"}

#: Strategy of l1ad -> name in hls4ml.
_STRATEGIES = {"latency": "Latency", "resource": "Resource", "distributed_arithmetic": "distributed_arithmetic"}

#: Values of a convolution's output beyond which io_parallel is refused. Vivado HLS does not partition or unroll
#: more than 4,096 elements completely, and larger io_parallel convolutions do not finish there.
_PARALLEL_LIMIT = 4096

#: Events of the test bench.
_TEST_EVENTS = 100


class HlsConverter:
    """Builds hls4ml's graph from the Keras model with bit-exact types and writes the project."""

    def refuse(self, model: Any, job: ConversionJob) -> None:
        """Refuse what io_parallel or io_stream cannot do, and a strategy whose library is missing."""
        if job.strategy == "distributed_arithmetic" and library_version("da4ml") is None:
            raise ToolMissingError(
                "conversion.strategy distributed_arithmetic: da4ml is not installed. Install it with: "
                "pip install 'l1ad[da]', or take the backend verilog, which is distributed arithmetic by itself."
            )
        if _reads_inputs_twice(model):
            _refuse_dataflow(model.layers[-1].name, job)
        for layer in model.layers:
            if type(layer).__name__ != "QConv2D" or job.io_type != "io_parallel":
                continue
            size = int(np.prod(layer.output.shape[1:]))
            if size > _PARALLEL_LIMIT:
                raise ConversionError(
                    f"layer {layer.name}: {size} outputs in io_parallel, more than {_PARALLEL_LIMIT}. "
                    "Set conversion.io_type to io_stream, or reduce network.filters."
                )

    def write(self, model: Any, job: ConversionJob, folder: Path) -> Draft:
        """Write the project into `folder`."""
        with tempfile.TemporaryDirectory(prefix="l1ad-tb-") as scratch:
            graph = _graph(model, job, folder, Path(scratch))
            graph.config.trace_output = True
            with engine_errors("hls4ml"), _captured():
                graph.write()
        finish_files(folder, job.top)
        types = {name: _fixed(node.get_output_variable().type.precision) for name, node in _shown(graph).items()}
        output = types.pop(model.layers[-1].name)
        engine = f"hls4ml {library_version('hls4ml')}"
        return Draft(engine, output, 1, types, 0, ())


def _reads_inputs_twice(model: Any) -> bool:
    """Return whether the score reads inputs or features that another layer reads as well."""
    return type(model.layers[-1]).__name__ == "ReconstructionScore"


def _refuse_dataflow(name: str, job: ConversionJob) -> None:
    """Refuse what hls4ml writes as a dataflow, where only one process may read an array (AMD UG1399, dataflow)."""
    if job.io_type != "io_parallel":
        raise ConversionError(
            f"layer {name}: the score of an autoencoder compares all inputs or features with all outputs of the "
            "decoder at once, which io_stream has one after the other. Set conversion.io_type to io_parallel."
        )
    if job.strategy == "resource":
        raise ConversionError(
            f"layer {name}: the score of an autoencoder reads its inputs or features a second time, which the dataflow "
            "of the strategy resource cannot do. Set conversion.strategy to latency."
        )


def _shown(graph: Any) -> dict[str, Any]:
    """Return the nodes whose values the C++ can show: what is a view of an array has no code of its own."""
    return {name: n for name, n in graph.graph.items() if n.get_attr("trace") and n.get_attr("function_cpp")}


def _graph(model: Any, job: ConversionJob, folder: Path, scratch: Path) -> Any:
    """Return hls4ml's graph of the model."""
    import hls4ml
    from hls4ml.converters.keras_v3_to_hls import parse_keras_v3_model
    from hls4ml.model.graph import ModelGraph

    from l1ad.conversion.hls4ml_layers import register_layers

    backend = _BACKENDS[job.backend]
    hls4ml_handlers.register()
    register_layers(hls4ml.backends.get_backend(backend))
    with engine_errors("hls4ml"), _captured():
        layers, inputs, outputs, _ = parse_keras_v3_model(model, allow_da_fallback=False, allow_v2_fallback=False)
        config = _config(model, job, folder, scratch, layers)
        return ModelGraph.from_layer_list(config, layers, inputs, outputs)


def _config(model: Any, job: ConversionJob, folder: Path, scratch: Path, layers: list[dict[str, Any]]) -> Any:
    """Return hls4ml's configuration: the input's type is given, every other type follows from it."""
    from hls4ml.converters import create_config

    config = create_config(
        output_dir=str(folder),
        project_name=job.top,
        backend=_BACKENDS[job.backend],
        part=job.part.name,
        clock_period=job.clock_ns,
        io_type=job.io_type,
    )
    # hls4ml stamps projects at random; equal models should give equal files.
    config["Stamp"] = "l1ad"
    # A default of one bit: a type that the bit-exact pass did not derive cannot go unnoticed.
    hls_config = {"Precision": {"default": "ap_fixed<1,0>"}, "BitExact": True}
    hls_config |= {"ReuseFactor": job.reuse_factor, "Strategy": _STRATEGIES[job.strategy]}
    config["HLSConfig"] = {"Model": hls_config, "LayerName": {}}
    input_type = job.input_type
    precision = f"ap_{'' if input_type.signed else 'u'}fixed<{input_type.width},{input_type.integer}>"
    for layer in layers:
        config["HLSConfig"]["LayerName"][layer["name"]] = {"Trace": True}
        if layer["class_name"] == "InputLayer":
            layer["trusted"] = True
            config["HLSConfig"]["LayerName"][layer["name"]] = {"Precision": {"result": precision}}
    if _reads_inputs_twice(model):
        for layer in model.layers:
            if type(layer).__name__ == "QConv2D":
                # All positions at once: otherwise hls4ml makes a dataflow of a network with convolutions.
                places = int(np.prod(layer.output.shape[1:-1]))
                config["HLSConfig"]["LayerName"][layer.name]["ParallelizationFactor"] = places
    config["KerasModel"] = model
    config["InputData"], config["OutputPredictions"] = _test_bench(model, job, scratch)
    return config


def _test_bench(model: Any, job: ConversionJob, scratch: Path) -> tuple[str, str]:
    """Write the events of the test bench as floats, which are exact, and return the two paths."""
    shape = tuple(model.inputs[0].shape[1:])
    inputs = to_float(job.test_inputs[:_TEST_EVENTS], job.input_type).reshape(-1, *shape)
    outputs = to_float(job.test_outputs[:_TEST_EVENTS], model.layers[-1].spec.score)
    paths = scratch / "inputs.npy", scratch / "outputs.npy"
    for path, values in zip(paths, (inputs, outputs), strict=True):
        np.save(path, values, allow_pickle=False)
    return str(paths[0]), str(paths[1])


def _fixed(precision: Any) -> FixedType:
    """Return hls4ml's precision as our type."""
    return FixedType(signed=bool(precision.signed), width=int(precision.width), integer=int(precision.integer))


@contextlib.contextmanager
def _captured() -> Any:
    """Send what hls4ml prints to the log."""
    buffer = io.StringIO()
    try:
        with contextlib.redirect_stdout(buffer):
            yield
    finally:
        for line in buffer.getvalue().splitlines():
            if line.strip():
                # A reuse factor that does not divide a layer is replaced by the nearest that does.
                level = logging.WARNING if "Invalid ReuseFactor" in line else logging.DEBUG
                _log.log(level, "hls4ml: %s", line.strip())
