"""Layers of l1ad inside hls4ml: node classes, C++ templates, and what the bit-exact pass must know of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate
from hls4ml.model.attributes import Attribute
from hls4ml.model.layers import Layer, ZeroPadding2D, layer_map, register_layer
from hls4ml.model.optimizer.passes.bit_exact import _produce_kif, get_input_kifs, get_output_shape

from l1ad.conversion.hls4ml_saturation import register_saturation
from l1ad.records import FixedType
from l1ad.resources import resource
from l1ad.scores.reconstruction import ReconstructionSpec
from l1ad.scores.spec import ScoreSpec

_SOURCES = (
    "firmware/hls/nnet_latent_score.h",
    "firmware/hls/nnet_output_score.h",
    "firmware/hls/nnet_reconstruction_score.h",
    "firmware/hls/nnet_sum_pooling.h",
    "firmware/hls/nnet_compare_results.h",
)


class HLatentScore(Layer):
    """Node of `l1ad.scores.layers.LatentScore`; attribute ``spec`` is the score as a dictionary."""

    # The table is not declared here: hls4ml would ask for it in every score, and mu2 has none.
    _expected_attributes = (Attribute("spec", value_type=dict),)

    def initialize(self) -> None:
        """Declare the output and, for rz and kl, the table."""
        self.add_output_variable([1])
        if "table_data" in self.attributes:
            self.add_weights_variable(name="table")


class HOutputScore(Layer):
    """Node of `l1ad.scores.layers.OutputScore`; attribute ``spec`` is the score as a dictionary."""

    _expected_attributes = (Attribute("spec", value_type=dict),)

    def initialize(self) -> None:
        """Declare the output."""
        self.add_output_variable([1])


class HReconstructionScore(Layer):
    """Node of `l1ad.scores.layers.ReconstructionScore`; attribute ``spec`` is the score as a dictionary."""

    _expected_attributes = (Attribute("spec", value_type=dict),)

    def initialize(self) -> None:
        """Declare the output."""
        self.add_output_variable([1])


class HSumPooling(Layer):
    """Node of `l1ad.networks.layers.SumPooling`."""

    _expected_attributes = (
        Attribute("out_rows"),
        Attribute("columns"),
        Attribute("n_chan"),
        Attribute("size"),
    )

    def initialize(self) -> None:
        """Declare the output."""
        self.add_output_variable([self.attributes[name] for name in ("out_rows", "columns", "n_chan")])


def _ap(fixed: FixedType, modes: str = "") -> str:
    """Return the C++ name of a fixed-point type."""
    return f"ap_{'' if fixed.signed else 'u'}fixed<{fixed.width}, {fixed.integer}{modes}>"


class LatentScoreConfig(LayerConfigTemplate):
    """C++ configuration of the score: every type on the way."""

    def __init__(self) -> None:
        super().__init__(HLatentScore)

    def format(self, node: Any) -> str:
        """Return the configuration struct."""
        spec = ScoreSpec.from_dict(node.attributes["spec"])
        square_width = 2 * spec.mean.width - 1
        square = FixedType(False, square_width, square_width - 2 * spec.mean.fraction)
        table = node.get_weights("table").type.name if spec.reads_log_variance else _ap(spec.table)
        total = spec.accumulator
        if spec.kind == "kl":  # room for the sum before it is halved
            total = FixedType(False, total.width + 1, total.integer + 1)
        lines = [
            f"struct config{node.index} : nnet::latent_score_config {{",
            f"    static const unsigned n_in = {spec.latent};",
            f"    static const unsigned address_bits = {spec.log_variance.width};",
            f"    typedef {_ap(spec.log_variance)} log_variance_t;",
            f"    typedef {_ap(square)} square_t;",
            f"    typedef {_ap(total)} accum_t;",
            f"    typedef {_ap(spec.score, ', AP_TRN, AP_SAT')} score_t;",
            f"    typedef {table} table_t;",
            "};\n",
        ]
        return "\n".join(lines)


class LatentScoreCall(FunctionCallTemplate):
    """C++ call of the score."""

    def __init__(self) -> None:
        super().__init__(HLatentScore, include_header=["nnet_utils/nnet_latent_score.h"])

    def format(self, node: Any) -> str:
        """Return the call."""
        kind = node.attributes["spec"]["kind"]
        inputs = [node.get_input_variable(name) for name in node.inputs]
        output = node.get_output_variable()
        types = ", ".join([*(i.type.name for i in inputs), output.type.name, f"config{node.index}"])
        arguments = [*(i.name for i in inputs), output.name]
        if kind != "mu2":
            arguments.append(node.get_weights("table").name)
        return f"nnet::latent_score_{kind}<{types}>({', '.join(arguments)});"


class OutputScoreCall(FunctionCallTemplate):
    """C++ call that passes the output of a student on."""

    def __init__(self) -> None:
        super().__init__(HOutputScore, include_header=["nnet_utils/nnet_output_score.h"])

    def format(self, node: Any) -> str:
        """Return the call."""
        source, target = node.get_input_variable(), node.get_output_variable()
        return f"nnet::output_score<{source.type.name}, {target.type.name}>({source.name}, {target.name});"


class ReconstructionScoreConfig(LayerConfigTemplate):
    """C++ configuration of the reconstruction error: every type on the way, weights and padding."""

    def __init__(self) -> None:
        super().__init__(HReconstructionScore)

    def format(self, node: Any) -> str:
        """Return the configuration struct."""
        spec = ReconstructionSpec.from_dict(node.attributes["spec"])
        fraction, sign = spec.prediction.fraction, int(spec.inputs.signed)
        cut = FixedType(spec.inputs.signed, spec.inputs.integer + fraction, spec.inputs.integer)
        # One bit for the difference of two values, one for the magnitude of the most negative.
        whole = max(cut.integer + 1 - sign, spec.prediction.integer) + 2
        difference = FixedType(True, whole + fraction, whole)
        square = FixedType(False, 2 * spec.error.width, 2 * spec.error.integer)
        types = {
            "input_t": _ap(spec.inputs),
            "cut_t": _ap(cut),
            "difference_t": _ap(difference),
            "magnitude_t": _ap(FixedType(False, whole + fraction, whole)),
            "error_t": _ap(spec.error),
            "square_t": _ap(square),
            "accum_t": _ap(_holding(spec.accumulator, square)),
            "score_t": _ap(spec.score, ", AP_TRN, AP_SAT"),
        }
        lines = [
            f"struct config{node.index} : nnet::reconstruction_score_config {{",
            f"    static const unsigned n_rows = {spec.rows};",
            f"    static const unsigned row_size = {spec.row_size};",
            f"    static const bool masked = {str(spec.masked).lower()};",
            *(f"    typedef {text} {name};" for name, text in types.items()),
            "    static magnitude_t largest() {",
            "        error_t value = 0;",
            f"        value.range({spec.error.width - 1}, 0) = {spec.error.maximum};",
            "        return value;",
            "    }",
            *_constants("padding", spec.padding or (0,)),
            *_constants("exponent", spec.exponents),
            "};\n",
        ]
        return "\n".join(lines)


def _holding(accumulator: FixedType, square: FixedType) -> FixedType:
    """Return the accumulator, wide enough for one square before its weight."""
    integer = max(accumulator.integer, square.integer)
    return FixedType(False, integer + accumulator.fraction, integer)


def _constants(name: str, values: tuple[int, ...]) -> list[str]:
    """Return a C++ function of an index."""
    text = ", ".join(map(str, values))
    return [
        f"    static int {name}(unsigned index) {{",
        f"        static const int values[{len(values)}] = {{{text}}};",
        "        return values[index];",
        "    }",
    ]


class ReconstructionScoreCall(FunctionCallTemplate):
    """C++ call of the reconstruction error."""

    def __init__(self) -> None:
        super().__init__(HReconstructionScore, include_header=["nnet_utils/nnet_reconstruction_score.h"])

    def format(self, node: Any) -> str:
        """Return the call."""
        variables = [*(node.get_input_variable(name) for name in node.inputs), node.get_output_variable()]
        types = ", ".join([*(v.type.name for v in variables), f"config{node.index}"])
        return f"nnet::reconstruction_score<{types}>({', '.join(v.name for v in variables)});"


class SumPoolingConfig(LayerConfigTemplate):
    """C++ configuration of the pooling."""

    def __init__(self) -> None:
        super().__init__(HSumPooling)

    def format(self, node: Any) -> str:
        """Return the configuration struct."""
        body = "".join(
            f"    static const unsigned {name} = {node.attributes[name]};\n"
            for name in ("out_rows", "columns", "n_chan", "size")
        )
        precision = node.get_input_variable().type.precision
        grown = math.ceil(math.log2(node.attributes["size"]))
        exact = FixedType(bool(precision.signed), int(precision.width) + grown, int(precision.integer) + grown)
        body += f"    typedef {_ap(exact)} accum_t;\n"
        return f"struct config{node.index} : nnet::sum_pooling_config {{\n{body}}};\n"


class SumPoolingCall(FunctionCallTemplate):
    """C++ call of the pooling."""

    def __init__(self) -> None:
        super().__init__(HSumPooling, include_header=["nnet_utils/nnet_sum_pooling.h"])

    def format(self, node: Any) -> str:
        """Return the call."""
        source, target = node.get_input_variable(), node.get_output_variable()
        types = f"{source.type.name}, {target.type.name}, config{node.index}"
        return f"nnet::sum_pooling<{types}>({source.name}, {target.name});"


_TEMPLATES = (
    *(LatentScoreConfig, LatentScoreCall, OutputScoreCall),
    *(ReconstructionScoreConfig, ReconstructionScoreCall),
    *(SumPoolingConfig, SumPoolingCall),
)


def register_layers(backend: Any) -> None:
    """Enter the layers, their templates and their sources into hls4ml for `backend`; once a process is enough."""
    if "LatentScore" not in layer_map:
        register_layer("LatentScore", HLatentScore)
        register_layer("OutputScore", HOutputScore)
        register_layer("ReconstructionScore", HReconstructionScore)
        register_layer("SumPooling", HSumPooling)
        register_saturation()
        _produce_kif.register(HLatentScore)(_score_kif)
        _produce_kif.register(HOutputScore)(_score_kif)
        _produce_kif.register(HReconstructionScore)(_score_kif)
        _produce_kif.register(HSumPooling)(_pooling_kif)
        _produce_kif.register(ZeroPadding2D)(_padding_kif)
    if any(str(name).startswith("nnet_utils/nnet_latent_score") for name in backend.get_custom_source()):
        return
    for template in _TEMPLATES:
        backend.register_template(template)
    for source in _SOURCES:
        backend.register_source(resource(source).resolve())


def _score_kif(layer: Any) -> tuple[Any, Any, Any]:
    """Sign, integer and fraction bits of the score: its type, because the layer saturates inside."""
    score = FixedType.from_dict(layer.attributes["spec"]["score"])
    return _full((1,), 0, score.integer, score.fraction)


def _pooling_kif(layer: Any) -> tuple[Any, Any, Any]:
    """Sums of `size` values need log2(size) more integer bits, rounded up."""
    size = layer.attributes["size"]
    keep, integer, fraction = (np.max(bits) for bits in get_input_kifs(layer)[0])
    return _full(get_output_shape(layer), keep, integer + math.ceil(math.log2(size)), fraction)


def _padding_kif(layer: Any) -> tuple[Any, Any, Any]:
    """Zeros fit every type."""
    keep, integer, fraction = (np.max(bits) for bits in get_input_kifs(layer)[0])
    return _full(get_output_shape(layer), keep, integer, fraction)


def _full(shape: Any, keep: int, integer: int, fraction: int) -> tuple[Any, Any, Any]:
    return (
        np.full(shape, keep, dtype=np.int16),
        np.full(shape, integer, dtype=np.int16),
        np.full(shape, fraction, dtype=np.int16),
    )
