"""The variational autoencoder as a trainable Keras model."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from l1ad.networks.frozen import freeze
from l1ad.networks.layers import Sampling


def reconstruction_error(target: Any, prediction: Any, weights: Any, *, masked: bool) -> Any:
    """Return the weighted mean squared error of a batch.

    Parameters
    ----------
    target, prediction : tensor, shape (batch, 19, 3)
    weights : tensor, shape (3,)
        Weights of pT, eta and phi.
    masked : bool
        Leave out entries whose target is zero, which are padding (arXiv:2108.03986, section 3).
    """
    squares = ops.square(target - prediction) * weights
    if masked:
        squares = squares * ops.cast(ops.not_equal(target, 0.0), "float32")
    return ops.mean(squares)


def kl_divergence(mean: Any, log_variance: Any) -> Any:
    """Return -1/2 mean(1 + log sigma^2 - mu^2 - sigma^2), the KL term of arXiv:2108.03986, section 3."""
    return -0.5 * ops.mean(1.0 + log_variance - ops.square(mean) - ops.exp(log_variance))


def latent_mismatch(student: Any, teacher: Any) -> Any:
    """Return the squared difference of two outputs over the teacher's variance in the batch, averaged."""
    variance = ops.var(teacher, axis=0, keepdims=True) + 1e-3
    return ops.mean(ops.square(student - teacher) / variance)


def log_score(mean: Any, log_variance: Any, kind: str) -> Any:
    """Return log(1 + score) of a batch, shape (batch,), with R_z, mu^2 or KL of arXiv:2108.03986, section 3, in float.

    The logarithm because scores of a heavy-tailed background span five orders of magnitude.
    """
    terms = ops.square(mean)
    if kind == "rz":
        terms = terms * ops.exp(-log_variance)
    elif kind == "kl":
        terms = 0.5 * (terms + ops.exp(log_variance) - log_variance - 1.0)
    return ops.log(1.0 + ops.sum(terms, axis=1))


def score_mismatch(student: Any, teacher: Any) -> Any:
    """Return the squared difference of two log scores over the teacher's variance in the batch, averaged."""
    return ops.mean(ops.square(student - teacher)) / (ops.var(teacher) + 1e-3)


class VariationalAutoencoder(keras.Model):
    """Encoder, sampling and decoder with the loss (1 - beta) reconstruction + beta KL.

    With a score teacher the loss is (1 - s) of that plus s times the mismatch of the log scores; with a latent
    teacher it is (1 - d) of the whole plus d times the mismatch of the latent outputs.

    Parameters
    ----------
    encoder : keras.Model
        inputs -> [mean, log_variance].
    decoder : keras.Model
        latent -> (batch, 19, 3).
    beta : float
        Weight of the KL term.
    seed : int
        Seed of the sampling.
    target : str
        ``whitened``, or ``paper`` for the masked error.
    feature_weights : tuple of float, length 3
        Weights of pT, eta and phi.
    teacher : keras.Model, optional
        Float encoder with the same outputs; it is not trained.
    distillation : float
        Share d of the mismatch of the latent outputs.
    score_teacher : keras.Model, optional
        inputs -> log(1 + anomaly score), shape (batch,); it is not trained.
    score_share : float
        Share s of the mismatch of the scores.
    score_kind : str
        ``rz``, ``mu2`` or ``kl``: the score of the latent space that learns from the score teacher.
    """

    def __init__(
        self,
        encoder: Any,
        decoder: Any,
        *,
        beta: float,
        seed: int,
        target: str,
        feature_weights: tuple[float, float, float],
        teacher: Any = None,
        distillation: float = 0.0,
        score_teacher: Any = None,
        score_share: float = 0.0,
        score_kind: str = "rz",
    ) -> None:
        super().__init__(name="vae")
        self.score_teacher, self.score_share, self.score_kind = score_teacher, score_share, score_kind
        self.encoder, self.decoder, self.teacher = encoder, decoder, teacher
        self.beta, self.distillation = beta, distillation
        self.masked = target == "paper"
        self.feature_weights = feature_weights
        self.sampling = Sampling(seed, name="sampling")
        for frozen in (teacher, score_teacher):
            if frozen is not None:
                freeze(frozen)
        self.reconstruction = keras.metrics.Mean(name="reconstruction")
        self.kl = keras.metrics.Mean(name="kl")
        self.mismatch = keras.metrics.Mean(name="distillation")
        self.score = keras.metrics.Mean(name="score")

    def build_from(self, inputs: Any) -> None:
        """Create all variables by one call on `inputs`."""
        self(ops.convert_to_tensor(inputs), training=True)

    def call(self, inputs: Any, training: bool = False) -> tuple[Any, Any, Any, Any, Any]:
        """Return reconstruction, mean, log_variance, and the outputs of both teachers; empty lists without them."""
        mean, log_variance = self.encoder(inputs, training=training)
        latent = self.sampling(mean, log_variance, training=training)
        taught = [] if self.teacher is None else list(self.teacher(inputs, training=False))
        wanted = [] if self.score_teacher is None else [self.score_teacher(inputs, training=False)]
        return self.decoder(latent, training=training), mean, log_variance, taught, wanted

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the loss of a batch and update the metrics."""
        del x, sample_weight, training
        prediction, mean, log_variance, taught, wanted = y_pred
        weights = ops.convert_to_tensor(self.feature_weights, dtype="float32")
        reconstruction = reconstruction_error(y, prediction, weights, masked=self.masked)
        kl = kl_divergence(mean, log_variance)
        self.reconstruction.update_state(reconstruction)
        self.kl.update_state(kl)
        loss = (1.0 - self.beta) * reconstruction + self.beta * kl
        if wanted:
            score = score_mismatch(log_score(mean, log_variance, self.score_kind), wanted[0])
            self.score.update_state(score)
            loss = (1.0 - self.score_share) * loss + self.score_share * score
        if not taught:
            return loss
        mismatch = latent_mismatch(mean, taught[0]) + latent_mismatch(log_variance, taught[1])
        self.mismatch.update_state(mismatch)
        return (1.0 - self.distillation) * loss + self.distillation * mismatch
