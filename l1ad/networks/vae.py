"""The variational autoencoder as a trainable Keras model."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

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


class VariationalAutoencoder(keras.Model):
    """Encoder, sampling and decoder with the loss (1 - beta) reconstruction + beta KL.

    With a teacher the loss is (1 - d) of that plus d times the mismatch of the latent outputs.

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
        Share d of the mismatch.
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
    ) -> None:
        super().__init__(name="vae")
        self.encoder, self.decoder, self.teacher = encoder, decoder, teacher
        self.beta, self.distillation = beta, distillation
        self.masked = target == "paper"
        self.feature_weights = feature_weights
        self.sampling = Sampling(seed, name="sampling")
        if teacher is not None:
            teacher.trainable = False
        self.reconstruction = keras.metrics.Mean(name="reconstruction")
        self.kl = keras.metrics.Mean(name="kl")
        self.mismatch = keras.metrics.Mean(name="distillation")

    def build_from(self, inputs: Any) -> None:
        """Create all variables by one call on `inputs`."""
        self(ops.convert_to_tensor(inputs), training=True)

    def call(self, inputs: Any, training: bool = False) -> tuple[Any, Any, Any, Any]:
        """Return reconstruction, mean, log_variance, and the teacher's outputs or an empty list."""
        mean, log_variance = self.encoder(inputs, training=training)
        latent = self.sampling(mean, log_variance, training=training)
        taught = [] if self.teacher is None else list(self.teacher(inputs, training=False))
        return self.decoder(latent, training=training), mean, log_variance, taught

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the loss of a batch and update the metrics."""
        del x, sample_weight, training
        prediction, mean, log_variance, taught = y_pred
        weights = ops.convert_to_tensor(self.feature_weights, dtype="float32")
        reconstruction = reconstruction_error(y, prediction, weights, masked=self.masked)
        kl = kl_divergence(mean, log_variance)
        self.reconstruction.update_state(reconstruction)
        self.kl.update_state(kl)
        loss = (1.0 - self.beta) * reconstruction + self.beta * kl
        if not taught:
            return loss
        mismatch = latent_mismatch(mean, taught[0]) + latent_mismatch(log_variance, taught[1])
        self.mismatch.update_state(mismatch)
        return (1.0 - self.distillation) * loss + self.distillation * mismatch
