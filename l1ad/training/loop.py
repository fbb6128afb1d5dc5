"""The epoch loop: seeded order, validation, learning-rate schedule, early stopping, checkpoints."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from l1ad.config import TrainingConfig
from l1ad.errors import CheckFailedError, DataError
from l1ad.networks.averaging import averaged
from l1ad.networks.pruning import KernelMasks, share_at
from l1ad.training.augment import ViewBatches
from l1ad.training.checkpoint import EpochRecord, Progress, load_checkpoint, save_checkpoint
from l1ad.training.targets import EventBatches, disturb

_log = logging.getLogger(__name__)

#: Tells the random stream of the disturbed objects from that of the order of events.
_NOISE_STREAM = 1
#: Learning rate at the end of the cosine, as a fraction of that at its beginning.
_LOWEST_RATE = 0.01

#: What the random streams of a phase begin with.
_PHASE_NUMBERS = {"float": 0, "quantized": 1, "float_features": 2, "quantized_features": 3}

#: Called after each epoch with phase, finished epochs, all epochs, and the losses.
EpochCallback = Callable[[str, int, int, EpochRecord], None]


@dataclass(frozen=True)
class Phase:
    """One phase of a training.

    Attributes
    ----------
    name : str
        Key of `_PHASE_NUMBERS`; it seeds the order of events.
    epochs : int
    learning_rate : float
        At the start.
    prunes : bool
        Whether `TrainingConfig.pruning` belongs to this phase.
    """

    name: str
    epochs: int
    learning_rate: float
    prunes: bool = False


def train_phase(
    model: Any,
    phase: Phase,
    train: EventBatches | ViewBatches,
    validation: EventBatches | ViewBatches,
    options: TrainingConfig,
    *,
    seed: int,
    key: str,
    checkpoint: Path,
    history: tuple[EpochRecord, ...] = (),
    callback: EpochCallback | None = None,
) -> Progress:
    """Train a compiled `model` until the phase ends, resuming from `checkpoint` when it fits `key`.

    The order of events depends on seed, phase and epoch only, and the checkpoint holds the state of the optimizer,
    of the sampling and of the pruning, so an interrupted training continues with the numbers of an uninterrupted one.
    On return the model has the weights of the best epoch, among those at the full share of pruned weights.

    Returns
    -------
    Progress
        With the history of all epochs.

    Raises
    ------
    DataError
        When there are fewer events than a batch.
    CheckFailedError
        When the loss becomes NaN or infinite.
    """
    if len(train) < options.batch_size:
        raise DataError(
            f"training part: {len(train)} events, fewer than a batch of {options.batch_size}. "
            "Give more events or reduce training.batch_size."
        )
    masks = KernelMasks(model, model.encoder) if phase.prunes else None
    model.build_from(train.take(slice(0, 1))[0])
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    progress, best = Progress(phase.name, phase.learning_rate, history=history), model.get_weights()
    saved = load_checkpoint(checkpoint, key)
    if saved is not None and _fits(saved[1], variables):
        progress, values, best = saved
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        _log.info("resumed phase %s at epoch %d", phase.name, progress.epoch)
    while not progress.finished:
        model.optimizer.learning_rate = progress.learning_rate
        if masks is not None:
            masks.prune(share_at(options.pruning, progress.epoch))
        start = time.perf_counter()
        losses = _run_epoch(model, phase, progress.epoch, train, options, seed)
        with averaged(model):
            record = _judge(model, phase, progress, losses, validation, options, start)
            progress = advance(progress, record, phase, options)
            if progress.best_epoch == progress.epoch:
                best = model.get_weights()
        save_checkpoint(checkpoint, key, progress, variables, best)
        if callback is not None:
            callback(phase.name, progress.epoch, phase.epochs, record)
    model.set_weights(best)
    return progress


def advance(progress: Progress, record: EpochRecord, phase: Phase, options: TrainingConfig) -> Progress:
    """Return the progress after an epoch: best loss, learning rate, early stopping.

    Examples
    --------
    >>> options = TrainingConfig(schedule="plateau", patience=2, reduce_patience=1, reduce_factor=0.5)
    >>> phase = Phase("float", 10, 1.0)
    >>> epoch = EpochRecord("float", 1, 1, 1, 0, 0, 0, 1.0, 1.0, 0.1)
    >>> first = advance(Progress("float", 1.0), epoch, phase, options)
    >>> second = advance(first, epoch, phase, options)
    >>> second.learning_rate, second.finished, advance(second, epoch, phase, options).finished
    (0.5, False, True)
    """
    epoch = progress.epoch + 1
    # Epochs before the last weight is pruned show another network: none of them is kept, and none stops the training.
    pruning = phase.prunes and progress.epoch <= options.pruning.end_epoch
    improved = pruning or record.validation_loss < progress.best_loss
    wait = 0 if improved else progress.wait + 1
    reduce_wait = 0 if improved else progress.reduce_wait + 1
    rate = progress.learning_rate
    if options.schedule == "cosine":
        rate = cosine_rate(phase, epoch)
    elif reduce_wait >= options.reduce_patience:
        rate, reduce_wait = rate * options.reduce_factor, 0
    return dataclasses.replace(
        progress,
        epoch=epoch,
        best_loss=record.validation_loss if improved else progress.best_loss,
        best_epoch=epoch if improved else progress.best_epoch,
        wait=wait,
        reduce_wait=reduce_wait,
        learning_rate=rate,
        finished=epoch >= phase.epochs or wait >= options.patience,
        history=(*progress.history, record),
    )


def cosine_rate(phase: Phase, epoch: int) -> float:
    """Return the learning rate after `epoch` epochs: half a cosine (Loshchilov & Hutter 2017, eq. 5) to a hundredth.

    Examples
    --------
    >>> [round(cosine_rate(Phase("float", 4, 1.0), epoch), 3) for epoch in range(5)]
    [1.0, 0.855, 0.505, 0.155, 0.01]
    """
    lowest = _LOWEST_RATE * phase.learning_rate
    return lowest + (phase.learning_rate - lowest) * 0.5 * (1.0 + math.cos(math.pi * epoch / phase.epochs))


def _fits(values: list[Any], variables: list[Any]) -> bool:
    """Return whether saved values have the shapes of the variables."""
    return len(values) == len(variables) and all(
        tuple(a.shape) == tuple(b.shape) for a, b in zip(values, variables, strict=True)
    )


def _run_epoch(
    model: Any,
    phase: Phase,
    epoch: int,
    train: EventBatches | ViewBatches,
    options: TrainingConfig,
    seed: int,
) -> dict[str, float]:
    """Train one epoch and return its mean losses."""
    phase_number = _PHASE_NUMBERS[phase.name]
    order = np.random.default_rng([seed, phase_number, epoch]).permutation(len(train))
    size = options.batch_size
    totals: dict[str, float] = {}
    seen = 0
    noise = np.random.default_rng([seed, phase_number, epoch, _NOISE_STREAM])
    share = options.noise if model.score_teacher is not None else 0.0
    for x, y in train.epoch(order, size):
        x = disturb(x, share, train.input_type, noise, train.input_bits)
        logs = model.fit(x, y, batch_size=size, epochs=1, shuffle=False, verbose=0).history
        for name, values in logs.items():
            totals[name] = totals.get(name, 0.0) + values[-1] * len(x)
        seen += len(x)
    return {name: total / seen for name, total in totals.items()}


def _judge(
    model: Any,
    phase: Phase,
    progress: Progress,
    losses: dict[str, float],
    validation: EventBatches | ViewBatches,
    options: TrainingConfig,
    start: float,
) -> EpochRecord:
    """Return the record of an epoch that began at `start`, with the loss of the model on the validation part."""
    epoch, validation_loss = progress.epoch, _validate(model, validation, options.batch_size)
    if not math.isfinite(losses["loss"]) or not math.isfinite(validation_loss):
        raise CheckFailedError(
            f"training, phase {phase.name}, epoch {epoch + 1}: the loss is {losses['loss']}. "
            "Reduce training.learning_rate; the last checkpoint is kept."
        )
    return EpochRecord(
        phase=phase.name,
        epoch=epoch + 1,
        loss=losses["loss"],
        reconstruction=losses.get("reconstruction", 0.0),
        kl=losses.get("kl", 0.0),
        distillation=losses.get("distillation", 0.0),
        score=losses.get("score", 0.0),
        validation_loss=validation_loss,
        learning_rate=progress.learning_rate,
        seconds=time.perf_counter() - start,
        invariance=losses.get("invariance", 0.0),
        variance=losses.get("variance", 0.0),
        covariance=losses.get("covariance", 0.0),
    )


def _validate(model: Any, validation: EventBatches | ViewBatches, batch_size: int) -> float:
    """Return the loss on whole batches of the validation part (all of it when there is less than a batch)."""
    total, seen = 0.0, 0
    size = min(batch_size, len(validation))
    for x, y in validation.epoch(np.arange(len(validation)), size):
        total += model.evaluate(x, y, batch_size=size, verbose=0, return_dict=True)["loss"] * len(x)
        seen += len(x)
    return total / seen
