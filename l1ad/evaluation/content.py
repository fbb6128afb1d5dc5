"""What a score fires on: the content of events above and below a threshold, and efficiencies by content."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError
from l1ad.evaluation.roc import binomial_error
from l1ad.records import Record, Threshold

#: Edges of the strata: quantity -> lower ends. The last stratum is open.
STRATA = {"leptons": (1, 2, 3), "jets": (0, 2, 4), "met": (0, 30, 60)}
#: Fewest events in a stratum whose efficiency is given.
FEWEST_EVENTS = 50


@dataclass(frozen=True)
class ContentRow(Record):
    """One quantity of the background above and below the threshold: means with the errors of the means.

    Attributes
    ----------
    quantity : str
    above, above_error, below, below_error : float
    correlation : float
        Spearman's rank correlation with the score, over all background events.
    """

    quantity: str
    above: float
    above_error: float
    below: float
    below_error: float
    correlation: float


@dataclass(frozen=True)
class ProcessRow(Record):
    """One process of the background: its share of all events and of those above the threshold."""

    process: str
    share: float
    above: float
    above_error: float


@dataclass(frozen=True)
class StratumRow(Record):
    """The share of events of a sample, with `quantity` from `low` to below `high`, that fires.

    `high` is None for the last stratum.
    """

    sample: str
    quantity: str
    low: float
    high: float | None
    events: int
    efficiency: float
    error: float


@dataclass(frozen=True)
class EfficiencyRow(Record):
    """The share of events of a sample that fires at a threshold."""

    sample: str
    target_fpr: float
    efficiency: float
    error: float


@dataclass(frozen=True)
class ContentReport(Record):
    """What a score fires on.

    Attributes
    ----------
    target_fpr : float
        Threshold at which content and strata are given: the lowest rate with enough background events above it.
    raw : int
        That threshold.
    events_above : int
        Background events above it.
    rows, processes, strata, efficiencies : tuple
    """

    target_fpr: float
    raw: int
    events_above: int
    rows: tuple[ContentRow, ...]
    processes: tuple[ProcessRow, ...]
    strata: tuple[StratumRow, ...]
    efficiencies: tuple[EfficiencyRow, ...]


@dataclass(frozen=True)
class ScoredSample:
    """Events with their scores.

    Attributes
    ----------
    scores : ndarray of int64, shape (N,)
    content : dict of str to ndarray, shape (N,)
        What `l1ad.events.content.event_content` returned.
    process : ndarray of int, shape (N,), or None
    """

    scores: NDArray[np.int64]
    content: Mapping[str, NDArray[np.float64]]
    process: NDArray[np.integer] | None = None

    def __post_init__(self) -> None:
        for name, values in self.content.items():
            if len(values) != len(self.scores):
                raise DataError(f"{name}: {len(values)} events; there are {len(self.scores)} scores.")


def describe_content(
    background: ScoredSample,
    signals: Mapping[str, ScoredSample],
    thresholds: tuple[Threshold, ...],
    process_names: Mapping[int, str] | None = None,
    fewest: int = 300,
) -> ContentReport:
    """Return what a score fires on.

    Parameters
    ----------
    background : ScoredSample
    signals : mapping of str to ScoredSample
    thresholds : tuple of Threshold
    process_names : mapping of int to str, optional
        Names of the processes of the background.
    fewest : int, optional
        Background events that have to be above the threshold at which the content is described.

    Raises
    ------
    DataError
        When there are no thresholds or no events.
    """
    if not thresholds or len(background.scores) == 0:
        raise DataError("content of events: expected at least one threshold and one background event.")
    ordered = sorted(thresholds, key=lambda t: t.target_fpr)
    chosen = next((t for t in ordered if t.background_events >= fewest), ordered[-1])
    samples = {"background": background, **signals}
    return ContentReport(
        chosen.target_fpr,
        chosen.raw,
        chosen.background_events,
        tuple(_rows(background, chosen.raw)),
        tuple(_processes(background, chosen.raw, process_names or {})),
        tuple(row for name, sample in samples.items() for row in _strata(name, sample, chosen.raw)),
        tuple(_efficiencies(samples, ordered)),
    )


def _rows(background: ScoredSample, raw: int) -> list[ContentRow]:
    """Return the quantities of the background above and below the threshold."""
    from scipy.stats import spearmanr

    fired = background.scores >= raw
    found = []
    for name, values in background.content.items():
        constant = values.min() == values.max() or background.scores.min() == background.scores.max()
        correlation = 0.0 if constant else float(spearmanr(values, background.scores).statistic)
        found.append(ContentRow(name, *_mean(values[fired]), *_mean(values[~fired]), correlation))
    return found


def _mean(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean and its error; 0 without events."""
    if len(values) == 0:
        return 0.0, 0.0
    return float(values.mean()), float(values.std() / math.sqrt(len(values)))


def _processes(background: ScoredSample, raw: int, names: Mapping[int, str]) -> list[ProcessRow]:
    """Return the shares of the processes; none where the events do not say theirs."""
    if background.process is None:
        return []
    fired = background.process[background.scores >= raw]
    found = []
    for number in np.unique(background.process).tolist():
        count = int((fired == number).sum())
        share = float((background.process == number).mean())
        above = count / len(fired) if len(fired) else 0.0
        error = binomial_error(count, len(fired)) if len(fired) else 0.0
        found.append(ProcessRow(names.get(number, f"process {number}"), share, above, error))
    return found


def _strata(name: str, sample: ScoredSample, raw: int) -> list[StratumRow]:
    """Return the efficiencies by content of one sample."""
    found = []
    for quantity, edges in STRATA.items():
        values = sample.content[quantity]
        for low, high in zip(edges, (*edges[1:], None), strict=True):
            chosen = values >= low if high is None else (values >= low) & (values < high)
            events = int(chosen.sum())
            if events < FEWEST_EVENTS:
                continue
            fired = int((sample.scores[chosen] >= raw).sum())
            found.append(StratumRow(name, quantity, low, high, events, fired / events, binomial_error(fired, events)))
    return found


def _efficiencies(samples: Mapping[str, ScoredSample], thresholds: list[Threshold]) -> list[EfficiencyRow]:
    """Return the efficiencies of all samples at all thresholds."""
    found = []
    for name, sample in samples.items():
        for threshold in thresholds:
            fired, events = int((sample.scores >= threshold.raw).sum()), len(sample.scores)
            found.append(EfficiencyRow(name, threshold.target_fpr, fired / events, binomial_error(fired, events)))
    return found
