"""Views of events: what they change, what they keep, and that they are integers of the contract."""

from __future__ import annotations

import numpy as np
import pytest

from l1ad.config import AugmentationConfig
from l1ad.events.dataset import load_dataset
from l1ad.events.layout import BLOCKS
from l1ad.training.augment import ViewBatches, augment, overlay
from l1ad.training.targets import EventBatches, TargetScale

STILL = {"drop": 0.0, "pt": 0.0, "angle": 0.0, "turn": False}


@pytest.fixture(scope="module")
def particles(tiny) -> np.ndarray:
    return np.asarray(load_dataset(tiny.dataset).particles["train"][:1500])


@pytest.fixture(scope="module")
def views(tiny) -> ViewBatches:
    data = load_dataset(tiny.dataset)
    scale = TargetScale("inputs", (), ())
    events = EventBatches(data.inputs["train"], data.particles["train"], data.contract.type, (57,), scale)
    return ViewBatches(events, data.contract, AugmentationConfig(), seed=3)


def changed(particles: np.ndarray, **options: object) -> np.ndarray:
    return augment(particles, AugmentationConfig(**(STILL | options)), np.random.default_rng(5))


def test_nothing_asked_is_nothing_changed(particles):
    before = particles.copy()
    np.testing.assert_array_equal(changed(particles), particles)
    augment(particles, AugmentationConfig(), np.random.default_rng(1))
    np.testing.assert_array_equal(particles, before)


def test_lost_objects_are_padding_behind_the_others(particles):
    found = changed(particles, drop=0.3)
    np.testing.assert_array_equal(found[:, 0], particles[:, 0])
    objects = particles[:, 1:, 0] > 0
    share = (found[:, 1:, 0] > 0).sum() / objects.sum()
    assert share == pytest.approx(0.7, abs=5 * np.sqrt(0.21 / objects.sum()))
    for block in BLOCKS:
        pt = found[:, block.rows, 0]
        assert (np.diff(pt, axis=1) <= 0).all()
        assert (found[:, block.rows][pt == 0] == 0).all()


def test_smearing_has_the_width_that_was_asked_and_keeps_the_order(particles):
    found = changed(particles, pt=0.1)
    met = found[:, 0, 0] / particles[:, 0, 0]
    assert np.std(met) == pytest.approx(0.1, rel=0.1)
    assert ((found[:, :, 0] > 0) == (particles[:, :, 0] > 0)).all()
    assert all((np.diff(found[:, block.rows, 0], axis=1) <= 0).all() for block in BLOCKS)
    angles = changed(particles, angle=0.05)[:, 0, 2] - particles[:, 0, 2]
    assert np.std(angles) == pytest.approx(0.05, rel=0.1)


def test_a_turned_event_keeps_pt_and_differences_of_azimuths(particles):
    found = changed(particles, turn=True)
    np.testing.assert_array_equal(found[:, :, 0], particles[:, :, 0])
    np.testing.assert_allclose(np.abs(found[:, :, 1]), np.abs(particles[:, :, 1]))
    both = (particles[:, 9, 0] > 0) & (particles[:, 0, 0] > 0)
    turned = found[both, 9, 2] - found[both, 0, 2]
    np.testing.assert_allclose(turned, particles[both, 9, 2] - particles[both, 0, 2], atol=2e-6)
    mirrored = found[both, 9, 1] != particles[both, 9, 1]
    assert 0.3 < mirrored.mean() < 0.7
    assert np.ptp(found[:, 0, 2] - particles[:, 0, 2]) > 6


def test_views_are_integers_that_the_contract_gives(views):
    order = np.arange(500)
    ((first, second),) = views.epoch(order, 100)
    unit, fixed = 2.0**-views.input_type.fraction, views.input_type
    for view in (first, second):
        raw = view / unit
        np.testing.assert_array_equal(raw, np.rint(raw))
        assert fixed.minimum <= raw.min() <= raw.max() <= fixed.maximum
    plain, again = views.take(slice(0, 500))
    assert plain is again
    assert (first != second).any(axis=1).mean() > 0.99
    assert (first != plain).any(axis=1).mean() > 0.99
    # Without augmentation the contract gives back the inputs of the data set, bit for bit.
    still = ViewBatches(views.events, views.contract, AugmentationConfig(**STILL), seed=3)
    ((same, _),) = still.epoch(order, 100)
    np.testing.assert_array_equal(same, plain)


def test_views_depend_on_seed_and_order_alone(views):
    order = np.random.default_rng(1).permutation(400)
    first = [a for pair in views.epoch(order, 50, blocks=3) for a in pair]
    second = [a for pair in views.epoch(order, 50, blocks=3) for a in pair]
    assert len(first) == 6
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    other = next(iter(views.epoch(np.roll(order, 1), 50, blocks=3)))
    assert (np.roll(other[0], -1, axis=0)[:-1] != first[0][:-1]).any()
    reseeded = ViewBatches(views.events, views.contract, views.options, seed=4)
    assert (next(iter(reseeded.epoch(order, 50, blocks=3)))[0] != first[0]).any()


def test_added_objects_come_from_other_events_and_stay_in_order(particles):
    found = overlay(particles, 0.5, np.random.default_rng(2))
    touched = (found != particles).any(axis=(1, 2))
    assert 0.4 < touched.mean() < 0.6
    np.testing.assert_array_equal(overlay(particles, 0.0, np.random.default_rng(2)), particles)
    leptons = (found[:, 1:9, 0] > 0).sum(axis=1)
    assert (leptons[~touched] >= 3).mean() < 0.05 < 0.3 < (leptons[touched] >= 3).mean()
    pool = {tuple(row) for row in particles[:, 1:].reshape(-1, 3).tolist()}
    assert {tuple(row) for row in found[touched, 1:].reshape(-1, 3).tolist()} <= pool
    for block in BLOCKS:
        assert (np.diff(found[:, block.rows, 0], axis=1) <= 0).all()


def test_missing_energies_are_added_as_vectors():
    events = np.zeros((2, 19, 3), dtype=np.float32)
    events[:, 0] = (30.0, 0.0, 0.0), (40.0, 0.0, np.pi / 2)
    found = overlay(events, 1.0, np.random.default_rng(0))
    x, y = found[:, 0, 0] * np.cos(found[:, 0, 2]), found[:, 0, 0] * np.sin(found[:, 0, 2])
    # Sums of whole numbers of both events, up to three added to one of them.
    np.testing.assert_allclose(x / 30, np.rint(x / 30), atol=1e-5)
    np.testing.assert_allclose(y / 40, np.rint(y / 40), atol=1e-5)
    assert ((x / 30 + y / 40) > 1.5).all()
