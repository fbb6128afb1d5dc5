"""What a score fires on: counts by hand, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from l1ad.errors import DataError
from l1ad.evaluation.content import ScoredSample, describe_content
from l1ad.events.content import CONTENT, event_content
from l1ad.records import Threshold

RNG = np.random.default_rng(7)


def events(leptons: np.ndarray) -> dict[str, np.ndarray]:
    """Return the content of events with so many muons, and MET that knows nothing of them."""
    particles = np.zeros((len(leptons), 19, 3))
    for index, count in enumerate(leptons.tolist()):
        particles[index, 5 : 5 + count, 0] = 25.0
    particles[:, 0, 0] = RNG.uniform(5, 80, len(leptons))
    return event_content(particles)


def threshold(target: float, raw: int, fired: int) -> Threshold:
    return Threshold(target, raw, target, 0.0, fired, None)


@pytest.fixture
def samples():
    leptons = RNG.choice([1, 2, 3], 4000, p=[0.9, 0.08, 0.02])
    background = ScoredSample(leptons * 10, events(leptons), (leptons > 1).astype(np.int64))
    rare = np.array([1] * 60 + [3] * 140)
    return background, {"signal": ScoredSample(rare * 10, events(rare))}


def test_a_score_that_counts_leptons(samples):
    background, signals = samples
    fired = int((background.scores >= 20).sum())
    found = describe_content(background, signals, (threshold(0.1, 20, fired), threshold(0.01, 31, 0)), {0: "W", 1: "Z"})
    assert (found.raw, found.events_above) == (20, fired)
    rows = {row.quantity: row for row in found.rows}
    assert rows["leptons"].below == 1.0
    assert rows["leptons"].above == pytest.approx(background.content["leptons"][background.scores >= 20].mean())
    assert rows["leptons"].correlation == pytest.approx(1.0)
    assert abs(rows["met"].correlation) < 0.1
    assert abs(rows["met"].above - rows["met"].below) < 5 * rows["met"].above_error
    assert rows["jets"].correlation == 0.0
    assert {row.process: row.above for row in found.processes} == {"W": 0.0, "Z": 1.0}
    assert found.processes[0].above_error > 0
    strata = {(row.sample, row.quantity, row.low): row for row in found.strata}
    assert strata["signal", "leptons", 1].efficiency == 0.0
    assert strata["signal", "leptons", 3].efficiency == 1.0
    assert ("signal", "leptons", 2) not in strata
    efficiencies = {(row.sample, row.target_fpr): row.efficiency for row in found.efficiencies}
    assert efficiencies["signal", 0.1] == pytest.approx(0.7)
    assert efficiencies["signal", 0.01] == 0.0


def test_another_score_gives_another_description(samples):
    background, signals = samples
    shuffled = ScoredSample(RNG.permutation(background.scores), background.content, background.process)
    fired = int((background.scores >= 20).sum())
    rows = {row.quantity: row for row in describe_content(shuffled, signals, (threshold(0.1, 20, fired),)).rows}
    assert abs(rows["leptons"].correlation) < 0.1


def test_refusals(samples):
    background, signals = samples
    with pytest.raises(DataError, match="at least one threshold"):
        describe_content(background, signals, ())
    with pytest.raises(DataError, match=r"leptons: 3 events; there are 2 scores|electrons: 3 events; there are 2"):
        ScoredSample(np.array([1, 2]), events(np.array([1, 2, 3])))
    with pytest.raises(DataError, match=r"expected shape \(N, 19"):
        event_content(np.zeros((2, 18, 3)))
    assert set(events(np.array([1]))) == set(CONTENT)
