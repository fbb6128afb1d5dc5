"""Trains a student over calorimeter regions: first the autoencoder that teaches it, then the student itself.

This is the recipe of CICADA (CMS-DP-2023-086): a convolutional autoencoder learns the background, and a small network
with quantized weights regresses the logarithm of its error.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.config import RunConfig
from l1ad.events.dataset import Dataset
from l1ad.networks.architectures import build_encoder, input_shape
from l1ad.networks.base import load_frontend
from l1ad.networks.learned_bits import LearnedStudent
from l1ad.networks.quantized import integer_weights
from l1ad.networks.region_networks import build_autoencoder, build_teacher
from l1ad.networks.student import StudentTraining, TeacherTraining
from l1ad.provenance import value_digest
from l1ad.scores.output import OutputSpec
from l1ad.training.checkpoint import EpochRecord, Progress
from l1ad.training.compiled import compile_phase, learns_widths, price_key, price_of
from l1ad.training.loop import EpochCallback, Phase, train_phase
from l1ad.training.targets import EventBatches, TargetScale

#: Events whose scores decide where a student starts.
_START_EVENTS = 4096


@dataclass(frozen=True)
class RegionBatches(EventBatches):
    """Batches of regions, some of them with another event on top.

    A student learns the teacher's score where it sees events, and the background alone has few with much energy. Two
    events of the background in one, the second turned in azimuth, lie between the background and what is looked for.

    Attributes
    ----------
    overlay : float
        Share of the events onto which another one is laid.
    """

    overlay: float = 0.0

    def take(self, index: NDArray[np.int64] | slice) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the regions of the events at `index`, twice; what no input can reach saturates."""
        x, _ = super().take(index)
        if self.overlay > 0:
            step = 2.0**-self.input_type.fraction
            largest = self.input_type.maximum * step
            if self.input_bits is not None:
                largest = min(largest, 2.0 ** max(self.input_bits) - step)
            x = overlaid(x, self.overlay, largest)
        return x, x


def overlaid(regions: NDArray[np.float32], share: float, largest: float) -> NDArray[np.float32]:
    """Return regions with another event laid onto a share of them, evenly spread.

    The other event is the next one of the array, the last takes the first, and it is turned in azimuth by as many
    regions as its place says. So the result follows from the order of the events alone, and a training that goes on
    after an interruption sees the same.

    Parameters
    ----------
    regions : ndarray of float32, shape (N, 18, 14, 1)
    share : float
    largest : float
        Where the sum saturates.

    Examples
    --------
    >>> events = np.zeros((2, 18, 14, 1), dtype=np.float32)
    >>> events[:, 3, 5, 0] = 2.0, 6.0
    >>> both = overlaid(events, 0.5, 7.0)
    >>> [round(float(x.sum()), 1) for x in both]
    [2.0, 8.0]
    """
    places = np.arange(len(regions))
    chosen = places[np.floor((places + 1) * share) > np.floor(places * share)]
    result = regions.copy()
    for turn in range(regions.shape[1]):
        mine = chosen[chosen % regions.shape[1] == turn]
        other = np.roll(regions[(mine + 1) % len(regions)], turn, axis=1)
        result[mine] = np.minimum(regions[mine] + other, np.float32(largest))
    return result


@dataclass(frozen=True)
class StudentJob:
    """The two phases of a distillation.

    Attributes
    ----------
    config : RunConfig
    data : Dataset
    spec : OutputSpec
    folder : Path
        Gets the checkpoints.
    callback : callable or None
    """

    config: RunConfig
    data: Dataset
    spec: OutputSpec
    folder: Path
    callback: EpochCallback | None

    def teacher_phase(self) -> tuple[Any, Progress]:
        """Train the autoencoder; return the teacher, regions -> score, and how the training went."""
        import keras

        options = self.config.training
        keras.utils.set_random_seed(self.config.seed)
        autoencoder = build_autoencoder(self.config.network)
        phase = Phase("float", options.float_epochs, options.learning_rate)
        progress = self._run(phase, lambda: TeacherTraining(autoencoder), 0.0, ())
        return build_teacher(autoencoder, 2.0 ** -self.data.contract.inputs[0].shift), progress

    def student_phase(self, teacher: Any, history: tuple[EpochRecord, ...]) -> tuple[Any, Progress]:
        """Train the student; return it, regions -> score, and how the training went."""
        import keras

        options = self.config.training
        keras.utils.set_random_seed(self.config.seed)
        contract = self.data.contract
        frontend = load_frontend(self.config.network, contract.type, contract.integer_bits)
        student = build_encoder(self.config.network, frontend)
        self._start_at_mean(student, teacher)
        ceiling = self.spec.score.maximum * 2.0**-self.spec.score.fraction
        phase = Phase("quantized", options.epochs, options.quantized_learning_rate, options.pruning.target > 0)
        kind: Callable[..., StudentTraining] = StudentTraining
        if learns_widths(self.config, phase):
            price = price_of(self.config, phase, len(self.data.inputs["train"]))
            kind = functools.partial(LearnedStudent, price=price)
        return student, self._run(phase, lambda: kind(student, teacher, ceiling), options.noise, history)

    def _start_at_mean(self, student: Any, teacher: Any) -> None:
        """Give the bias of the output the mean score of the teacher, as far as its quantizer reaches.

        Scores of the background lie in a narrow band far from 0. A student that starts at 0 first grows all its
        weights to get there, and rectifiers die on the way.
        """
        events, _ = self._batches("train", 0.0).take(slice(0, _START_EVENTS))
        layer = student.get_layer("dense_output")
        layer.bias.assign([float(np.mean(teacher(events, training=False)))])
        weights = integer_weights(layer)
        if "bias" in weights:
            raw, fixed = weights["bias"]
            layer.bias.assign(raw * 2.0**-fixed.fraction)

    def _run(
        self, phase: Phase, build: Callable[[], Any], overlay: float, history: tuple[EpochRecord, ...]
    ) -> Progress:
        """Compile and train one phase."""
        options, model = self.config.training, build()
        compile_phase(model, self.config, phase)
        return train_phase(
            model,
            phase,
            self._batches("train", overlay, learned=learns_widths(self.config, phase)),
            self._batches("validation", overlay),
            options,
            seed=self.config.seed,
            key=self._key(phase),
            checkpoint=self.folder / f"checkpoint_{phase.name}.npz",
            history=history,
            callback=self.callback,
        )

    def _batches(self, part: str, overlay: float, *, learned: bool = False) -> RegionBatches:
        inputs, scale = self.data.inputs[part], TargetScale("inputs", (), ())
        # The inputs are their own target.
        no_particles = np.zeros((0, 0, 0), dtype=np.float32)
        shape, contract = input_shape(self.config.network), self.data.contract
        bits = contract.integer_bits if learned else None
        return RegionBatches(inputs, no_particles, contract.type, shape, scale, overlay, input_bits=bits)

    def _key(self, phase: Phase) -> str:
        """Digest of everything that decides the numbers of a phase."""
        return value_digest(
            {
                "phase": phase.name,
                "seed": self.config.seed,
                "network": self.config.network.model_dump(mode="json"),
                "training": self.config.training.model_dump(mode="json"),
                "score": self.spec.to_dict(),
                "data": self.data.record.files,
                **price_key(self.config, phase),
            }
        )
