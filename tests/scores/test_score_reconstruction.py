"""The reconstruction error against Python's unbounded integers, its Keras layer, and its float form."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest

from l1ad.errors import ConfigurationError, DataError
from l1ad.records import FixedType
from l1ad.scores.layers import ReconstructionScore
from l1ad.scores.reconstruction import UNUSED, ReconstructionSpec, reconstruction_float, reconstruction_raw

SPEC = ReconstructionSpec(
    kind="reconstruction",
    inputs=FixedType(True, 10, 4),
    prediction=FixedType(True, 7, 4),
    error=FixedType(False, 6, 3),
    exponents=(0, UNUSED, 3, 0, 3, 3, 2, 2, UNUSED),
    padding=(-512, -69, 3),
    score=FixedType(False, 12, 6),
)
SPECS = {
    "plain": SPEC,
    "shifted left": dataclasses.replace(SPEC, score=FixedType(False, 24, 8)),
    "as fine as the inputs": dataclasses.replace(
        SPEC, prediction=FixedType(True, 9, 3), error=FixedType(False, 9, 3), score=FixedType(False, 9, 7)
    ),
    "unsigned inputs": dataclasses.replace(SPEC, inputs=FixedType(False, 9, 3), padding=(0, 511, 8)),
}


def slow_score(inputs: list[int], prediction: list[int], spec: ReconstructionSpec) -> int:
    """Return the raw score of one event with unbounded integers and no shift operator."""
    unit = 2 ** (spec.inputs.fraction - spec.prediction.fraction)
    finest, total = max(spec.exponents), 0
    for j, (x, y) in enumerate(zip(inputs, prediction, strict=True)):
        row = j // spec.row_size
        if spec.exponents[j] == UNUSED or inputs[row * spec.row_size] == spec.padding[row]:
            continue
        error = min(abs(x // unit - y), 2**spec.error.width - 1)
        total += error * error * 2 ** (finest - spec.exponents[j])
    fraction = 2 * spec.error.fraction + finest
    value = total * 2 ** max(spec.score.fraction - fraction, 0) // 2 ** max(fraction - spec.score.fraction, 0)
    return min(value, 2**spec.score.width - 1)


def events(spec: ReconstructionSpec, number: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Return raw inputs and predictions over their whole ranges, with padding, and predictions that are close."""
    rng = np.random.default_rng(4)
    x = rng.integers(spec.inputs.minimum, spec.inputs.maximum, (number, 9), endpoint=True)
    x[0], x[1] = spec.inputs.minimum, spec.inputs.maximum
    x[:, ::3] = np.where(rng.random((number, 3)) < 0.4, spec.padding, x[:, ::3])
    y = rng.integers(spec.prediction.minimum, spec.prediction.maximum, (number, 9), endpoint=True)
    near = (x >> (spec.inputs.fraction - spec.prediction.fraction)) + rng.integers(-3, 4, x.shape)
    y[number // 2 :] = np.clip(near, spec.prediction.minimum, spec.prediction.maximum)[number // 2 :]
    return x, y


@pytest.mark.parametrize("name", SPECS)
def test_definition_equals_unbounded_integers_and_the_layer(name):
    spec = SPECS[name]
    x, y = events(spec)
    found = reconstruction_raw(x, y, spec)
    assert found.tolist() == [slow_score(a, b, spec) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    assert len(np.unique(found)) > 150
    assert (found == spec.score.maximum).any() or name == "shifted left"
    assert (found == 0).any()
    np.testing.assert_array_equal(_layer(x, y, spec), found)


def _layer(x: np.ndarray, y: np.ndarray, spec: ReconstructionSpec) -> np.ndarray:
    """Return the raw integers of the Keras layer, which takes the inputs in the shape of an image."""
    inputs = (x * 2.0**-spec.inputs.fraction).astype(np.float32).reshape(-1, 3, 3, 1)
    prediction = (y * 2.0**-spec.prediction.fraction).astype(np.float32)
    score = np.asarray(ReconstructionScore(spec)(prediction, inputs), dtype=np.float64)
    assert score.shape == (len(x), 1)
    return (score[:, 0] * 2.0**spec.score.fraction).astype(np.int64)


@pytest.mark.parametrize(
    "changes",
    [
        {"padding": (-512, -70, 3)},
        {"exponents": (0, UNUSED, 3, 0, 3, 3, 2, 1, UNUSED)},
        {"exponents": (0, 3, 3, 0, 3, 3, 2, 2, UNUSED)},
        {"error": FixedType(False, 5, 2)},
    ],
    ids=["padding", "weight", "an input more", "largest error"],
)
def test_every_part_of_the_definition_is_seen(changes):
    x, y = events(SPEC)
    other = dataclasses.replace(SPEC, **changes)
    assert (reconstruction_raw(x, y, SPEC) != reconstruction_raw(x, y, other)).any()


def test_padding_counts_nothing_whatever_the_decoder_says():
    x = np.tile([-512, 100, 200, -69, 1, 2, 3, 500, 6], (2, 1))
    y = np.array([[0] * 9, [60] * 9])
    assert reconstruction_raw(x, y, SPEC).tolist() == [0, 0]
    x[:, 3] += 1
    assert (reconstruction_raw(x, y, SPEC) > 0).all()


def test_float_form_has_the_same_cut_mask_and_limit():
    x, y = events(SPEC)
    wide = dataclasses.replace(SPEC, score=FixedType(False, 24, 15))
    exact = reconstruction_float(x, y * 2.0**-SPEC.prediction.fraction, wide)
    np.testing.assert_array_equal(exact * 2.0**wide.score.fraction, reconstruction_raw(x, y, wide))
    moved = reconstruction_float(x, y * 2.0**-SPEC.prediction.fraction + 0.01, wide)
    assert (moved != exact).any()


def test_saved_layer_gives_the_same_integers(tmp_path):
    inputs = [keras.Input((9,)), keras.Input((3, 3, 1))]
    model = keras.Model(inputs, ReconstructionScore(SPEC, name="score")(*inputs))
    model.save(tmp_path / "score.keras")
    loaded = keras.saving.load_model(tmp_path / "score.keras").get_layer("score")
    assert loaded.spec == SPEC
    assert model.output_shape == (None, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "rz"}, "score.kind: 'rz'"),
        ({"prediction": FixedType(True, 12, 4), "error": FixedType(False, 6, -2)}, "as many or fewer"),
        ({"error": FixedType(False, 6, 4)}, "in units of y"),
        ({"error": FixedType(False, 17, 14)}, "score.error_width: 17"),
        ({"exponents": (UNUSED,) * 9}, "no input counts"),
        ({"exponents": (0, 13, 0) * 3}, "score.weights"),
        ({"padding": (0, 0)}, "9 inputs in 2 rows"),
        ({"padding": (0, 0, 512)}, "padding 512"),
        ({"score": FixedType(False, 25, 8)}, "score.width: 25"),
        ({"score": FixedType(True, 12, 8)}, "expected unsigned"),
    ],
)
def test_what_is_not_exact_is_refused(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        dataclasses.replace(SPEC, **changes)


def test_wrong_arrays_are_refused():
    good = np.zeros((4, 9), dtype=np.int64)
    cases = [
        (good[:, :8], good, r"inputs has shape \(4, 8\)"),
        (good, good[0], r"prediction has shape \(9,\)"),
        (good, good[:2], "4 events of inputs, 2 of the prediction"),
        (good.astype(np.float32), good, "inputs has type float32"),
        (good, good + 64, "outside fixed<7,4>"),
    ]
    for x, y, message in cases:
        with pytest.raises(DataError, match=message):
            reconstruction_raw(x, y, SPEC)
