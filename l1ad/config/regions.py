"""What a network over calorimeter regions needs, and what fits together with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from l1ad.config.section import Section

if TYPE_CHECKING:
    from l1ad.config.models import RunConfig


class StudentConfig(Section):
    """Shape of the student that becomes firmware, and of the float autoencoder that teaches it.

    The student is a convolution of 2 x 2 regions with stride 2, a dense layer and one output, as CICADA of CMS.
    """

    filters: int = Field(4, gt=0, description="filters of the student's convolution")
    units: int = Field(16, gt=0, description="units of the student's dense layer")
    teacher_filters: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]] = Field(
        (8, 16), description="filters of the teacher's two convolutions; the decoder mirrors them"
    )
    teacher_latent: int = Field(24, gt=0, description="latent variables of the teacher")


def check_regions(config: RunConfig) -> None:
    """Check that inputs, network, score and training agree on whether regions are read.

    Raises
    ------
    ValueError
        Naming the field that does not fit, and what it has to be.
    """
    network, student = config.network, config.network.regresses
    if student != (config.inputs.kind == "regions"):
        wanted = "regions" if student else "objects"
        raise ValueError(f"network.architecture {network.architecture} reads {wanted}; set inputs.kind to {wanted}")
    if student != (config.training.score_teacher == "autoencoder"):
        wanted = "autoencoder" if student else "mahalanobis or none"
        raise ValueError(
            f"network.architecture {network.architecture} has no score teacher {config.training.score_teacher}; set "
            f"training.score_teacher to {wanted}"
        )
    if student:
        _check_student(config)


def _check_student(config: RunConfig) -> None:
    """Refuse what a student cannot do."""
    if config.data.background is None:
        raise ValueError(
            "inputs.kind regions needs event files with the dataset Regions, and the embedded sample has none; make "
            "them with `l1ad data generate --regions` and name them in data.background and data.signals"
        )
    if config.quantization.training == "post":
        raise ValueError("quantization.training post rounds a float model of the same shape, which a student has not")
    if config.training.float_epochs == 0:
        raise ValueError("training.float_epochs 0 trains no teacher, which a student needs; give at least 1")
