"""The architectures of arXiv:2108.03986, built from the layers of a frontend.

Of a variational autoencoder the encoder goes to firmware; its decoder is for the training only and is float. Of an
autoencoder both go to firmware. `l1ad.networks.feature_ae` has the autoencoder of learned features.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import keras

from l1ad.config import NetworkConfig
from l1ad.errors import ConfigurationError, nearest
from l1ad.networks.base import Frontend
from l1ad.networks.event_shape import ETA_BOUNDS, QUANTITIES, ROWS
from l1ad.networks.feature_ae import feature_autoencoder
from l1ad.networks.layers import BoundedFeatures, SumPooling
from l1ad.networks.region_networks import REGION_INPUT, build_student, student_multiplications

#: Builds inputs and features of an encoder, or the features of a decoder that firmware holds.
Body = Callable[[NetworkConfig, Frontend], tuple[Any, Any]]
Decoder = Callable[[Any, NetworkConfig, Frontend], Any]


def build_encoder(config: NetworkConfig, frontend: Frontend) -> Any:
    """Return the network that becomes firmware.

    Of a variational autoencoder it is the encoder, inputs -> [mean, log_variance], each of shape (batch, latent). Of
    an autoencoder it is the whole of it, inputs -> reconstruction, shape (batch, 57), or inputs -> [prediction,
    features] of ``feature_ae``. Of a student it is inputs -> score, shape (batch, 1).

    Raises
    ------
    ConfigurationError
        When no such architecture exists, or it has no layer that `network.layers` names.
    """
    encoder = _lookup(_ENCODERS, config)(config, frontend)
    check_layers(config, encoder)
    return encoder


def check_layers(config: NetworkConfig, model: Any) -> None:
    """Hold the names in `network.layers` against the layers of a network.

    Raises
    ------
    ConfigurationError
        When there is no such layer, or it has nothing to quantize of the kind.
    """
    found = {layer.name: getattr(layer, "kernel", None) is not None for layer in model.layers if layer.name != "inputs"}
    for name, own in config.layers.items():
        if name not in found:
            raise ConfigurationError(f"network.layers: the network has no layer {name!r}. {nearest(name, found)}")
        given = {field for field, text in own if text is not None}
        right = {"kernel", "bias"} if found[name] else {"activation"} if "relu" in name else set()
        if given - right:
            raise ConfigurationError(
                f"network.layers.{name}: {min(given - right)} is nothing that this layer has. "
                f"It has: {', '.join(sorted(right)) or 'no quantizer of its own'}."
            )


def build_decoder(config: NetworkConfig, *, bounded: bool) -> Any:
    """Return the training decoder: (batch, latent) -> (batch, 19, 3).

    `bounded` keeps eta and phi inside their physical range, for targets in rad (arXiv:2108.03986, section 3).
    """
    inputs, features = _lookup(_DECODERS, config)(config)
    outputs = BoundedFeatures(ETA_BOUNDS, name="features")(features) if bounded else features
    return keras.Model(inputs, outputs, name="decoder")


def input_shape(config: NetworkConfig) -> tuple[int, ...]:
    """Return the shape of one event at the network's input."""
    if config.regresses:
        return REGION_INPUT
    return (ROWS, QUANTITIES, 1) if config.architecture in ("cnn_vae", "cnn_ae") else (ROWS * QUANTITIES,)


def _lookup(table: Mapping[str, Callable[..., Any]], config: NetworkConfig) -> Callable[..., Any]:
    if config.architecture not in table:
        raise ConfigurationError(
            f"network.architecture: {config.architecture!r}. {nearest(config.architecture, table)}"
        )
    return table[config.architecture]


def _dense_body(config: NetworkConfig, frontend: Frontend) -> tuple[Any, Any]:
    """57 - 32 - 16: inputs and last features."""
    inputs = x = keras.Input((ROWS * QUANTITIES,), name="inputs")
    for index, units in enumerate(config.hidden, start=1):
        x = frontend.dense(units, f"dense_{index}")(x)
        x = frontend.activation(f"relu_{index}")(x)
    return inputs, x


def _cnn_body(config: NetworkConfig, frontend: Frontend) -> tuple[Any, Any]:
    """Pad to 20 x 3, convolve 3 x 3, sum rows by 3, convolve 3 x 1, sum rows by 3, flatten to 64."""
    inputs = keras.Input((ROWS, QUANTITIES, 1), name="inputs")
    x = keras.layers.ZeroPadding2D(((1, 0), (0, 0)), name="pad")(inputs)
    x = frontend.conv(config.filters[0], (3, 3), "conv_1", padding="valid")(x)
    x = frontend.activation("relu_1")(x)
    x = SumPooling(3, name="pool_1")(x)
    x = frontend.conv(config.filters[1], (3, 1), "conv_2", padding="same")(x)
    x = frontend.activation("relu_2")(x)
    x = SumPooling(3, name="pool_2")(x)
    return inputs, keras.layers.Flatten(name="flatten")(x)


def _encoder(body: Body, config: NetworkConfig, frontend: Frontend) -> Any:
    """Two dense heads, each brought to its fixed-point type."""
    inputs, x = body(config, frontend)
    # Both heads are built before what is behind them: a frontend takes what was built last for the source.
    heads = {which: _head(which, config, frontend) for which in ("mean", "log_variance")}
    return keras.Model(inputs, [frontend.latent(which)(head(x)) for which, head in heads.items()], name="encoder")


