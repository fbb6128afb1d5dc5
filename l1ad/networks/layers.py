"""Keras layers of our own that networks use."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from l1ad.errors import ConfigurationError


@keras.saving.register_keras_serializable(package="l1ad")
class SumPooling(keras.layers.Layer):
    """Sums groups of rows: (batch, rows, columns, channels) -> (batch, rows / size, columns, channels).

    An average over three rows is not exact in binary fixed point; the sum is. The next scale absorbs the factor.

    Parameters
    ----------
    size : int
        Rows in a group; must divide the number of rows.
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size

    def call(self, inputs: Any) -> Any:
        """Return the sums of groups of rows."""
        rows, columns, channels = inputs.shape[1:]
        if rows % self.size:
            raise ConfigurationError(f"layer {self.name}: {rows} rows are not a multiple of its size {self.size}.")
        grouped = ops.reshape(inputs, (-1, rows // self.size, self.size, columns, channels))
        return ops.sum(grouped, axis=2)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """Return the shape after pooling."""
        batch, rows, columns, channels = input_shape
        return (batch, rows // self.size, columns, channels)

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(package="l1ad")
class Clip(keras.layers.Layer):
    """Clips values to a closed range; the gradient passes as if nothing had been clipped.

    QKeras's quantizers pass the gradient in the same way, so a float twin trains alike.
    """

    def __init__(self, minimum: float, maximum: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.minimum, self.maximum = minimum, maximum

    def call(self, inputs: Any) -> Any:
        """Return the clipped values."""
        # x - stop_gradient(x) is exactly 0, so that large inputs do not lose the last bits of the limits.
        return ops.stop_gradient(ops.clip(inputs, self.minimum, self.maximum)) + (inputs - ops.stop_gradient(inputs))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "minimum": self.minimum, "maximum": self.maximum}


@keras.saving.register_keras_serializable(package="l1ad")
class LogSquaredNorm(keras.layers.Layer):
    """log(1 + sum of squares): (batch, n) -> (batch,).

    Parameters
    ----------
    limit : float
        Values are clipped to this magnitude first.
    """

    def __init__(self, limit: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.limit = limit

    def call(self, inputs: Any) -> Any:
        """Return the logarithm of one plus the squared length of every row."""
        return ops.log(1.0 + ops.sum(ops.square(ops.clip(inputs, -self.limit, self.limit)), axis=-1))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return (batch,)."""
        return input_shape[:1]

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "limit": self.limit}


@keras.saving.register_keras_serializable(package="l1ad")
class Sampling(keras.layers.Layer):
    """Reparametrization: z = mu + sigma * epsilon in training, z = mu otherwise (Kingma & Welling 2013, eq. 4)."""

    def __init__(self, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, mean: Any, log_variance: Any, training: bool = False) -> Any:
        """Return a sample of the latent space, shape (batch, latent)."""
        if not training:
            return mean
        epsilon = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * epsilon

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable(package="l1ad")
class BoundedFeatures(keras.layers.Layer):
    """Bounds the reconstruction: pT as it is, eta and phi by a scaled tanh (arXiv:2108.03986, section 3).

    Input and output have shape (batch, 19, 3). The bound of eta is 3.0 for electrons, 2.1 for muons, 4.0 for jets
    and 0 for the missing energy, which has no eta; the bound of phi is pi.

    Parameters
    ----------
    eta_bounds : sequence of float, length 19
        Bound of |eta| of each row.
    """

    def __init__(self, eta_bounds: list[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.eta_bounds = list(eta_bounds)

    def call(self, inputs: Any) -> Any:
        """Return the bounded features."""
        pt, eta, phi = ops.split(inputs, 3, axis=-1)
        bounds = ops.reshape(ops.convert_to_tensor(self.eta_bounds, dtype="float32"), (1, -1, 1))
        return ops.concatenate([pt, bounds * ops.tanh(eta), 3.14159265358979 * ops.tanh(phi)], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "eta_bounds": self.eta_bounds}


@keras.saving.register_keras_serializable(package="l1ad")
class LogError(keras.layers.Layer):
    """Score of an autoencoder: gain times log(1 + mean squared error), shape (batch, 1).

    CICADA regresses 32 log(MSE). The one keeps the score of an event that is reconstructed well at 0 instead of below.

    Parameters
    ----------
    gain : float
        Units of the score for a unit of the logarithm.
    unit : float
        What the error is counted in: the size of one hardware unit at the network's input.
    """

    def __init__(self, gain: float, unit: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gain, self.unit = gain, unit

    def call(self, prediction: Any, inputs: Any) -> Any:
        """Return the score of every event."""
        squares = ops.square((prediction - inputs) / self.unit)
        mean = ops.mean(ops.reshape(squares, (-1, math.prod(inputs.shape[1:]))), axis=1, keepdims=True)
        return self.gain * ops.log1p(mean)

    def compute_output_shape(self, prediction_shape: Any, inputs_shape: Any) -> tuple[Any, int]:
        """Return (batch, 1)."""
        del inputs_shape
        return (prediction_shape[0], 1)

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "gain": self.gain, "unit": self.unit}
