"""Pydantic models of the configuration. Every field has a default that is documented here."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from l1ad.config.features import FeaturesConfig, check_features
from l1ad.config.firmware import ConversionConfig, EmulationConfig, SynthesisConfig
from l1ad.config.regions import StudentConfig, check_regions
from l1ad.config.search import SearchConfig
from l1ad.config.section import Section
from l1ad.provenance import check_name


class DataConfig(Section):
    """Where the events come from and how they are split.

    `background` and `signals` name HDF5 files in the ADC2021 layout; without them the embedded sample is used.
    """

    background: str | None = Field(None, description="HDF5 file of background events; null: the embedded sample")
    signals: dict[str, str] = Field(default_factory=dict, description="signal name -> HDF5 file")
    max_background: int | None = Field(None, gt=0, description="read at most so many background events")
    max_signal: int | None = Field(None, gt=0, description="read at most so many events of each signal")
    train_fraction: float = Field(0.4, gt=0, lt=1)
    validation_fraction: float = Field(0.1, gt=0, lt=1)
    acceptance: float | None = Field(
        None, gt=0, le=1, description="events of the sample a bunch crossing; null: what the sample's manifest says"
    )

    @model_validator(mode="after")
    def _check(self) -> DataConfig:
        if self.train_fraction + self.validation_fraction >= 1:
            raise ValueError("train_fraction + validation_fraction leave nothing for the test: keep the sum below 1")
        if bool(self.signals) != (self.background is not None):
            raise ValueError("give both background and signals, or neither for the embedded sample")
        for name in self.signals:
            check_name(name, "signal name")
        return self


class InputsConfig(Section):
    """The fixed-point type of the network's inputs; offsets and shifts are derived from the training sample."""

    kind: Literal["objects", "regions"] = Field(
        "objects", description="objects: pT, eta, phi of 19 objects; regions: 18 x 14 calorimeter sums, without sign"
    )
    width: int = Field(10, ge=2, le=18, description="bits of every input, sign included")
    integer: int = Field(4, ge=1, le=18, description="bits left of the point, sign included")
    contract: str | None = Field(None, description="inputs.json of a model; null: derived from the training part")

    @property
    def signed(self) -> bool:
        """Whether an input has a sign; an energy has none."""
        return self.kind == "objects"

    @model_validator(mode="after")
    def _check(self) -> InputsConfig:
        if self.integer > self.width:
            raise ValueError(f"integer ({self.integer}) exceeds width ({self.width})")
        return self


class LayerConfig(Section):
    """Quantizers of one layer where they differ from those of the network."""

    kernel: str | None = None
    bias: str | None = None
    activation: str | None = Field(None, description="of a rectifier, such as relu_1")


class NetworkConfig(Section):
    """Architecture and bit widths, in QKeras's own syntax."""

    architecture: Literal["dense_vae", "cnn_vae", "dense_ae", "cnn_ae", "feature_ae", "cicada_student", "imported"] = (
        Field(
            "dense_vae",
            description="cicada_student: regions -> the score of a teacher; imported: the network of `file`, which "
            "`l1ad import-model` writes here",
        )
    )
    frontend: Literal["qkeras", "hgq", "float"] = Field(
        "qkeras", description="hgq: learned bit widths by HGQ2, which needs an environment of its own"
    )
    hidden: tuple[Annotated[int, Field(gt=0)], ...] = Field((32, 16), description="dense encoder; decoder mirrors it")
    filters: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]] = Field(
        (16, 32), description="filters of the two convolutions of cnn_vae and cnn_ae"
    )
    latent: int = Field(3, gt=0, le=64, description="latent variables")
    features: int = Field(10, gt=0, le=64, description="feature_ae: features behind `hidden`")
    feature_hidden: tuple[Annotated[int, Field(gt=0)], ...] = Field(
        (9, 6), description="feature_ae: hidden layers of the autoencoder of the features; its decoder mirrors them"
    )
    kernel: str = "quantized_bits(6,1,alpha=1)"
    bias: str = "quantized_bits(8,2,alpha=1)"
    activation: str = "quantized_relu(8,3)"
    latent_kernel: str = Field(
        "quantized_bits(8,1,alpha=1)", description="of the latent layers; feature_ae: of its autoencoder"
    )
    mean: str = Field("quantized_bits(10,5,alpha=1)", description="quantizer of the latent means or variables")
    log_variance: str = Field("quantized_bits(8,3,alpha=1)", description="quantizer of log sigma^2: table address")
    layers: dict[str, LayerConfig] = Field(
        default_factory=dict, description="qkeras: layer, such as dense_1 or relu_1 -> quantizers of its own"
    )
    reconstruction: str = Field(
        "quantized_bits(7,3,alpha=1)", description="autoencoders: quantizer of what the decoder says of each input"
    )
    feature: str = Field("quantized_bits(10,5,alpha=1)", description="feature_ae: quantizer of the features")
    student: StudentConfig = StudentConfig()
    output: str = Field(
        "quantized_bits(16,8,keep_negative=False,alpha=1)",
        description="cicada_student: quantizer of its output, which is the score",
    )
    file: str | None = Field(None, description="imported: model file that QKeras or Keras wrote")
    predictions: str | None = Field(None, description="imported: npz with x and y0, y1, ... that prove the import")
    round_bits: int | None = Field(
        None, ge=2, le=18, description="imported: bits of weights that have no exact form; null: they are refused"
    )
    reference: str | None = Field(
        None, description="folder of a reference model: its weights are taken, nothing is trained"
    )

    @model_validator(mode="after")
    def _check(self) -> NetworkConfig:
        if (self.architecture == "imported") != (self.file is not None):
            raise ValueError("give file with architecture imported, and only then")
        if self.layers and self.frontend == "hgq":
            raise ValueError("layers does not go with frontend hgq, where every weight learns a width of its own")
        return self

    @property
    def reconstructs(self) -> bool:
        """Whether firmware holds a decoder, whose error is the score."""
        return self.architecture in ("dense_ae", "cnn_ae", "feature_ae")

    @property
    def learns_features(self) -> bool:
        """Whether an extractor of features is trained before the autoencoder behind it."""
        return self.architecture == "feature_ae"

    @property
    def regresses(self) -> bool:
        """Whether the output of the network is the score, learned from a teacher."""
        return self.architecture == "cicada_student"


