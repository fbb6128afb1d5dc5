"""The estimator: published statistics, the minimum of the loss, weights, memory and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.base import clone

from l1ad.errors import ConfigurationError, DataError
from l1ad.validation import compress as compress_module
from l1ad.validation import nplm
from l1ad.validation.compress import compress
from l1ad.validation.logistic import StoredFeatures, fit, make_sample
from l1ad.validation.nplm import KernelNplm
from l1ad.validation.reference import NplmTest, make_reference
from l1ad.validation.standardize import distance_quantile, fit_standardizer, width_grid

#: t of the same data and the same centers, published by the authors of FalkonNPLM_1D for seeds 0 to 11.
PUBLISHED = np.array(
    [4.34097, 5.77756, 2.37318, 7.78921, 7.16652, 1.64909, 3.63004, 5.02437, 3.58715, 19.26063, 10.66545, 5.36271]
)


def expo(seed):
    rng = np.random.default_rng(seed)
    n = rng.poisson(2000)
    x = rng.exponential(1 / 8, (200_000 + n, 1))
    return x[:200_000], x[200_000:]


def paper_statistic(seed, centers_seed):
    reference, data = expo(seed)
    model = KernelNplm.paper(width=0.3, n_centers=1000, standardize=False, random_state=centers_seed)
    return model.fit_samples(reference, data, expected=2000).statistic_


def test_the_published_statistics_are_reproduced():
    difference = np.abs([paper_statistic(i, i) for i in range(12)] - PUBLISHED)
    assert difference.max() < 0.25
    assert difference.mean() < 0.08


def test_other_centers_or_data_are_not_the_published_ones():
    difference = np.abs([paper_statistic(i + 1, i) for i in range(4)] - PUBLISHED[:4])
    assert difference.max() > 0.25


def small_problem(seed=0, negative=False):
    rng = np.random.default_rng(seed)
    f_r, f_d = rng.normal(size=(4, 500)), rng.normal(0.4, 1, (4, 80))
    w = np.full(500, 0.16)
    if negative:
        w[::10] *= -0.3
    return f_r, f_d, w


@pytest.mark.parametrize("negative", [False, True])
def test_newton_finds_the_minimum_of_the_loss(negative):
    f_r, f_d, w = small_problem(negative=negative)

    def loss(theta):
        a, b = np.logaddexp(0, theta @ f_r) @ w, np.logaddexp(0, -(theta @ f_d)).sum()
        return (a + b) / 580 + 0.5e-3 * theta @ theta

    expected = minimize(loss, np.zeros(4), tol=1e-12).x
    samples = make_sample(StoredFeatures(f_r), w), make_sample(StoredFeatures(f_d), np.ones(80))
    found = fit(*samples, 1e-3, events=580)
    np.testing.assert_allclose(found.theta, expected, atol=1e-4)
    t = 2 * ((found.theta @ f_d).sum() - w @ np.expm1(found.theta @ f_r))
    assert found.statistic == pytest.approx(t)
    one = fit(*samples, 1e-3, events=580, solver="one_step")
    assert np.abs(one.theta - expected).max() > 1e-3


def test_a_loss_without_a_minimum_is_an_error():
    f_r, f_d, w = small_problem()
    with pytest.raises(DataError, match="negative weights"):
        fit(make_sample(StoredFeatures(f_r), -w), make_sample(StoredFeatures(f_d[:, :5]), np.ones(5)), 1e-9, events=505)


def test_steps_that_overshoot_are_shortened():
    rng = np.random.default_rng(3)
    x = np.vstack([rng.normal(size=(3000, 1)), [[7.0]]])
    y = np.vstack([rng.normal(size=(300, 1)), rng.normal(7, 0.1, (40, 1))])
    model = KernelNplm(width=0.3, penalty=1e-10, standardize=False).fit_samples(x, y, expected=300)
    assert np.isfinite(model.statistic_)
    assert model.statistic_ > 200


def test_estimator_and_samples_agree():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(3000, 2)), rng.normal(0.2, 1, (300, 2))
    a = KernelNplm(width=1.0).fit_samples(x, y)
    labels = np.r_[np.ones(300), np.zeros(3000)]
    b = clone(a).fit(np.vstack([y, x]), labels)
    assert a.statistic_ == pytest.approx(b.statistic_, rel=1e-9)
    half = np.r_[np.ones(300), np.full(3000, 0.05)]
    assert clone(a).fit(np.vstack([y, x]), labels, half).statistic_ > a.statistic_ + 10


def test_the_density_ratio_is_learned():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(50_000, 1)), rng.normal(0.3, 1, (10_000, 1))
    model = KernelNplm(width=1.5).fit_samples(x, y)
    at = np.array([[-1.0], [0.0], [1.0]])
    truth = 0.3 * at[:, 0] - 0.045
    np.testing.assert_allclose(model.decision_function(at), truth, atol=0.06)
    np.testing.assert_allclose(model.density_ratio(at), np.exp(model.decision_function(at)))
    np.testing.assert_allclose(model.predict_proba(at).sum(1), 1.0)
    assert model.predict(np.array([[-2.0], [2.0]])).tolist() == [0, 1]


def test_a_shift_is_seen_and_a_fluctuation_is_not():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(20_000, 3))
    same, shifted = rng.normal(size=(1000, 3)), rng.normal(0.25, 1, (1000, 3))
    null, signal = (KernelNplm().fit_samples(x, y).statistic_ for y in (same, shifted))
    assert signal > null + 60


def test_an_event_far_from_the_reference_counts():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(20_000, 2)), rng.normal(size=(500, 2))
    far = np.vstack([y[:-1], [[30.0, 30.0]]])
    a, b = (KernelNplm(width=2.0).fit_samples(x, z).statistic_ for z in (y, far))
    assert b > a + 4


def test_equal_rows_are_merged_without_changing_the_fit():
    rng = np.random.default_rng(6)
    x, y = rng.integers(0, 40, (20_000, 1)).astype(float), rng.integers(0, 41, (1000, 1)).astype(float)
    model = KernelNplm(width=0.4, tolerance=1e-8).fit_samples(x, y)
    assert model.prepare(x, np.full(20_000, 0.05)).x.shape == (40, 1)
    jitter = 1e-9 * rng.normal(size=x.shape)
    apart = KernelNplm(width=0.4, tolerance=1e-8).fit_samples(x + np.abs(jitter), y)
    assert model.statistic_ == pytest.approx(apart.statistic_, rel=5e-3)


def test_one_feature_is_compressed_without_changing_the_fit(monkeypatch):
    rng = np.random.default_rng(10)
    x, y = rng.exponential(1, (60_000, 1)), rng.exponential(1.05, (1000, 1))
    model = KernelNplm(width=0.5, standardize=False, tolerance=1e-9)
    weights = np.full(len(x), 1 / 60)
    few = model.fit_samples(x, y, expected=1000)
    compressed = few.statistic_
    rows = model.prepare(x, weights).x
    assert len(rows) < 1500
    assert rows.max() == pytest.approx(x.max(), abs=1e-12)
    for module in (nplm, compress_module):
        monkeypatch.setattr(module, "compress", lambda x, w, width: (x, w))
    assert len(model.prepare(x, weights).x) == len(x)
    assert compressed == pytest.approx(model.fit_samples(x, y, expected=1000).statistic_, abs=0.01)


def test_compression_keeps_sums_of_smooth_functions():
    rng = np.random.default_rng(11)
    x, w = rng.normal(size=(50_000, 1)), rng.gamma(2, 1, 50_000)
    points, sums = compress(x, w, 1.0)
    for function in (np.ones_like, np.sin, lambda v: np.exp(-8 * v**2), lambda v: v**3):
        assert function(points[:, 0]) @ sums == pytest.approx(function(x[:, 0]) @ w, rel=1e-6, abs=0.02)
    # What varies within a bin is lost.
    assert abs(np.sin(300 * points[:, 0]) @ sums - np.sin(300 * x[:, 0]) @ w) > 1
    for untouched in ((x[:100], w[:100]), (x, -w), (np.hstack([x, x]), w)):
        assert compress(*untouched, 1.0)[0] is untouched[0]


def test_event_weights_count_as_repeated_events():
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(3000, 1)), rng.normal(size=(400, 1))
    twice = KernelNplm(width=1.0, penalty=1e-6).fit_samples(np.vstack([x, x[:1000]]), y)
    weights = np.where(np.arange(3000) < 1000, 2.0, 1.0)
    # The penalty counts an event once, whatever its weight: n lambda is kept.
    weighted = KernelNplm(width=1.0, penalty=1e-6 * 4400 / 3400).fit_samples(x, y, weights=weights)
    plain = KernelNplm(width=1.0, penalty=1e-6).fit_samples(x, y)
    assert weighted.statistic_ == pytest.approx(twice.statistic_, rel=5e-3)
    assert abs(plain.statistic_ - weighted.statistic_) > 5 * abs(twice.statistic_ - weighted.statistic_)


def test_a_small_memory_gives_the_same_statistic():
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(30_000, 2)), rng.normal(0.1, 1, (1000, 2))
    stored = KernelNplm(width=1.5, n_centers=200).fit_samples(x, y)
    streamed = KernelNplm(width=1.5, n_centers=200, memory_mb=4).fit_samples(x, y)
    assert streamed.statistic_ == pytest.approx(stored.statistic_, rel=0.01)
    prepared = streamed.prepare(x, np.full(30_000, 1 / 30))
    assert type(prepared.sample.features).__name__ == "StreamedFeatures"
    assert type(stored.prepare(x, np.full(30_000, 1 / 30)).sample.features).__name__ == "StoredFeatures"


def test_standardization_and_width():
    rng = np.random.default_rng(9)
    x = np.stack([rng.normal(3, 2, 4000), rng.exponential(50, 4000), rng.random(4000)], axis=1)
    z = fit_standardizer(x).transform(x)
    assert abs(z[:, 0].mean()) < 1e-9
    assert z[:, 0].std() == pytest.approx(1)
    assert z[:, 1].mean() == pytest.approx(1)
    np.testing.assert_array_equal(z[:, 2], x[:, 2])
    distance = np.linalg.norm(z[:1000, None] - z[None, :1000], axis=-1)[np.triu_indices(1000, 1)]
    assert distance_quantile(z) == pytest.approx(np.quantile(distance, 0.9), rel=0.05)
    widths = width_grid(z)
    assert list(widths) == sorted(widths)
    assert len(widths) == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.array([[np.nan]])}, "reference: 1 of 1 events hold NaN"),
        ({"y": np.array([[np.inf], [0.0]])}, "data: 1 of 2 events hold NaN or infinity, first event 0"),
        ({"y": np.zeros((5, 2))}, "data: 2 features; the reference has 1"),
        ({"y": np.zeros((0, 1))}, "data: shape"),
        ({"x": np.array([["a"]])}, "reference: not numeric"),
        ({"x": np.zeros((2, 2, 2))}, "reference: shape"),
        ({"data_weights": np.r_[-1.0, np.ones(49)]}, "data: 1 negative weights"),
        ({"weights": np.ones(3)}, "weights of shape"),
        ({"weights": -np.ones(100)}, "sum to -100"),
        ({"weights": np.full(100, np.nan)}, "NaN"),
    ],
)
def test_bad_samples(change, message):
    rng = np.random.default_rng(0)
    given = {"x": rng.normal(size=(100, 1)), "y": rng.normal(size=(50, 1)), **change}
    with pytest.raises(DataError, match=message):
        KernelNplm(width=1.0).fit_samples(given.pop("x"), given.pop("y"), **given)


def test_constant_features_and_a_small_reference_are_stated(caplog):
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=500), np.full(500, 7.0)])
    y = np.column_stack([rng.normal(size=100), np.full(100, 7.0)])
    model = KernelNplm().fit_samples(x, y)
    assert [text for text in model.warnings_ if "number 1 is constant" in text]
    assert "less than 10 times" in caplog.text
    caplog.clear()
    NplmTest(make_reference(x, expected=100, names=["pt", "one"]), KernelNplm()).prepared()
    assert "feature one is constant" in caplog.text
    assert "less than 10 times" in caplog.text
    clean = KernelNplm().fit_samples(rng.normal(size=(500, 2)), rng.normal(size=(50, 2)))
    assert clean.warnings_ == []


def test_a_reference_of_equal_events_has_no_width():
    with pytest.raises(DataError, match="all equal"):
        KernelNplm().fit_samples(np.ones((50, 1)), np.ones((5, 1)))


@pytest.mark.parametrize(
    "setting", [{"width": 0.0}, {"penalty": -1.0}, {"centers": "grid"}, {"solver": "sgd"}, {"n_centers": 0}]
)
def test_bad_settings(setting):
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigurationError, match=next(iter(setting))):
        KernelNplm(**{"width": 1.0, **setting}).fit_samples(rng.normal(size=(100, 1)), rng.normal(size=(10, 1)))


def test_use_before_fit_and_other_features():
    model = KernelNplm(width=1.0)
    with pytest.raises(DataError, match="not fitted"):
        model.predict([[0.0]])
    rng = np.random.default_rng(0)
    model.fit_samples(rng.normal(size=(100, 1)), rng.normal(size=(10, 1)))
    with pytest.raises(DataError, match="2 features; the fit had 1"):
        model.predict([[0.0, 1.0]])
    with pytest.raises(DataError, match="labels"):
        model.fit([[0.0], [1.0]], [0, 2])
    with pytest.raises(DataError, match="empty"):
        model.fit([[0.0], [1.0]], [1, 1])
