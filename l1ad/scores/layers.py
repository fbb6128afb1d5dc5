"""The score as a Keras layer: the integer definition on int64 tensors, exact for every event."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from l1ad.scores.integer import score_table
from l1ad.scores.output import OutputSpec
from l1ad.scores.reconstruction import ReconstructionSpec
from l1ad.scores.spec import ScoreSpec


@keras.saving.register_keras_serializable(package="l1ad")
class LatentScore(keras.layers.Layer):
    """Score of the quantized latent space, computed on raw integers.

    Inputs are the quantized means and, for ``rz`` and ``kl``, the quantized log sigma^2, each of shape (batch, latent).
    The output has shape (batch, 1); its value times ``2**spec.score.fraction`` is the raw integer score.
    The layer is for inference: it has no gradient.

    Parameters
    ----------
    spec : ScoreSpec or dict
        Kind and types of the score.
    """

    def __init__(self, spec: ScoreSpec | dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec if isinstance(spec, ScoreSpec) else ScoreSpec.from_dict(spec)
        self._table = score_table(self.spec) if self.spec.reads_log_variance else None

    def call(self, mean: Any, log_variance: Any = None) -> Any:
        """Return the score of a batch, shape (batch, 1)."""
        spec = self.spec
        mean_raw = _raw(mean, spec.mean.fraction)
        terms = mean_raw * mean_raw
        if spec.reads_log_variance:
            mask = (1 << spec.log_variance.width) - 1
            address = ops.bitwise_and(_raw(log_variance, spec.log_variance.fraction), mask)
            entries = ops.take(ops.convert_to_tensor(self._table, dtype="int64"), address)
            left = spec.aligned
            terms = terms * entries if spec.kind == "rz" else terms * (1 << left[0]) + entries * (1 << left[1])
        return _cut(ops.sum(terms, axis=1, keepdims=True), spec)

    def compute_output_shape(self, mean_shape: Any, log_variance_shape: Any = None) -> tuple[Any, int]:
        """Return (batch, 1)."""
        del log_variance_shape
        return (mean_shape[0], 1)

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "spec": self.spec.to_dict()}


@keras.saving.register_keras_serializable(package="l1ad")
class ReconstructionScore(keras.layers.Layer):
    """Squared error between the decoder's output and the network's inputs or features, computed on raw integers.

    Both inputs of the layer hold the values of an event in the same order, in any shape. The output has shape
    (batch, 1); its value times ``2**spec.score.fraction`` is the raw integer score. The layer is for inference: it has
    no gradient.

    Parameters
    ----------
    spec : ReconstructionSpec or dict
        Types, weights and padding.
    """

    def __init__(self, spec: ReconstructionSpec | dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec if isinstance(spec, ReconstructionSpec) else ReconstructionSpec.from_dict(spec)

    def call(self, prediction: Any, inputs: Any) -> Any:
        """Return the score of a batch, shape (batch, 1)."""
        spec = self.spec
        size, rows = len(spec.exponents), spec.rows
        x = ops.reshape(_raw(inputs, spec.inputs.fraction), (-1, size))
        y = ops.reshape(_raw(prediction, spec.prediction.fraction), (-1, size))
        cut = ops.floor_divide(x, 1 << (spec.inputs.fraction - spec.prediction.fraction))
        error = ops.minimum(ops.abs(cut - y), spec.error.maximum)
        factors = [0 if j not in spec.counted else 1 << left for j, left in enumerate(spec.left)]
        terms = error * error * ops.convert_to_tensor(factors, dtype="int64")
        of_rows = ops.sum(ops.reshape(terms, (-1, rows, spec.row_size)), axis=2)
        if spec.masked:
            present = ops.not_equal(x[:, :: spec.row_size], ops.convert_to_tensor(spec.padding, dtype="int64"))
            of_rows = of_rows * ops.cast(present, "int64")
        return _cut(ops.sum(of_rows, axis=1, keepdims=True), spec)

    def compute_output_shape(self, prediction_shape: Any, inputs_shape: Any) -> tuple[Any, int]:
        """Return (batch, 1)."""
        del inputs_shape
        return (prediction_shape[0], 1)

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "spec": self.spec.to_dict()}


@keras.saving.register_keras_serializable(package="l1ad")
class OutputScore(keras.layers.Layer):
    """The output of a student as score: the values pass as they are, since a quantizer stands in front.

    Input and output have shape (batch, 1); a value times ``2**spec.score.fraction`` is the raw integer score.

    Parameters
    ----------
    spec : OutputSpec or dict
        Type of the score.
    """

    def __init__(self, spec: OutputSpec | dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec = spec if isinstance(spec, OutputSpec) else OutputSpec.from_dict(spec)

    def call(self, inputs: Any) -> Any:
        """Return the scores of a batch."""
        return ops.convert_to_tensor(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "spec": self.spec.to_dict()}


def _cut(total: Any, spec: ScoreSpec | ReconstructionSpec) -> Any:
    """Return exact raw sums in the type of the score, as floats."""
    scale = 1 << abs(spec.shift)
    shifted = ops.floor_divide(total, scale) if spec.shift >= 0 else total * scale
    return ops.cast(ops.minimum(shifted, spec.score.maximum), "float32") * 2.0**-spec.score.fraction


def _raw(values: Any, fraction: int) -> Any:
    """Return the raw int64 integers of quantized float values."""
    return ops.cast(ops.round(values * 2.0**fraction), "int64")