class ScoreConfig(Section):
    """The anomaly score computed in firmware."""

    kind: Literal["rz", "mu2", "kl", "reconstruction", "feature_error", "output"] = Field(
        "rz",
        description="rz, mu2, kl: of a latent space; reconstruction: of an autoencoder; feature_error: of feature_ae; "
        "output: of a student",
    )
    table_width: int = Field(10, ge=2, le=18, description="rz, kl: bits of an entry of the table, unsigned")
    table_integer: int = Field(8, ge=0, le=18, description="of these, bits left of the point")
    width: int = Field(22, ge=2, le=24, description="bits of the score, unsigned; float32 holds 24")
    integer: int = Field(20, ge=0, le=24, description="of these, bits left of the point; larger scores saturate")
    weights: tuple[float, float, float] = Field(
        (1.0, 0.125, 0.125), description="reconstruction: weights of pT, eta and phi, 0 or a power of two up to 1"
    )
    error_width: int = Field(
        6, ge=1, le=16, description="of an autoencoder: bits of an error, in units of network.reconstruction"
    )

    @model_validator(mode="after")
    def _check(self) -> ScoreConfig:
        for weight in self.weights:
            if weight != 0 and not (2.0**-12 <= weight <= 1 and math.log2(weight).is_integer()):
                raise ValueError(f"weights: {weight} is neither 0 nor a power of two from 2**-12 to 1")
        return self


class PruningConfig(Section):
    """Which share of every kernel is held at zero, and when.

    At the beginning of each epoch from `start_epoch` to `end_epoch` the weights of the smallest magnitude are set to
    zero, and they stay there. The share rises from 0 to `target` by the cubic polynomial of arXiv:1710.01878, eq. 1.
    arXiv:2108.03986 prunes half of the weights, epochs 5 to 15, of a trained model.
    """

    target: float = Field(0.0, ge=0, lt=1, description="share of zeros in every kernel at the end; 0: no pruning")
    start_epoch: int = Field(2, ge=0, description="quantized epochs before the first weight is held at zero")
    end_epoch: int = Field(8, gt=0, description="quantized epochs before the share is `target`")

    @model_validator(mode="after")
    def _check(self) -> PruningConfig:
        if self.start_epoch >= self.end_epoch:
            raise ValueError(f"start_epoch ({self.start_epoch}) must be below end_epoch ({self.end_epoch})")
        return self


