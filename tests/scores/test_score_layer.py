"""The Keras layer of the score equals the integer definition on every event."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from l1ad.records import FixedType
from l1ad.scores.integer import score_raw
from l1ad.scores.layers import LatentScore
from l1ad.scores.spec import ScoreSpec

EVENTS = 25_000
SPECS = {
    "rz": ScoreSpec(
        "rz", 3, FixedType(True, 10, 5), FixedType(True, 8, 4), FixedType(False, 10, 5), FixedType(False, 20, 14)
    ),
    "mu2": ScoreSpec(
        "mu2", 3, FixedType(True, 10, 5), FixedType(True, 8, 4), FixedType(False, 10, 5), FixedType(False, 20, 14)
    ),
    "rz wide": ScoreSpec(
        "rz", 5, FixedType(True, 16, 6), FixedType(True, 11, 5), FixedType(False, 18, 9), FixedType(False, 24, 16)
    ),
    "mu2 shifted left": ScoreSpec(
        "mu2", 2, FixedType(True, 8, 8), FixedType(True, 8, 4), FixedType(False, 10, 5), FixedType(False, 24, 16)
    ),
    "kl": ScoreSpec(
        "kl", 3, FixedType(True, 10, 5), FixedType(True, 8, 4), FixedType(False, 10, 8), FixedType(False, 16, 8)
    ),
    "kl fine table": ScoreSpec(
        "kl", 5, FixedType(True, 8, 5), FixedType(True, 6, 3), FixedType(False, 18, 5), FixedType(False, 24, 12)
    ),
    "mu2 narrow": ScoreSpec(
        "mu2", 4, FixedType(True, 10, 5), FixedType(True, 8, 4), FixedType(False, 10, 5), FixedType(False, 12, 8)
    ),
    "rz unsigned address": ScoreSpec(
        "rz", 1, FixedType(True, 12, 4), FixedType(False, 6, 3), FixedType(False, 12, 0), FixedType(False, 16, 8)
    ),
}
SATURATING = {"rz", "rz wide", "mu2 narrow", "kl"}


def latent(spec: ScoreSpec, events: int = EVENTS) -> tuple[np.ndarray, np.ndarray]:
    """Return raw means and log variances; the first events sit at the limits, both ways round."""
    rng = np.random.default_rng(spec.latent)
    arrays = []
    for fixed in (spec.mean, spec.log_variance):
        values = rng.integers(fixed.minimum, fixed.maximum, (events, spec.latent), endpoint=True)
        limits = rng.choice([fixed.minimum, fixed.maximum, 0, fixed.minimum + 1], (2000, spec.latent))
        values[:2000] = limits
        values[0], values[1] = fixed.minimum, fixed.maximum
        arrays.append(values)
    return arrays[0], arrays[1]


def run(layer: LatentScore, mean: np.ndarray, log_variance: np.ndarray) -> np.ndarray:
    """Return the raw integers that the layer gives."""
    spec = layer.spec
    values = (mean * 2.0**-spec.mean.fraction).astype(np.float32)
    logs = (log_variance * 2.0**-spec.log_variance.fraction).astype(np.float32)
    score = np.asarray(layer(values, logs) if spec.reads_log_variance else layer(values), dtype=np.float64)
    assert score.shape == (len(mean), 1)
    raw = score[:, 0] * 2.0**spec.score.fraction
    assert np.array_equal(raw, np.rint(raw))
    return raw.astype(np.int64)


@pytest.mark.parametrize("name", SPECS)
def test_layer_equals_the_integer_definition(name):
    spec = SPECS[name]
    mean, log_variance = latent(spec)
    expected = score_raw(mean, log_variance, spec)
    np.testing.assert_array_equal(run(LatentScore(spec), mean, log_variance), expected)
    assert (expected == spec.score.maximum).any() == (name in SATURATING)
    assert len(np.unique(expected)) > 100


def test_one_changed_entry_of_the_layer_is_seen():
    spec = SPECS["rz"]
    mean, log_variance = latent(spec)
    layer = LatentScore(spec)
    layer._table[3] ^= 1
    assert (run(layer, mean, log_variance) != score_raw(mean, log_variance, spec)).any()


@pytest.mark.parametrize("name", ["rz", "mu2", "kl"])
def test_saved_model_gives_the_same_integers(name, tmp_path):
    spec = SPECS[name]
    inputs = [keras.Input((spec.latent,)), keras.Input((spec.latent,))]
    layer = LatentScore(spec, name="score")
    model = keras.Model(inputs, layer(*inputs) if spec.reads_log_variance else layer(inputs[0]))
    model.save(tmp_path / "score.keras")
    loaded = keras.saving.load_model(tmp_path / "score.keras").get_layer("score")
    assert loaded.spec == spec
    mean, log_variance = latent(spec, 3000)
    np.testing.assert_array_equal(run(loaded, mean, log_variance), score_raw(mean, log_variance, spec))
    assert model.output_shape == (None, 1)


def test_layer_follows_the_same_graph_when_compiled():
    import tensorflow as tf

    spec = SPECS["rz"]
    mean, log_variance = latent(spec, 5000)
    layer = LatentScore(spec)
    values = (mean * 2.0**-spec.mean.fraction).astype(np.float32)
    logs = (log_variance * 2.0**-spec.log_variance.fraction).astype(np.float32)
    compiled = tf.function(lambda m, v: layer(m, v), jit_compile=True)
    score = np.asarray(compiled(tf.constant(values), tf.constant(logs)), dtype=np.float64)[:, 0]
    np.testing.assert_array_equal(score * 2.0**spec.score.fraction, score_raw(mean, log_variance, spec))
