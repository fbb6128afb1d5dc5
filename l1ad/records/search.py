"""What a search leaves: its trials and which of them no other beats."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from l1ad.records.base import Record

COMPLETE, FAILED = "complete", "failed"


@dataclass(frozen=True)
class TrialRecord(Record):
    """One trial of a search.

    Attributes
    ----------
    number : int
    state : str
        ``complete`` or ``failed``; one that failed has a reason and no measurement.
    values : dict of str to object
        Field of the configuration -> what the trial gave it.
    objective : float or None
        Mean AUC or TPR of the signals of the objective.
    lut, logic_ns : float or None
        LUT cost and delay of the combinational logic by alkaid's model, score included.
    auc, tpr : dict of str to float
        Signal -> AUC; signal -> TPR at the false positive rate of the search.
    seconds : float
    reason : str or None
    """

    number: int
    state: str
    values: dict[str, Any]
    objective: float | None = None
    lut: float | None = None
    logic_ns: float | None = None
    auc: dict[str, float] = field(default_factory=dict)
    tpr: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    reason: str | None = None


@dataclass(frozen=True)
class SearchRecord(Record):
    """A search.

    Attributes
    ----------
    name : str
    key : str
        Digest of everything but the number of trials that decides them.
    seed : int
    objective : str
        ``auc`` or ``tpr``.
    fpr : float
        Where the TPR is measured.
    signals : tuple of str
        Signals whose mean is the objective.
    background_events : int
        Validation events of the background.
    epochs, float_epochs : int
        Of a trial.
    versions : dict of str to str
    trials : tuple of TrialRecord
    """

    name: str
    key: str
    seed: int
    objective: str
    fpr: float
    signals: tuple[str, ...]
    background_events: int
    epochs: int
    float_epochs: int
    versions: dict[str, str]
    trials: tuple[TrialRecord, ...] = ()

    @property
    def complete(self) -> tuple[TrialRecord, ...]:
        """The trials that have a measurement."""
        return tuple(trial for trial in self.trials if trial.state == COMPLETE)

    @property
    def front(self) -> tuple[TrialRecord, ...]:
        """The Pareto front: trials that no other equals or beats in both cost and objective, cheapest first."""
        kept: list[TrialRecord] = []
        for trial in sorted(self.complete, key=lambda t: (t.lut, -(t.objective or 0.0), t.number)):
            if not kept or (trial.objective or 0.0) > (kept[-1].objective or 0.0):
                kept.append(trial)
        return tuple(kept)
