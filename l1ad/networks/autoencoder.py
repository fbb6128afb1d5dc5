"""The autoencoder as a trainable Keras model."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from l1ad.networks.frozen import freeze
from l1ad.scores.reconstruction import UNUSED, ReconstructionSpec


def squared_errors(inputs: Any, prediction: Any, spec: ReconstructionSpec) -> Any:
    """Return the squared errors of a batch as the score counts them, without its weights and its largest error.

    The inputs are cut to the unit of the prediction, so that the decoder learns what it is compared with. Errors of
    padding and of inputs that do not count are 0. Features are compared as they are.

    Parameters
    ----------
    inputs : tensor, shape (batch, ...)
        Inputs of the network, in any shape.
    prediction : tensor, shape (batch, n)
    spec : ReconstructionSpec

    Returns
    -------
    tensor, shape (batch, n)
    """
    x = ops.reshape(inputs, (-1, len(spec.exponents)))
    if not spec.masked:
        return ops.square(x - prediction)
    unit = 2.0**-spec.prediction.fraction
    cut = ops.floor(x / unit) * unit
    padding = ops.convert_to_tensor([p * 2.0**-spec.inputs.fraction for p in spec.padding], dtype="float32")
    present = ops.repeat(ops.not_equal(x[:, :: spec.row_size], padding), spec.row_size, axis=1)
    counted = ops.convert_to_tensor([float(e != UNUSED) for e in spec.exponents], dtype="float32")
    return ops.square(cut - prediction) * ops.cast(present, "float32") * counted


def log_score(inputs: Any, prediction: Any, spec: ReconstructionSpec) -> Any:
    """Return log(1 + score) of a batch in float, shape (batch,).

    Errors are not limited to the largest one: behind a limit there is no gradient that brings them back.
    """
    weights = ops.convert_to_tensor([2.0**-e if e != UNUSED else 0.0 for e in spec.exponents], dtype="float32")
    return ops.log(1.0 + ops.sum(squared_errors(inputs, prediction, spec) * weights, axis=1))


def relative_mismatch(student: Any, teacher: Any) -> Any:
    """Return the variance in the batch of the difference of two log scores, over that of the teacher.

    A factor between the scores does not count. A squared distance of 57 inputs is several times a masked squared error
    of the objects present, and a decoder that had to reach it would have to be wrong everywhere.
    """
    return ops.var(student - teacher) / (ops.var(teacher) + 1e-3)


class Autoencoder(keras.Model):
    """A network that reconstructs its inputs, with the loss (1 - s) reconstruction + s score mismatch.

    The reconstruction term is the mean squared error of the inputs that count, padding masked
    (arXiv:2108.03986, section 3). With a float teacher of the same shape the loss is (1 - d) of that plus d times the
    mismatch of the two outputs.

    Parameters
    ----------
    encoder : keras.Model
        Inputs -> prediction, shape (batch, n); encoder and decoder together. The name is that of the other models.
    spec : ReconstructionSpec
        What is compared with what.
    feature_weights : tuple of float
        Weights of the quantities of a row in the reconstruction term.
    teacher : keras.Model, optional
        Float network with the same output; it is not trained.
    distillation : float
        Share d of the mismatch of the outputs.
    score_teacher : keras.Model, optional
        inputs -> log(1 + anomaly score), shape (batch,); it is not trained.
    score_share : float
        Share s of the mismatch of the scores.
    """

    def __init__(
        self,
        encoder: Any,
        *,
        spec: ReconstructionSpec,
        feature_weights: tuple[float, ...],
        teacher: Any = None,
        distillation: float = 0.0,
        score_teacher: Any = None,
        score_share: float = 0.0,
    ) -> None:
        super().__init__(name="autoencoder")
        self.encoder, self.teacher, self.score_teacher = encoder, teacher, score_teacher
        self.spec, self.distillation, self.score_share = spec, distillation, score_share
        self.weights_of_inputs = list(feature_weights) * len(spec.padding) or [1.0] * len(spec.exponents)
        for frozen in (teacher, score_teacher):
            if frozen is not None:
                freeze(frozen)
        self.reconstruction = keras.metrics.Mean(name="reconstruction")
        self.mismatch = keras.metrics.Mean(name="distillation")
        self.score = keras.metrics.Mean(name="score")

    def build_from(self, inputs: Any) -> None:
        """Create all variables by one call on `inputs`."""
        self(ops.convert_to_tensor(inputs), training=True)

    def call(self, inputs: Any, training: bool = False) -> tuple[Any, Any, Any]:
        """Return the prediction and the outputs of both teachers; empty lists without them."""
        taught = [] if self.teacher is None else [self.teacher(inputs, training=False)]
        wanted = [] if self.score_teacher is None else [self.score_teacher(inputs, training=False)]
        return self.encoder(inputs, training=training), taught, wanted

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the loss of a batch and update the metrics.

        `y` holds the undisturbed inputs, which the decoder is asked for; the score is that of `x`, which firmware sees.
        """
        del sample_weight, training
        prediction, taught, wanted = y_pred
        weights = ops.convert_to_tensor(self.weights_of_inputs, dtype="float32")
        loss = ops.mean(squared_errors(y, prediction, self.spec) * weights)
        self.reconstruction.update_state(loss)
        if wanted:
            score = relative_mismatch(log_score(x, prediction, self.spec), wanted[0])
            self.score.update_state(score)
            loss = (1.0 - self.score_share) * loss + self.score_share * score
        if not taught:
            return loss
        variance = ops.var(taught[0], axis=0, keepdims=True) + 1e-3
        mismatch = ops.mean(ops.square(prediction - taught[0]) / variance)
        self.mismatch.update_state(mismatch)
        return (1.0 - self.distillation) * loss + self.distillation * mismatch


class FeatureAutoencoder(Autoencoder):
    """The autoencoder of learned features, with the loss of `Autoencoder`: its features stand where the inputs stand.

    `encoder` is the whole network, inputs -> [prediction, features]. Its extractor should not be trainable: features
    that follow their own reconstruction become constant.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return prediction, features, and the outputs of both teachers; empty lists without them."""
        prediction, features = self.encoder(inputs, training=training)
        taught = [] if self.teacher is None else [self.teacher(inputs, training=False)[0]]
        wanted = [] if self.score_teacher is None else [self.score_teacher(inputs, training=False)]
        return prediction, ops.stop_gradient(features), taught, wanted

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the loss of a batch and update the metrics."""
        del x, y
        prediction, features, taught, wanted = y_pred
        outputs = (prediction, taught, wanted)
        return super().compute_loss(features, features, outputs, sample_weight, training)
