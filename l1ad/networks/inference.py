"""Runs Keras models on raw integers and returns raw integers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError
from l1ad.hardware.fixed_point import to_float, to_raw_exact
from l1ad.networks.firmware_model import layer_types
from l1ad.networks.quantized import quantizes_output
from l1ad.records import FixedType
from l1ad.scores.floating import score_float
from l1ad.scores.output import OutputSpec
from l1ad.scores.reconstruction import ReconstructionSpec, reconstruction_float
from l1ad.scores.spec import ScoreSpec


@dataclass(frozen=True)
class KerasOutputs:
    """Raw integers that a firmware model gives.

    Attributes
    ----------
    score : ndarray of int64, shape (N, 1)
    score_type : FixedType
    layers : dict of str to ndarray of int64, shape (N, values)
        Outputs of the quantized layers that were asked for, flattened.
    layer_types : dict of str to FixedType
    events_per_second : float
        Throughput, without building the graph.
    """

    score: NDArray[np.int64]
    score_type: FixedType
    layers: dict[str, NDArray[np.int64]]
    layer_types: dict[str, FixedType]
    events_per_second: float


def run_firmware_model(
    model: Any,
    inputs: NDArray[np.integer],
    input_type: FixedType,
    *,
    layers: bool = False,
    batch_size: int = 8192,
) -> KerasOutputs:
    """Run the Keras model that firmware implements.

    Parameters
    ----------
    model : keras.Model
        What `to_firmware` returned.
    inputs : integer ndarray, shape (N, 57)
        Raw inputs of `input_type`.
    input_type : FixedType
        Type of the inputs.
    layers : bool, optional
        Whether the outputs of all quantized layers are returned as well.
    batch_size : int, optional
        Events at a time; bounds the memory.

    Returns
    -------
    KerasOutputs

    Raises
    ------
    DataError
        When a value is not exact in the type of its layer; the layer is named.
    """
    import keras

    types = layer_types(model)
    if layers:
        probe = keras.Model(model.inputs, [model.get_layer(name).output for name in types])
    else:
        types = {name: fixed for name, fixed in types.items() if name == "score"}
        probe = model
    if "score" not in types:
        raise DataError("model: has no layer 'score'. Build it with to_firmware.")
    collected, rate = _predict(probe, inputs, input_type, batch_size)
    raw = {}
    for (name, fixed), values in zip(types.items(), collected, strict=True):
        try:
            raw[name] = to_raw_exact(values, fixed)
        except DataError as error:
            raise DataError(f"layer {name}: {error}") from error
    return KerasOutputs(raw["score"], types["score"], raw if layers else {}, types if layers else {}, rate)


def latent_outputs(
    encoder: Any, inputs: NDArray[np.integer], input_type: FixedType, batch_size: int = 8192
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the means and log sigma^2 of an encoder, each of shape (N, latent)."""
    (mean, log_variance), _ = _predict(encoder, inputs, input_type, batch_size)
    return mean, log_variance


def float_scores(
    model: Any, inputs: NDArray[np.integer], input_type: FixedType, spec: ScoreSpec | OutputSpec | ReconstructionSpec
) -> NDArray[np.float64]:
    """Return the scores of a network in floating point, shape (N,).

    Parameters
    ----------
    model : keras.Model
        Encoder with means and log sigma^2, autoencoder, or student or teacher whose output is the score.
    inputs : integer ndarray, shape (N, inputs)
        Raw inputs of `input_type`.
    input_type : FixedType
    spec : ScoreSpec, OutputSpec or ReconstructionSpec
    """
    if isinstance(spec, OutputSpec):
        (score,), _ = _predict(model, inputs, input_type, 8192)
        return score[:, 0]
    if isinstance(spec, ReconstructionSpec):
        outputs, _ = _predict(model, inputs, input_type, 8192)
        # The features are the second output of the network that has them.
        return reconstruction_float(np.asarray(inputs) if spec.masked else outputs[1], outputs[0], spec)
    return score_float(*latent_outputs(model, inputs, input_type), spec)


def _predict(
    model: Any, inputs: NDArray[np.integer], input_type: FixedType, batch_size: int
) -> tuple[list[NDArray[np.float64]], float]:
    """Return the model's outputs, flattened per event, and the events a second."""
    import tensorflow as tf

    shape = tuple(model.inputs[0].shape[1:])
    if inputs.ndim != 2 or inputs.shape[1] != int(np.prod(shape)):
        raise DataError(f"inputs: shape {inputs.shape}; the model expects (N, {int(np.prod(shape))}).")
    if not np.issubdtype(inputs.dtype, np.integer):
        raise DataError(f"inputs: type {inputs.dtype}; expected raw integers of {input_type}.")
    if len(inputs) == 0:
        raise DataError("inputs: no events.")
    # One signature for every batch size: the last batch is smaller and would otherwise build the graph again.
    signature = [tf.TensorSpec((None, *shape), tf.float32)]
    function = tf.function(lambda batch: model(batch, training=False), input_signature=signature)
    graph = function.get_concrete_function()
    parts: list[Sequence[Any]] = []
    seconds = 0.0
    for begin in range(0, len(inputs), batch_size):
        raw = np.asarray(inputs[begin : begin + batch_size], dtype=np.int64)
        batch = to_float(raw, input_type).astype(np.float32).reshape(-1, *shape)
        start = time.perf_counter()
        outputs = graph(tf.constant(batch))
        seconds += time.perf_counter() - start
        parts.append(outputs if isinstance(outputs, list | tuple) else [outputs])
    columns = [
        np.concatenate([np.asarray(p[k], dtype=np.float64).reshape(len(p[k]), -1) for p in parts])
        for k in range(len(parts[0]))
    ]
    return columns, len(inputs) / max(seconds, 1e-9)


def producers(model: Any) -> dict[str, str]:
    """Return quantizing layer -> the layer whose output it quantizes.

    Firmware fuses the two, and shows the quantized values under the name of the producer.
    """
    found = {}
    for layer in model.layers:
        if quantizes_output(layer):
            found[layer.name] = layer.input._keras_history.operation.name
    return found
