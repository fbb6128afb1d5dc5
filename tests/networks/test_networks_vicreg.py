"""The terms of VICReg against values computed by hand, their invariances, and the collapse that they see."""

from __future__ import annotations

import numpy as np
import pytest

from l1ad.networks.vicreg import VicReg, covariance, invariance, variance


def value(tensor) -> float:
    return float(np.asarray(tensor))


def batch(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def test_terms_are_those_computed_by_hand():
    first, second = batch((0, 0), (2, 0), (4, 3)), batch((1, 0), (2, 2), (4, 3))
    # Squares 1, 0, 0, 4, 0, 0 over six values.
    assert value(invariance(first, second)) == pytest.approx(5 / 6)
    # Columns 0, 0.3, 0.6 and 0, 0.4, 0: unbiased variances 0.09 and 0.16 / 3.
    small = batch((0, 0), (0.3, 0.4), (0.6, 0))
    hinges = [1 - np.sqrt(0.09 + 1e-4), 1 - np.sqrt(0.16 / 3 + 1e-4)]
    assert value(variance(small)) == pytest.approx(np.mean(hinges), rel=1e-5)
    # Centred columns -2, 0, 2 and -1, -1, 2: covariance 6 / 2 = 3, twice off the diagonal, over two embeddings.
    assert value(covariance(first)) == pytest.approx(9.0, rel=1e-5)


def test_collapse_is_seen_by_the_variance_term_alone():
    same = np.full((64, 5), 3.0, dtype=np.float32)
    assert value(invariance(same, same)) == 0
    assert value(covariance(same)) == pytest.approx(0, abs=1e-8)
    assert value(variance(same)) == pytest.approx(0.99, abs=1e-5)
    spread = np.random.default_rng(1).normal(0, 2, (64, 5)).astype(np.float32)
    assert value(variance(spread)) == 0


def test_terms_do_not_see_what_they_should_not():
    rng = np.random.default_rng(2)
    z = rng.normal(0, 0.5, (200, 4)).astype(np.float32)
    order = rng.permutation(200)
    for term in (variance, covariance):
        assert value(term(z + 5)) == pytest.approx(value(term(z)), rel=1e-3)
        assert value(term(z[order])) == pytest.approx(value(term(z)), rel=1e-4)
        assert value(term(2 * z)) != pytest.approx(value(term(z)), rel=1e-2)
    # Embeddings that copy one another are seen by the covariance, and by nothing else.
    copied = np.repeat(z[:, :1], 4, axis=1)
    assert value(covariance(copied)) > 10 * value(covariance(z))


@pytest.fixture
def model():
    import keras

    keras.utils.set_random_seed(1)
    extractor = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    projector = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    teacher = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    return VicReg(extractor, projector, weights=(25.0, 10.0, 2.0, 0.0), teacher=teacher, distillation=0.25)


def test_loss_is_the_weighted_sum_of_the_terms(model):
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 50, 6)).astype(np.float32)
    model.build_from(x)
    found = value(model.compute_loss(x, y, model(x)))
    a, b = model.projector(model.encoder(x)), model.projector(model.encoder(y))
    spread, crossed = (value(variance(a)) + value(variance(b))) / 2, value(covariance(a)) + value(covariance(b))
    loss = 25 * value(invariance(a, b)) + 10 * spread + 2 * crossed
    own, taught = np.asarray(model.encoder(x)), np.asarray(model.teacher(x))
    mismatch = np.mean((own - taught) ** 2 / (taught.var(axis=0) + 1e-3))
    assert found == pytest.approx(0.75 * loss + 0.25 * mismatch, rel=1e-4)
    assert not model.teacher.trainable_variables


def test_a_head_reads_the_score_of_a_source_in_the_features(model):
    import keras

    rng = np.random.default_rng(5)
    x = rng.normal(size=(400, 6)).astype(np.float32)
    source = keras.Sequential([keras.Input((6,)), keras.layers.Lambda(lambda v: v[:, 0] ** 2)])
    followed = VicReg(model.encoder, model.projector, weights=(0.0, 0.0, 0.0, 3.0), score_source=source)
    followed.build_from(x)
    read, wanted = (np.asarray(part) for part in followed(x)[3])
    expected = 3 * np.mean((read - wanted) ** 2) / (wanted.var() + 1e-3)
    assert value(followed.compute_loss(x, x, followed(x))) == pytest.approx(expected, rel=1e-4)
    assert followed.score_teacher is None  # the epoch loop would disturb one view of two
    assert model(x)[3] == []


def test_training_spreads_what_had_collapsed(model):
    import keras

    rng = np.random.default_rng(4)
    x = rng.normal(size=(512, 6)).astype(np.float32)
    y = x + 0.05 * rng.normal(size=x.shape).astype(np.float32)
    free = VicReg(model.encoder, model.projector, weights=(25.0, 25.0, 1.0, 0.0))
    free.encoder.set_weights([0.01 * weight for weight in free.encoder.get_weights()])
    assert value(variance(free(x)[1])) > 0.9
    free.compile(optimizer=keras.optimizers.Adam(0.01), jit_compile=False)
    free.fit(x, y, batch_size=128, epochs=8, verbose=0)
    assert value(variance(free(x)[1])) < 0.2
    # Negative control: without the variance term nothing spreads.
    alone = VicReg(model.encoder, model.projector, weights=(25.0, 0.0, 1.0, 0.0))
    alone.compile(optimizer=keras.optimizers.Adam(0.01), jit_compile=False)
    alone.fit(x, y, batch_size=128, epochs=8, verbose=0)
    assert value(variance(alone(x)[1])) > 0.5
