"""Models that take part in a training and are not trained."""

from __future__ import annotations

from typing import Any

from l1ad.errors import CheckFailedError


def freeze(model: Any) -> None:
    """Make all weights of a Keras model constant.

    Keras 3.15 leaves the weights of a model trainable that was made with ``trainable=False``, and so does setting
    ``trainable`` on it later: each layer is asked here, and the answer is looked at.

    Raises
    ------
    CheckFailedError
        When a weight stays trainable; it is named.
    """
    model.trainable = False
    for layer in model.layers:
        layer.trainable = False
    left = [variable.path for variable in model.variables if variable.trainable and "seed" not in variable.path]
    if left:
        raise CheckFailedError(f"model {model.name}: {left[0]} stays trainable, though the model is a teacher.")
