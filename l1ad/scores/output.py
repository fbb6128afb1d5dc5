"""The score of a network whose output is the score: no arithmetic behind it, so it is exact as it comes."""

from __future__ import annotations

from dataclasses import dataclass

from l1ad.errors import ConfigurationError
from l1ad.records import FixedType, Record
from l1ad.scores.spec import check_score_type


@dataclass(frozen=True)
class OutputSpec(Record):
    """The output of a student as score.

    Attributes
    ----------
    kind : str
        ``output``.
    score : FixedType
        Unsigned type of the output. The quantizer of the network rounds and saturates to it.

    Raises
    ------
    ConfigurationError
        When the type is signed, or wider than float32 holds.
    """

    kind: str
    score: FixedType

    def __post_init__(self) -> None:
        if self.kind != "output":
            raise ConfigurationError(f"score.kind: {self.kind!r}; a student has the score output.")
        check_score_type(self.score)
