"""Monitor, stored tests, sample files, commands, figures, and the paired check of scores."""

from __future__ import annotations

import json

import numpy as np
import pytest

from l1ad.cli.main import main
from l1ad.errors import ConfigurationError, DataError
from l1ad.pipeline.quantized import compare_distributions, paired_check
from l1ad.records import FixedType
from l1ad.validation import plots
from l1ad.validation.calibration import calibrate, permute, run
from l1ad.validation.monitor import Monitor
from l1ad.validation.nplm import KernelNplm
from l1ad.validation.reference import NplmTest, make_reference
from l1ad.validation.samples import read_sample
from l1ad.validation.store import load_test, save_test
from l1ad.validation.toys import Generator

NAMES = ("pt", "eta")


def events(rng, n):
    return np.column_stack([rng.exponential(1, n), rng.normal(size=n)])


def calibrated(widths=(1.5,), toys=300, seed=0):
    reference = make_reference(events(np.random.default_rng(seed), 4000), expected=400, names=NAMES)
    test = NplmTest(reference, KernelNplm(penalty=1e-4), widths)
    return test, calibrate(test, "generator", generator=Generator(events, 400, "toy events"), toys=toys)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("null")
    test, null = calibrated()
    save_test(test, null, folder)
    return folder


def batch(seed, change=0.0):
    x = events(np.random.default_rng(1000 + seed), 400)
    x[:, 1] += change
    return x


def test_the_false_alarm_rate_is_the_stated_one(stored):
    guard = Monitor(*load_test(stored), false_alarm_rate=0.05)
    alarms = sum(guard.check(batch(seed)).alarm for seed in range(300))
    # 15 expected; the threshold of 300 toys has an error of its own.
    assert 15 - 4 * 5 < alarms < 15 + 4 * 5
    assert guard.check(batch(0)).batch == 300


def test_a_drift_is_seen_and_its_feature_named(stored):
    guard = Monitor(*load_test(stored))
    found = guard.check(batch(0, 0.5), NAMES)
    assert found.alarm
    assert found.feature == "eta"
    assert found.z > 5
    assert found.statistics[0] > guard.threshold
    assert not guard.check(batch(1), NAMES).alarm


def numbers(assessment):
    """Return every statistic with the logarithm of its p-value and its significance in each model."""
    return [x for s in assessment.statistics for x in (s.value, *(y for m in s.models for y in (m.log_p, m.z)))]


def test_a_stored_test_is_the_same_test(stored):
    test, null = calibrated()
    loaded, kept = load_test(stored)
    assert loaded.digest == test.digest
    # Sums of several BLAS threads depend on where an array lies in memory, in the last bits.
    found, expected = (numbers(run(*one)) for one in ((loaded, batch(3), kept), (test, batch(3), null)))
    assert found == pytest.approx(expected, rel=1e-9)
    assert numbers(run(loaded, batch(4), kept)) != pytest.approx(expected, rel=1e-9)
    with pytest.raises(DataError, match="another reference"):
        save_test(calibrated(seed=5, toys=25)[0], null, stored)


