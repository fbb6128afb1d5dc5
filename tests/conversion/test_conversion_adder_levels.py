"""Levels of adders: fewer shorten the logic and cost more, and the integers stay the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

LEVELS = [0, 1, 2, None]


@pytest.fixture(scope="module")
def wide(conversion) -> Any:
    """A network whose products have enough terms in common for the levels to matter."""
    return conversion.firmware("dense_vae", "rz", hidden=(24, 16))


@pytest.fixture(scope="module")
def logic(wide, conversion) -> dict[int | None, Any]:
    from l1ad.conversion.verilog import trace

    return {levels: trace(wide, conversion.input_type, levels) for levels in LEVELS}


@pytest.mark.parametrize("levels", LEVELS)
def test_every_number_of_levels_gives_the_integers_of_keras(wide, logic, conversion, examples, levels) -> None:
    from l1ad.networks.inference import run_firmware_model

    inputs = examples("dense_vae", "rz").inputs[:1000]
    scores = run_firmware_model(wide, inputs, conversion.input_type).score
    assert len(np.unique(scores)) > 100
    found = logic[levels].predict(inputs * 2.0**-6) * 2.0**4
    assert np.array_equal(found, scores)
    # Negative control: another event has another score.
    assert not np.array_equal(np.roll(found, 1), scores)


def test_fewer_levels_are_faster_and_larger(logic) -> None:
    delays, costs = ([getattr(logic[levels], field) for levels in (0, 2)] for field in ("latency", "cost"))
    assert delays[0][1] < delays[1][1]
    assert costs[0] > costs[1]


def test_the_project_has_the_levels_of_the_job(wide, logic, conversion, examples, tmp_path) -> None:
    from l1ad.conversion.base import convert

    example = examples("dense_vae", "rz")
    for levels in (0, 2):
        job = conversion.job("verilog", example.inputs, example.keras.score, extra_adder_levels=levels)
        project = convert(wide, job, tmp_path / str(levels))
        cost = next(m.value for m in project.estimates if m.name == "cost")
        assert cost == float(logic[levels].cost)
