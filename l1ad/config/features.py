"""How the features of `feature_ae` are learned, before its autoencoder: VICReg on two views of each event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from l1ad.config.section import Section

if TYPE_CHECKING:
    from l1ad.config.models import RunConfig


class AugmentationConfig(Section):
    """What makes a view of an event: what a detector may change without changing what happened."""

    drop: float = Field(0.1, ge=0, lt=1, description="chance that an object is lost; the missing energy never is")
    pt: float = Field(0.1, ge=0, le=1, description="relative Gaussian deviation of every pT")
    angle: float = Field(0.05, ge=0, le=1, description="Gaussian deviation of every eta and phi")
    overlay: float = Field(
        0.0, ge=0, le=1, description="share of events to which objects of others are added, before the two views"
    )
    turn: bool = Field(True, description="turn all azimuths of an event by one angle, and mirror eta in half of them")


class FeaturesConfig(Section):
    """Training of the feature extractor of `feature_ae` by VICReg (arXiv:2105.04906).

    The loss is `invariance` times the mean squared distance between the embeddings of two views, plus `variance` times
    a hinge that holds the deviation of every embedding at 1, plus `covariance` times the squared covariances between
    embeddings. The weights are those of the paper's section 4.2. The embeddings are those of a projector behind the
    features, which firmware does not have.

    `score` adds the mismatch of the score teacher and what a small head reads of it in the features, which firmware
    does not have either: features of VICReg alone need not hold what is rare in the background.
    """

    float_epochs: int = Field(15, gt=0, description="epochs of the float extractor")
    epochs: int = Field(10, gt=0, description="epochs with quantization; for frontend float: all epochs")
    learning_rate: float = Field(3e-3, gt=0)
    quantized_learning_rate: float = Field(1e-3, gt=0, description="at the start of the quantized epochs")
    projector: tuple[Annotated[int, Field(gt=0)], ...] = Field(
        (32, 32), description="units of the projector; the last are the embeddings"
    )
    invariance: float = Field(25.0, ge=0)
    variance: float = Field(25.0, ge=0)
    covariance: float = Field(1.0, ge=0)
    score: float = Field(0.0, ge=0, description="weight of following training.score_teacher; 0: VICReg alone")
    augmentation: AugmentationConfig = AugmentationConfig()

    @model_validator(mode="after")
    def _check(self) -> FeaturesConfig:
        if not self.projector:
            raise ValueError("projector: give at least one layer; its outputs are the embeddings")
        if self.invariance > 0 and self.variance == 0:
            raise ValueError("variance: 0 lets every event have the same features; give it a weight")
        return self


def check_features(config: RunConfig) -> None:
    """Check that the training of an extractor fits the rest of the training.

    Raises
    ------
    ValueError
        Naming the field that does not fit, and what it has to be.
    """
    training = config.training
    if training.features.score > 0 and (training.score_teacher == "none" or training.score_share == 0):
        raise ValueError("training.features.score needs a training.score_teacher and a training.score_share above 0")
    epochs, end = training.features.epochs, training.pruning.end_epoch
    if config.network.learns_features and training.pruning.target > 0 and end >= epochs:
        raise ValueError(
            f"training.features.epochs ({epochs}) leaves no epoch at the full share of pruned weights: "
            f"keep it above training.pruning.end_epoch ({end})"
        )