def test_a_damaged_stored_test(tmp_path):
    test, null = calibrated(toys=25)
    with pytest.raises(DataError, match="no such file"):
        load_test(tmp_path)
    save_test(test, null, tmp_path)
    np.save(tmp_path / "reference.npy", test.reference.x + 1e-9)
    with pytest.raises(DataError, match="digest differs"):
        load_test(tmp_path)
    (tmp_path / "reference.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match="not readable"):
        load_test(tmp_path)
    (tmp_path / "test.json").write_text("[]")
    with pytest.raises(DataError, match="not readable"):
        load_test(tmp_path)


def test_several_widths_alarm_by_min_p():
    guard = Monitor(*calibrated((1.0, 2.0), toys=120), false_alarm_rate=0.01)
    assert guard.check(batch(0, 0.6)).alarm
    assert not guard.check(batch(1)).alarm
    with pytest.raises(ConfigurationError, match="no threshold of their own"):
        _ = guard.threshold
    with pytest.raises(ConfigurationError, match="at least 1000 toys"):
        Monitor(guard.test, guard.null, false_alarm_rate=1e-3)


def test_overflows_raise_an_alarm_that_nplm_does_not(stored):
    test, null = load_test(stored)
    limit = float(test.reference.x[:, 0].max()) + 1
    plain, counting = Monitor(test, null), Monitor(test, null, overflow=limit)
    assert counting.threshold > plain.threshold
    wrapped = batch(1)
    wrapped[:5, 0] = limit
    found = counting.check(wrapped)
    assert (found.overflows, found.alarm) == (5, True)
    assert found.overflow_p == pytest.approx((400 / 4400) ** 5)
    clean = counting.check(batch(1))
    assert (clean.overflows, clean.overflow_p, clean.alarm) == (0, 1.0, False)
    assert plain.check(wrapped).overflows == 0
    usual = Monitor(test, null, overflow=1.0).check(batch(2))
    assert usual.overflows > 100
    assert usual.overflow_p > 1e-3


def test_integer_scores_drift():
    def scores(rng, n, offset=0, shift=0):
        raw = np.round(16 * rng.gamma(1.5, 2.0, (n, 1))).astype(np.int64) + offset
        return np.log1p((raw >> shift) << shift)

    reference = make_reference(scores(np.random.default_rng(0), 20_000), expected=2000)
    test = NplmTest(reference, KernelNplm(width=0.3))
    null = calibrate(test, "generator", generator=Generator(scores, 2000, "scores"), toys=100)
    guard = Monitor(test, null, 0.01)
    rng = np.random.default_rng(5)
    assert not guard.check(scores(rng, 2000)).alarm
    assert guard.check(scores(rng, 2000, offset=2)).alarm
    assert guard.check(scores(rng, 2000, shift=2)).alarm
    # A single wrapped score in two thousand is not seen, and the guide says so.
    rare = scores(np.random.default_rng(6), 2000)
    rare[0] = np.log1p(3)
    assert not guard.check(rare).alarm


def test_batches_that_are_refused(stored):
    test, null = load_test(stored)
    guard = Monitor(test, null)
    with pytest.raises(DataError, match="calibrated for 400"):
        guard.check(batch(0)[:200])
    with pytest.raises(DataError, match="another order"):
        guard.check(batch(0), ("eta", "pt"))
    with pytest.raises(DataError, match="NaN"):
        guard.check(np.full((400, 2), np.nan))
    with pytest.raises(ConfigurationError, match="between 0 and 1"):
        Monitor(test, null, false_alarm_rate=0)
    with pytest.raises(ConfigurationError, match="null with toys"):
        Monitor(test, calibrate(test, "analytic"))


def write(path, x, names=NAMES):
    np.savetxt(path, x, delimiter=",", header=",".join(names), comments="")
    return path


def test_sample_files(tmp_path):
    x = batch(0)
    table = read_sample(write(tmp_path / "a.csv", x))
    assert table.names == NAMES
    np.testing.assert_allclose(table.x, x)
    np.save(tmp_path / "a.npy", x[:, 0])
    assert read_sample(tmp_path / "a.npy").x.shape == (400, 1)
    (tmp_path / "text.csv").write_text("pt,eta\n1,two\n")
    (tmp_path / "short.csv").write_text("pt,eta\n1\n2\n")
    np.save(tmp_path / "object.npy", np.array([{}], dtype=object), allow_pickle=True)
    for name, message in (
        ("text.csv", "not readable"),
        ("short.csv", "2 names, 1 columns"),
        ("none.npy", "no such file"),
        ("a.root", "expected a .npy"),
        ("object.npy", "not readable"),
    ):
        with pytest.raises(DataError, match=message):
            read_sample(tmp_path / name)


def test_commands(tmp_path, capsys):
    rng = np.random.default_rng(0)
    files = {name: write(tmp_path / f"{name}.csv", events(rng, n))
             for name, n in (("ref", 4000), ("pool", 6000), ("data", 400), ("next", 400))}  # fmt: skip
    moved = write(tmp_path / "moved.csv", batch(0, 0.7))
    null, figure = tmp_path / "null", tmp_path / "null.png"
    shared = ["--pool", str(files["pool"]), "--toys", "50"]
    options = [*shared, "--save", str(null), "--plot", str(figure)]
    assert main(["validate", "reference", str(files["ref"]), str(files["data"]), *options]) == 0
    assert "weighted_chi2" in capsys.readouterr().out
    assert figure.stat().st_size > 5000
    chart = tmp_path / "chart.svg"
    assert main(["monitor", str(null), str(files["next"]), "--plot", str(chart)]) == 0
    assert main(["monitor", str(null), str(files["next"]), str(moved), "--json", "--plot", str(chart)]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [line["alarm"] for line in lines] == [False, True]
    assert lines[1]["feature"] == "eta"
    command = ["validate", "reference", str(files["ref"]), str(moved), "--toys", "20", "--widths", "1,2"]
    assert main([*command, "--fail-above", "3"]) == 1
    assert main([*command, "--save", str(null)]) == 2
    assert main([*command, "--widths", "wide"]) == 2
    assert main([*command, "--expected", "300"]) == 2
    assert "tests the shape only" in capsys.readouterr().err


def test_figures(tmp_path):
    rng = np.random.default_rng(0)
    test, null = calibrated(toys=50)
    found = run(test, batch(0), null)
    model = KernelNplm().fit_samples(test.reference.x, batch(0, 0.5))
    ratio = plots.plot_ratio(model, test.reference.x, batch(0, 0.5), 1, name="eta")
    bins, learned = ratio.axes[0].lines[-2].get_data()
    assert np.corrcoef(bins, learned)[0, 1] > 0.8
    widths = permute(NplmTest(test.reference, KernelNplm(penalty=1e-4), (1.0, 2.0)), batch(0), toys=20)[0]
    power = plots.plot_power([0, 1], rng.gamma(4, 2, 300), [rng.gamma(4, 2, 300), rng.gamma(9, 3, 300)])
    assert power.axes[0].get_ylabel().startswith("P(Z")
    for number, figure in enumerate(
        (plots.plot_null(null, found), plots.plot_widths(widths), ratio, power, plots.plot_uniformity(rng.random(500)))
    ):
        plots.save_figure(figure, tmp_path / f"{number}.png")
        assert (tmp_path / f"{number}.png").stat().st_size > 3000
    with pytest.raises(ConfigurationError, match="ends in"):
        plots.save_figure(ratio, tmp_path / "x.gif")


def test_a_few_overflows_are_counted_where_no_distribution_sees_them():
    score_type = FixedType(signed=False, width=10, integer=8)
    score = np.random.default_rng(0).exponential(10, 20_000)
    score[:5] = 300.0
    raw = np.minimum(np.round(score * 4), 1023).astype(np.int64)
    check = paired_check(score, raw, score_type)
    assert (check.overflows, check.saturated) == (5, 5)
    assert check.equal_events == 19_995
    wrapped = raw.copy()
    wrapped[:5] = 1200 - 1024
    assert paired_check(score, wrapped, score_type).largest_difference == pytest.approx(-256)
    with pytest.raises(DataError, match="shape"):
        paired_check(score, raw[:5], score_type)


def test_rounding_is_not_seen_and_a_gain_is():
    score = np.log1p(np.random.default_rng(0).exponential(10, (20_000, 1)))
    same = compare_distributions(score, np.round(score * 1024) / 1024, toys=40)
    gain = compare_distributions(score, score * 1.15, toys=40)
    assert max(s.quoted.z for s in same.statistics) < 3.5
    assert max(s.quoted.z for s in gain.statistics) > 5
