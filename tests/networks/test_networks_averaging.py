"""The running average of the weights: its arithmetic, and a view of a model that leaves no trace."""

from __future__ import annotations

import numpy as np
import pytest

AVERAGE = 0.8


@pytest.fixture
def model():
    """A linear model under a constraint that holds its first weight at zero."""
    import keras

    from l1ad.networks.averaging import AveragingAdam

    keras.utils.set_random_seed(3)
    layer = keras.layers.Dense(1, name="dense")
    network = keras.Sequential([keras.Input((4,)), layer])
    layer.kernel.assign(layer.kernel * held())
    layer.kernel.constraint = lambda kernel: kernel * held()
    network.compile(AveragingAdam(AVERAGE, learning_rate=0.1), "mse")
    return network


def held() -> np.ndarray:
    return np.array([[0.0], [1.0], [1.0], [1.0]], dtype=np.float32)


def fit_steps(network, steps: int) -> list[np.ndarray]:
    """Train step by step on random batches; return the kernel after each, before the constraint is seen again."""
    rng, kernels = np.random.default_rng(5), []
    for _ in range(steps):
        x = rng.normal(size=(16, 4)).astype(np.float32)
        network.fit(x, x.sum(axis=1), epochs=1, verbose=0)
        kernels.append(network.layers[-1].get_weights()[0])
    return kernels


def test_average_is_the_recursion_over_all_steps(model):
    from l1ad.networks.averaging import averaged

    kernels = fit_steps(model, 6)
    expected = kernels[0].astype(np.float64)
    for kernel in kernels[1:]:
        expected = AVERAGE * expected + (1 - AVERAGE) * kernel
    with averaged(model):
        found = model.layers[-1].get_weights()[0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    # Negative control: neither the last step nor another share is the average.
    assert np.abs(found - kernels[-1]).max() > 1e-3
    assert np.abs(found - np.mean(kernels, axis=0)).max() > 1e-3


def test_weights_of_the_last_step_come_back_to_the_bit(model):
    from l1ad.networks.averaging import averaged

    last = fit_steps(model, 3)[-1]
    with averaged(model):
        assert model.layers[-1].get_weights()[0].tobytes() != last.tobytes()
    assert model.layers[-1].get_weights()[0].tobytes() == last.tobytes()


def test_average_keeps_what_a_constraint_holds(model):
    from l1ad.networks.averaging import averaged

    model.layers[-1].kernel.constraint = None
    fit_steps(model, 2)
    model.layers[-1].kernel.constraint = lambda kernel: kernel * held()
    with averaged(model):
        kernel = model.layers[-1].get_weights()[0]
    assert kernel[0, 0] == 0
    assert (kernel[1:] != 0).all()


def test_no_average_shows_the_last_step():
    import keras

    from l1ad.networks.averaging import AveragingAdam, averaged

    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    network.compile(AveragingAdam(0.0, learning_rate=0.1), "mse")
    last = fit_steps(network, 2)[-1]
    with averaged(network):
        assert network.layers[-1].get_weights()[0].tobytes() == last.tobytes()
