"""What a training leaves: the names of its files and its record. Reading them needs no Keras."""

from __future__ import annotations

from dataclasses import dataclass, field

from l1ad.records import Record
from l1ad.scores.output import OutputSpec
from l1ad.scores.reconstruction import ReconstructionSpec
from l1ad.scores.spec import ScoreSpec
from l1ad.training.checkpoint import EpochRecord
from l1ad.training.targets import TargetScale

ENCODER_FILE = "encoder.keras"
DECODER_FILE = "decoder.keras"
PROJECTOR_FILE = "projector.keras"
FIRMWARE_FILE = "firmware.keras"
TEACHER_FILE = "float_encoder.keras"
TRAINING_FILE = "training.json"
LAYERS_FILE = "layers.json"


@dataclass(frozen=True)
class TrainingRecord(Record):
    """What a training did.

    Attributes
    ----------
    architecture, frontend : str
    parameters : int
        Weights of the network that becomes firmware: of the encoder, or of the whole autoencoder.
    best_validation_loss : float
    best_epoch : int
        Epoch of the last phase whose weights were kept.
    events_per_second : float
        Training events a second, median over the epochs of the last phase.
    scale : TargetScale
    score : ScoreSpec, OutputSpec or ReconstructionSpec
    history : tuple of EpochRecord
    bit_operations : int
        Effective bit operations of a network with learned bit widths; 0 for others.
    """

    architecture: str
    frontend: str
    parameters: int
    best_validation_loss: float
    best_epoch: int
    events_per_second: float
    scale: TargetScale
    # The order matters to the reader of the file: the fields of the second are among those of the third.
    score: ScoreSpec | OutputSpec | ReconstructionSpec
    history: tuple[EpochRecord, ...] = field(default_factory=tuple)
    bit_operations: int = 0
