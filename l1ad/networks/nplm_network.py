"""The new-physics learning machine with a small neural network, as in its first publications."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from l1ad.errors import ConfigurationError, DataError
from l1ad.provenance import value_digest

#: Steps between two looks at whether the loss is still finite.
_STEPS = 500


class Clip(keras.constraints.Constraint):
    """Keeps weights between minus and plus a bound."""

    def __init__(self, bound: float) -> None:
        self.bound = bound

    def __call__(self, w: Any) -> Any:
        """Return the weights within the bound."""
        return keras.ops.clip(w, -self.bound, self.bound)

    def get_config(self) -> dict[str, Any]:
        """Return the bound."""
        return {"bound": self.bound}


@dataclass
class NplmNetwork:
    r"""A network ``f`` that learns the logarithm of the density ratio of data and reference.

    Full-batch Adam minimizes

    .. math:: L = \sum_R w (e^f - 1) - \sum_D f

    with every weight and bias clipped to a bound, and the statistic is ``t = -2 L``, on the sample of the fit.

    Attributes
    ----------
    layers : tuple of int
        Units of the hidden layers, with sigmoids; the output is linear.
    bound : float
        Weight clipping. The papers tune it until the null is a chi-squared with one degree of freedom a parameter:
        9 for one feature and four units, 2.15 for the five-layer network of the dimuon study.
    epochs : int
        Steps. The papers take 300,000; a few thousand find most of the statistic.
    rate : float
        Learning rate of Adam.

    References
    ----------
    D'Agnolo and Wulzer, PRD 99 (2019) 015014, arXiv:1806.02350, equations 12 to 16; D'Agnolo et al., EPJC 81 (2021)
    89, arXiv:1912.12155, section 3 (weight clipping).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, w = rng.normal(size=(2000, 1)), np.full(2000, 0.1)
    >>> network = NplmNetwork(epochs=300, rate=0.01)
    >>> network.fit(x, w, rng.normal(1.0, 1, (200, 1)))[0] > 50
    True
    """

    layers: tuple[int, ...] = (4,)
    bound: float = 9.0
    epochs: int = 3000
    rate: float = 1e-3
    _built: dict[int, tuple[Any, Any, Any]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.layers or min(self.layers) < 1:
            raise ConfigurationError(f"layers: {self.layers}; expected at least one, each with at least one unit.")
        for name, value in (("bound", self.bound), ("epochs", self.epochs), ("rate", self.rate)):
            if not value > 0:
                raise ConfigurationError(f"{name}: {value}; expected a positive number.")

    def __getstate__(self) -> dict[str, Any]:
        """Leave the compiled network out: it is built again where this arrives."""
        return {**self.__dict__, "_built": {}}

    @property
    def digest(self) -> str:
        """SHA-256 of the settings."""
        return value_digest(["network", list(self.layers), self.bound, self.epochs, self.rate])

    def fit(
        self, reference: NDArray[np.float64], weights: NDArray[np.float64], data: NDArray[np.float64], seed: int = 0
    ) -> tuple[float, list[NDArray[np.float32]]]:
        """Train from new weights, and return the statistic and the trained weights.

        Parameters
        ----------
        reference, data : ndarray, shapes (n, d) and (m, d)
            Features of order 1.
        weights : ndarray, shape (n,)
            They sum to the number of data events that the reference predicts.
        seed : int, optional
            Seed of the initial weights.

        Raises
        ------
        DataError
            When the loss becomes NaN or infinite.
        """
        model, optimizer, train = self._network(reference.shape[1])
        _restart(model, optimizer, seed)
        x, w, y = (tf.constant(values, dtype=tf.float32) for values in (reference, weights, data))
        for done in range(0, self.epochs, _STEPS):
            loss = float(train(x, w, y, tf.constant(min(_STEPS, self.epochs - done))))
            if not math.isfinite(loss):
                raise DataError(f"the loss of the network is {loss} after {done} steps. Lower the rate or the bound.")
        # The last sums in double precision: t is a small difference of large ones.
        f_r, f_d = (np.asarray(model(values)).astype(np.float64)[:, 0] for values in (x, y))
        return 2 * (float(f_d.sum()) - float(weights @ np.expm1(f_r))), model.get_weights()

    def log_ratio(self, x: NDArray[np.float64], trained: list[NDArray[np.float32]]) -> NDArray[np.float64]:
        """Return ``f`` at events of shape (n, d) for the weights that `fit` returned."""
        model = self._network(x.shape[1])[0]
        model.set_weights(trained)
        return np.asarray(model(tf.constant(x, dtype=tf.float32))).astype(np.float64)[:, 0]

    def _network(self, features: int) -> tuple[Any, Any, Any]:
        """Return model, optimizer and training function for events of so many features; compiled once."""
        if features not in self._built:
            clip = Clip(self.bound)
            settings = {"kernel_constraint": clip, "bias_constraint": clip}
            inputs = hidden = keras.Input((features,))
            for units in self.layers:
                hidden = keras.layers.Dense(units, activation="sigmoid", **settings)(hidden)
            model = keras.Model(inputs, keras.layers.Dense(1, **settings)(hidden))
            optimizer = keras.optimizers.Adam(self.rate)
            optimizer.build(model.trainable_variables)
            self._built[features] = (model, optimizer, _training(model, optimizer, features))
        return self._built[features]


def _training(model: Any, optimizer: Any, features: int) -> Any:
    """Return a compiled function that takes steps of full-batch descent and returns the last loss."""
    events, numbers = tf.TensorSpec((None, features), tf.float32), tf.TensorSpec((None,), tf.float32)

    @tf.function(input_signature=[events, numbers, events, tf.TensorSpec((), tf.int32)])
    def train(x: Any, w: Any, y: Any, steps: Any) -> Any:
        loss = tf.constant(0.0)
        for _ in tf.range(steps):
            with tf.GradientTape() as tape:
                f_r, f_d = model(x)[:, 0], model(y)[:, 0]
                loss = tf.reduce_sum(w * tf.math.expm1(f_r)) - tf.reduce_sum(f_d)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply(gradients, model.trainable_variables)
        return loss

    return train


def _restart(model: Any, optimizer: Any, seed: int) -> None:
    """Give the model new weights and forget what the optimizer remembers."""
    rng = np.random.default_rng(seed)
    weights = []
    for values in model.get_weights():
        limit = math.sqrt(6 / sum(values.shape)) if values.ndim == 2 else 0.0
        weights.append(rng.uniform(-limit, limit, values.shape).astype(np.float32))
    model.set_weights(weights)
    rate = float(optimizer.learning_rate)
    for variable in optimizer.variables:
        variable.assign(np.zeros(variable.shape, dtype=variable.dtype))
    optimizer.learning_rate = rate
