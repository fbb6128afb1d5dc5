"""Raw integer thresholds for target false positive rates, their trigger rates, and what to be warned of."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from l1ad.evaluation.roc import ScoreCounts, binomial_error, threshold_at
from l1ad.records import FixedType, Threshold

#: Background events behind a threshold below which its FPR has an error above 10 % (1 / sqrt(100)).
EVENTS_WANTED = 100

#: How far the FPR may lie above its target because of ties before a warning is given.
_TIE_TOLERANCE = 1.1


def find_thresholds(
    background: ScoreCounts, targets: Iterable[float], acceptance: float | None, crossing_rate_khz: float
) -> tuple[Threshold, ...]:
    """Return the threshold of each target FPR, in the order given.

    Parameters
    ----------
    background : ScoreCounts
        Scores of the background.
    targets : iterable of float
        False positive rates, each in (0, 1).
    acceptance : float or None
        Events of the sample a bunch crossing; None when it is not known, then there is no rate.
    crossing_rate_khz : float
        Bunch-crossing rate.
    """
    found = []
    for target in targets:
        raw = threshold_at(background, target)
        fired = fired_events(background, raw)
        fpr = fired / background.events
        found.append(
            Threshold(
                target_fpr=target,
                raw=raw,
                fpr=fpr,
                fpr_error=binomial_error(fired, background.events),
                background_events=fired,
                rate_khz=trigger_rate_khz(fpr, acceptance, crossing_rate_khz),
            )
        )
    return tuple(found)


def fired_events(sample: ScoreCounts, raw: int) -> int:
    """Return how many events of `sample` have a score of at least `raw`."""
    return int(sample.events_at_or_above(np.array([raw], dtype=np.int64))[0])


def trigger_rate_khz(fpr: float, acceptance: float | None, crossing_rate_khz: float) -> float | None:
    """Return the trigger rate: FPR x events of the sample a crossing x crossing rate.

    None when the acceptance is not known. The sample is the selected one: the rate does not count events
    outside its selection.

    Examples
    --------
    >>> trigger_rate_khz(1e-3, 0.002, 40_000.0)
    0.08
    """
    return None if acceptance is None else fpr * acceptance * crossing_rate_khz


def threshold_warnings(
    thresholds: Iterable[Threshold], background_events: int, score_type: FixedType
) -> tuple[str, ...]:
    """Return a sentence for each threshold with too few events behind it or too many ties on it."""
    warnings = []
    for threshold in thresholds:
        if threshold.background_events < EVENTS_WANTED:
            warnings.append(_few_events(threshold, background_events))
        if threshold.background_events > _TIE_TOLERANCE * math.ceil(threshold.target_fpr * background_events):
            warnings.append(_ties(threshold, score_type))
    return tuple(warnings)


def events_needed(target_fpr: float) -> int:
    """Return how many background events put `EVENTS_WANTED` behind the threshold of `target_fpr`.

    Examples
    --------
    >>> events_needed(1e-5)
    10000000
    """
    # The rounding removes what 1e-5 cannot represent; without it 100 / 1e-5 could need one event more.
    return math.ceil(round(EVENTS_WANTED / target_fpr, 6))


def _few_events(threshold: Threshold, background_events: int) -> str:
    """Say how many background events there are and how many are needed."""
    fired = threshold.background_events
    return (
        f"FPR {threshold.target_fpr:g}: {fired:,} background event{'s' if fired != 1 else ''} "
        f"stand{'' if fired != 1 else 's'} behind the threshold, fewer than {EVENTS_WANTED}. "
        f"An error of 10 % needs {events_needed(threshold.target_fpr):,} background events; "
        f"this sample has {background_events:,}."
    )


def _ties(threshold: Threshold, score_type: FixedType) -> str:
    """Say that events with equal scores lift the FPR above its target."""
    reason = "many events share this score"
    advice = "Use a score with more bits right of the point, or the next higher integer"
    if threshold.raw == score_type.maximum:
        reason = f"the score saturates at the largest {score_type}"
        advice = "Use a score with more bits left of the point"
    return (
        f"FPR {threshold.target_fpr:g}: the threshold {threshold.raw} reaches an FPR of {threshold.fpr:.3g}, "
        f"above the target: {reason}. {advice}."
    )
