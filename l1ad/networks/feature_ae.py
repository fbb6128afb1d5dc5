"""An autoencoder in the space of learned features, as AXOL1TL v5 of CMS has one: both networks go to firmware.

inputs -> features, by layers that are trained with VICReg and then frozen; features -> latent variables -> prediction
of the features. The score is the squared error of the prediction.
"""

from __future__ import annotations

from typing import Any

import keras

from l1ad.config import FeaturesConfig, NetworkConfig
from l1ad.networks.base import Frontend

#: Layer whose outputs are the features.
FEATURE_LAYER = "feature"


def feature_autoencoder(inputs: Any, x: Any, config: NetworkConfig, frontend: Frontend) -> Any:
    """Return the network inputs -> [prediction, features], each of shape (batch, features).

    Parameters
    ----------
    inputs, x : KerasTensor
        Inputs, and the last hidden layer of the extractor.
    config : NetworkConfig
        `features`, `feature_hidden` and `latent` are the sizes. Kernels behind the features have the quantizer
        `latent_kernel`.
    frontend : Frontend
    """
    x = features = frontend.latent(FEATURE_LAYER)(frontend.dense(config.features, "dense_feature")(x))
    x = _layers(x, config.feature_hidden, "encoder", frontend)
    x = frontend.latent("mean")(frontend.dense(config.latent, "dense_mean", latent=True)(x))
    x = _layers(x, tuple(reversed(config.feature_hidden)), "decoder", frontend)
    x = frontend.dense(config.features, "dense_reconstruction", latent=True)(x)
    return keras.Model(inputs, [frontend.latent("reconstruction")(x), features], name="feature_autoencoder")


def _layers(x: Any, sizes: tuple[int, ...], name: str, frontend: Frontend) -> Any:
    """Dense layers with rectifiers."""
    for index, units in enumerate(sizes, start=1):
        x = frontend.dense(units, f"{name}_dense_{index}", latent=True)(x)
        x = frontend.activation(f"{name}_relu_{index}")(x)
    return x


def extractor_of(network: Any) -> Any:
    """Return inputs -> features of a network of `feature_autoencoder`; it shares the layers."""
    return keras.Model(network.inputs, network.get_layer(FEATURE_LAYER).output, name="extractor")


def build_projector(features: int, options: FeaturesConfig) -> Any:
    """Return the float network behind the features whose outputs VICReg compares (arXiv:2105.04906, section 4.1).

    The paper has batch normalization between its layers; here the features are few and in a known range, and the
    projector does without.
    """
    inputs = x = keras.Input((features,), name="features")
    for index, units in enumerate(options.projector[:-1], start=1):
        x = keras.layers.Dense(units, activation="relu", name=f"projector_dense_{index}")(x)
    return keras.Model(inputs, keras.layers.Dense(options.projector[-1], name="embedding")(x), name="projector")
