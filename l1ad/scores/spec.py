"""What defines a latent score: its kind and every fixed-point type on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass

from l1ad.config import ScoreConfig
from l1ad.errors import ConfigurationError, nearest
from l1ad.records import FixedType, Record

#: Widest sum that the integer definition, the Keras layer and the C++ template all hold, in their int64.
ACCUMULATOR_BITS = 62
#: Widest raw score that a float32, the output of the Keras layer, holds exactly.
_SCORE_BITS = 24
#: Widest address of the table.
_ADDRESS_BITS = 12
#: Scores of the latent space of a variational autoencoder.
LATENT_KINDS = ("rz", "mu2", "kl")
#: Of these, the ones that read log sigma^2 through a table.
_TABLE_KINDS = ("rz", "kl")


@dataclass(frozen=True)
class ScoreSpec(Record):
    """A score of the latent space, down to the bit.

    Attributes
    ----------
    kind : str
        ``rz``, ``mu2`` or ``kl``.
    latent : int
        Number of latent variables.
    mean, log_variance : FixedType
        Types of the quantized latent means and of log sigma^2.
    table : FixedType
        Unsigned type of an entry of the table that log sigma^2 addresses: 1/sigma^2 for ``rz``,
        sigma^2 - log sigma^2 - 1 for ``kl``; unused by ``mu2``.
    score : FixedType
        Unsigned type of the score. Lower bits are dropped, larger sums saturate.

    Raises
    ------
    ConfigurationError
        When the score cannot be computed exactly.
    """

    kind: str
    latent: int
    mean: FixedType
    log_variance: FixedType
    table: FixedType
    score: FixedType

    def __post_init__(self) -> None:
        if self.kind not in LATENT_KINDS:
            raise ConfigurationError(f"score.kind: {self.kind!r}. {nearest(self.kind, LATENT_KINDS)}")
        if self.latent < 1:
            raise ConfigurationError(f"network.latent: {self.latent}; expected at least one latent variable.")
        _check_types(self)
        _check_sum(self)

    @property
    def reads_log_variance(self) -> bool:
        """Whether log sigma^2 is part of the score."""
        return self.kind in _TABLE_KINDS

    @property
    def aligned(self) -> tuple[int, int]:
        """Shifts to the left of a squared mean and of a table entry of ``kl``, which give both the same unit."""
        fraction = max(2 * self.mean.fraction, self.table.fraction)
        return fraction - 2 * self.mean.fraction, fraction - self.table.fraction

    @property
    def accumulator(self) -> FixedType:
        """Unsigned type of the exact sum: the sum is its raw integer."""
        if self.kind == "kl":
            left = self.aligned
            square = 1 << (2 * self.mean.width - 2)
            largest = self.latent * ((square << left[0]) + (self.table.maximum << left[1]))
            # The sum is twice the divergence, so its unit counts half.
            fraction = 2 * self.mean.fraction + left[0] + 1
            return FixedType(signed=False, width=largest.bit_length(), integer=largest.bit_length() - fraction)
        weighted = self.kind == "rz"
        fraction = 2 * self.mean.fraction + (self.table.fraction if weighted else 0)
        # The square of the most negative mean is 2**(2 width - 2), which needs one bit more than 2 width - 2.
        width = 2 * self.mean.width - 1 + (self.table.width if weighted else 0)
        width += math.ceil(math.log2(self.latent)) if self.latent > 1 else 0
        return FixedType(signed=False, width=width, integer=width - fraction)

    @property
    def shift(self) -> int:
        """Bits dropped from the accumulator to reach the score's fraction; negative: bits appended."""
        return self.accumulator.fraction - self.score.fraction


def score_spec(config: ScoreConfig, latent: int, mean: FixedType, log_variance: FixedType) -> ScoreSpec:
    """Build the score of a network from its configuration and the types of its latent space.

    Raises
    ------
    ConfigurationError
        When the score cannot be computed exactly.
    """
    table = FixedType(signed=False, width=config.table_width, integer=config.table_integer)
    return ScoreSpec(
        kind=config.kind,
        latent=latent,
        mean=mean,
        log_variance=log_variance,
        table=table,
        score=FixedType(signed=False, width=config.width, integer=config.integer),
    )


def check_score_type(score: FixedType) -> None:
    """Check the type of a score.

    Raises
    ------
    ConfigurationError
        When it is signed, or wider than float32 holds.
    """
    if score.signed:
        raise ConfigurationError(f"score: the type of the score is {score}; expected unsigned.")
    if not 1 <= score.width <= _SCORE_BITS:
        raise ConfigurationError(f"score.width: {score.width}; expected 1 to {_SCORE_BITS} bits.")


def _check_types(spec: ScoreSpec) -> None:
    """Check signs and widths."""
    if not spec.mean.signed:
        raise ConfigurationError(f"network.mean: {spec.mean} is unsigned; latent means have both signs.")
    if spec.table.signed:
        raise ConfigurationError(f"score: the type of the table is {spec.table}; expected unsigned.")
    check_score_type(spec.score)
    if spec.reads_log_variance and spec.log_variance.width > _ADDRESS_BITS:
        raise ConfigurationError(
            f"network.log_variance: {spec.log_variance} addresses a table of {2**spec.log_variance.width} entries. "
            f"Keep its width at {_ADDRESS_BITS} bits or below."
        )


def _check_sum(spec: ScoreSpec) -> None:
    """Check that the sum, moved to the score's fraction, fits an int64."""
    width = spec.accumulator.width + max(-spec.shift, 0)
    if width > ACCUMULATOR_BITS:
        raise ConfigurationError(
            f"score: the exact sum needs {width} bits, more than {ACCUMULATOR_BITS}. "
            "Reduce network.mean, score.table_width or network.latent, or raise score.integer."
        )
    if spec.shift > ACCUMULATOR_BITS:
        raise ConfigurationError(
            f"score: {spec.shift} bits are dropped from a sum of {width}, so every score is 0. Reduce score.integer."
        )
