"""Writes model files in the layouts of QKeras 0.9 (HDF5 of Keras 2) for the tests of the import."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

KERNEL = {
    "class_name": "quantized_bits",
    "config": {
        "bits": 6, "integer": 1, "symmetric": 0, "alpha": 1, "keep_negative": True, "use_stochastic_rounding": False,
        "qnoise_factor": 1.0,
    },
}  # fmt: skip
RELU = {
    "class_name": "quantized_relu",
    "config": {
        "bits": 8, "integer": 4, "use_sigmoid": 0, "negative_slope": 0.0, "use_stochastic_rounding": False,
        "relu_upper_bound": None, "qnoise_factor": 1.0,
    },
}  # fmt: skip


def changed(quantizer: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """Return a quantizer with other properties."""
    return {**quantizer, "config": quantizer["config"] | properties}


def dense(name: str, units: int, **properties: Any) -> tuple[str, str, dict[str, Any]]:
    config = {"units": units, "activation": "linear", "use_bias": True, "kernel_quantizer": KERNEL}
    return "QDense", name, config | {"bias_quantizer": KERNEL} | properties


def activation(name: str, quantizer: Any) -> tuple[str, str, dict[str, Any]]:
    return "QActivation", name, {"activation": quantizer}


def random_weights(*shapes: tuple[int, ...], seed: int = 1) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 0.5, shape).astype(np.float32) for shape in shapes]


def write_hdf5(
    path: Path,
    layers: list[tuple[str, str, dict[str, Any]]],
    weights: dict[str, dict[str, np.ndarray]],
    *,
    shape: tuple[int, ...] = (6,),
    outputs: tuple[str, ...] = (),
) -> Path:
    """Write a chain of layers as Keras 2 does: ``model_config`` and ``model_weights/<layer>/<layer>/kernel:0``.

    With two `outputs`, both layers read the one before the first of them.
    """
    items = [{"class_name": "InputLayer", "name": "objects", "config": {"batch_input_shape": [None, *shape]}}]
    before = "objects"
    for kind, name, config in layers:
        nodes = [[[before, 0, 0, {}]]]
        items.append({"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes})
        before = before if name in outputs[:-1] else name
    items[0]["inbound_nodes"] = []
    ends = [[name, 0, 0] for name in outputs or (layers[-1][1],)]
    config = {"name": "model", "layers": items, "input_layers": [["objects", 0, 0]], "output_layers": ends}
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.15.0"
        file.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": config})
        for name, arrays in weights.items():
            for weight, array in arrays.items():
                file[f"model_weights/{name}/{name}/{weight}:0"] = array
    return path
