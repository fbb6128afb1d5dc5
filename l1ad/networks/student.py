"""The two trainable models of a distillation: the teacher's autoencoder, and the student that regresses its score."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from l1ad.networks.frozen import freeze


class TeacherTraining(keras.Model):
    """An autoencoder with the mean squared error of its inputs as loss.

    Parameters
    ----------
    encoder : keras.Model
        Regions -> regions. The name is that of the other models.
    """

    #: No noise: the autoencoder learns the background as it is.
    score_teacher = None

    def __init__(self, encoder: Any) -> None:
        super().__init__(name="teacher_training")
        self.encoder = encoder
        self.reconstruction = keras.metrics.Mean(name="reconstruction")

    def build_from(self, inputs: Any) -> None:
        """Create all variables by one call on `inputs`."""
        self(ops.convert_to_tensor(inputs), training=True)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return the reconstruction."""
        return self.encoder(inputs, training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the loss of a batch and update the metric."""
        del x, sample_weight, training
        loss = ops.mean(ops.square(y - y_pred))
        self.reconstruction.update_state(loss)
        return loss


class StudentTraining(keras.Model):
    """A student with the mean absolute difference of its score from the teacher's as loss, as CICADA.

    Parameters
    ----------
    encoder : keras.Model
        Regions -> score, shape (batch, 1).
    teacher : keras.Model
        The same in float; it is not trained.
    ceiling : float
        Largest score of the student; the teacher's are limited to it.
    """

    #: The events come with others laid onto them already, see `l1ad.training.student.RegionBatches`.
    score_teacher = None

    def __init__(self, encoder: Any, teacher: Any, ceiling: float) -> None:
        super().__init__(name="student_training")
        self.encoder, self.teacher, self.ceiling = encoder, teacher, ceiling
        freeze(teacher)
        self.score = keras.metrics.Mean(name="score")

    def build_from(self, inputs: Any) -> None:
        """Create all variables by one call on `inputs`."""
        self(ops.convert_to_tensor(inputs), training=True)

    def call(self, inputs: Any, training: bool = False) -> tuple[Any, Any]:
        """Return the scores of student and teacher."""
        wanted = ops.minimum(self.teacher(inputs, training=False), self.ceiling)
        return self.encoder(inputs, training=training), wanted

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the loss of a batch and update the metric."""
        del x, y, sample_weight, training
        score, wanted = y_pred
        loss = ops.mean(ops.abs(score - wanted))
        self.score.update_state(loss)
        return loss