def _autoencoder(body: Body, decoder: Decoder, config: NetworkConfig, frontend: Frontend) -> Any:
    """One dense head of latent variables, and the decoder that firmware holds."""
    inputs, x = body(config, frontend)
    x = _head("mean", config, frontend)(x)
    x = decoder(frontend.latent("mean")(x), config, frontend)
    x = frontend.dense(ROWS * QUANTITIES, "dense_reconstruction")(x)
    return keras.Model(inputs, frontend.latent("reconstruction")(x), name="autoencoder")


def _head(which: str, config: NetworkConfig, frontend: Frontend) -> Any:
    """Dense layer of the latent means, variables or log sigma^2."""
    return frontend.dense(config.latent, f"dense_{which}", latent=True)


def _dense_firmware_decoder(x: Any, config: NetworkConfig, frontend: Frontend) -> Any:
    """16 - 32."""
    for index, units in enumerate(reversed(config.hidden), start=1):
        x = frontend.dense(units, f"decoder_dense_{index}")(x)
        x = frontend.activation(f"decoder_relu_{index}")(x)
    return x


def _cnn_firmware_decoder(x: Any, config: NetworkConfig, frontend: Frontend) -> Any:
    """Dense 64, then a transposed convolution of 3 x 1 with stride 3 from 2 rows of 32 channels to 6 rows of 16.

    Where kernel and stride are equal no two outputs overlap, so each row becomes three by one product: a 1 x 1
    convolution to 3 x 16 channels. Both converters take that; hls4ml 1.3.0 has no transposed convolution. Upsampling
    and convolving, as arXiv:2108.03986 does, computes the same rows several times. The dense layer behind it replaces
    the last convolution of the paper, whose one kernel cannot tell a muon from a jet.
    """
    first, second = config.filters
    x = frontend.dense(2 * second, "decoder_dense")(x)
    x = frontend.activation("decoder_relu_1")(x)
    x = keras.layers.Reshape((2, 1, second), name="decoder_rows")(x)
    x = frontend.conv(3 * first, (1, 1), "decoder_conv", padding="valid")(x)
    x = frontend.activation("decoder_relu_2")(x)
    return keras.layers.Flatten(name="decoder_flatten")(x)


def _dense_decoder(config: NetworkConfig) -> tuple[Any, Any]:
    """Mirror of the dense encoder."""
    inputs = x = keras.Input((config.latent,), name="latent")
    for index, units in enumerate(reversed(config.hidden), start=1):
        x = keras.layers.Dense(units, activation="relu", name=f"decoder_dense_{index}")(x)
    x = keras.layers.Dense(ROWS * QUANTITIES, name="decoder_output")(x)
    x = keras.layers.Reshape((ROWS, QUANTITIES), name="decoder_output_rows")(x)
    return inputs, x


def _cnn_decoder(config: NetworkConfig) -> tuple[Any, Any]:
    """Dense 64, convolve 3 x 1, upsample by 3, convolve 3 x 1, upsample by 3, pad, convolve 3 x 3 to 19 x 3."""
    first, second = config.filters
    inputs = x = keras.Input((config.latent,), name="latent")
    x = keras.layers.Dense(2 * second, activation="relu", name="decoder_dense")(x)
    x = keras.layers.Reshape((2, 1, second), name="decoder_reshape")(x)
    x = keras.layers.Conv2D(second, (3, 1), padding="same", activation="relu", name="decoder_conv_1")(x)
    x = keras.layers.UpSampling2D((3, 1), name="decoder_up_1")(x)
    x = keras.layers.Conv2D(first, (3, 1), padding="same", activation="relu", name="decoder_conv_2")(x)
    x = keras.layers.UpSampling2D((3, 1), name="decoder_up_2")(x)
    # 18 x 1 -> 21 x 5, so that a 3 x 3 convolution ends at 19 x 3.
    x = keras.layers.ZeroPadding2D(((2, 1), (2, 2)), name="decoder_pad")(x)
    x = keras.layers.Conv2D(1, (3, 3), name="decoder_output")(x)
    x = keras.layers.Reshape((ROWS, QUANTITIES), name="decoder_features")(x)
    return inputs, x


_ENCODERS: dict[str, Callable[[NetworkConfig, Frontend], Any]] = {
    "dense_vae": functools.partial(_encoder, _dense_body),
    "cnn_vae": functools.partial(_encoder, _cnn_body),
    "dense_ae": functools.partial(_autoencoder, _dense_body, _dense_firmware_decoder),
    "cnn_ae": functools.partial(_autoencoder, _cnn_body, _cnn_firmware_decoder),
    "cicada_student": build_student,
    "feature_ae": lambda config, frontend: feature_autoencoder(*_dense_body(config, frontend), config, frontend),
}
_DECODERS = {"dense_vae": _dense_decoder, "cnn_vae": _cnn_decoder}


def multiplications(config: NetworkConfig) -> int:
    """Return the multiplications of the encoder, as arXiv:2108.03986 counts them; those of a decoder are left out.

    Examples
    --------
    >>> multiplications(NetworkConfig(architecture="dense_vae", latent=3))
    2432
    """
    if config.regresses:
        return student_multiplications(config)
    heads = 1 if config.reconstructs else 2
    if config.architecture == "feature_ae":
        sizes = (ROWS * QUANTITIES, *config.hidden, config.features, *config.feature_hidden, config.latent)
        return sum(a * b for a, b in itertools.pairwise(sizes))
    if config.architecture in ("dense_vae", "dense_ae"):
        sizes = (ROWS * QUANTITIES, *config.hidden, heads * config.latent)
        return sum(a * b for a, b in itertools.pairwise(sizes))
    first, second = config.filters
    convolutions = 18 * math.prod((3, 3, first)) + 6 * math.prod((3, first, second))
    return convolutions + 2 * second * heads * config.latent
