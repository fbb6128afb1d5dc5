"""Exact ROC and AUC of integer scores, ties included, with their errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from l1ad.errors import DataError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

#: Range of scores up to which counting by address is used whatever the number of events: 8 MB of counters.
_ADDRESS_RANGE = 1 << 20

#: Probability inside one standard deviation of a normal distribution.
_ONE_SIGMA = 0.682689492137086


@dataclass(frozen=True, eq=False)
class ScoreCounts:
    """How often each raw score occurs.

    Attributes
    ----------
    values : ndarray of int64, shape (n_distinct,)
        Distinct raw scores, ascending.
    below : ndarray of int64, shape (n_distinct + 1,)
        Events with a score below ``values[i]``; the last entry counts all events.
    """

    values: IntArray
    below: IntArray

    @property
    def events(self) -> int:
        """Number of events."""
        return int(self.below[-1])

    @property
    def counts(self) -> IntArray:
        """Events of each distinct score, shape (n_distinct,)."""
        return np.diff(self.below)

    def events_below(self, thresholds: IntArray) -> IntArray:
        """Return how many events have a score below each threshold, shape of `thresholds`."""
        return self.below[np.searchsorted(self.values, thresholds, side="left")]

    def events_at_or_above(self, thresholds: IntArray) -> IntArray:
        """Return how many events fire: score at least the threshold, shape of `thresholds`."""
        return self.events - self.events_below(thresholds)


@dataclass(frozen=True, eq=False)
class RocPoints:
    """All points of a ROC, from (0, 0) at an infinite threshold to (1, 1).

    Attributes
    ----------
    fpr, tpr : ndarray of float64, shape (n_distinct + 1,)
        Ascending. Point 0 is (0, 0); point i > 0 belongs to ``thresholds[i - 1]``.
    thresholds : ndarray of int64, shape (n_distinct,)
        Distinct raw scores of both samples, descending. A score equal to the threshold fires.
    """

    fpr: FloatArray
    tpr: FloatArray
    thresholds: IntArray


def count_scores(scores: IntArray) -> ScoreCounts:
    """Count how often each raw score occurs.

    Ten million events need one pass when the range of the scores is smaller than the number of events
    or than 2**20, and one sort otherwise.

    Parameters
    ----------
    scores : ndarray of int64, shape (n_events,)

    Raises
    ------
    DataError
        When there is no event.
    """
    if scores.size == 0:
        raise DataError("no score to count: the sample holds 0 events. Give at least one event.")
    low, high = int(scores.min()), int(scores.max())
    if high - low < max(scores.size, _ADDRESS_RANGE):
        by_address = np.bincount(scores - low)
        occupied = np.flatnonzero(by_address)
        values, counts = occupied.astype(np.int64) + low, by_address[occupied]
    else:
        values, counts = np.unique(scores, return_counts=True)
    return ScoreCounts(values, np.concatenate(([0], np.cumsum(counts))).astype(np.int64))


def roc_points(background: ScoreCounts, signal: ScoreCounts) -> RocPoints:
    """Return every point of the ROC: one for each distinct score of either sample, and (0, 0)."""
    thresholds = np.union1d(background.values, signal.values)[::-1]
    fpr = background.events_at_or_above(thresholds) / background.events
    tpr = signal.events_at_or_above(thresholds) / signal.events
    return RocPoints(np.concatenate(([0.0], fpr)), np.concatenate(([0.0], tpr)), thresholds)


def auc(background: ScoreCounts, signal: ScoreCounts) -> float:
    """Return the area under the ROC, exact in integers until the last division.

    AUC = P(s > b) + P(s = b) / 2, the Mann-Whitney statistic over the product of the sample sizes
    (Hanley and McNeil, Radiology 143 (1982) 29, "Wilcoxon statistic").

    Examples
    --------
    >>> import numpy as np
    >>> auc(count_scores(np.array([1, 2, 2, 3])), count_scores(np.array([2, 4])))
    0.75
    """
    below = background.events_below(signal.values)
    equal = background.events_below(signal.values + 1) - below
    doubled = int(np.sum(signal.counts * (2 * below + equal)))
    return doubled / (2 * background.events * signal.events)


def auc_error(area: float, background_events: int, signal_events: int) -> float:
    """Return the standard error of an AUC.

    Hanley and McNeil, Radiology 143 (1982) 29, equations 1 and 2 (doi:10.1148/radiology.143.1.7063747):
    SE^2 = [A(1-A) + (n_s-1)(Q1-A^2) + (n_b-1)(Q2-A^2)] / (n_s n_b), Q1 = A/(2-A), Q2 = 2A^2/(1+A).
    It is 0 for A = 0 and A = 1.

    Examples
    --------
    >>> round(auc_error(0.8, 100, 100), 4)
    0.0314
    """
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    numerator = area * (1 - area) + (signal_events - 1) * (q1 - area**2) + (background_events - 1) * (q2 - area**2)
    # Rounding can leave a numerator of -1e-17 at area 0 and 1.
    return math.sqrt(max(numerator, 0.0) / (signal_events * background_events))


def binomial_error(fired: int, events: int) -> float:
    """Return the error of the fraction ``fired / events``.

    sqrt(p (1-p) / n); where that is 0 (none or all fired), the one-sided 68.27 % limit of Clopper and Pearson
    (Biometrika 26 (1934) 404), because an error of 0 would claim certainty.

    Examples
    --------
    >>> binomial_error(50, 100)
    0.05
    >>> round(binomial_error(0, 1000), 5)
    0.00115
    """
    if fired in (0, events):
        return float(1 - (1 - _ONE_SIGMA) ** (1 / events))
    fraction = fired / events
    return math.sqrt(fraction * (1 - fraction) / events)


def threshold_at(background: ScoreCounts, target_fpr: float) -> int:
    """Return the raw threshold of the first ROC point with FPR >= `target_fpr`.

    This is the convention of arXiv:2108.03986. A score equal to the threshold fires. Integer scores have ties:
    all events of one score fire together, so the FPR reached is at least the target and can be well above it.
    The caller records the FPR reached.

    Parameters
    ----------
    background : ScoreCounts
        Scores of the background.
    target_fpr : float
        In (0, 1).

    Raises
    ------
    DataError
        When `target_fpr` is not in (0, 1).
    """
    if not 0 < target_fpr < 1:
        raise DataError(f"target FPR {target_fpr}: expected a number above 0 and below 1.")
    descending = background.values[::-1]
    fpr = background.events_at_or_above(descending) / background.events
    return int(descending[np.searchsorted(fpr, target_fpr, side="left")])


def thin_curve(points: RocPoints, working_fpr: float, limit: int = 400) -> tuple[FloatArray, FloatArray]:
    """Return at most `limit` points of a ROC, log-spaced in FPR.

    Kept always: both ends, the last point with FPR 0, and the first with FPR >= `working_fpr`.

    Returns
    -------
    fpr, tpr : ndarray of float64, shape (n <= limit,)
    """
    if points.fpr.size <= limit:
        return points.fpr, points.tpr
    first_positive = int(np.searchsorted(points.fpr, 0.0, side="right"))
    grid = np.geomspace(points.fpr[first_positive], 1.0, limit - 4)
    # Rounding of geomspace may end above 1, where no point is.
    grid_index = np.searchsorted(points.fpr, np.minimum(grid, 1.0), side="left")
    working = int(np.searchsorted(points.fpr, working_fpr, side="left"))
    always = np.array([0, first_positive - 1, working, points.fpr.size - 1])
    kept = np.unique(np.concatenate((grid_index, always)))
    return points.fpr[kept], points.tpr[kept]
