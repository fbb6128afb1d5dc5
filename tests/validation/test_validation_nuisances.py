"""Systematic uncertainties: learned shapes, tau - Delta, varied toys, what users write about them, stored tests."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from l1ad.cli.main import main
from l1ad.errors import ConfigurationError, DataError
from l1ad.validation.calibration import calibrate, permute, run
from l1ad.validation.nplm import KernelNplm
from l1ad.validation.nuisances import LearnedShape, Normalisation, deltas, learn_scale, learn_shape
from l1ad.validation.nulls import gamma_model
from l1ad.validation.profile import ProfiledReference
from l1ad.validation.reference import NplmTest, make_reference
from l1ad.validation.samples import SampleFile, read_sample
from l1ad.validation.store import load_test, save_test
from l1ad.validation.systematics import read_nuisances
from l1ad.validation.toys import Generator, Pool, run_toys
from l1ad.validation.varied import Varied, varied

SIGMA = 0.05
MODEL = KernelNplm(width=0.3, standardize=False)


def expo(rng, n):
    return rng.exponential(1 / 8, (n, 1))


BACKGROUND = Generator(expo, 2000, "exponential")


@pytest.fixture(scope="module")
def reference():
    return make_reference(expo(np.random.default_rng(1), 40_000), expected=2000)


@pytest.fixture(scope="module")
def scale(reference):
    return learn_scale(reference.x, SIGMA)


def shifted(size):
    return Generator(lambda rng, n: (1 + size) * expo(rng, n), 2000, f"shift {size}")


class Signal:
    digest = "signal"

    def draw(self, rng):
        return np.concatenate([expo(rng, rng.poisson(2000)), rng.normal(0.8, 0.02, (rng.poisson(10), 1))])


def median_z(test, source, null, toys=40):
    return float(np.median([gamma_model(t, null).z for t in run_toys(test, source, toys, seed=2)[:, 0]]))


def test_the_learned_scale_is_the_derivative_of_the_log_density(scale):
    x = np.array([[0.0], [0.1], [0.3], [0.6]])
    # p(x) = 8 e^(-8x): log p(x | nu) - log p(x) = nu sigma (8x - 1) to first order
    np.testing.assert_allclose(scale.delta(x), SIGMA * (8 * x[:, 0] - 1), atol=0.01)
    assert abs(scale.delta(x)[3] - SIGMA) > 0.1


def test_a_learned_shift_of_one_feature_leaves_the_other_alone():
    x = np.random.default_rng(0).normal(size=(20_000, 2))
    moved = learn_shape("shift", x, x + np.array([0.1, 0]), x - np.array([0.1, 0]))
    at = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    np.testing.assert_allclose(moved.delta(at), [0.1, 0.0, 0.1], atol=0.02)


def test_both_fits_are_at_the_minimum_of_the_loss(reference, scale):
    small = make_reference(reference.x[:2000], expected=200)
    data = 1.4 * expo(np.random.default_rng(5), 200)
    model = KernelNplm(width=0.3, penalty=1e-4, standardize=False)
    test = NplmTest(small, model, (), (scale, Normalisation(0.1)), "free")
    found = test.profiles(data)[0]
    rows_r, rows_d = deltas(test.nuisances, small.x), deltas(test.nuisances, data)
    w = small.event_weights

    def loss(theta, f_r=0.0, f_d=0.0):
        u, v = f_r + theta @ rows_r, f_d + theta @ rows_d
        return w @ np.logaddexp(0, u) + np.logaddexp(0, -v).sum() + 0.25 * theta @ theta

    nu = minimize(loss, np.zeros(2), tol=1e-12).x
    np.testing.assert_allclose(found.pulls, nu, atol=1e-3)
    likelihood = 2 * ((nu @ rows_d).sum() - w @ np.expm1(nu @ rows_r)) - nu @ nu
    assert found.delta == pytest.approx(likelihood, abs=1e-3)
    assert abs(likelihood) > 1
    fixed = NplmTest(small, model, (), test.nuisances).profiles(data)[0]
    assert fixed.delta == pytest.approx(found.delta)
    assert fixed.statistic < found.statistic
    assert found.pulls_with_f[0] < found.pulls[0]
    # Against the reference that the nuisance parameters give, the statistic is that of NPLM without nuisances.
    plain = KernelNplm(**model.get_params())
    weights = w * np.exp(nu @ rows_r)
    plain.fit_samples(small.x, data, weights=weights, expected=float(weights.sum()))
    assert fixed.statistic == pytest.approx(plain.statistic_, abs=0.02)


def test_a_shift_within_the_uncertainty_is_absorbed_and_a_signal_is_not(reference, scale):
    plain, corrected = NplmTest(reference, MODEL), NplmTest(reference, MODEL, (), (scale,))
    null = run_toys(plain, BACKGROUND, 150, seed=1)[:, 0]
    varied_null = run_toys(corrected, varied(BACKGROUND, (scale,)), 150, seed=1)[:, 0]
    shift = shifted(2 * SIGMA)
    assert median_z(plain, shift, null) > 2.5
    # The median of 40 data sets and 150 toys has an error of 0.2; 0.3 and 0.03 were measured for both signs.
    assert abs(median_z(corrected, shift, varied_null)) < 0.7
    assert median_z(corrected, Signal(), varied_null) > 0.8 * median_z(plain, Signal(), null)
    # A nuisance of another shape does not absorb the shift.
    wrong = (learn_shape("step", reference.x, *two_steps(reference.x)),)
    other = NplmTest(reference, MODEL, (), wrong)
    other_null = run_toys(other, varied(BACKGROUND, wrong), 100, seed=1)[:, 0]
    assert median_z(other, shift, other_null) > 2


def two_steps(x):
    """Return samples with more and with fewer events in a window of the tail."""
    inside = (x[:, 0] > 0.3) & (x[:, 0] < 0.35)
    return np.concatenate([x, x[inside][::10]]), np.concatenate([x[~inside], x[inside][: int(0.9 * inside.sum())]])


def test_normalisation_absorbs_a_number_and_no_shape(reference):
    nuisance = (Normalisation(0.1),)
    test = NplmTest(reference, MODEL, (), nuisance)
    more = expo(np.random.default_rng(3), 2300)
    profile = test.profiles(more)[0]
    assert profile.pulls[0] == pytest.approx(np.log(1.15) / np.log(1.1), rel=0.1)
    assert profile.statistic < NplmTest(reference, MODEL).statistics(more)[0] - 20
    shape = test.profiles(1.2 * expo(np.random.default_rng(3), 2000))[0]
    assert shape.statistic > 40


def test_varied_toys_have_the_density_of_their_parameter(reference, scale):
    pool = Pool(expo(np.random.default_rng(2), 30_000), 2000)
    for source in (Varied(pool, (scale,)), Varied(BACKGROUND, (scale,))):
        means = [source.draw(np.random.default_rng(k)).mean() for k in range(60)]
        plain = [source.source.draw(np.random.default_rng(k)).mean() for k in range(60)]
        # Means spread by sigma times the mean, besides their statistical error.
        expected = np.hypot(SIGMA / 8, 1 / 8 / np.sqrt(2000))
        assert np.std(means) == pytest.approx(expected, rel=0.3)
        assert np.std(plain) < 0.6 * expected
    numbers = [len(Varied(pool, (Normalisation(0.2),)).draw(np.random.default_rng(k))) for k in range(60)]
    assert 250 < np.std(numbers) < 600
    one = Varied(pool, (scale,)).draw(np.random.default_rng(0))
    assert len(np.unique(one)) == len(one)
    with pytest.raises(DataError, match="larger pool"):
        Varied(Pool(pool.x[:1500], 2000), (scale,)).draw(np.random.default_rng(0))


def test_a_stored_test_keeps_its_nuisances(tmp_path, reference, scale):
    test = NplmTest(reference, MODEL, (), (scale, Normalisation(0.02)))
    null = calibrate(test, "generator", generator=BACKGROUND, toys=25)
    save_test(test, null, tmp_path)
    loaded, kept = load_test(tmp_path)
    assert loaded.digest == test.digest
    data = expo(np.random.default_rng(9), 2000)
    assert run(loaded, data, kept) == run(test, data, null)
    assert null.analytic == ()
    with pytest.raises(DataError, match="another reference"):
        NplmTest(reference, MODEL), kept.check_belongs(NplmTest(reference, MODEL))
    (tmp_path / "nuisance_0.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match="not readable"):
        load_test(tmp_path)


class Own:
    name, digest = "own", "own"

    def delta(self, x):
        return np.full(len(x), np.nan)


def test_cases_that_are_refused(tmp_path, reference, scale):
    data = expo(np.random.default_rng(0), 2000)
    with pytest.raises(ConfigurationError, match="permutations"):
        permute(NplmTest(reference, MODEL, (), (scale,)), data)
    with pytest.raises(ConfigurationError, match="without nuisances"):
        calibrate(NplmTest(reference, MODEL, (), (scale,)), "analytic")
    with pytest.raises(ConfigurationError, match="no nuisances"):
        NplmTest(reference, MODEL, (), (scale,)).analytic()
    with pytest.raises(ConfigurationError, match="solver='newton'"):
        NplmTest(reference, KernelNplm.paper(width=0.3), (), (scale,)).statistics(data)
    with pytest.raises(ConfigurationError, match="same name"):
        NplmTest(reference, MODEL, (), (scale, scale)).statistics(data)
    with pytest.raises(ConfigurationError, match="expected 'fixed' or 'free'"):
        NplmTest(reference, MODEL, (), (scale,), "loose")
    with pytest.raises(ConfigurationError, match="nothing to profile"):
        NplmTest(reference, MODEL).profiles(data)
    with pytest.raises(DataError, match="nuisance own: delta is NaN"):
        NplmTest(reference, MODEL, (), (Own(),)).statistics(data)
    with pytest.raises(ConfigurationError, match="sigma 0; expected"):
        Normalisation(0.0)
    with pytest.raises(ConfigurationError, match="sigma 2; expected"):
        learn_scale(reference.x, 2.0)
    with pytest.raises(DataError, match="2 features; the reference has 1"):
        learn_shape("wide", reference.x, np.ones((5, 2)), reference.x)
    prepared = NplmTest(reference, MODEL).prepared()[0]
    own = ProfiledReference(prepared, NplmTest(reference, MODEL).standardizer, (Own(),))
    with pytest.raises(DataError, match="own"):
        own.test(data)


def test_what_users_write(tmp_path):
    rng = np.random.default_rng(0)
    sample = SampleFile(np.column_stack([expo(rng, 3000), rng.normal(size=3000)]), ("pt", "eta"))
    for name, factor in (("up", 1.1), ("down", 0.9)):
        np.savetxt(tmp_path / f"{name}.csv", factor * sample.x, delimiter=",", header="pt,eta", comments="")
    (tmp_path / "all.yaml").write_text(
        "energy: {kind: scale, sigma: 0.05, features: [pt]}\n"
        "lumi: {kind: normalisation, sigma: 0.02}\n"
        "pileup: {kind: varied, up: up.csv, down: down.csv}\n"
    )
    found = read_nuisances([str(tmp_path / "all.yaml"), "scale:eta=0.03"], sample)
    assert [n.name for n in found] == ["energy", "lumi", "pileup", "scale:eta"]
    assert [type(n) for n in found] == [LearnedShape, Normalisation, LearnedShape, LearnedShape]
    at = np.array([[0.3, 0.0]])
    assert found[0].delta(at)[0] == pytest.approx(SIGMA * (8 * 0.3 - 1), abs=0.03)
    up, down = tmp_path / "up.csv", tmp_path / "down.csv"
    assert read_nuisances([f"pileup={up},{down}"], sample)[0].digest == found[2].digest
    (tmp_path / "bad.yaml").write_text("energy: [1]\n")
    (tmp_path / "kind.yaml").write_text("energy: {kind: scal, sigma: 1}\n")
    (tmp_path / "more.yaml").write_text("energy: {kind: normalisation, sigma: 0.1, features: [pt]}\n")
    for text, message in (
        ("scale", "expected normalisation"),
        ("scale=wide", "not a number"),
        ("scale:phi=0.1", "Known: eta, pt"),
        ("pileup=up.csv", "NAME=UP,DOWN"),
        (str(tmp_path / "bad.yaml"), "one entry a nuisance"),
        (str(tmp_path / "kind.yaml"), "Did you mean scale"),
        (str(tmp_path / "more.yaml"), "expected kind, sigma"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            read_nuisances([text], sample)
    with pytest.raises(ConfigurationError, match="given twice"):
        read_nuisances(["scale=0.1", "scale=0.2"], sample)
    with pytest.raises(DataError, match="no such file"):
        read_nuisances([str(tmp_path / "none.yaml")], sample)
    with pytest.raises(DataError, match="no such file"):
        read_nuisances(["pileup=none.npy,none.npy"], sample)


def test_the_command(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name, n, factor in (("ref", 8000, 1.0), ("pool", 8000, 1.0), ("data", 800, 1.12)):
        np.save(tmp_path / f"{name}.npy", factor * expo(rng, n))
    ref, pool, data = (str(tmp_path / f"{name}.npy") for name in ("ref", "pool", "data"))
    options = ["--pool", pool, "--toys", "30", "--widths", "2", "--nuisance", "scale=0.1"]
    options += ["--nuisance", "normalisation=0.05"]
    null = tmp_path / "null"
    assert main(["validate", "reference", ref, data, *options, "--save", str(null), "--fail-above", "3"]) == 0
    text = capsys.readouterr().out
    assert "tau = " in text
    pull = next(line for line in text.splitlines() if line.strip().startswith("scale"))
    assert 0.5 < float(pull.split()[1]) < 2
    assert len(load_test(null)[0].nuisances) == 2
    assert main(["validate", "reference", ref, data, "--nuisance", "scale=0.1"]) == 2
    assert "need --pool" in capsys.readouterr().err
    assert main(["validate", "reference", ref, data, *options, "--nuisance-fit", "loose"]) == 2
    assert read_sample(tmp_path / "ref.npy").names is None
