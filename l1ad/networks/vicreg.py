"""VICReg (arXiv:2105.04906): features that are alike for two views of an event, and different between events."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from l1ad.networks.frozen import freeze
from l1ad.networks.vae import latent_mismatch, score_mismatch

#: Deviation that the variance term asks of every embedding, and what is added to a variance (section 4.2).
_DEVIATION, _EPSILON = 1.0, 1e-4
#: Hidden units of the head that reads a score in the features.
_HEAD = 16


def invariance(first: Any, second: Any) -> Any:
    """Return the squared distance between the embeddings of two views, averaged over events and embeddings.

    Eq. 5 of arXiv:2105.04906 sums over the embeddings; the authors' program (facebookresearch/vicreg), to which the
    published weights belong, takes the mean, and so does this.

    Parameters
    ----------
    first, second : tensor, shape (batch, d)
    """
    return ops.mean(ops.square(first - second))


def variance(embeddings: Any) -> Any:
    """Return mean_j max(0, 1 - sqrt(Var(z_j) + 1e-4)), shape (): arXiv:2105.04906, eqs. 1 and 2.

    It is close to 1 when all events have the same embedding, which is the collapse that it prevents.
    """
    centred = embeddings - ops.mean(embeddings, axis=0, keepdims=True)
    count = ops.cast(ops.shape(embeddings)[0], "float32")
    deviation = ops.sqrt(ops.sum(ops.square(centred), axis=0) / (count - 1.0) + _EPSILON)
    return ops.mean(ops.maximum(0.0, _DEVIATION - deviation))


def covariance(embeddings: Any) -> Any:
    """Return the sum of the squared covariances between embeddings over their number, shape ().

    arXiv:2105.04906, eqs. 3 and 4.
    """
    centred = embeddings - ops.mean(embeddings, axis=0, keepdims=True)
    count = ops.cast(ops.shape(embeddings)[0], "float32")
    products = ops.matmul(ops.transpose(centred), centred) / (count - 1.0)
    size = products.shape[0]
    return ops.sum(ops.square(products) * (1.0 - ops.eye(size))) / size


class VicReg(keras.Model):
    """An extractor and its projector with the loss of VICReg.

    The loss is i invariance + v (mean of the variance terms of both views) + c (sum of the covariance terms of both),
    as in the authors' program. With a source of scores, the mismatch of its score and of what a head reads in the
    features of the first view is added. With a float extractor of the same shape it is (1 - d) of that plus d times the
    mismatch of the features, each over its variance.

    Parameters
    ----------
    extractor : keras.Model
        inputs -> features. It stands in `encoder`, as in the other models.
    projector : keras.Model
        features -> embeddings; for the training only.
    weights : tuple of float, length 4
        Of invariance, variance, covariance, and of the mismatch of the scores.
    score_source : keras.Model, optional
        inputs -> log(1 + anomaly score), shape (batch,); it is not trained.
    teacher : keras.Model, optional
        Float extractor; it is not trained.
    distillation : float
        Share d.
    """

    def __init__(
        self,
        extractor: Any,
        projector: Any,
        *,
        weights: tuple[float, float, float, float],
        score_source: Any = None,
        teacher: Any = None,
        distillation: float = 0.0,
    ) -> None:
        super().__init__(name="vicreg")
        self.encoder, self.projector, self.teacher = extractor, projector, teacher
        self.terms, self.distillation, self.score_source = weights, distillation, score_source
        # The epoch loop disturbs the events of a model with a score teacher, which would be one view of two.
        self.score_teacher = None
        self.head = None
        if score_source is not None:
            layers = [keras.layers.Dense(_HEAD, activation="relu"), keras.layers.Dense(1)]
            self.head = keras.Sequential([keras.Input(extractor.outputs[0].shape[1:]), *layers], name="head")
        for frozen in (teacher, score_source):
            if frozen is not None:
                freeze(frozen)
        self.invariance = keras.metrics.Mean(name="invariance")
        self.variance = keras.metrics.Mean(name="variance")
        self.covariance = keras.metrics.Mean(name="covariance")
        self.mismatch = keras.metrics.Mean(name="distillation")
        self.score = keras.metrics.Mean(name="score")

    def build_from(self, inputs: Any) -> None:
        """Create all variables by one call on `inputs`."""
        self(ops.convert_to_tensor(inputs), training=True)

    def call(self, inputs: Any, training: bool = False) -> tuple[Any, Any, Any, Any]:
        """Return features, embeddings, features of the teacher, and [read, wanted] scores; empty lists without."""
        features = self.encoder(inputs, training=training)
        taught = [] if self.teacher is None else [self.teacher(inputs, training=False)]
        scores = []
        if self.head is not None:
            scores = [self.head(features, training=training)[:, 0], self.score_source(inputs, training=False)]
        return features, self.projector(features, training=training), taught, scores

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the loss of a batch and update the metrics; `y` is the second view of the events."""
        del x, sample_weight
        features, first, taught, scores = y_pred
        second = self.projector(self.encoder(y, training=training), training=training)
        alike = invariance(first, second)
        spread = 0.5 * (variance(first) + variance(second))
        crossed = covariance(first) + covariance(second)
        for metric, value in zip(
            (self.invariance, self.variance, self.covariance), (alike, spread, crossed), strict=True
        ):
            metric.update_state(value)
        loss = self.terms[0] * alike + self.terms[1] * spread + self.terms[2] * crossed
        if scores:
            read = score_mismatch(*scores)
            self.score.update_state(read)
            loss = loss + self.terms[3] * read
        if not taught:
            return loss
        mismatch = latent_mismatch(features, taught[0])
        self.mismatch.update_state(mismatch)
        return (1.0 - self.distillation) * loss + self.distillation * mismatch
