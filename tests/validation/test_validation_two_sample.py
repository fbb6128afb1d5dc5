"""Distances by their definitions, classifier tests, permutations of them, and deformation scans."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp, kstest, wasserstein_distance
from sklearn.metrics import roc_auc_score

from l1ad.errors import ConfigurationError, DataError
from l1ad.validation import distances
from l1ad.validation.calibration import calibrate
from l1ad.validation.classifier import ClassifierTest, classifier_statistics
from l1ad.validation.deformation import DEFORMATIONS, Scan
from l1ad.validation.distances import (
    directions,
    frechet,
    frechet_extrapolated,
    mean_ks,
    polynomial_mmd,
    sliced_ks,
    sliced_wasserstein,
)
from l1ad.validation.reference import make_reference
from l1ad.validation.toys import Generator
from l1ad.validation.two_sample import STATISTICS, DistanceTest, compare_samples

#: Correlated Gaussians of arXiv:2409.16336 at d = 5.
MEAN = np.array([-1.64198171, -2.16873971, -1.66604024, 4.4580132, 0.73881358])
COVARIANCE = np.array(
    [
        [3.76370446, 0.67547358, -0.12772116, -2.40993316, 1.54514204],
        [0.67547358, 3.58431083, 0.56297988, -5.97596561, -0.448385],
        [-0.12772116, 0.56297988, 0.58473929, -0.94510225, -0.19347806],
        [-2.40993316, -5.97596561, -0.94510225, 11.57775045, 0.25875715],
        [1.54514204, -0.448385, -0.19347806, 0.25875715, 1.52080437],
    ]
)
ROOT = np.linalg.cholesky(COVARIANCE)


def correlated(rng, n):
    return MEAN + rng.normal(size=(n, 5)) @ ROOT.T


def samples(seed=0, n=300, m=200, features=2, shift=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, features)), rng.normal(shift, 1, (m, features))


def test_ks_is_the_mean_over_features():
    x, y = samples()
    expected = np.mean([ks_2samp(x[:, k], y[:, k]).statistic for k in range(2)]) * np.sqrt(120)
    assert mean_ks(x, y) == pytest.approx(expected)


@pytest.mark.parametrize("m", [300, 200, 77])
def test_sliced_distances_by_the_definition(m):
    x, y = samples(m=m)
    slices = directions(2)
    np.testing.assert_allclose(np.linalg.norm(slices, axis=0), 1)
    pairs = [(x @ v, y @ v) for v in slices.T]
    factor = np.sqrt(300 * m / (300 + m))
    w = np.mean([wasserstein_distance(a, b) for a, b in pairs]) * factor / np.sqrt(2)
    ks = np.mean([ks_2samp(a, b).statistic for a, b in pairs]) * factor
    assert sliced_wasserstein(x, y) == pytest.approx(w)
    assert sliced_ks(x, y) == pytest.approx(ks)


@pytest.mark.parametrize(("n", "features"), [(400, 3), (8, 3)])
def test_mmd_by_the_definition(n, features):
    x, y = samples(n=n, m=n, features=features)
    kernel = [(a @ b.T / features + 1) ** 4 for a, b in ((x, x), (y, y), (x, y))]
    own = [(k.sum() - np.trace(k)) / (n * (n - 1)) for k in kernel[:2]]
    assert polynomial_mmd(x, y) == pytest.approx(sum(own) - 2 * kernel[2].mean(), rel=1e-9)


def test_moments_of_subsamples_are_those_of_their_events():
    x = correlated(np.random.default_rng(0), 700)
    sizes = np.array([233, 500, 700, 700])
    means, covariances = distances._subsample_moments(x, sizes, np.random.default_rng(3))
    chosen = np.random.default_rng(3).permuted(np.arange(700) < sizes[:, None], axis=1)
    for mean, covariance, rows in zip(means, covariances, chosen, strict=True):
        np.testing.assert_allclose(mean, x[rows].mean(0))
        np.testing.assert_allclose(covariance, np.cov(x[rows], rowvar=False))
    # A subsample of all events is the sample: nothing is drawn twice.
    np.testing.assert_allclose(means[2], x.mean(0))
    assert np.abs(means[0] - x.mean(0)).max() > 1e-3


def test_the_extrapolation_takes_the_bias_of_finite_samples_away():
    rng, plain, extrapolated = np.random.default_rng(0), [], []
    for _ in range(40):
        x, y = correlated(rng, 1000), correlated(rng, 1000)
        plain.append(frechet(x, y))
        extrapolated.append(frechet_extrapolated(x, y))
    assert np.median(extrapolated) < 0.2 * np.median(plain)
    assert min(extrapolated) == 0


def test_frechet_of_known_gaussians():
    x, y = samples(n=200_000, m=200_000, features=1)
    assert frechet(x, 2 * y + 3) == pytest.approx(9 + 1, rel=0.02)
    assert frechet(x, y) < 1e-3
    assert frechet_extrapolated(x[:5000], y[:5000] + 0.5) == pytest.approx(0.25, rel=0.2)


@pytest.mark.parametrize("name", STATISTICS)
def test_every_statistic_sees_a_shift_and_not_a_fluctuation(name):
    shifted = compare_samples(*samples(n=400, m=400, shift=0.5), [name], toys=59)
    same = compare_samples(*samples(seed=2, n=400, m=400), [name], toys=59)
    assert shifted.statistics[0].model("empirical").p < 0.04
    assert same.statistics[0].model("empirical").p > 0.04


def test_distances_are_calibrated_against_a_fixed_reference():
    x, y = samples(n=2000, m=200)
    test = DistanceTest(make_reference(x, expected=200), ("ks", "mmd"))
    null = calibrate(test, "generator", generator=Generator(lambda r, n: r.normal(size=(n, 2)), 200, "g"), toys=100)
    assert min(m.p for s in null.assess(test.statistics(y)).statistics for m in s.models) > 0.01
    found = null.assess(test.statistics(y + 0.4)).statistics
    assert found[0].model("empirical").is_bound
    assert [m.model for m in found[1].models] == ["empirical"]


def test_permutation_p_values_of_a_distance_are_uniform():
    p = [compare_samples(*samples(seed, 100, 60), ["ks"], toys=19).statistics[0].models[0].p for seed in range(100)]
    jitter = np.random.default_rng(0).random(100) / 20
    assert kstest(np.array(p) - jitter, "uniform").pvalue > 1e-3


def test_classifier_statistics():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=500), rng.normal(1, 1, 400)
    labels, scores = np.r_[np.zeros(500), np.ones(400)], np.r_[a, b]
    found = classifier_statistics(a, b)
    assert found.auc == pytest.approx(roc_auc_score(labels, scores))
    assert found.accuracy == pytest.approx(0.5 * ((a <= 0).mean() + (b > 0).mean()))
    best = max(0.5 * ((a < t).mean() + (b >= t).mean()) for t in scores)
    assert found.best_accuracy == pytest.approx(best)


def test_a_classifier_test_is_out_of_sample():
    auc = [ClassifierTest(seed=s).statistics(*samples(s, 600, 600)).auc for s in range(6)]
    assert np.mean(auc) == pytest.approx(0.5, abs=0.03)
    assert ClassifierTest().statistics(*samples(0, 600, 600, shift=1.0)).auc > 0.8


@pytest.mark.parametrize("name", DEFORMATIONS)
def test_deformations_begin_at_nothing(name):
    x = correlated(np.random.default_rng(0), 500)
    np.testing.assert_allclose(DEFORMATIONS[name](x, 0.0, np.random.default_rng(1)), x, rtol=1e-12)
    assert np.abs(DEFORMATIONS[name](x, 0.3, np.random.default_rng(1)) - x).max() > 0.1


def test_decorrelation_keeps_the_marginals():
    x = correlated(np.random.default_rng(0), 5000)
    y = DEFORMATIONS["decorrelate"](x, 1.0, np.random.default_rng(1))
    np.testing.assert_array_equal(np.sort(y, axis=0), np.sort(x, axis=0))
    assert abs(np.corrcoef(x.T)[1, 3]) > 0.8
    assert abs(np.corrcoef(y.T)[1, 3]) < 0.1


def test_a_scan_finds_the_deformation_that_theory_gives():
    # The mean of n events moves by 1.96 sqrt(2/n) at 95 %; KS in one dimension is a little weaker.
    scan = Scan(lambda rng, n: rng.normal(size=(n, 1)), events=500, toys=300, repetitions=40)
    null = scan.null("ks")
    found = scan.exclude("ks", "feature_shift", null, largest=2.0)
    assert 0.08 < found.size < 0.2
    assert 0 < found.size_error < 0.1
    assert scan.exclude("ks", "feature_shift", null, 0.99, largest=2.0).size > found.size
    with pytest.raises(DataError, match="not excluded"):
        scan.exclude("ks", "feature_shift", null, largest=1e-3)
    with pytest.raises(ConfigurationError, match="Did you mean scale"):
        scan.exclude("ks", "scal", null)


@pytest.mark.parametrize(
    ("x", "y", "names", "error", "message"),
    [
        (np.ones((5, 1)), np.ones((5, 2)), ["ks"], DataError, "2 features; the reference has 1"),
        (np.full((5, 1), np.nan), np.ones((5, 1)), ["ks"], DataError, "NaN"),
        (np.arange(5.0), np.arange(9.0, 12), ["kss"], ConfigurationError, "Did you mean ks"),
        (np.arange(5.0), np.arange(5.0), ["ks"], DataError, "not independent"),
        (np.arange(5.0), np.array([7.0]), ["mmd"], DataError, "two events"),
        (np.arange(5.0), np.array([7.0]), ["frechet"], DataError, "two events"),
        (np.arange(5.0), np.array([7.0]), ["frechet_extrapolated"], DataError, "30 events"),
        (np.arange(5.0), np.array([7.0]), ["classifier_auc"], DataError, "four events"),
    ],
)
def test_bad_samples(x, y, names, error, message):
    with pytest.raises(error, match=message):
        compare_samples(x, y, names, toys=9)
