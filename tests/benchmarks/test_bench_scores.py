"""The benchmark of the scores: costs of types, and what a table of exp loses of the AUC."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

from l1ad.records import FixedType
from l1ad.scores.spec import ScoreSpec

ROOT = Path(__file__).resolve().parents[2]
MEAN, LOG_VARIANCE, TABLE = FixedType(True, 8, 5), FixedType(True, 6, 3), FixedType(False, 10, 6)
SPEC = ScoreSpec("rz", 2, MEAN, LOG_VARIANCE, TABLE, FixedType(False, 20, 16))


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import bench_scores

    yield bench_scores
    sys.modules.pop("bench_scores", None)


@pytest.fixture
def samples():
    """Latent integers: signals have larger means and smaller variances."""
    rng = np.random.default_rng(3)

    def latent(events: int, spread: float, shift: float):
        mean = np.clip(rng.normal(0, spread, (events, 2)) * 8, -128, 127)
        return mean.astype(np.int64), np.clip(rng.normal(-shift, 0.7, (events, 2)) * 8, -32, 31).astype(np.int64)

    return {"background": latent(4000, 1.0, 0.5), "signal": latent(2000, 1.6, 1.2)}


def test_a_score_that_computes_more_costs_more(script):
    costs = {row[0]: row[4] for row in script.sizes(SPEC)}
    assert 0 < costs["mu2"] < costs["kl"] < costs["rz"]


def test_a_table_of_more_bits_is_larger_and_closer_to_the_exponential(script, samples):
    rows = {row[1]: row for row in script.tables(samples, SPEC)}
    coarse, fine = rows[str(FixedType(False, 3, 3))], rows[str(FixedType(False, 12, 8))]
    assert coarse[2] < fine[2]
    assert abs(float(fine[4])) <= 2e-4
    # Negative control: three bits saturate, and that is seen.
    assert abs(float(coarse[4])) > 1e-3


@pytest.mark.parametrize("kind", ["rz", "kl"])
def test_the_exact_score_is_that_of_a_very_wide_table(script, samples, kind):
    wide = dataclasses.replace(SPEC, kind=kind, table=FixedType(False, 18, 8), score=FixedType(False, 24, 18))
    exact, table = script.areas(samples, wide, exact=True), script.areas(samples, wide)
    assert 0.55 < exact["signal"] < 0.99
    assert table["signal"] == pytest.approx(exact["signal"], abs=2e-4)
