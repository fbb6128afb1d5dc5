"""Teachers of the score: float models of the background whose anomaly score the latent score learns to follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.config import TrainingConfig
from l1ad.errors import ConfigurationError, DataError, nearest
from l1ad.networks.frozen import freeze
from l1ad.training.targets import EventBatches

#: Events read at a time.
_CHUNK = 65_536
#: Smallest deviation along a principal axis, as a fraction of that of an input. An axis on which the training events
#: do not differ would make any other event infinitely far.
_FLOOR = 1e-2
#: Most deviations that one principal axis counts.
_LIMIT = 25.0


def load_teacher(options: TrainingConfig, train: EventBatches) -> Any:
    """Return the score teacher of a configuration, fitted to the training part.

    Parameters
    ----------
    options : TrainingConfig
        `score_teacher` names it; ``none`` gives None, as does a `score_share` of 0.
    train : EventBatches
        The training part.

    Returns
    -------
    keras.Model or None
        inputs -> log(1 + score), shape (batch,).

    Raises
    ------
    ConfigurationError
        When no such teacher exists.
    DataError
        When the training part is empty.
    """
    if options.score_teacher == "none" or options.score_share == 0:
        return None
    if options.score_teacher not in TEACHERS:
        raise ConfigurationError(
            f"training.score_teacher: {options.score_teacher!r}. {nearest(options.score_teacher, TEACHERS)}"
        )
    return TEACHERS[options.score_teacher](train)


def mahalanobis(train: EventBatches) -> Any:
    """Return a Keras model of the logarithm of the squared Mahalanobis distance from the training events.

    d^2 = (x - m)' C^-1 (x - m) with mean m and covariance C of the inputs (Mahalanobis 1936), padding included:
    a third lepton is rare, so it is many deviations away. Every input is first divided by its deviation, and no
    principal axis counts more than 25 deviations: an object that the training part almost never has would be
    thousands of deviations away, which no latent score of a few bits can follow.
    """
    import keras

    from l1ad.networks.layers import LogSquaredNorm

    mean, kernel = _whitening(train)
    inputs = keras.Input(train.shape, name="inputs")
    whiten = keras.layers.Dense(len(kernel), name="whiten")
    score = LogSquaredNorm(_LIMIT, name="log_score")(whiten(keras.layers.Flatten(name="flatten")(inputs)))
    whiten.set_weights([kernel.astype(np.float32), (-mean @ kernel).astype(np.float32)])
    teacher = keras.Model(inputs, score, name="score_teacher")
    freeze(teacher)
    return teacher


def _whitening(train: EventBatches) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean, shape (n,), and the matrix, shape (n, n), that makes the covariance of the inputs one."""
    if len(train) == 0:
        raise DataError("training part: no events. Give more background events or a larger train_fraction.")
    size = train.inputs.shape[1]
    total, products = np.zeros(size), np.zeros((size, size))
    for begin in range(0, len(train), _CHUNK):
        x = train.take(slice(begin, begin + _CHUNK))[0].reshape(-1, size).astype(np.float64)
        total += x.sum(axis=0)
        products += x.T @ x
    mean = total / len(train)
    covariance = products / len(train) - np.outer(mean, mean)
    deviation = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    constant = deviation == 0
    deviation[constant] = 1.0
    values, axes = np.linalg.eigh(covariance / np.outer(deviation, deviation))
    kernel = axes / np.sqrt(np.maximum(values, _FLOOR**2)) / deviation[:, None]
    # An input that never changes carries no information; its axis is left out.
    kernel[constant] = 0.0
    return mean, kernel


#: Built-in teachers.
TEACHERS: dict[str, Callable[[EventBatches], Any]] = {"mahalanobis": mahalanobis}
