"""A configuration that cannot be carried out is refused before anything is written."""

from __future__ import annotations

import pytest

from l1ad.config import RunConfig
from l1ad.errors import ConfigurationError
from l1ad.pipeline.preflight import check_config

AUTOENCODER = {
    "network": {"architecture": "dense_ae"},
    "score": {"kind": "reconstruction", "width": 18, "integer": 14},
}


@pytest.mark.parametrize("kind", ["rz", "mu2", "kl"])
def test_scores_of_a_latent_space_pass(kind):
    check_config(RunConfig.model_validate({"score": {"kind": kind}}))


def test_stream_of_an_autoencoder_is_refused_and_verilog_alone_is_not():
    check_config(RunConfig.model_validate(AUTOENCODER))
    stream = {"io_type": "io_stream"}
    check_config(RunConfig.model_validate(AUTOENCODER | {"conversion": stream | {"backends": ["verilog"]}}))
    with pytest.raises(ConfigurationError, match=r"io_stream cannot compare.*dense_ae.*io_parallel"):
        check_config(RunConfig.model_validate(AUTOENCODER | {"conversion": stream}))


@pytest.mark.parametrize(
    ("section", "changes", "message"),
    [
        ("network", {"reconstruction": "quantized_bits(12,3,alpha=1)"}, r"network\.reconstruction"),
        ("network", {"reconstruction": "quantized_bits(7,3,alpha=auto)"}, r"network\.reconstruction"),
        ("score", {"weights": (0.0, 0.0, 0.0)}, r"score\.weights"),
    ],
)
def test_types_that_do_not_fit_are_refused(section, changes, message):
    values = {**AUTOENCODER, section: AUTOENCODER[section] | changes}
    with pytest.raises(ConfigurationError, match=message):
        check_config(RunConfig.model_validate(values))
