"""p-values, toys, stored nulls, permutations and the cases that are refused."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.stats import chi2, gamma, kstest, norm

from l1ad.errors import ConfigurationError, DataError
from l1ad.validation.aggregate import METHODS, aggregate, data_p_values, toy_p_values
from l1ad.validation.calibration import CalibratedNull, calibrate, load_null, permute, run
from l1ad.validation.nplm import KernelNplm
from l1ad.validation.nulls import empirical, gamma_threshold, log_gamma_survival, significance, significances
from l1ad.validation.reference import NplmTest, make_reference
from l1ad.validation.toys import Generator, Pool, make_pool, run_toys
from l1ad.validation.weighted_chi2 import log_survival
from l1ad.workers import open_executor

MODEL = KernelNplm(width=1.0, penalty=1e-4, standardize=False)


def gaussian(rng, n):
    return rng.normal(size=(n, 1))


def make_test(widths=(), events=4000, expected=100, seed=0):
    reference = make_reference(np.random.default_rng(seed).normal(size=(events, 1)), expected=expected)
    return NplmTest(reference, MODEL, widths)


SOURCE = Generator(gaussian, 100, "gaussian")


@pytest.mark.parametrize("t", [0.5, 3.0, 9.0, 40.0, 400.0])
def test_weighted_chi2_of_equal_weights_is_chi2(t):
    assert log_survival(t, np.full(10, 2.0)) == pytest.approx(chi2.logsf(t / 2, 10), abs=0.03)


def test_weighted_chi2_of_another_number_of_weights_differs():
    assert abs(log_survival(40.0, np.full(10, 2.0)) - chi2.logsf(20.0, 12)) > 0.3


def test_weighted_chi2_against_drawn_sums():
    a = 0.8 ** np.arange(30)
    drawn = (a * np.random.default_rng(0).normal(size=(200_000, 30)) ** 2).sum(1)
    for t in (3.0, float(a.sum()), 8.0, 12.0):
        p = float((drawn > t).mean())
        assert math.exp(log_survival(t, a)) == pytest.approx(p, abs=4 * math.sqrt(p / 200_000) + 0.01 * p)
    assert math.exp(log_survival(8.0, 1.2 * a)) > 1.2 * float((drawn > 8).mean())


def test_models_of_the_null_side_by_side():
    toys = gamma.rvs(4, scale=2, size=2000, random_state=1)
    t = float(gamma.isf(0.00135, 4, scale=2))
    models = {m.model: m for m in significances(t, toys, np.full(8, 1.0))}
    assert list(models) == ["empirical", "gamma", "chi2", "weighted_chi2"]
    for model in models.values():
        assert model.z == pytest.approx(3.0, abs=4 * max(model.z_error, 0.02))
    assert 0.02 < models["gamma"].z_error < 0.15
    assert str(models["gamma"]) == f"Z = {models['gamma'].z:.2f} +- {models['gamma'].z_error:.2f}"
    wrong = gamma.rvs(1, scale=8, size=2000, random_state=1)
    assert abs(significances(t, wrong)[1].z - 3) > 0.5


def test_exhausted_toys_give_a_bound():
    toys = np.arange(299.0)
    bound = empirical(1e6, toys)
    assert bound.is_bound
    assert bound.p == pytest.approx(1 / 300)
    assert str(bound) == "Z > 2.71"
    assert not empirical(298.0, toys).is_bound


def test_significance_far_in_the_tail():
    for z in (-2.0, 0.0, 5.0, 60.0):
        assert significance(float(norm.logsf(z))) == pytest.approx(z, abs=1e-6)


def test_a_statistic_that_is_often_negative_has_its_toys_only():
    toys = np.random.default_rng(0).normal(size=200)
    assert [m.model for m in significances(1.0, toys)] == ["empirical"]
    with pytest.raises(DataError, match="no Gamma model"):
        gamma_threshold(toys - 5, 0.01)


def test_gamma_far_in_the_tail():
    x = np.array([0.0, 3.0, 500.0, 590.0, 700.0, 5000.0])
    whole = log_gamma_survival(x, np.array(3.0))
    # Q(3, x) = e^-x (1 + x + x^2/2)
    np.testing.assert_allclose(whole, -x + np.log1p(x + x**2 / 2), rtol=1e-12, atol=1e-12)
    near = log_gamma_survival(np.array([598.0, 640.0]), np.array([2.5, 2.5]))
    assert near[0] > -600 > near[1]
    z = [significances(t, np.random.default_rng(0).chisquare(8, 300))[1].z for t in (300.0, 3000.0, 30_000.0)]
    assert np.isfinite(z).all()
    assert z == sorted(z)


@pytest.mark.parametrize(
    ("t", "toys", "message"),
    [
        (np.nan, np.ones(20), "NaN"),
        (1.0, np.r_[np.inf, np.ones(20)], "NaN or infinite"),
        (1.0, np.ones(3), "3 toys and no analytic null"),
    ],
)
def test_bad_statistics(t, toys, message):
    with pytest.raises(DataError, match=message):
        significances(t, toys)


def test_the_analytic_null_agrees_with_toys():
    rng = np.random.default_rng(5)
    values = []
    for _ in range(300):
        test = NplmTest(make_reference(rng.normal(size=(2000, 1)), expected=200), MODEL)
        values.append(test.statistics(rng.normal(size=(rng.poisson(200), 1)))[0])
    weights = test.analytic()[0]
    mean, spread = weights.sum(), math.sqrt(2 * (weights**2).sum())
    assert np.mean(values) == pytest.approx(mean, abs=4 * spread / math.sqrt(300))
    assert np.std(values) == pytest.approx(spread, rel=0.2)
    without_reference_error = weights / 1.1
    assert abs(np.mean(values) - without_reference_error.sum()) > abs(np.mean(values) - mean)


def test_toys_do_not_depend_on_the_number_of_workers(tmp_path):
    test = make_test((0.5, 1.0))
    alone = run_toys(test, SOURCE, 60, seed=3)
    two = run_toys(test, SOURCE, 60, seed=3, workers=2, folder=tmp_path)
    np.testing.assert_array_equal(alone, two)
    assert not np.array_equal(alone, run_toys(test, SOURCE, 60, seed=4))


def test_toys_resume_where_they_stopped(tmp_path):
    test, seen = make_test(), []
    whole = run_toys(test, SOURCE, 60, seed=3)
    run_toys(test, SOURCE, 50, seed=3, folder=tmp_path)
    second = tmp_path / "toys_0000025.npy"
    second.write_bytes(second.read_bytes()[:50])
    again = run_toys(test, SOURCE, 60, seed=3, folder=tmp_path, progress=lambda done, n: seen.append(done))
    np.testing.assert_array_equal(again, whole)
    assert seen == [50, 60]
    with pytest.raises(DataError, match="another reference, test or seed"):
        run_toys(test, SOURCE, 60, seed=4, folder=tmp_path)
    (tmp_path / "toys.json").write_text("{")
    with pytest.raises(DataError, match="not readable"):
        run_toys(test, SOURCE, 60, seed=3, folder=tmp_path)


@pytest.mark.parametrize(("workers", "processes"), [(1, False), (2, True)])
def test_a_dask_cluster_given_by_address_gives_the_same_toys(workers, processes, tmp_path):
    distributed = pytest.importorskip("distributed")
    test = make_test((0.5, 1.0))
    source = Pool(np.random.default_rng(7).normal(size=(3000, 1)), 100)
    alone = run_toys(test, source, 60, seed=3)
    with distributed.LocalCluster(
        n_workers=workers,
        processes=processes,
        protocol="tcp://",
        threads_per_worker=1,
        dashboard_address=None,
        local_directory=str(tmp_path),
    ) as cluster:
        address = cluster.scheduler_address
        np.testing.assert_array_equal(run_toys(test, source, 60, seed=3, executor=address), alone)
        with open_executor(1, address) as executor:
            other = run_toys(test, source, 60, seed=4, executor=executor)
    assert not np.array_equal(other, alone)


def test_an_executor_of_threads_gives_the_same_toys():
    test = make_test()
    with ThreadPoolExecutor(1) as executor:
        np.testing.assert_array_equal(run_toys(test, SOURCE, 30, executor=executor), run_toys(test, SOURCE, 30))


def test_a_cluster_that_is_neither_an_address_nor_a_queue():
    with pytest.raises(ConfigurationError, match="neither the address"):
        run_toys(make_test(), SOURCE, 30, executor="slurmm")


def test_a_stored_null_gives_the_same_answer(tmp_path):
    test = make_test((0.5, 1.0))
    null = calibrate(test, "generator", generator=SOURCE, toys=50)
    null.save(tmp_path)
    loaded = load_null(tmp_path)
    data = np.random.default_rng(9).normal(0.6, 1, (100, 1))
    assert run(test, data, loaded) == run(test, data, null)
    assert len(run(test, data, loaded).combined) == len(METHODS)
    with pytest.raises(DataError, match="another reference"):
        run(make_test((0.5, 1.0), seed=1), data, loaded)
    with pytest.raises(DataError, match="another reference"):
        run(make_test((0.5, 1.1)), data, loaded)


def test_a_damaged_null(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        load_null(tmp_path)
    null = calibrate(make_test(), "generator", generator=SOURCE, toys=25)
    null.save(tmp_path)
    np.save(tmp_path / "toys.npy", null.toys + 1)
    with pytest.raises(DataError, match="not the file that"):
        load_null(tmp_path)
    record = json.loads((tmp_path / "null.json").read_text())
    del record["mode"]
    (tmp_path / "null.json").write_text(json.dumps(record))
    null_bytes = (tmp_path / "toys.npy").read_bytes()
    (tmp_path / "toys.npy").write_bytes(null_bytes[:20])
    with pytest.raises(DataError):
        load_null(tmp_path)


def test_a_signal_is_seen_and_a_fluctuation_is_not():
    test = make_test(events=20_000, expected=500)
    pool = np.random.default_rng(1).normal(size=(20_000, 1))
    null = calibrate(test, "pool", pool=pool, toys=100)
    rng = np.random.default_rng(2)
    same = run(test, rng.normal(size=(500, 1)), null).statistics[0]
    shifted = run(test, rng.normal(0.35, 1, (500, 1)), null).statistics[0]
    assert abs(same.quoted.z) < 3
    assert shifted.quoted.z > 5
    assert shifted.model("empirical").is_bound
    with pytest.raises(DataError, match="Known: empirical, gamma"):
        same.model("student")
    analytic = run(test, rng.normal(size=(500, 1)), calibrate(test, "analytic"))
    assert analytic.statistics[0].quoted.model == "weighted_chi2"
    assert abs(analytic.statistics[0].quoted.z) < 3


def test_bootstrap_from_the_reference_is_refused():
    test = make_test()
    x = test.reference.x
    with pytest.raises(DataError, match="it is the reference itself"):
        calibrate(test, "pool", pool=x.copy())
    with pytest.raises(DataError, match="not independent"):
        calibrate(test, "pool", pool=np.vstack([x[:2000], gaussian(np.random.default_rng(8), 3000)]))
    null = calibrate(test, "pool", pool=gaussian(np.random.default_rng(8), 5000), toys=25)
    with pytest.raises(DataError, match="not independent"):
        run(test, x[:100], null)
    with pytest.raises(DataError, match="not independent"):
        permute(test, x[:100])


def test_a_small_pool_is_stated(caplog):
    x = gaussian(np.random.default_rng(0), 4000)
    with pytest.raises(DataError, match="need more"):
        make_pool(x, gaussian(np.random.default_rng(1), 100), 100)
    make_pool(x, gaussian(np.random.default_rng(1), 500), 100)
    assert "toys share events" in caplog.text
    with pytest.raises(DataError, match="Give a larger pool"):
        Pool(x[:5], 10, fixed=True).draw(np.random.default_rng(0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "pool"}, "give a pool"),
        ({"mode": "generator"}, "give a Generator"),
        ({"mode": "bootstrap"}, "expected 'pool'"),
        ({"mode": "generator", "generator": SOURCE, "toys": 0}, "expected at least 1"),
    ],
)
def test_bad_calibrations(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        calibrate(make_test(), **arguments)


def test_modes_that_need_fixed_centers():
    test = NplmTest(make_test().reference, KernelNplm.paper(width=1.0, n_centers=100))
    with pytest.raises(ConfigurationError, match="greedy centers only"):
        calibrate(test, "analytic")
    with pytest.raises(ConfigurationError, match="do not depend on labels"):
        permute(test, np.random.default_rng(7).normal(size=(50, 1)))
    weighted = NplmTest(make_reference(test.reference.x, expected=10, weights=np.ones(4000)), MODEL)
    with pytest.raises(ConfigurationError, match="weighted reference"):
        permute(weighted, np.random.default_rng(7).normal(size=(50, 1)))
    paper = calibrate(test, "generator", generator=SOURCE, toys=25)
    assert paper.analytic == ()


def test_features_in_another_order():
    x = np.random.default_rng(0).normal(size=(500, 2))
    test = NplmTest(make_reference(x, expected=50, names=["pt", "eta"]), MODEL)
    assert test.check(x[:5], ["pt", "eta"]).shape == (5, 2)
    with pytest.raises(DataError, match="another order"):
        test.check(x[:5], ["eta", "pt"])
    with pytest.raises(DataError, match="features pt, phi"):
        test.check(x[:5], ["pt", "phi"])
    with pytest.raises(DataError, match="2 feature names for 3 features"):
        make_reference(np.ones((4, 3)), expected=1, names=["a", "b"])
    with pytest.raises(DataError, match="positive number"):
        make_reference(x, expected=0)


def test_permutation_p_values_are_uniform_and_see_a_shift():
    rng, found = np.random.default_rng(3), []
    model = KernelNplm(width=1.0, penalty=1e-3, standardize=False)
    for _ in range(40):
        test = NplmTest(make_reference(rng.normal(size=(300, 1)), expected=100), model)
        assessment, _ = permute(test, rng.normal(size=(100, 1)), toys=39)
        found.append(assessment.statistics[0].model("empirical").p)
    assert kstest(np.array(found) - rng.random(40) / 40, "uniform").pvalue > 1e-3
    shifted, null = permute(test, rng.normal(0.8, 1, (100, 1)), toys=39)
    assert shifted.statistics[0].model("empirical").is_bound
    assert null.mode == "permutation"


def test_aggregation_by_the_definition():
    rng = np.random.default_rng(0)
    toys, t = rng.chisquare(5, (50, 3)), np.array([12.0, 4.0, 9.0])
    p = np.array([[(sum(toys[k, j] > toys[i, j] for k in range(50) if k != i) + 1) / 50 for j in range(3)]
                  for i in range(50)])  # fmt: skip
    np.testing.assert_allclose(toy_p_values(toys), p)
    q = np.array([(np.sum(toys[:, j] > t[j]) + 1) / 51 for j in range(3)])
    np.testing.assert_allclose(data_p_values(t, toys), q)
    found = {a.method: a for a in aggregate(t, toys)}
    assert found["min_p"].value == pytest.approx(-q.min())
    assert found["product_p"].value == pytest.approx(-np.log(q).sum())
    assert found["average_p"].value == pytest.approx(-np.log(q.mean()))
    assert found["smooth_max_t"].value == pytest.approx(np.log(np.exp(t).mean()))
    np.testing.assert_allclose(found["min_p"].toys, -p.min(1))
    with pytest.raises(DataError, match="expected"):
        aggregate(t[:2], toys)


def test_aggregation_is_calibrated_though_its_parts_are_correlated():
    rng = np.random.default_rng(1)
    base = rng.normal(size=(2000, 1)) + 0.3 * rng.normal(size=(2000, 4))
    toys, fresh = base[:1000], base[1000:]
    for index in range(4):
        p = [aggregate(t, toys)[index].significance.p for t in fresh[:300]]
        assert kstest(p, "uniform").pvalue > 1e-3
    naive = [4 * data_p_values(t, toys).min() for t in fresh[:300]]
    assert kstest(np.minimum(naive, 1), "uniform").pvalue < 1e-3
    assert aggregate(np.full(4, 6.0), toys)[0].significance.is_bound


def test_a_null_of_another_number_of_statistics():
    null = CalibratedNull(("a",), np.ones((20, 1)), (), "pool", "")
    with pytest.raises(DataError, match="the null has 1"):
        null.assess(np.ones(2))


def test_gamma_threshold_has_its_rate():
    toys = gamma.rvs(4, scale=2, size=5000, random_state=1)
    fresh = gamma.rvs(4, scale=2, size=200_000, random_state=2)
    assert (fresh > gamma_threshold(toys, 0.01)).mean() == pytest.approx(0.01, rel=0.15)
