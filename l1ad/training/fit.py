"""Trains the network of a configuration and writes its models."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from l1ad.config import NetworkConfig, PruningConfig, QuantizationConfig, RunConfig
from l1ad.errors import ConfigurationError
from l1ad.events.dataset import Dataset, load_dataset
from l1ad.networks.architectures import build_decoder, build_encoder, input_shape
from l1ad.networks.autoencoder import Autoencoder, FeatureAutoencoder
from l1ad.networks.base import load_frontend
from l1ad.networks.feature_ae import build_projector
from l1ad.networks.firmware_model import load_model, save_model, to_firmware
from l1ad.networks.layer_ranges import layer_ranges
from l1ad.networks.learned_bits import LearnedAutoencoder, LearnedBits, LearnedFeatureAutoencoder
from l1ad.networks.network_score import network_score
from l1ad.networks.pruning import check_zeros
from l1ad.networks.quantized import bit_operations, copy_weights
from l1ad.networks.vae import VariationalAutoencoder
from l1ad.provenance import value_digest, write_json
from l1ad.scores.output import OutputSpec
from l1ad.scores.reconstruction import ReconstructionSpec
from l1ad.scores.spec import ScoreSpec
from l1ad.training.checkpoint import EpochRecord, Progress
from l1ad.training.compiled import compile_phase, learns_widths, price_of
from l1ad.training.features import FeatureTraining
from l1ad.training.loop import EpochCallback, Phase, train_phase
from l1ad.training.record import (
    DECODER_FILE,
    ENCODER_FILE,
    FIRMWARE_FILE,
    LAYERS_FILE,
    PROJECTOR_FILE,
    TEACHER_FILE,
    TRAINING_FILE,
    TrainingRecord,
)
from l1ad.training.student import StudentJob
from l1ad.training.targets import EventBatches, TargetScale, derive_scale
from l1ad.training.teachers import load_teacher

_log = logging.getLogger(__name__)


def train(
    config: RunConfig,
    dataset: Path,
    folder: Path,
    callback: EpochCallback | None = None,
    *,
    float_folder: Path | None = None,
) -> TrainingRecord:
    """Train a variational autoencoder, an autoencoder or a student and write its models.

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
        Gets ``encoder.keras`` (of an autoencoder: the whole of it), ``decoder.keras`` of a variational one,
        ``projector.keras`` of one that learns features,
        ``training.json``, checkpoints, and for a quantized network ``firmware.keras`` (exact weights and the score),
        ``float_encoder.keras`` and ``layers.json`` (ranges, saturations and noise of every quantized tensor on the
        validation part).
    callback : callable, optional
        Called after every epoch.
    float_folder : Path, optional
        Folder of the training of `float_twin`, whose models then take the place of the first phase.

    Returns
    -------
    TrainingRecord

    Raises
    ------
    DataError, ConfigurationError, ToolMissingError, CheckFailedError
        See `train_phase`, `score_spec` and `load_frontend`.
    """
    data = load_dataset(dataset)
    spec = network_score(config, data.contract)
    if isinstance(spec, OutputSpec):
        return _train_student(StudentJob(config, data, spec, folder, callback))
    if config.network.reconstructs:
        scale = TargetScale("inputs", (), ())
    else:
        scale = derive_scale(data.particles["train"], config.training.target)
    job = _Job(config, data, scale, spec, folder, callback)
    teacher, decoder, progress = job.float_phase() if float_folder is None else _float_models(float_folder)
    encoder = teacher
    if config.network.frontend != "float":
        if config.quantization.training == "post":
            encoder = job.rounded(teacher)
        else:
            encoder, decoder, progress = job.quantized_phase(teacher, decoder, progress)
        _save_firmware(config, data, encoder, spec, folder)
        if teacher is not None:
            save_model(teacher, folder / TEACHER_FILE)
    save_model(encoder, folder / ENCODER_FILE)
    if decoder is not None:
        save_model(decoder, folder / (PROJECTOR_FILE if config.network.learns_features else DECODER_FILE))
    record = _record(config, encoder, progress, scale, spec, len(data.inputs["train"]))
    write_json(folder / TRAINING_FILE, record.to_dict())
    return record


def _train_student(job: StudentJob) -> TrainingRecord:
    """Train a teacher and its student, and write both."""
    teacher, before = job.teacher_phase()
    student, progress = job.student_phase(teacher, before.history)
    if job.config.network.frontend != "float":
        _save_firmware(job.config, job.data, student, job.spec, job.folder)
    save_model(teacher, job.folder / TEACHER_FILE)
    save_model(student, job.folder / ENCODER_FILE)
    scale, events = TargetScale("inputs", (), ()), len(job.data.inputs["train"])
    record = _record(job.config, student, progress, scale, job.spec, events)
    write_json(job.folder / TRAINING_FILE, record.to_dict())
    return record


def _save_firmware(config: RunConfig, data: Dataset, encoder: Any, spec: Any, folder: Path) -> None:
    """Write the model that firmware implements and the table of its layers; hold the pruned share against it."""
    save_model(to_firmware(encoder, spec), folder / FIRMWARE_FILE)
    check_zeros(load_model(folder / FIRMWARE_FILE), config.training.pruning.target, folder / FIRMWARE_FILE)
    ranges = layer_ranges(encoder, data.inputs["validation"], data.contract.type)
    write_json(folder / LAYERS_FILE, ranges.to_dict())


def float_twin(config: RunConfig) -> RunConfig:
    """Return the configuration that trains the float model of a quantized network alone, with the same numbers.

    What only the quantized network has is left out, so networks of one shape have equal twins.
    """
    options = config.training
    alone = {"epochs": options.float_epochs, "pruning": PruningConfig(), "quantized_learning_rate": 1.0}
    features = {"epochs": options.features.float_epochs, "quantized_learning_rate": 1.0}
    alone |= {"distillation": 0.0, "features": options.features.model_copy(update=features)}
    training = options.model_copy(update=alone)
    plain = {name: NetworkConfig.model_fields[name].default for name in ("kernel", "bias", "activation")}
    plain |= {"latent_kernel": NetworkConfig.model_fields["latent_kernel"].default, "frontend": "float", "layers": {}}
    network = config.network.model_copy(update=plain)
    return config.model_copy(update={"network": network, "training": training, "quantization": QuantizationConfig()})


def _float_models(folder: Path) -> tuple[Any, Any, None]:
    """Return encoder, and decoder or projector, of a float training that has finished; an autoencoder has neither."""
    others = [folder / name for name in (DECODER_FILE, PROJECTOR_FILE) if (folder / name).exists()]
    return load_model(folder / ENCODER_FILE), load_model(others[0]) if others else None, None


@dataclass(frozen=True)
class _Job:
    """The phases of one training."""

    config: RunConfig
    data: Dataset
    scale: TargetScale
    spec: ScoreSpec | ReconstructionSpec
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
        phase = Phase("float", epochs, options.learning_rate, options.pruning.target > 0 and not quantized)
        encoder, decoder = self._build(network)
        return encoder, decoder, self._run(phase, encoder, decoder, None, ())

    def quantized_phase(self, teacher: Any, decoder: Any, before: Progress | None) -> tuple[Any, Any, Progress]:
        """Train the quantized model from the weights of `teacher`, or from scratch without one."""
        options = self.config.training
        encoder, fresh = self._build(self.config.network)
        rate = options.learning_rate
        if teacher is not None:
            copy_weights(teacher, encoder)
            rate = options.quantized_learning_rate
        phase = Phase("quantized", options.epochs, rate, options.pruning.target > 0)
        decoder = fresh if decoder is None else decoder
        history = () if before is None else before.history
        return encoder, decoder, self._run(phase, encoder, decoder, teacher, history)

    def rounded(self, teacher: Any) -> Any:
        """Return the quantized encoder with the weights of `teacher`, not trained further."""
        if teacher is None:
            raise ConfigurationError("quantization.training: post needs a float model; give training.float_epochs.")
        encoder, _ = self._build(self.config.network)
        copy_weights(teacher, encoder)
        return encoder

    def _build(self, network: Any) -> tuple[Any, Any]:
        """Return a seeded encoder, and decoder or projector; an autoencoder of the inputs is one network."""
        import keras

        keras.utils.set_random_seed(self.config.seed)
        bounded = self.scale.kind == "paper"
        frontend = load_frontend(network, self.data.contract.type, self.data.contract.integer_bits)
        encoder = build_encoder(network, frontend)
        if network.learns_features:
            return encoder, build_projector(network.features, self.config.training.features)
        return encoder, None if network.reconstructs else build_decoder(network, bounded=bounded)

    def _run(
        self, phase: Phase, encoder: Any, decoder: Any, teacher: Any, history: tuple[EpochRecord, ...]
    ) -> Progress:
        """Compile and train one phase, that of the features before it."""
        if self.config.network.learns_features:
            before = FeatureTraining(
                self.config, self.data, self.folder, self._batches("train"), self._batches("validation"), self.callback
            )
            history = before.run(phase, encoder, decoder, teacher, history).history
        model = self._model(phase, encoder, decoder, teacher)
        compile_phase(model, self.config, phase)
        return train_phase(
            model,
            phase,
            self._batches("train", learned=learns_widths(self.config, phase)),
            self._batches("validation"),
            self.config.training,
            seed=self.config.seed,
            key=self._key(phase),
            checkpoint=self.folder / f"checkpoint_{phase.name}.npz",
            history=history,
            callback=self.callback,
        )

    def _model(self, phase: Phase, encoder: Any, decoder: Any, teacher: Any) -> Any:
        """Return the model with the loss of a phase."""
        options = self.config.training
        taught = {
            "teacher": teacher,
            "distillation": options.distillation if teacher is not None else 0.0,
            "score_teacher": load_teacher(options, self._batches("train")),
            "score_share": options.score_share,
            "feature_weights": options.feature_weights,
        }
        learned = learns_widths(self.config, phase)
        priced = {"price": price_of(self.config, phase, len(self.data.inputs["train"]))} if learned else {}
        if isinstance(self.spec, ReconstructionSpec):
            kind: Any = LearnedAutoencoder if learned else Autoencoder
            if self.config.network.learns_features:
                kind = LearnedFeatureAutoencoder if learned else FeatureAutoencoder
            return kind(encoder, spec=self.spec, **taught, **priced)
        kind = LearnedBits if learned else VariationalAutoencoder
        return kind(
            encoder,
            decoder,
            beta=options.beta,
            seed=self.config.seed,
            target=self.scale.kind,
            score_kind=self.config.score.kind,
            **taught,
            **priced,
        )

    def _batches(self, part: str, *, learned: bool = False) -> EventBatches:
        """Return a part of the events; learned widths follow the inputs that they see, so those keep their range."""
        return EventBatches(
            self.data.inputs[part],
            self.data.particles[part],
            self.data.contract.type,
            input_shape(self.config.network),
            self.scale,
            input_bits=self.data.contract.integer_bits if learned else None,
        )

    def _key(self, phase: Phase) -> str:
        """Digest of everything that decides the numbers of a phase."""
        return value_digest(
            {
                "phase": phase.name,
                "seed": self.config.seed,
                "network": self.config.network.model_dump(mode="json"),
                "training": self.config.training.model_dump(mode="json"),
                "quantization": self.config.quantization.model_dump(mode="json") if phase.name == "quantized" else None,
                "score": self.spec.to_dict() if self.config.network.reconstructs else self.config.score.kind,
                "data": self.data.record.files,
            }
        )


def _record(
    config: RunConfig, encoder: Any, progress: Progress | None, scale: TargetScale, spec: Any, events: int
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
        bit_operations=bit_operations(encoder),
    )
