"""Calibration by counting: the benchmark commands are run, and what they print is held against what it should be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from l1ad.validation.nulls import gamma_model

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def measured(script, tmp_path, *arguments):
    out = tmp_path / "table.json"
    command = [sys.executable, str(BENCHMARKS / script), *arguments, "--json", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    return json.loads(out.read_text())


@pytest.mark.heavy
def test_p_values_power_alarms_and_nuisances(tmp_path):
    rows = {row["what"]: row for row in measured("bench_nplm_calibration.py", tmp_path, "--toys", "2000")}
    assert rows["KS p-value of Gamma p-values"]["value"] > 0.01
    assert rows["KS p-value of 1333 permutation p-values"]["value"] > 0.01
    for what, stated in (("share with Z >= 2", 0.02275), ("alarms at a stated rate of 0.01", 0.01)):
        # The threshold of 2,000 toys has an error as large as that of the count.
        assert abs(rows[what]["value"] - stated) < 3 * 1.5 * rows[what]["error"]
    # Errors as large as the published ones stand against them as well.
    for cell, published in (("10 at 6.4", 0.232), ("18 at 4.0", 0.098), ("90 at 1.6", 0.634)):
        row = rows[f"paper: P(Z >= 3), {cell}"]
        assert abs(row["value"] - published) < 3 * np.hypot(row["error"], 0.015)
    assert rows["default: P(Z >= 3), 10 at 6.4"]["value"] > 0.35 - 2 * rows["default: P(Z >= 3), 10 at 6.4"]["error"]
    for sign in "+-":
        assert rows[f"median Z, scale {sign}2 sigma, no nuisance"]["value"] > 2.5
        assert abs(rows[f"median Z, scale {sign}2 sigma, fixed"]["value"]) < 0.4


@pytest.mark.heavy
def test_nulls_and_excluded_shifts_are_the_published_ones(tmp_path):
    rows = {row["test"]: row for row in measured("bench_two_sample.py", tmp_path, "--toys", "300")}
    published = {"ks": (1.1285, 0.0823), "frechet_extrapolated": (0.01056, 0.0950), "mmd": (83.0, 0.1197)}
    for test, (quantile, shift) in published.items():
        row = rows[test]
        assert abs(row["quantile"] - quantile) < 4 * row["quantile_error"]
        assert abs(row["shift"] - shift) < 4 * row["shift_error"]


def test_a_null_of_the_wrong_width_is_not_uniform():
    toys = np.random.default_rng(0).gamma(4, 2, 1000)
    right, wrong = (np.mean([gamma_model(t, s * toys).p <= 0.02275 for t in toys]) for s in (1.0, 0.8))
    assert abs(right - 0.02275) < 0.015
    assert wrong > 0.05
