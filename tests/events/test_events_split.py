"""The split: fractions, independence of order, and a slow reference."""

from __future__ import annotations

import numpy as np
import pytest

from l1ad.errors import DataError
from l1ad.events.adc2021 import EventFile
from l1ad.events.sample import open_sample
from l1ad.events.split import Part, event_hash, events_needed, parent_hash, split_parts

MASK = (1 << 64) - 1


@pytest.fixture(scope="module")
def events():
    with EventFile(open_sample().background.paths[0]) as file:
        return file[0:50_000]


def slow_hash(event):
    """Return the hash of one event with Python integers."""
    state = 0
    for value in event[:, :3].reshape(-1):
        word = int.from_bytes(np.float32(value + np.float32(0)).tobytes(), "little")
        state = ((state ^ word) + 0x9E3779B97F4A7C15) & MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
        state ^= state >> 31
    return state


def test_hash_equals_the_slow_reference(events):
    assert event_hash(events[:50]).tolist() == [slow_hash(event) for event in events[:50]]


def test_hash_is_pinned():
    # A change here moves events between training and test of every existing model.
    assert event_hash(np.zeros((1, 19, 3)))[0] == slow_hash(np.zeros((19, 3), dtype=np.float32))
    ramp = np.arange(57, dtype=np.float32).reshape(1, 19, 3)
    assert int(event_hash(ramp)[0]) == 16110509852497331361


def test_fractions(events):
    parts = split_parts(events, 0.4, 0.1)
    shares = np.bincount(parts, minlength=3) / len(events)
    np.testing.assert_allclose(shares, [0.4, 0.1, 0.5], atol=0.01)
    assert set(parts.tolist()) == {Part.TRAIN, Part.VALIDATION, Part.TEST}


def test_order_precision_and_class_do_not_matter(events):
    parts = split_parts(events, 0.4, 0.1)
    np.testing.assert_array_equal(split_parts(events[::-1], 0.4, 0.1)[::-1], parts)
    np.testing.assert_array_equal(split_parts(events.astype(np.float64), 0.4, 0.1), parts)
    np.testing.assert_array_equal(split_parts(events[:, :, :3], 0.4, 0.1), parts)
    negative_zero = np.where(events == 0, np.float32(-0.0), events)
    np.testing.assert_array_equal(split_parts(negative_zero, 0.4, 0.1), parts)


def test_one_bit_of_an_event_moves_it_somewhere_else(events):
    changed = events.copy()
    changed[:, 0, 0] = np.nextafter(changed[:, 0, 0], np.float32(1e6))
    assert (event_hash(changed) != event_hash(events)).all()
    assert (split_parts(changed, 0.4, 0.1) != split_parts(events, 0.4, 0.1)).mean() > 0.5


def test_wrong_shape():
    with pytest.raises(DataError, match="expected shape"):
        event_hash(np.zeros((5, 57)))


def test_parents_are_not_divided(events):
    parents = np.arange(len(events)) // 4
    parts = split_parts(events, 0.4, 0.1, parents)
    assert all(len(set(group)) == 1 for group in parts.reshape(-1, 4))
    np.testing.assert_allclose(np.bincount(parts, minlength=3) / len(events), [0.4, 0.1, 0.5], atol=0.02)
    # The negative control: without parents groups are divided.
    alone = split_parts(events, 0.4, 0.1).reshape(-1, 4)
    assert np.mean([len(set(group)) > 1 for group in alone]) > 0.8


def test_events_without_a_parent_are_split_alone(events):
    none = np.full(len(events), -1)
    np.testing.assert_array_equal(split_parts(events, 0.4, 0.1, none), split_parts(events, 0.4, 0.1))
    with pytest.raises(DataError, match="expected one number for each"):
        split_parts(events, 0.4, 0.1, none[:-1])


def test_hash_of_parents_is_pinned():
    # A change here moves events between training and test of every existing model.
    assert [int(value) for value in parent_hash(np.array([0, 1, 2**40]))] == [slow_parent(n) for n in (0, 1, 2**40)]
    assert len(set(parent_hash(np.arange(100_000)).tolist())) == 100_000


def slow_parent(number):
    state = number
    for _ in range(2):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
        state ^= state >> 31
    return state


@pytest.mark.parametrize(("fpr", "error", "needed"), [(1e-5, 0.1, 10_000_000), (1e-4, 0.1, 1_000_000), (0.5, 1.0, 2)])
def test_events_that_a_rate_needs(fpr, error, needed):
    assert events_needed(fpr, error) == needed
    # A check by simulation, at a rate that is quick to simulate.
    rates = np.random.default_rng(1).binomial(events_needed(1e-2), 1e-2, 4000) / events_needed(1e-2)
    assert rates.std() / 1e-2 == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize(("fpr", "error"), [(0, 0.1), (2, 0.1), (1e-5, 0), (float("nan"), 0.1)])
def test_rates_that_are_none(fpr, error):
    with pytest.raises(DataError, match="above 0"):
        events_needed(fpr, error)
