"""Trains the network of a configuration and writes its models."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from l1ad.config import RunConfig
from l1ad.events.dataset import Dataset, load_dataset
from l1ad.networks.architectures import build_decoder, build_encoder, input_shape
from l1ad.networks.base import load_frontend
from l1ad.networks.firmware_model import save_model, to_firmware
from l1ad.networks.quantizers import parse_quantizer
from l1ad.provenance import value_digest, write_json
from l1ad.scores.spec import ScoreSpec, score_spec
from l1ad.training.checkpoint import EpochRecord, Progress
from l1ad.training.loop import EpochCallback, Phase, train_phase
from l1ad.training.record import (
    DECODER_FILE,
    ENCODER_FILE,
    FIRMWARE_FILE,
    TEACHER_FILE,
    TRAINING_FILE,
    TrainingRecord,
)
from l1ad.training.targets import EventBatches, TargetScale, derive_scale

_log = logging.getLogger(__name__)


def latent_score(config: RunConfig) -> ScoreSpec:
    """Return the score of a configuration with the types of its latent space."""
    network = config.network
    return score_spec(
        config.score,
        network.latent,
        parse_quantizer(network.mean, "network.mean").fixed_type,
        parse_quantizer(network.log_variance, "network.log_variance").fixed_type,
    )


def train(config: RunConfig, dataset: Path, folder: Path, callback: EpochCallback | None = None) -> TrainingRecord:
    """Train a variational autoencoder and write its models.

    A quantized network starts from a float model of the same shape, trained first; its loss then has a share that
    matches the float latent space. A checkpoint is written after every epoch. Calling again after an interruption
    continues there.

    Parameters
    ----------
    config : RunConfig
        Sections seed, network, score and training are used.
    dataset : Path
        Folder that `l1ad.events.prepare.prepare_dataset` wrote.
    folder : Path
        Gets ``encoder.keras``, ``decoder.keras``, ``training.json``, checkpoints, and for a quantized network
        ``firmware.keras`` (encoder with exact weights and the score) and ``float_encoder.keras``.
    callback : callable, optional
        Called after every epoch.

    Returns
    -------
    TrainingRecord

    Raises
    ------
    DataError, ConfigurationError, ToolMissingError, CheckFailedError
        See `train_phase`, `score_spec` and `load_frontend`.
    """
    spec = latent_score(config)
    data = load_dataset(dataset)
    scale = derive_scale(data.particles["train"], config.training.target)
    job = _Job(config, data, scale, folder, callback)
    teacher, decoder, progress = job.float_phase()
    encoder = teacher
    if config.network.frontend != "float":
        encoder, decoder, progress = job.quantized_phase(teacher, decoder, progress)
        save_model(to_firmware(encoder, spec), folder / FIRMWARE_FILE)
        if teacher is not None:
            save_model(teacher, folder / TEACHER_FILE)
    save_model(encoder, folder / ENCODER_FILE)
    save_model(decoder, folder / DECODER_FILE)
    record = _record(config, encoder, progress, scale, spec, len(data.inputs["train"]))
    write_json(folder / TRAINING_FILE, record.to_dict())
    return record


@dataclass(frozen=True)
class _Job:
    """The phases of one training."""

    config: RunConfig
    data: Dataset
    scale: TargetScale
    folder: Path
    callback: EpochCallback | None

    def float_phase(self) -> tuple[Any, Any, Progress | None]:
        """Train the float model; None for all when a quantized network starts without one."""
        options = self.config.training
        quantized = self.config.network.frontend != "float"
        epochs = options.float_epochs if quantized else options.epochs
        if epochs == 0:
            return None, None, None
        network = self.config.network.model_copy(update={"frontend": "float"})
        phase = Phase("float", epochs, options.learning_rate)
        encoder, decoder = self._build(network)
        return encoder, decoder, self._run(phase, encoder, decoder, None, ())

    def quantized_phase(self, teacher: Any, decoder: Any, before: Progress | None) -> tuple[Any, Any, Progress]:
        """Train the quantized model from the weights of `teacher`, or from scratch without one."""
        options = self.config.training
        encoder, fresh = self._build(self.config.network)
        rate = options.learning_rate
        if teacher is not None:
            encoder.set_weights(teacher.get_weights())
            rate = options.quantized_learning_rate
        phase = Phase("quantized", options.epochs, rate)
        decoder = fresh if decoder is None else decoder
        history = () if before is None else before.history
        return encoder, decoder, self._run(phase, encoder, decoder, teacher, history)

    def _build(self, network: Any) -> tuple[Any, Any]:
        """Return a seeded encoder and decoder."""
        import keras

        keras.utils.set_random_seed(self.config.seed)
        bounded = self.scale.kind == "paper"
        return build_encoder(network, load_frontend(network)), build_decoder(network, bounded=bounded)

    def _run(
        self, phase: Phase, encoder: Any, decoder: Any, teacher: Any, history: tuple[EpochRecord, ...]
    ) -> Progress:
        """Compile and train one phase."""
        import keras

        from l1ad.networks.vae import VariationalAutoencoder

        options = self.config.training
        model = VariationalAutoencoder(
            encoder,
            decoder,
            beta=options.beta,
            seed=self.config.seed,
            target=self.scale.kind,
            feature_weights=options.feature_weights,
            teacher=teacher,
            distillation=options.distillation if teacher is not None else 0.0,
        )
        # amsgrad as in arXiv:2108.03986. Eight steps an execution keep Python out of the way of small networks.
        optimizer = keras.optimizers.Adam(phase.learning_rate, amsgrad=True)
        model.compile(optimizer=optimizer, jit_compile=options.xla, steps_per_execution=8)
        return train_phase(
            model,
            phase,
            self._batches("train"),
            self._batches("validation"),
            options,
            seed=self.config.seed,
            key=self._key(phase),
            checkpoint=self.folder / f"checkpoint_{phase.name}.npz",
            history=history,
            callback=self.callback,
        )

    def _batches(self, part: str) -> EventBatches:
        return EventBatches(
            self.data.inputs[part],
            self.data.particles[part],
            self.data.contract.type,
            input_shape(self.config.network),
            self.scale,
        )

    def _key(self, phase: Phase) -> str:
        """Digest of everything that decides the numbers of a phase."""
        return value_digest(
            {
                "phase": phase.name,
                "seed": self.config.seed,
                "network": self.config.network.model_dump(mode="json"),
                "training": self.config.training.model_dump(mode="json"),
                "data": self.data.record.files,
            }
        )


def _record(
    config: RunConfig, encoder: Any, progress: Progress | None, scale: TargetScale, spec: ScoreSpec, events: int
) -> TrainingRecord:
    """Summarize a training."""
    history = () if progress is None else progress.history
    last = [epoch for epoch in history if progress is not None and epoch.phase == progress.phase]
    seconds = float(np.median([epoch.seconds for epoch in last])) if last else float("nan")
    return TrainingRecord(
        architecture=config.network.architecture,
        frontend=config.network.frontend,
        parameters=int(encoder.count_params()),
        best_validation_loss=float("nan") if progress is None else progress.best_loss,
        best_epoch=0 if progress is None else progress.best_epoch,
        events_per_second=events / seconds,
        scale=scale,
        score=spec,
        history=history,
    )
