"""Training of learned bit widths: the loss has a price for every effective bit operation (arXiv:2405.00645)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from l1ad.networks.autoencoder import Autoencoder, FeatureAutoencoder
from l1ad.networks.averaging import AveragingAdam
from l1ad.networks.student import StudentTraining
from l1ad.networks.vae import VariationalAutoencoder
from l1ad.networks.vicreg import VicReg

#: Largest price that a target may set.
_HIGHEST_BETA = 1e-3
#: How fast the price follows a target: over a ramp it grows by exp(_GAIN) when there are e times too many operations.
_GAIN = 5.0
#: Weight of operations above the target when epochs are compared.
_EXCESS = 10.0


@dataclass(frozen=True)
class Price:
    """What a bit operation costs in the loss.

    Attributes
    ----------
    beta, beta_start : float
        Loss of one operation at the end and at the start; it rises geometrically.
    steps : int
        Training steps of the rise.
    target : int or None
        Effective bit operations to reach; then the price follows them instead of rising to `beta`.
    """

    beta: float
    beta_start: float
    steps: int
    target: int | None = None


class PricedBits(keras.Model):
    """What learned bit widths add to a trainable model: stands before its class among the bases.

    In training the loss is that of the model plus the price of the effective bit operations of its `encoder`. In
    validation the price is the final one from the start, so that epochs can be compared.

    Parameters
    ----------
    *arguments, **settings
        Those of the other class.
    price : Price
    """

    encoder: Any

    def __init__(self, *arguments: Any, price: Price, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.price = price
        start = math.log(price.beta_start)
        self.log_beta = self.add_weight(
            name="log_beta", shape=(), initializer=keras.initializers.Constant(start), trainable=False
        )
        self.operations = keras.metrics.Mean(name="bit_operations")

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the loss of a batch with the price of its bit operations, and update the metrics."""
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training:
            return self._objective(loss)
        operations = sum(self.encoder.losses)
        self.operations.update_state(operations)
        priced = loss + ops.exp(self.log_beta) * operations
        self._advance(operations)
        return priced

    def _objective(self, loss: Any) -> Any:
        """Return what epochs are compared by."""
        layers = [layer for layer in self.encoder.layers if getattr(layer, "enable_ebops", False)]
        operations = sum(ops.cast(layer.ebops, "float32") for layer in layers)
        if self.price.target is None:
            return loss + self.price.beta * operations
        return loss * (1.0 + _EXCESS * ops.relu(operations / self.price.target - 1.0))

    def _advance(self, operations: Any) -> None:
        """Move the price by one training step."""
        price = self.price
        if price.target is None:
            step = math.log(max(price.beta, price.beta_start) / price.beta_start) / price.steps
            highest = math.log(max(price.beta, price.beta_start))
            self.log_beta.assign(ops.minimum(self.log_beta + step, highest))
            return
        step = _GAIN / price.steps * ops.log((operations + 1.0) / price.target)
        lowest, highest = math.log(price.beta_start), math.log(_HIGHEST_BETA)
        self.log_beta.assign(ops.clip(self.log_beta + step, lowest, highest))


class LearnedBits(PricedBits, VariationalAutoencoder):
    """A variational autoencoder whose encoder learns its bit widths."""


class LearnedAutoencoder(PricedBits, Autoencoder):
    """An autoencoder that learns its bit widths, those of the decoder included."""


class LearnedVicReg(PricedBits, VicReg):
    """An extractor of features that learns its bit widths."""


class LearnedFeatureAutoencoder(PricedBits, FeatureAutoencoder):
    """An autoencoder of features that learns its bit widths; those of the extractor are constant by then."""


class LearnedStudent(PricedBits, StudentTraining):
    """A student that learns its bit widths."""


class WidthAdam(AveragingAdam):
    """Adam whose learning rate is higher for bit widths, which have to move by whole bits.

    Parameters
    ----------
    width_rate : float
        Learning rate of the widths over that of the weights.
    **settings
        Those of `AveragingAdam`.
    """

    def __init__(self, width_rate: float = 1.0, **settings: Any) -> None:
        super().__init__(**settings)
        self.width_rate = width_rate

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable."""
        path = self._trainable_variables[self._get_variable_index(variable)].path
        rate = self.width_rate if is_width(path) else 1.0
        super().update_step(gradient, variable, learning_rate * rate)

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the optimizer."""
        return {**super().get_config(), "width_rate": self.width_rate}


def is_width(path: str) -> bool:
    """Return whether the path of a variable is that of a learned bit width.

    Examples
    --------
    >>> is_width("dense_1/dense_1_kq/fixed_point_quantizer_kbi/b"), is_width("dense_1/kernel")
    (True, False)
    """
    *_, owner, name = ("", *path.split("/"))
    return name in ("b", "i", "f") and owner.startswith("fixed_point_quantizer")
