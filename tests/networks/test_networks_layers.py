"""Architectures, their sizes, and the layers of our own."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from l1ad.config import NetworkConfig
from l1ad.errors import ConfigurationError, ToolMissingError
from l1ad.networks.architectures import build_decoder, build_encoder, input_shape, multiplications
from l1ad.networks.base import FRONTENDS, load_frontend
from l1ad.networks.layers import BoundedFeatures, Clip, Sampling, SumPooling
from l1ad.networks.vae import kl_divergence, latent_mismatch, reconstruction_error

ARCHITECTURES = ["dense_vae", "cnn_vae"]
AUTOENCODERS = ["dense_ae", "cnn_ae"]
FRONTENDS_TESTED = ["float", "qkeras"]

#: Weights of the encoder: (57+1)*32 + (32+1)*16 + 2*(16+1)*3, and 9*16 + 3*16*32 + 2*(64+1)*3.
PARAMETERS = {"dense_vae": 2486, "cnn_vae": 2070}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("frontend", FRONTENDS_TESTED)
def test_encoder_shapes_and_parameters(architecture, frontend, make):
    config = make.network(architecture, frontend)
    encoder = build_encoder(config, load_frontend(config))
    assert encoder.input_shape == (None, *input_shape(config))
    assert encoder.output_shape == [(None, 3), (None, 3)]
    assert encoder.count_params() == PARAMETERS[architecture]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_float_and_quantized_twins_have_the_same_weights(architecture, make):
    shapes = []
    for frontend in FRONTENDS_TESTED:
        config = make.network(architecture, frontend)
        encoder = build_encoder(config, load_frontend(config))
        shapes.append([weight.shape for weight in encoder.get_weights()])
    assert shapes[0] == shapes[1]
    assert sum(int(np.prod(shape)) for shape in shapes[0]) == PARAMETERS[architecture]


def test_multiplications_are_those_of_the_paper(make):
    # arXiv:2108.03986: 2,432 for the dense encoder with 3 latent variables, 12,832 for the convolutional one with 8.
    assert multiplications(make.network("dense_vae", latent=3)) == 2432
    assert multiplications(make.network("cnn_vae", latent=8)) == 12832


def test_multiplications_follow_the_kernels(make):
    for architecture in ARCHITECTURES:
        config = make.network(architecture, "float", hidden=(24, 10), filters=(8, 12), latent=5)
        encoder = build_encoder(config, load_frontend(config))
        counted = 0
        for layer in encoder.layers:
            if hasattr(layer, "kernel"):
                positions = int(np.prod(layer.output.shape[1:-1]))
                counted += positions * int(np.prod(layer.kernel.shape))
        assert counted == multiplications(config)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("bounded", [False, True])
def test_decoder_shapes_and_bounds(architecture, bounded, make):
    decoder = build_decoder(make.network(architecture, latent=4), bounded=bounded)
    assert decoder.input_shape == (None, 4)
    assert decoder.output_shape == (None, 19, 3)
    latent = np.random.default_rng(0).normal(0, 300, (64, 4)).astype(np.float32)
    features = np.asarray(decoder(latent))
    inside = (np.abs(features[:, :, 2]) <= np.float32(np.pi)).all() and (np.abs(features[:, 9:, 1]) <= 4.0).all()
    assert inside == bounded
    assert (features[:, 0, 1] == 0).all() == bounded


def test_unknown_architecture_and_frontend_are_refused(make):
    config = make.network("dense_vae").model_copy(update={"architecture": "dense_va"})
    with pytest.raises(ConfigurationError, match="Did you mean dense_vae"):
        build_encoder(config, load_frontend(config))
    with pytest.raises(ConfigurationError, match="Did you mean dense_vae"):
        build_decoder(config, bounded=False)
    with pytest.raises(ConfigurationError, match=r"network\.frontend: 'qkera'"):
        load_frontend(config.model_copy(update={"frontend": "qkera"}))


def test_missing_library_says_how_to_get_it(make, monkeypatch):
    monkeypatch.setitem(FRONTENDS, "qkeras", ("no.module", "Frontend", "no_such_library", "uv sync --extra qkeras"))
    with pytest.raises(ToolMissingError, match=r"'no_such_library'.*uv sync --extra qkeras"):
        load_frontend(make.network("dense_vae"))


@pytest.mark.parametrize("field", ["kernel", "bias", "activation", "latent_kernel", "mean", "log_variance"])
def test_wrong_quantizer_names_its_field(field, make):
    config = make.network("dense_vae", **{field: "quantized_bits(6,0)"})
    with pytest.raises(ConfigurationError, match=f"network.{field}: "):
        load_frontend(config)


def test_float_latent_space_keeps_the_range_of_its_type(make):
    encoder = make.encoder(make.network("dense_vae", "float"))
    encoder.set_weights([weight * 1000 for weight in encoder.get_weights()])
    mean, log_variance = encoder(np.random.default_rng(0).normal(size=(500, 57)).astype(np.float32))
    assert (np.min(mean), np.max(mean)) == (-16.0, 16.0 - 2.0**-5)
    assert (np.min(log_variance), np.max(log_variance)) == (-8.0, 8.0 - 2.0**-4)


def test_sum_pooling_equals_numpy_and_survives_saving(tmp_path):
    x = np.random.default_rng(0).integers(-500, 500, (20, 18, 2, 5)).astype(np.float32)
    inputs = keras.Input((18, 2, 5))
    model = keras.Model(inputs, SumPooling(3)(inputs))
    expected = np.stack([x[:, 3 * k : 3 * k + 3].sum(axis=1) for k in range(6)], axis=1)
    np.testing.assert_array_equal(np.asarray(model(x)), expected)
    assert model.output_shape == (None, 6, 2, 5)
    model.save(tmp_path / "pool.keras")
    np.testing.assert_array_equal(np.asarray(keras.saving.load_model(tmp_path / "pool.keras")(x)), expected)
    assert (np.asarray(SumPooling(2)(x)).shape, np.asarray(SumPooling(9)(x)).shape) == ((20, 9, 2, 5), (20, 2, 2, 5))


def test_sum_pooling_refuses_rows_that_do_not_divide():
    with pytest.raises(ConfigurationError, match="20 rows"):
        SumPooling(3)(np.zeros((1, 20, 1, 1), dtype=np.float32))


def test_clip_clips_and_lets_the_gradient_pass(tmp_path):
    import tensorflow as tf

    x = tf.Variable([-9.0, -2.0, 0.3, 1.5, 7.0])
    layer = Clip(-2.0, 1.5)
    with tf.GradientTape() as tape:
        y = layer(x)
    np.testing.assert_array_equal(y.numpy(), np.clip(x.numpy(), -2.0, 1.5))
    np.testing.assert_array_equal(tape.gradient(y, x).numpy(), np.ones(5))
    # Negative control: the gradient of a plain clip is zero outside the range.
    with tf.GradientTape() as tape:
        y = tf.clip_by_value(x, -2.0, 1.5)
    assert tape.gradient(y, x).numpy()[0] == 0.0
    inputs = keras.Input((5,))
    keras.Model(inputs, Clip(-2.0, 1.5)(inputs)).save(tmp_path / "clip.keras")
    loaded = keras.saving.load_model(tmp_path / "clip.keras").layers[-1]
    assert (loaded.minimum, loaded.maximum) == (-2.0, 1.5)


def sample(seed: int, calls: int = 1, log_variance: float = 0.0) -> np.ndarray:
    """Return what the last of `calls` training calls of a fresh layer gives."""
    layer = Sampling(seed)
    mean = np.full((2000, 3), 5.0, dtype=np.float32)
    return [np.asarray(layer(mean, np.full_like(mean, log_variance), training=True)) for _ in range(calls)][-1]


def test_sampling_is_random_in_training_with_its_seed():
    np.testing.assert_array_equal(sample(3), sample(3))
    assert (sample(3) != sample(4)).all(axis=1).mean() > 0.99
    assert (sample(3) != sample(3, calls=2)).all(axis=1).mean() > 0.99
    for log_variance in (-2.0, 0.0, 1.0):
        drawn = sample(3, log_variance=log_variance)
        assert drawn.mean() == pytest.approx(5.0, abs=0.1)
        assert drawn.std() == pytest.approx(np.exp(log_variance / 2), rel=0.05)


def test_sampling_is_the_mean_at_inference():
    mean = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    np.testing.assert_array_equal(np.asarray(Sampling(1)(mean, mean, training=False)), mean)


def test_bounded_features_at_the_limits():
    bounds = [0.0] + [3.0] * 4 + [2.1] * 4 + [4.0] * 10
    x = np.full((1, 19, 3), 1e4, dtype=np.float32)
    y = np.asarray(BoundedFeatures(bounds)(x))
    np.testing.assert_array_equal(y[0, :, 0], x[0, :, 0])
    np.testing.assert_allclose(y[0, :, 1], bounds)
    np.testing.assert_allclose(y[0, :, 2], np.pi, rtol=1e-6)


def test_losses_equal_numpy():
    rng = np.random.default_rng(0)
    target = rng.normal(size=(40, 19, 3)).astype(np.float32)
    target[:, 10:] = 0
    prediction = rng.normal(size=(40, 19, 3)).astype(np.float32)
    weights = np.array([1.0, 0.1, 0.5], dtype=np.float32)
    squares = np.square(target - prediction, dtype=np.float64) * weights
    plain = float(reconstruction_error(target, prediction, weights, masked=False))
    masked = float(reconstruction_error(target, prediction, weights, masked=True))
    assert plain == pytest.approx(squares.mean(), rel=1e-5)
    assert masked == pytest.approx((squares * (target != 0)).mean(), rel=1e-5)
    assert masked < 0.8 * plain
    mean, log_variance = rng.normal(size=(2, 40, 3)).astype(np.float32)
    kl = -0.5 * (1 + log_variance - mean**2 - np.exp(log_variance)).mean()
    assert float(kl_divergence(mean, log_variance)) == pytest.approx(kl, rel=1e-5)
    assert float(kl_divergence(np.zeros((4, 3)), np.zeros((4, 3)))) == 0.0
    mismatch = ((mean - log_variance) ** 2 / (log_variance.var(axis=0) + 1e-3)).mean()
    assert float(latent_mismatch(mean, log_variance)) == pytest.approx(mismatch, rel=1e-4)
    assert float(latent_mismatch(mean, mean)) == 0.0


@pytest.mark.parametrize("architecture", AUTOENCODERS)
def test_autoencoder_reconstructs_every_input_in_its_type(architecture, make):
    weights = []
    for frontend in FRONTENDS_TESTED:
        config = make.network(architecture, frontend, hidden=(6, 4), filters=(2, 3))
        network = build_encoder(config, load_frontend(config))
        weights.append([weight.shape for weight in network.get_weights()])
        assert network.output_shape == (None, 57)
        network.set_weights([np.full(w.shape, 9.0, dtype=np.float32) for w in network.get_weights()])
        values = np.asarray(network(np.full((1, *network.input_shape[1:]), 7.0, dtype=np.float32)))
        assert (values == 8.0 - 2.0**-3).all()  # the largest value of quantized_bits(7,3)
    assert weights[0] == weights[1]


def test_every_architecture_is_in_the_configuration():
    known = NetworkConfig.model_fields["architecture"].annotation.__args__
    # `imported` is a file of the user, not a builder; the other two have tests of their own.
    assert set(known) == {*ARCHITECTURES, *AUTOENCODERS, "feature_ae", "cicada_student", "imported"}