class TrainingConfig(Section):
    """Optimizer, loss and stopping of the training (defaults of arXiv:2108.03986 where it states them).

    A quantized network is trained twice: as a float model of the same shape for `float_epochs`, then with
    quantization for `epochs`, from the weights of the first.
    """

    float_epochs: int = Field(20, ge=0, description="epochs of the float model; 0: quantized from the start")
    epochs: int = Field(15, gt=0, description="epochs with quantization; for frontend float: all epochs")
    batch_size: int = Field(1024, gt=0)
    learning_rate: float = Field(3e-3, gt=0)
    quantized_learning_rate: float = Field(1e-3, gt=0, description="at the start of the quantized epochs")
    beta: float = Field(0.01, ge=0, lt=1, description="loss = (1-beta) reconstruction + beta KL; the paper: 0.8")
    target: Literal["whitened", "paper"] = Field(
        "whitened",
        description="whitened: every input over its deviation, padding included; paper: masked, pT standardized",
    )
    feature_weights: tuple[float, float, float] = Field(
        (1.0, 0.1, 0.1), description="weights of pT, eta and phi in the reconstruction; the paper: 1, 1, 1"
    )
    score_teacher: Literal["none", "mahalanobis", "autoencoder"] = Field(
        "mahalanobis",
        description="float anomaly score that the score learns to follow; autoencoder: of a student, trained first",
    )
    score_share: float = Field(0.95, ge=0, le=1, description="share of following that score in the loss")
    noise: float = Field(
        0.3,
        ge=0,
        le=1,
        description="share of training events with disturbed objects; 0 without a score teacher. Of a student: share "
        "of events onto which another background event is laid",
    )
    distillation: float = Field(
        0.0, ge=0, le=1, description="share of matching the float latent space in the loss of the quantized epochs"
    )
    schedule: Literal["cosine", "plateau"] = Field(
        "cosine", description="learning rate: half a cosine down to a hundredth, or reduced when the loss stalls"
    )
    patience: int = Field(10, gt=0, description="early stopping, epochs without improvement")
    reduce_patience: int = Field(3, gt=0, description="plateau: learning rate is reduced after so many such epochs")
    reduce_factor: float = Field(0.3, gt=0, lt=1)
    average: float = Field(
        0.0, ge=0, lt=1, description="share of the running average of the weights that a step keeps; 0: no average"
    )
    pruning: PruningConfig = PruningConfig()
    features: FeaturesConfig = FeaturesConfig()
    xla: bool = True

    @model_validator(mode="after")
    def _check(self) -> TrainingConfig:
        if self.pruning.target > 0 and self.pruning.end_epoch >= self.epochs:
            raise ValueError(
                f"pruning.end_epoch ({self.pruning.end_epoch}) leaves no epoch at the full share: "
                f"keep it below epochs ({self.epochs})"
            )
        return self


class QuantizationConfig(Section):
    """How a quantized network gets its weights, and for frontend hgq the price of a bit.

    The price is a term of the loss: `beta` times the effective bit operations, which are the products of the bits
    of both factors, summed over all multiplications (arXiv:2405.00645, section 3).
    """

    training: Literal["aware", "post"] = Field(
        "aware", description="post: the weights of the float model are rounded and not trained further"
    )
    beta: float = Field(3e-7, ge=0, description="hgq: loss per effective bit operation at the end")
    beta_start: float = Field(1e-8, gt=0, description="hgq: the same at the start; rises geometrically")
    ramp: float = Field(0.5, gt=0, le=1, description="hgq: share of the quantized epochs in which beta rises")
    bit_operations: int | None = Field(
        None, gt=0, description="hgq: target of the effective bit operations; beta then follows it"
    )
    bit_learning_rate: float = Field(10.0, gt=0, description="hgq: learning rate of bit widths over that of weights")


class EvaluationConfig(Section):
    """Working points and rates."""

    fpr: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (1e-5, 1e-4, 1e-3, 1e-2)
    working_fpr: float = Field(1e-5, gt=0, lt=1)
    crossing_rate_khz: float = Field(40_000.0, gt=0)

    @model_validator(mode="after")
    def _check(self) -> EvaluationConfig:
        if self.working_fpr not in self.fpr:
            raise ValueError(f"working_fpr ({self.working_fpr}) is not in fpr ({self.fpr})")
        return self


#: Scores of the architectures whose firmware ends otherwise than in a latent space.
_SCORES = {
    "dense_ae": ("reconstruction",),
    "cnn_ae": ("reconstruction",),
    "feature_ae": ("feature_error",),
    "cicada_student": ("output",),
}


class RunConfig(Section):
    """One run: from events to the report."""

    name: str = "dense_vae"
    seed: int = Field(1, ge=0, lt=2**31)
    data: DataConfig = DataConfig()
    inputs: InputsConfig = InputsConfig()
    network: NetworkConfig = NetworkConfig()
    score: ScoreConfig = ScoreConfig()
    training: TrainingConfig = TrainingConfig()
    quantization: QuantizationConfig = QuantizationConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    conversion: ConversionConfig = ConversionConfig()
    emulation: EmulationConfig = EmulationConfig()
    synthesis: SynthesisConfig = SynthesisConfig()
    search: SearchConfig = SearchConfig()

    @model_validator(mode="after")
    def _check(self) -> RunConfig:
        check_name(self.name, "run name")
        if self.training.pruning.target > 0:
            self._check_pruning()
        check_regions(self)
        check_features(self)
        fits = _SCORES.get(self.network.architecture, ("rz", "mu2", "kl"))
        if self.score.kind not in fits:
            raise ValueError(
                f"network.architecture {self.network.architecture} has no score {self.score.kind}; set score.kind to "
                f"{' or '.join([', '.join(fits[:-1]), fits[-1]] if len(fits) > 1 else fits)}"
            )
        return self

    def _check_pruning(self) -> None:
        """Refuse pruning where nothing would prune."""
        if self.network.frontend == "hgq":
            raise ValueError(
                "training.pruning does not go with network.frontend hgq, whose price of a bit already removes weights: "
                "raise quantization.beta instead"
            )
        if self.network.architecture == "imported" or self.quantization.training == "post":
            raise ValueError(
                "training.pruning needs quantized epochs, which neither an imported network nor "
                "quantization.training post has: leave it out"
            )
