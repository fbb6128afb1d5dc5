"""Networks over the 18 x 14 calorimeter regions: the student that becomes firmware, and its teacher.

The shapes are those of CICADA of CMS (CMS-DP-2023-086; Princeton-AD/cicada, models.py, `CicadaV2` and
`TeacherAutoencoder`). The student has no batch normalization and no dropout, and its dense layers have a bias. The
teacher is smaller: 8 and 16 filters and 24 latent variables where CICADA has 20, 30 and 80.
"""

from __future__ import annotations

from typing import Any

import keras

from l1ad.config import NetworkConfig
from l1ad.networks.base import Frontend
from l1ad.networks.layers import LogError

#: Regions in azimuth and pseudorapidity, and one channel.
REGION_INPUT = (18, 14, 1)
#: Positions after one step of two in both directions.
_HALF = (9, 7)
#: Units of the score for a unit of the logarithm, as CICADA: 32 times the logarithm of the error.
SCORE_GAIN = 32.0


def build_student(config: NetworkConfig, frontend: Frontend) -> Any:
    """Return the student: regions -> score, shape (batch, 1)."""
    options = config.student
    inputs = keras.Input(REGION_INPUT, name="inputs")
    x = frontend.conv(options.filters, (2, 2), "conv_1", padding="valid", strides=(2, 2))(inputs)
    x = frontend.activation("relu_1")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = frontend.dense(options.units, "dense_1")(x)
    x = frontend.activation("relu_2")(x)
    x = frontend.dense(1, "dense_output", latent=True)(x)
    return keras.Model(inputs, frontend.latent("output")(x), name="student")


def build_autoencoder(config: NetworkConfig) -> Any:
    """Return the float autoencoder of the teacher: regions -> regions, shape (batch, 18, 14, 1)."""
    layers = keras.layers
    first, second = config.student.teacher_filters
    inputs = keras.Input(REGION_INPUT, name="inputs")
    x = layers.Conv2D(first, 3, padding="same", activation="relu", name="teacher_conv_1")(inputs)
    x = layers.AveragePooling2D(2, name="teacher_pool")(x)
    x = layers.Conv2D(second, 3, padding="same", activation="relu", name="teacher_conv_2")(x)
    x = layers.Flatten(name="teacher_flatten")(x)
    x = layers.Dense(config.student.teacher_latent, activation="relu", name="teacher_latent")(x)
    x = layers.Dense(_HALF[0] * _HALF[1] * second, activation="relu", name="teacher_dense")(x)
    x = layers.Reshape((*_HALF, second), name="teacher_rows")(x)
    x = layers.Conv2DTranspose(first, 3, strides=2, padding="same", activation="relu", name="teacher_up")(x)
    x = layers.Conv2D(1, 3, padding="same", activation="relu", name="teacher_output")(x)
    return keras.Model(inputs, x, name="teacher_autoencoder")


def build_teacher(autoencoder: Any, unit: float) -> Any:
    """Return the teacher: regions -> score of the autoencoder, shape (batch, 1).

    `unit` is the size of one hardware unit of a region at the network's input.
    """
    score = LogError(SCORE_GAIN, unit, name="teacher_score")(autoencoder.outputs[0], autoencoder.inputs[0])
    return keras.Model(autoencoder.inputs[0], score, name="teacher")


def student_multiplications(config: NetworkConfig) -> int:
    """Return the multiplications of the student.

    Examples
    --------
    >>> student_multiplications(NetworkConfig(architecture="cicada_student"))
    5056
    """
    positions, options = _HALF[0] * _HALF[1], config.student
    return positions * options.filters * 4 + positions * options.filters * options.units + options.units
