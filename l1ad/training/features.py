"""The first phase of `feature_ae`: VICReg trains the feature extractor, which is frozen after it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from l1ad.config import RunConfig
from l1ad.events.dataset import Dataset
from l1ad.networks.feature_ae import extractor_of
from l1ad.networks.learned_bits import LearnedVicReg
from l1ad.networks.vicreg import VicReg
from l1ad.provenance import value_digest
from l1ad.training.augment import ViewBatches
from l1ad.training.checkpoint import EpochRecord, Progress
from l1ad.training.compiled import compile_phase, learns_widths, price_key, price_of
from l1ad.training.loop import EpochCallback, Phase, train_phase
from l1ad.training.targets import EventBatches
from l1ad.training.teachers import load_teacher


@dataclass(frozen=True)
class FeatureTraining:
    """What the training of an extractor needs besides the networks.

    Attributes
    ----------
    config : RunConfig
    data : Dataset
    folder : Path
        Gets the checkpoint ``checkpoint_PHASE_features.npz``.
    train, validation : EventBatches
    callback : callable, optional
        Called after every epoch.
    """

    config: RunConfig
    data: Dataset
    folder: Path
    train: EventBatches
    validation: EventBatches
    callback: EpochCallback | None = None

    def run(
        self, phase: Phase, network: Any, projector: Any, teacher: Any, history: tuple[EpochRecord, ...]
    ) -> Progress:
        """Train the extractor of `network` before its `phase`, and freeze it.

        Parameters
        ----------
        phase : Phase
            ``float`` or ``quantized``: what the autoencoder is trained in afterwards.
        network : keras.Model
            inputs -> [prediction, features].
        projector : keras.Model
        teacher : keras.Model or None
            Float network of the same shape, whose features `training.distillation` matches.
        history : tuple of EpochRecord
            Epochs before.

        Returns
        -------
        Progress
            With the history of all epochs.
        """
        extractor = extractor_of(network)
        extractor.trainable = True
        own = self._phase(phase)
        model = self._model(own, extractor, projector, teacher)
        compile_phase(model, self.config, own)
        progress = train_phase(
            model,
            own,
            self._views(self.train),
            self._views(self.validation),
            self.config.training,
            seed=self.config.seed,
            key=self._key(own),
            checkpoint=self.folder / f"checkpoint_{own.name}.npz",
            history=history,
            callback=self.callback,
        )
        extractor.trainable = False
        return progress

    def _phase(self, phase: Phase) -> Phase:
        """Return name, epochs and learning rate of the features of a phase."""
        options = self.config.training.features
        alone = phase.name == "quantized" or self.config.network.frontend == "float"
        rate = options.learning_rate
        if phase.name == "quantized" and self.config.training.float_epochs:
            rate = options.quantized_learning_rate
        epochs = options.epochs if alone else options.float_epochs
        return dataclasses.replace(phase, name=f"{phase.name}_features", epochs=epochs, learning_rate=rate)

    def _model(self, phase: Phase, extractor: Any, projector: Any, teacher: Any) -> VicReg:
        """Return the model with the loss of VICReg."""
        options, own = self.config.training, self.config.training.features
        share = options.distillation if teacher is not None else 0.0
        settings: dict[str, Any] = {}
        kind: type[VicReg] = VicReg
        if learns_widths(self.config, phase):
            kind, settings = LearnedVicReg, {"price": price_of(self.config, phase, len(self.train))}
        return kind(
            extractor,
            projector,
            weights=(own.invariance, own.variance, own.covariance, own.score),
            score_source=load_teacher(options, self.train) if own.score else None,
            teacher=extractor_of(teacher) if share else None,
            distillation=share,
            **settings,
        )

    def _views(self, events: EventBatches) -> ViewBatches:
        return ViewBatches(events, self.data.contract, self.config.training.features.augmentation, self.config.seed)

    def _key(self, phase: Phase) -> str:
        """Digest of everything that decides the numbers of the phase."""
        return value_digest(
            {
                "phase": phase.name,
                "seed": self.config.seed,
                "network": self.config.network.model_dump(mode="json"),
                "training": self.config.training.model_dump(mode="json"),
                "data": self.data.record.files,
                **price_key(self.config, phase),
            }
        )
