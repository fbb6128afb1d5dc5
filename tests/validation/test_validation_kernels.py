"""Kernel values and Nystrom features against the definition."""

from __future__ import annotations

import numpy as np
import pytest

from l1ad.errors import DataError
from l1ad.validation.kernels import gaussian_kernel
from l1ad.validation.nystrom import greedy_basis, part_with_tails, uniform_basis


def direct(c, x, width):
    """Return the kernel from differences, without the expansion of the square."""
    return np.exp(-((c[:, None] - x[None]) ** 2).sum(-1) / (2 * width**2))


@pytest.mark.parametrize("features", [1, 2, 5, 57])
def test_kernel_is_the_definition(features):
    rng = np.random.default_rng(features)
    c, x = rng.normal(size=(20, features)), rng.normal(size=(300, features))
    np.testing.assert_allclose(gaussian_kernel(c, x, 1.7), direct(c, x, 1.7), rtol=1e-12)


def test_single_precision_would_be_seen():
    rng = np.random.default_rng(0)
    c, x = rng.normal(size=(20, 5)) + 30, rng.normal(size=(300, 5)) + 30
    c32, x32 = c.astype(np.float32), x.astype(np.float32)
    square = (c32**2).sum(1)[:, None] + (x32**2).sum(1)[None] - 2 * c32 @ x32.T
    rough = np.exp(-0.5 * square / 0.3**2)
    exact = direct(c, x, 0.3)
    assert np.abs(rough - exact).max() > 1e-4
    assert np.abs(gaussian_kernel(c, x, 0.3) - exact).max() < 1e-9


@pytest.mark.parametrize(("features", "events"), [(1, 3000), (3, 3000), (1, 40_000), (2, 40_000)])
def test_greedy_features_reproduce_the_kernel(features, events):
    x = np.random.default_rng(1).exponential(1, (events, features))
    basis, values = greedy_basis(x, 1.0, tolerance=1e-4, max_rank=1000)
    some = slice(0, 400)
    error = np.abs(values[:, some].T @ values[:, some] - direct(x[some], x[some], 1.0)).max()
    assert basis.residual <= 1e-4
    assert error <= 1e-4
    np.testing.assert_allclose(basis.transform(x[some]), values[:, some], atol=1e-7)


def test_too_few_centers_leave_an_error():
    x = np.random.default_rng(1).exponential(1, (3000, 3))
    basis, values = greedy_basis(x, 1.0, tolerance=1e-4, max_rank=20)
    assert basis.rank == 20
    assert np.abs(values[:, :400].T @ values[:, :400] - direct(x[:400], x[:400], 1.0)).max() > 0.01


def test_greedy_centers_reach_the_tail_and_uniform_ones_do_not():
    x = np.random.default_rng(2).normal(size=(50_000, 1))
    x[777] = 40.0
    greedy, _ = greedy_basis(x, 0.5, tolerance=1e-3, max_rank=300)
    uniform = uniform_basis(x, 0.5, centers=300, tolerance=1e-3, seed=3)
    assert greedy.centers.max() == 40.0
    assert uniform.centers.max() < 40.0


def test_uniform_centers_are_those_of_the_seed():
    x = np.random.default_rng(2).normal(size=(500, 1))
    drawn = x[np.random.default_rng(9).choice(500, 100, replace=False)]
    basis = uniform_basis(x, 0.5, centers=100, tolerance=1e-6, seed=9)
    assert set(basis.centers[:, 0]) <= set(drawn[:, 0])
    values = basis.transform(drawn)
    assert np.abs(values.T @ values - direct(drawn, drawn, 0.5)).max() < 1e-5
    assert not set(uniform_basis(x, 0.5, centers=100, tolerance=1e-6, seed=8).centers[:, 0]) <= set(drawn[:, 0])


def test_a_basis_grows_where_another_sample_is():
    rng = np.random.default_rng(4)
    x, far = rng.normal(size=(2000, 2)), rng.normal(9, 0.5, (50, 2))
    basis, values = greedy_basis(x, 1.0, tolerance=1e-3, max_rank=400)
    assert np.abs(basis.transform(far)).max() < 0.2
    larger, features = basis.extend(far, basis.transform(far), tolerance=1e-3, more=64)
    assert larger.rank > basis.rank
    np.testing.assert_allclose((features**2).sum(0), 1.0, atol=1e-3)
    completed = np.vstack([values, larger.further(values, x)])
    np.testing.assert_allclose(completed, larger.transform(x), atol=1e-6)
    near = rng.normal(0, 0.3, (50, 2))
    same, _ = basis.extend(near, basis.transform(near), tolerance=1e-2, more=64)
    assert same is basis


def test_fewer_events_than_centers():
    with pytest.raises(DataError, match="301 centers asked for, 300 events"):
        uniform_basis(np.zeros((300, 1)), 1.0, centers=301, tolerance=1e-6)


def test_part_with_tails_holds_the_ends():
    x = np.random.default_rng(5).normal(size=(20_000, 3))
    part = x[part_with_tails(x, 1000, np.random.default_rng(0))]
    assert len(part) < 1300
    np.testing.assert_array_equal(part.max(0), x.max(0))
    np.testing.assert_array_equal(part.min(0), x.min(0))
