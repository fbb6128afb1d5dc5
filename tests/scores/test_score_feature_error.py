"""The squared error in feature space against Python's unbounded integers, its Keras layer, and its float form."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest

from l1ad.errors import ConfigurationError
from l1ad.records import FixedType
from l1ad.scores.layers import ReconstructionScore
from l1ad.scores.reconstruction import ReconstructionSpec, reconstruction_float, reconstruction_raw

SPEC = ReconstructionSpec(
    kind="feature_error",
    inputs=FixedType(True, 10, 6),
    prediction=FixedType(True, 10, 6),
    error=FixedType(False, 8, 4),
    exponents=(0,) * 5,
    padding=(),
    score=FixedType(False, 14, 10),
)
SPECS = {
    "one unit": SPEC,
    "coarser prediction": dataclasses.replace(SPEC, prediction=FixedType(True, 8, 6), error=FixedType(False, 7, 5)),
    "unsigned features": dataclasses.replace(SPEC, inputs=FixedType(False, 10, 6)),
    "nothing saturates": dataclasses.replace(SPEC, error=FixedType(False, 11, 7), score=FixedType(False, 24, 16)),
}


def slow_score(features: list[int], prediction: list[int], spec: ReconstructionSpec) -> int:
    """Return the raw score of one event with unbounded integers and no shift operator."""
    unit = 2 ** (spec.inputs.fraction - spec.prediction.fraction)
    largest = 2**spec.error.width - 1
    total = sum(min(abs(f // unit - y), largest) ** 2 for f, y in zip(features, prediction, strict=True))
    dropped = 2 * spec.prediction.fraction - spec.score.fraction
    return min(total * 2 ** max(-dropped, 0) // 2 ** max(dropped, 0), 2**spec.score.width - 1)


def events(spec: ReconstructionSpec, number: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Return features and predictions over their whole ranges, and predictions that are close."""
    rng = np.random.default_rng(6)
    x = rng.integers(spec.inputs.minimum, spec.inputs.maximum, (number, 5), endpoint=True)
    x[0], x[1] = spec.inputs.minimum, spec.inputs.maximum
    low, high = spec.prediction.minimum, spec.prediction.maximum
    y = rng.integers(low, high, (number, 5), endpoint=True)
    near = (x >> (spec.inputs.fraction - spec.prediction.fraction)) + rng.integers(-40, 41, x.shape)
    y[number // 3 :] = np.clip(near, low, high)[number // 3 :]
    y[2] = np.clip(x[2] >> (spec.inputs.fraction - spec.prediction.fraction), low, high)
    return x, y


def layer(x: np.ndarray, y: np.ndarray, spec: ReconstructionSpec) -> np.ndarray:
    features = (x * 2.0**-spec.inputs.fraction).astype(np.float32)
    prediction = (y * 2.0**-spec.prediction.fraction).astype(np.float32)
    score = np.asarray(ReconstructionScore(spec)(prediction, features), dtype=np.float64)
    return (score[:, 0] * 2.0**spec.score.fraction).astype(np.int64)


@pytest.mark.parametrize("name", SPECS)
def test_definition_equals_unbounded_integers_and_the_layer(name):
    spec = SPECS[name]
    x, y = events(spec)
    found = reconstruction_raw(x, y, spec)
    assert found.tolist() == [slow_score(a, b, spec) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    assert len(np.unique(found)) > 200
    assert (found == spec.score.maximum).any() or name == "nothing saturates"
    np.testing.assert_array_equal(layer(x, y, spec), found)


def test_one_flipped_bit_is_seen():
    x, y = events(SPEC)
    found = reconstruction_raw(x, y, SPEC)
    for bit in range(9):
        flipped = x.copy()
        flipped[:, 3] ^= 1 << bit
        seen = reconstruction_raw(flipped, y, SPEC) != found
        # The lowest bits may be dropped, and a saturated sum stays.
        assert seen.mean() > 0.1
        np.testing.assert_array_equal(layer(flipped, y, SPEC)[seen] != found[seen], True)


def test_no_value_of_a_feature_is_padding():
    x = np.tile([-512, 0, 511, -1, 7], (2, 1))
    y = x + np.array([[0], [3]]) * np.array([1, 1, -1, 1, 1])
    assert reconstruction_raw(x, y, SPEC).tolist() == [0, 5 * 9 >> 4]


def test_float_form_is_the_integers_where_features_are_exact():
    x, y = events(SPEC)
    wide = SPECS["nothing saturates"]
    unit = 2.0**-SPEC.inputs.fraction
    exact = reconstruction_float(x * unit, y * unit, wide)
    np.testing.assert_array_equal(exact * 2.0**wide.score.fraction, reconstruction_raw(x, y, wide))
    assert (reconstruction_float(x * unit + 0.01, y * unit, wide) != exact).all()


def test_saved_layer_gives_the_same_integers(tmp_path):
    inputs = [keras.Input((5,)), keras.Input((5,))]
    model = keras.Model(inputs, ReconstructionScore(SPEC, name="score")(*inputs))
    model.save(tmp_path / "score.keras")
    loaded = keras.saving.load_model(tmp_path / "score.keras").get_layer("score")
    assert loaded.spec == SPEC
    assert not loaded.spec.masked
    assert ReconstructionSpec.from_dict(SPEC.to_dict()) == SPEC


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"padding": (0,)}, "features have none"),
        ({"kind": "reconstruction"}, "5 inputs in 0 rows"),
        ({"prediction": FixedType(True, 12, 6), "error": FixedType(False, 8, 2)}, r"the features fixed<10,6> have 4"),
        ({"error": FixedType(False, 8, 5)}, "in units of y"),
        ({"kind": "mu2"}, "feature_error"),
    ],
)
def test_what_is_not_exact_is_refused(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        dataclasses.replace(SPEC, **changes)
