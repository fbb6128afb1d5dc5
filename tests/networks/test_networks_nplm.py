"""NPLM with a network: signal and fluctuation, clipped weights, the same answer twice, bad settings."""

from __future__ import annotations

import numpy as np
import pytest

from l1ad.errors import ConfigurationError, DataError
from l1ad.networks.nplm_network import NplmNetwork
from l1ad.pipeline.network_test import NetworkTest
from l1ad.validation.calibration import calibrate, run
from l1ad.validation.reference import make_reference

FAST = NplmNetwork(epochs=200, rate=0.01)


def samples(seed, n=3000, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, (n, 1))


def test_a_shift_is_seen_and_a_fluctuation_is_not():
    x, w = samples(0), np.full(3000, 0.1)
    same, _ = FAST.fit(x, w, samples(1, 300))
    shifted, trained = FAST.fit(x, w, samples(1, 300, 0.5))
    assert shifted > 40
    assert same < 20
    # log ratio of Gaussians: 0.5 x - 0.125
    at = np.array([[-1.0], [1.0]])
    difference = np.diff(FAST.log_ratio(at, trained))[0]
    assert difference == pytest.approx(1.0, abs=0.5)


def test_weights_stay_within_the_bound():
    narrow = NplmNetwork(bound=0.2, epochs=200, rate=0.05)
    t, trained = narrow.fit(samples(0), np.full(3000, 0.1), samples(1, 300, 2.0))
    assert max(np.abs(values).max() for values in trained) <= 0.2 + 1e-6
    wide, free = FAST.fit(samples(0), np.full(3000, 0.1), samples(1, 300, 2.0))
    assert max(np.abs(values).max() for values in free) > 0.2
    assert wide > t


def test_the_same_seed_gives_the_same_statistic_and_another_does_not():
    x, w, y = samples(0), np.full(3000, 0.1), samples(1, 300)
    first = FAST.fit(x, w, y, seed=3)[0]
    assert FAST.fit(x, w, y, seed=4)[0] != first
    assert FAST.fit(x, w, y, seed=3)[0] == first


def test_it_is_calibrated_like_kernels():
    test = NetworkTest(make_reference(samples(0), expected=300, names=["x"]), FAST)
    null = calibrate(test, "pool", pool=samples(5, 6000), toys=20)
    shifted = run(test, samples(7, 300, 0.5), null).statistics[0]
    assert shifted.name == "network 4"
    assert shifted.model("empirical").is_bound
    assert abs(run(test, samples(8, 300), null).statistics[0].quoted.z) < 3.5
    assert null.analytic == ()
    with pytest.raises(DataError, match="another reference"):
        run(NetworkTest(test.reference, NplmNetwork(layers=(3,))), samples(7, 300), null)
    with pytest.raises(DataError, match="features y"):
        test.check(samples(1, 5), ["y"])


@pytest.mark.parametrize("setting", [{"layers": ()}, {"layers": (0,)}, {"bound": 0}, {"epochs": 0}, {"rate": -1.0}])
def test_bad_settings(setting):
    with pytest.raises(ConfigurationError, match=next(iter(setting))):
        NplmNetwork(**setting)


def test_a_loss_that_is_not_finite():
    with pytest.raises(DataError, match="Lower the rate"):
        NplmNetwork(layers=(4,), bound=1e6, epochs=20, rate=1e4).fit(samples(0), np.full(3000, 0.1), samples(1, 300))
