"""An optimizer that keeps a running average of the weights, and a view of a model with those."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras


class AveragingAdam(keras.optimizers.Adam):
    """Adam that keeps a running average of the weights (arXiv:1412.6980, section 7.2).

    Keras replaces the weights by their average at the end of every `fit`, which a training of many short fits cannot
    use: the next one would go on from the average. Here the two stay apart; `averaged` shows the average.

    Parameters
    ----------
    average : float
        Share of the former average that a step keeps; 0 keeps no average.
    **settings
        Those of Adam.
    """

    def __init__(self, average: float = 0.0, **settings: Any) -> None:
        super().__init__(use_ema=average > 0, ema_momentum=average if average > 0 else 0.99, **settings)
        self.average = average

    def finalize_variable_values(self, var_list: list[Any]) -> None:
        """Leave the weights as they are."""

    def take_average(self, variables: list[Any]) -> None:
        """Replace trainable variables by their average; those under a constraint still fulfil it."""
        if self.average == 0:
            return
        super().finalize_variable_values(variables)
        for variable in variables:
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable))


@contextlib.contextmanager
def averaged(model: Any) -> Iterator[None]:
    """Give a compiled model its averaged weights inside the block, and those of the last step after it."""
    variables = model.trainable_variables
    last = [keras.ops.convert_to_numpy(variable) for variable in variables]
    model.optimizer.take_average(variables)
    try:
        yield
    finally:
        for variable, value in zip(variables, last, strict=True):
            variable.assign(value)
