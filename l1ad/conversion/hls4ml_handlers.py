"""Teaches hls4ml's Keras 3 converter the layers of QKeras and of l1ad.

hls4ml keeps its handlers in a table that the creation of a handler class fills. `register` creates the classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from l1ad.provenance import library_version


def register() -> None:
    """Enter the handlers into hls4ml's table. Calling it again changes nothing."""
    from hls4ml.converters.keras_v3._base import registry

    if "l1ad.scores.layers.LatentScore" not in registry:
        _register_own()
        _register_padding()
    # Asked by distribution: hgq2 also brings a module qkeras, which is another library.
    if "qkeras.qlayers.QDense" not in registry and library_version("qkeras-v3") is not None:
        _register_qkeras()


def _register_own() -> None:
    """Define the handlers of `SumPooling` and of the scores."""
    from hls4ml.converters.keras_v3._base import KerasV3LayerHandler

    from l1ad.scores.integer import score_table

    class SumPoolingHandler(KerasV3LayerHandler):
        handles = ("l1ad.networks.layers.SumPooling",)

        def handle(self, layer: Any, in_tensors: Sequence[Any], out_tensors: Sequence[Any]) -> dict[str, Any]:
            """Return the attributes of the node in hls4ml."""
            rows, columns, channels = out_tensors[0].shape[1:]
            return {
                "class_name": "SumPooling",
                "out_rows": rows,
                "columns": columns,
                "n_chan": channels,
                "size": layer.size,
            }

    class LatentScoreHandler(KerasV3LayerHandler):
        handles = ("l1ad.scores.layers.LatentScore",)

        def handle(self, layer: Any, in_tensors: Sequence[Any], out_tensors: Sequence[Any]) -> dict[str, Any]:
            """Return the attributes of the node in hls4ml."""
            spec = layer.spec
            config: dict[str, Any] = {"class_name": "LatentScore", "spec": spec.to_dict()}
            if spec.reads_log_variance:
                config["table_data"] = score_table(spec) * 2.0**-spec.table.fraction
            return config

    class OutputScoreHandler(KerasV3LayerHandler):
        handles = ("l1ad.scores.layers.OutputScore",)

        def handle(self, layer: Any, in_tensors: Sequence[Any], out_tensors: Sequence[Any]) -> dict[str, Any]:
            """Return the attributes of the node in hls4ml."""
            return {"class_name": "OutputScore", "spec": layer.spec.to_dict()}

    class ReconstructionScoreHandler(KerasV3LayerHandler):
        handles = ("l1ad.scores.layers.ReconstructionScore",)

        def handle(self, layer: Any, in_tensors: Sequence[Any], out_tensors: Sequence[Any]) -> dict[str, Any]:
            """Return the attributes of the node in hls4ml."""
            return {"class_name": "ReconstructionScore", "spec": layer.spec.to_dict()}


def _register_padding() -> None:
    """Define the handler of Keras's padding."""
    from hls4ml.converters.keras_v3._base import KerasV3LayerHandler

    class ZeroPaddingHandler(KerasV3LayerHandler):
        handles = ("keras.src.layers.reshaping.zero_padding2d.ZeroPadding2D",)

        def handle(self, layer: Any, in_tensors: Sequence[Any], out_tensors: Sequence[Any]) -> dict[str, Any]:
            """Return the attributes of the node in hls4ml."""
            (top, bottom), (left, right) = layer.padding
            in_height, in_width, channels = in_tensors[0].shape[1:]
            out_height, out_width, _ = out_tensors[0].shape[1:]
            return {
                "class_name": "ZeroPadding2D",
                "data_format": "channels_last",
                "in_height": in_height,
                "in_width": in_width,
                "out_height": out_height,
                "out_width": out_width,
                "n_chan": channels,
                "pad_top": top,
                "pad_bottom": bottom,
                "pad_left": left,
                "pad_right": right,
            }


def _register_qkeras() -> None:
    """Define the handlers of QDense, QConv2D and QActivation."""
    import numpy as np
    from hls4ml.converters.keras_v3._base import KerasV3LayerHandler
    from hls4ml.converters.keras_v3.conv import ConvHandler
    from hls4ml.converters.keras_v3.core import DenseHandler

    from l1ad.networks.qkeras_frontend import quantized_weight, quantizer_type

    class QDenseHandler(DenseHandler):
        handles = ("qkeras.qlayers.QDense",)

        def default_class_name(self, layer: Any) -> str:
            return "Dense"

        def load_weight(self, layer: Any, key: str) -> Any:
            return quantized_weight(layer, key)

    class QConv2DHandler(ConvHandler):
        handles = ("qkeras.qconvolutional.QConv2D",)

        def default_class_name(self, layer: Any) -> str:
            return "Conv2D"

        def load_weight(self, layer: Any, key: str) -> Any:
            return quantized_weight(layer, key)

    class QActivationHandler(KerasV3LayerHandler):
        handles = ("qkeras.qlayers.QActivation",)

        def maybe_get_activation_config(self, layer: Any, out_tensors: Sequence[Any]) -> tuple[None, None]:
            # The quantizer is the layer itself, not an activation behind it.
            return None, None

        def handle(self, layer: Any, in_tensors: Sequence[Any], out_tensors: Sequence[Any]) -> dict[str, Any]:
            """Return the attributes of the node in hls4ml."""
            fixed = quantizer_type(layer.activation, layer.name)
            shape = (1,) * (len(out_tensors[0].shape))
            values = (int(fixed.signed), fixed.width, fixed.integer)
            return {
                "class_name": "FixedPointQuantizer",
                "mask_kbi": tuple(np.full(shape, value, dtype=np.int16) for value in values),
                "SAT": "SAT",
                "RND": "RND_CONV",
                "fusible": None,
                "overrides": {},
            }
