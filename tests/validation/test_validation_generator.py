"""Generators against each other and against data: features, NPLM, distances, deformation scans, event files."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from l1ad.cli.main import main
from l1ad.errors import ConfigurationError, DataError
from l1ad.events.sample import open_sample
from l1ad.validation.deformation import PoolDraw, Scan, named_deformation, scale_along, shift_along
from l1ad.validation.event_features import EVENT_FEATURES, event_features
from l1ad.validation.generator import GeneratorSettings, compare_feature, compare_generators, excluded
from l1ad.validation.samples import SampleFile, read_sample

FAST = GeneratorSettings(events=300, toys=59, repetitions=5, deformations=(), tests=("ks", "sliced_wasserstein"))


def sample(seed, n=3000, shift=0.0):
    x = np.random.default_rng(seed).normal(size=(n, 2)) @ np.array([[1.0, 0.8], [0.0, 0.6]])
    return SampleFile(x + shift, ("pt", "eta"))


def test_equal_generators_agree_and_a_shifted_one_does_not():
    same = compare_generators(sample(0), sample(1), FAST)
    assert abs(same.nplm.statistics[0].quoted.z) < 3
    assert min(f.ks_p for f in same.features) > 1e-3
    assert min(s.model("empirical").p for s in same.distances.statistics) > 0.02
    shifted = compare_generators(sample(0), sample(1, shift=0.3), FAST)
    assert shifted.nplm.statistics[0].quoted.z > 3
    assert shifted.distances.statistics[0].model("empirical").is_bound
    feature = shifted.features[1]
    assert feature.name == "eta"
    assert feature.shift == pytest.approx(0.3, abs=5 * feature.shift_error)


def test_a_lost_correlation_is_not_in_the_features_but_in_the_whole():
    broken = sample(1)
    x = np.column_stack([broken.x[:, 0], np.random.default_rng(2).permutation(broken.x[:, 1])])
    report = compare_generators(sample(0), SampleFile(x, broken.names), FAST)
    assert min(f.ks_p for f in report.features) > 1e-3
    assert report.nplm.statistics[0].quoted.z > 3


def test_the_scan_finds_what_it_can_exclude():
    settings = replace(FAST, deformations=("feature_shift", "decorrelate"), scan_tests=("ks",), events=400)
    report = compare_generators(sample(0), sample(1), settings)
    at95, at99 = (excluded(report.exclusions, "ks", "feature_shift", level) for level in (0.95, 0.99))
    # One feature of n = 400 in a mean of two: about 2 sqrt(2/400) sigma.
    assert 0.05 < at95.size < at99.size < 0.4
    # The distances of single features do not see a lost correlation at all.
    assert math.isinf(excluded(report.exclusions, "ks", "decorrelate", 0.99).size)
    with pytest.raises(DataError, match="the scan has no mmd"):
        excluded(report.exclusions, "mmd", "decorrelate", 0.95)


def test_pairs_of_a_finite_sample_share_no_event():
    x = np.arange(100.0)[:, None]
    scan = Scan(PoolDraw(x), 50, 2)
    both = np.concatenate(scan._pair(np.random.default_rng(0)))
    assert len(np.unique(both)) == 100
    with pytest.raises(DataError, match="the pool has 100"):
        Scan(PoolDraw(x), 51, 2).null("ks")


def test_directions_of_a_deformation():
    x, rng = sample(0, 50).x, np.random.default_rng(0)
    np.testing.assert_allclose(shift_along([1.0, 0.0])(x, 0.5, rng) - x, np.tile([0.5, 0.0], (50, 1)))
    stretched = scale_along([0.0, 2.0])(x, 0.5, rng)
    np.testing.assert_allclose(stretched.std(0) / x.std(0), [1.0, 2.0])
    assert named_deformation(shift_along([1.0]))[0] == "shift_along"
    for deform in (shift_along([1.0]), scale_along([1.0])):
        with pytest.raises(DataError, match="one number a feature"):
            deform(x, 0.1, rng)


def test_a_constant_feature():
    assert compare_feature("c", np.ones(5), np.ones(9)).width_ratio == 1
    assert math.isinf(compare_feature("c", np.ones(5), np.arange(9.0)).width_ratio)


def test_quantities_of_events():
    particles = np.zeros((2, 19, 4))
    particles[0, 0] = [20, 0, 3.0, 1]
    particles[0, 9] = [50, 1.5, -3.0, 4]
    particles[0, 10] = [30, 0.5, 1.0, 4]
    particles[0, 5] = [10, 0.1, 0.2, 3]
    values = dict(zip(EVENT_FEATURES, event_features(particles)[0], strict=True))
    assert values["log_met"] == pytest.approx(np.log(21))
    assert values["log_ht"] == pytest.approx(np.log(81))
    assert (values["n_jets"], values["n_muons"], values["n_electrons"]) == (2, 1, 0)
    assert values["jet1_eta"] == 1.5
    assert values["met_jet1_dphi"] == pytest.approx(2 * np.pi - 6)
    assert not event_features(particles)[1].any()


def test_features_are_chosen_by_name_and_number():
    chosen = sample(0).select(["eta"])
    np.testing.assert_array_equal(chosen.x[:, 0], sample(0).x[:, 1])
    assert chosen.names == ("eta",)
    plain = SampleFile(sample(0).x, None).select(["1", "0"])
    np.testing.assert_array_equal(plain.x, sample(0).x[:, ::-1])
    assert plain.names is None
    with pytest.raises(ConfigurationError, match="Did you mean eta"):
        sample(0).select(["etaa"])


def test_samples_that_are_refused(tmp_path):
    other = SampleFile(sample(1).x, ("eta", "pt"))
    with pytest.raises(DataError, match="another order"):
        compare_generators(sample(0), other, FAST)
    with pytest.raises(DataError, match="not independent"):
        compare_generators(sample(0), SampleFile(sample(0).x[:300], ("pt", "eta")), FAST)
    with pytest.raises(DataError, match="too few for a scan"):
        compare_generators(sample(0, 50), sample(1, 50), replace(FAST, deformations=("scale",)))
    (tmp_path / "broken.h5").write_bytes(b"\x89HDF")
    with pytest.raises(DataError, match="not a whole HDF5 file"):
        read_sample(tmp_path / "broken.h5")
    np.save(tmp_path / "scalar.npy", np.float64(1))
    with pytest.raises(DataError, match="not readable"):
        read_sample(tmp_path / "scalar.npy")


def test_the_command_on_event_files_and_arrays(tmp_path, capsys):
    folder = open_sample(verify=False).folder
    files = [str(folder / f"background_{number}.h5") for number in (0, 1)]
    out, pictures = tmp_path / "report.json", tmp_path / "pictures"
    command = ["validate", "generator", *files, "--features", "log_met,n_jets", "--events", "200", "--toys", "29"]
    assert main([*command, "--no-scan", "--out", str(out), "--plots", str(pictures)]) == 0
    report = json.loads(out.read_text())
    assert [f["name"] for f in report["features"]] == ["log_met", "n_jets"]
    assert sorted(path.name for path in pictures.iterdir()) == ["ratio_0_log_met.png", "ratio_1_n_jets.png"]
    assert "KS p" in capsys.readouterr().out
    for name, shift in (("a", 0.0), ("b", 0.8)):
        np.save(tmp_path / f"{name}.npy", sample(5 + (shift > 0), 800, shift).x)
    arrays = ["validate", "generator", str(tmp_path / "a.npy"), str(tmp_path / "b.npy"), "--events", "200"]
    assert main([*arrays, "--toys", "29", "--no-scan", "--fail-above", "3"]) == 1
    assert "is above 3" in capsys.readouterr().err
