"""What defines a latent score: its kind and every fixed-point type on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass

from l1ad.config import ScoreConfig
from l1ad.errors import ConfigurationError
from l1ad.records import FixedType, Record

#: Widest accumulator that the integer definition, the Keras layer and the C++ template all hold.
_ACCUMULATOR_BITS = 62


@dataclass(frozen=True)
class ScoreSpec(Record):
    """A score of the latent space, down to the bit.

    Attributes
    ----------
    kind : str
        ``rz`` or ``mu2``.
    latent : int
        Number of latent variables.
    mean, log_variance : FixedType
        Types of the quantized latent means and of log sigma^2.
    table : FixedType
        Unsigned type of an entry of the 1/sigma^2 table; unused by ``mu2``.
    score : FixedType
        Unsigned type of the score. Lower bits are dropped, larger sums saturate.
    """

    kind: str
    latent: int
    mean: FixedType
    log_variance: FixedType
    table: FixedType
    score: FixedType

    @property
    def accumulator(self) -> FixedType:
        """Unsigned type that holds the exact sum."""
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
    spec = ScoreSpec(
        kind=config.kind,
        latent=latent,
        mean=mean,
        log_variance=log_variance,
        table=table,
        score=FixedType(signed=False, width=config.width, integer=config.integer),
    )
    if not mean.signed:
        raise ConfigurationError(f"network.mean: {mean} is unsigned; latent means have both signs.")
    if spec.accumulator.width > _ACCUMULATOR_BITS:
        raise ConfigurationError(
            f"score: the exact sum needs {spec.accumulator.width} bits, more than {_ACCUMULATOR_BITS}. "
            "Reduce network.mean, score.table_width or network.latent."
        )
    if log_variance.width > 12 and spec.kind == "rz":
        raise ConfigurationError(
            f"network.log_variance: {log_variance} addresses a table of {2**log_variance.width} entries. "
            "Keep its width at 12 bits or below."
        )
    return spec
