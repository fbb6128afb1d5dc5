from __future__ import annotations

import time

import numpy as np
import pytest

from l1ad.errors import DataError
from l1ad.evaluation.roc import (
    auc,
    auc_error,
    binomial_error,
    count_scores,
    roc_points,
    thin_curve,
    threshold_at,
)


def _tied_scores(seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 40, 500), generator.integers(5, 50, 300)


def test_auc_equals_the_count_over_all_pairs() -> None:
    background, signal = _tied_scores()
    wins = (signal[:, None] > background).sum() + 0.5 * (signal[:, None] == background).sum()
    expected = wins / (signal.size * background.size)
    assert auc(count_scores(background), count_scores(signal)) == expected
    # Negative control: without the half for ties the number is another one.
    assert (signal[:, None] > background).mean() != expected


def test_auc_equals_scipy_and_the_area_under_the_points() -> None:
    from scipy.stats import mannwhitneyu

    background, signal = _tied_scores(11)
    b, s = count_scores(background), count_scores(signal)
    points = roc_points(b, s)
    u = mannwhitneyu(signal, background).statistic / (signal.size * background.size)
    assert auc(b, s) == pytest.approx(u, abs=1e-12)
    assert auc(b, s) == pytest.approx(np.trapezoid(points.tpr, points.fpr), abs=1e-12)


def test_auc_of_identical_and_of_separated_samples() -> None:
    low, high = count_scores(np.arange(10)), count_scores(np.arange(10, 20))
    assert auc(low, low) == 0.5
    assert auc(low, high) == 1.0
    assert auc(high, low) == 0.0


def test_counting_by_address_equals_counting_by_sorting() -> None:
    small = np.array([7, -3, 7, 0, 7])
    wide = np.array([7, -3, 7, 0, 7, 1 << 40])
    counted = count_scores(small)
    assert counted.values.tolist() == [-3, 0, 7]
    assert counted.counts.tolist() == [1, 1, 3]
    assert count_scores(wide).counts.tolist() == [1, 1, 3, 1]
    assert counted.events_at_or_above(np.array([-4, -3, -2, 7, 8])).tolist() == [5, 5, 4, 3, 0]


def test_roc_starts_at_zero_ends_at_one_and_matches_a_direct_count() -> None:
    background, signal = _tied_scores()
    points = roc_points(count_scores(background), count_scores(signal))
    assert (points.fpr[0], points.tpr[0], points.fpr[-1], points.tpr[-1]) == (0, 0, 1, 1)
    direct = [(background >= t).mean() for t in points.thresholds]
    assert points.fpr[1:].tolist() == direct
    strict = [(background > t).mean() for t in points.thresholds]
    assert points.fpr[1:].tolist() != strict, "a threshold must be inclusive"


def test_threshold_is_the_first_point_at_or_above_the_target() -> None:
    background = count_scores(np.arange(100_000))
    # 1e-5 of 100,000 events is exactly the one highest event.
    assert threshold_at(background, 1e-5) == 99_999
    assert threshold_at(background, 1.01e-5) == 99_998
    assert threshold_at(background, 1e-3) == 99_900


def test_threshold_overshoots_on_ties() -> None:
    scores = np.concatenate((np.zeros(900, dtype=np.int64), np.full(100, 255)))
    counted = count_scores(scores)
    raw = threshold_at(counted, 0.01)
    assert raw == 255
    assert int(counted.events_at_or_above(np.array([raw]))[0]) == 100


@pytest.mark.parametrize("target", [0.0, 1.0, -1.0, float("nan")])
def test_threshold_refuses_a_target_outside_zero_to_one(target: float) -> None:
    with pytest.raises(DataError, match="above 0 and below 1"):
        threshold_at(count_scores(np.arange(10)), target)


def test_auc_error_agrees_with_toys() -> None:
    generator = np.random.default_rng(5)
    areas = []
    for _ in range(400):
        background = generator.exponential(1000, 400).astype(np.int64)
        signal = generator.exponential(3000, 200).astype(np.int64)
        areas.append(auc(count_scores(background), count_scores(signal)))
    spread = np.std(areas)
    # The formula is exact for exponential scores; 400 toys give the spread to 3.5 %.
    assert auc_error(0.75, 400, 200) == pytest.approx(spread, rel=0.12)
    assert auc_error(0.75, 40, 20) != pytest.approx(spread, rel=0.12)


def test_auc_error_is_zero_at_the_ends() -> None:
    assert auc_error(1.0, 1000, 10) == 0.0
    assert auc_error(0.0, 1000, 10) == 0.0


def test_binomial_error_never_claims_certainty() -> None:
    assert binomial_error(25, 100) == pytest.approx(np.sqrt(0.25 * 0.75 / 100))
    assert binomial_error(0, 100) == pytest.approx(binomial_error(100, 100))
    assert 0.01 < binomial_error(0, 100) < 0.012


def test_thinning_keeps_the_ends_and_the_working_point() -> None:
    generator = np.random.default_rng(2)
    b = count_scores(generator.integers(0, 1 << 20, 200_000))
    s = count_scores(generator.integers(1 << 18, 1 << 20, 50_000))
    points = roc_points(b, s)
    fpr, tpr = thin_curve(points, 1e-5)
    assert fpr.size <= 400 < points.fpr.size
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert np.all(np.diff(fpr) >= 0)
    assert np.all(np.diff(tpr) >= 0)
    working = threshold_at(b, 1e-5)
    at_working = points.tpr[1 + np.flatnonzero(points.thresholds == working)[0]]
    assert at_working in tpr[fpr == points.fpr[1 + np.flatnonzero(points.thresholds == working)[0]]]
    whole = set(zip(points.fpr.tolist(), points.tpr.tolist(), strict=True))
    assert set(zip(fpr.tolist(), tpr.tolist(), strict=True)) <= whole


def test_a_short_curve_is_not_thinned() -> None:
    points = roc_points(count_scores(np.arange(50)), count_scores(np.arange(60)))
    fpr, _ = thin_curve(points, 0.01)
    assert fpr.size == points.fpr.size == 61


def test_three_million_events_are_counted_in_seconds() -> None:
    scores = np.random.default_rng(1).integers(0, 1 << 20, 3_000_000)
    begin = time.perf_counter()
    counted = count_scores(scores)
    area = auc(counted, counted)
    assert area == 0.5
    assert time.perf_counter() - begin < 5


def test_no_event_is_an_error() -> None:
    with pytest.raises(DataError, match="0 events"):
        count_scores(np.array([], dtype=np.int64))
