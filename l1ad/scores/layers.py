"""The score as a Keras layer: the integer definition on int64 tensors, exact for every event."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from l1ad.scores.integer import inverse_variance_table
from l1ad.scores.spec import ScoreSpec


@keras.saving.register_keras_serializable(package="l1ad")
class LatentScore(keras.layers.Layer):
    """Score of the quantized latent space, computed on raw integers.

    Inputs are the quantized means and, for ``rz``, the quantized log sigma^2, each of shape (batch, latent).
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
        weighted = self.spec.kind == "rz"
        self._table = inverse_variance_table(self.spec.log_variance, self.spec.table) if weighted else None

    def call(self, mean: Any, log_variance: Any = None) -> Any:
        """Return the score of a batch, shape (batch, 1)."""
        spec = self.spec
        mean_raw = _raw(mean, spec.mean.fraction)
        terms = mean_raw * mean_raw
        if spec.kind == "rz":
            mask = (1 << spec.log_variance.width) - 1
            address = ops.bitwise_and(_raw(log_variance, spec.log_variance.fraction), mask)
            terms = terms * ops.take(ops.convert_to_tensor(self._table, dtype="int64"), address)
        total = ops.sum(terms, axis=1, keepdims=True)
        scale = 1 << abs(spec.shift)
        shifted = ops.floor_divide(total, scale) if spec.shift >= 0 else total * scale
        raw = ops.minimum(shifted, spec.score.maximum)
        return ops.cast(raw, "float32") * 2.0**-spec.score.fraction

    def compute_output_shape(self, mean_shape: Any, log_variance_shape: Any = None) -> tuple[Any, int]:
        """Return (batch, 1)."""
        del log_variance_shape
        return (mean_shape[0], 1)

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "spec": self.spec.to_dict()}


def _raw(values: Any, fraction: int) -> Any:
    """Return the raw int64 integers of quantized float values."""
    return ops.cast(ops.round(values * 2.0**fraction), "int64")
