"""The recipe of arXiv:2108.03986 in plain Keras: float networks on physical events, without l1ad's networks and losses.

Section 3 of the paper: four networks, Adam (3e-3, amsgrad), batches of 1024, early stopping with patience 10, learning
rate times 0.1 with patience 2, loss (1 - beta) masked MSE + beta KL with beta = 0.8 for the variational ones, pT
standardized per object, predictions of eta and phi bounded by tanh.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

BETA = 0.8
#: |eta| of the prediction: missing energy, 4 electrons, 4 muons, 10 jets.
ETA = [0.0] + [3.0] * 4 + [2.1] * 4 + [4.0] * 10
#: Family -> latent variables, convolutional, variational.
FAMILIES = {
    "dense_ae": (3, False, False),
    "dense_vae": (3, False, True),
    "cnn_ae": (8, True, False),
    "cnn_vae": (8, True, True),
}


@dataclass(frozen=True)
class Scale:
    """Mean and deviation of pT of present objects, per row."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    def target(self, events: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return events with pT standardized and padding left at zero, shape (N, 19, 3)."""
        found = np.array(events, dtype=np.float32)
        present = found[:, :, 0] > 0
        found[:, :, 0] = np.where(present, (found[:, :, 0] - self.mean) / self.deviation, 0.0)
        return found


def fit_scale(events: NDArray[np.float32]) -> Scale:
    mean, deviation = np.zeros(events.shape[1]), np.ones(events.shape[1])
    for row in range(events.shape[1]):
        pt = events[:, row, 0][events[:, row, 0] > 0]
        if len(pt) > 1:
            mean[row], deviation[row] = pt.mean(), pt.std()
    return Scale(mean, deviation)


def dense_block(x: Any, units: int) -> Any:
    return layers.LeakyReLU(0.3)(layers.BatchNormalization()(layers.Dense(units)(x)))


def encoder(latent: int, *, convolutional: bool, variational: bool) -> Any:
    inputs = keras.Input((19, 3, 1))
    if convolutional:
        x = layers.BatchNormalization()(layers.ZeroPadding2D(((1, 0), (0, 0)))(inputs))
        x = layers.ReLU()(layers.Conv2D(16, (3, 3), use_bias=False)(x))
        x = layers.AveragePooling2D((3, 1))(x)
        x = layers.ReLU()(layers.Conv2D(32, (3, 1), padding="same", use_bias=False)(x))
        x = layers.Flatten()(layers.AveragePooling2D((3, 1))(x))
    else:
        x = layers.BatchNormalization()(layers.Flatten()(inputs))
        for units in (32, 16):
            x = dense_block(x, units)
    outputs = [layers.Dense(latent)(x) for _ in range(2 if variational else 1)]
    return keras.Model(inputs, outputs)


def decoder(latent: int, *, convolutional: bool) -> Any:
    inputs = keras.Input((latent,))
    if convolutional:
        x = layers.Reshape((2, 1, 32))(layers.Dense(64, activation="relu")(inputs))
        x = layers.Conv2D(32, (3, 1), padding="same", activation="relu")(x)
        x = layers.ZeroPadding2D(((0, 0), (1, 1)))(layers.UpSampling2D((3, 1))(x))
        x = layers.Conv2D(16, (3, 1), padding="same", activation="relu")(x)
        x = layers.ZeroPadding2D(((2, 1), (1, 1)))(layers.UpSampling2D((3, 1))(x))
        x = layers.Conv2D(1, (3, 3))(x)
    else:
        x = inputs
        for units in (16, 32):
            x = dense_block(x, units)
        x = layers.Dense(57)(x)
    return keras.Model(inputs, layers.Reshape((19, 3))(x))


class Autoencoder(keras.Model):
    """Encoder and decoder with the paper's loss; called on events it returns the masked error of each."""

    def __init__(self, family: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        latent, convolutional, self.variational = FAMILIES[family]
        self.encoder = encoder(latent, convolutional=convolutional, variational=self.variational)
        self.decoder = decoder(latent, convolutional=convolutional)
        self.noise = keras.random.SeedGenerator(1)

    def latent(self, x: Any, *, training: bool) -> tuple[Any, Any]:
        found = self.encoder(x, training=training)
        return (found[0], found[1]) if self.variational else (found, None)

    def predicted(self, z: Any, *, training: bool) -> Any:
        y = self.decoder(z, training=training)
        eta = ops.tanh(y[:, :, 1]) * ops.convert_to_tensor(ETA, dtype="float32")
        return ops.stack([y[:, :, 0], eta, ops.tanh(y[:, :, 2]) * math.pi], axis=2)

    def call(self, data: Any, training: bool = False) -> Any:
        """Return (masked squared error, KL), each of shape (batch,), for (inputs, targets)."""
        x, y = data
        mean, log_variance = self.latent(x, training=training)
        z, kl = mean, ops.zeros_like(mean[:, 0])
        if log_variance is not None:
            kl = -0.5 * ops.mean(1 + log_variance - ops.square(mean) - ops.exp(log_variance), axis=1)
            if training:
                z = mean + ops.exp(0.5 * log_variance) * keras.random.normal(ops.shape(mean), seed=self.noise)
        mask = ops.cast(y != 0, "float32")
        error = ops.mean(ops.square((self.predicted(z, training=training) - y) * mask), axis=(1, 2))
        return error, kl

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        error, kl = y_pred
        beta = BETA if self.variational else 0.0
        return ops.mean((1 - beta) * error + beta * kl)


def train(family: str, events: NDArray[np.float32], validation: NDArray[np.float32], epochs: int, seed: int) -> Any:
    """Return a function: events -> {score name: one float an event}."""
    keras.utils.set_random_seed(seed)
    scale, model = fit_scale(events), Autoencoder(family)
    model.compile(optimizer=keras.optimizers.Adam(3e-3, amsgrad=True))

    def inputs(part: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return part[..., None].astype(np.float32), scale.target(part)

    callbacks = [
        keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau(factor=0.1, patience=2),
        keras.callbacks.TerminateOnNaN(),
    ]
    x, y = inputs(events)
    held = inputs(validation)
    model.fit((x, y), y, validation_data=(held, held[1]), batch_size=1024, epochs=epochs, verbose=0,
              callbacks=callbacks)  # fmt: skip

    def score(part: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        found: dict[str, list[NDArray[np.float64]]] = {}
        for begin in range(0, len(part), 16384):
            for name, values in _scores(model, *inputs(part[begin : begin + 16384])).items():
                found.setdefault(name, []).append(values)
        return {name: np.concatenate(values) for name, values in found.items()}

    return score


def _scores(model: Autoencoder, x: NDArray[np.float32], y: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """Return the paper's scores of a chunk of events."""
    mean, log_variance = model.latent(ops.convert_to_tensor(x), training=False)
    if log_variance is None:
        error, _ = model((ops.convert_to_tensor(x), ops.convert_to_tensor(y)), training=False)
        return {"reconstruction": np.asarray(error, dtype=np.float64)}
    mu, log_sigma = np.asarray(mean, dtype=np.float64), np.asarray(log_variance, dtype=np.float64)
    rz = (mu**2 * np.exp(-log_sigma)).sum(axis=1)
    kl = -0.5 * (1 + log_sigma - mu**2 - np.exp(log_sigma)).mean(axis=1)
    return {"kl": kl, "rz": rz}
