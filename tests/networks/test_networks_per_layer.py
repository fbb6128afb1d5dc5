"""Quantizers of single layers (`network.layers`)."""

from __future__ import annotations

import pytest

from l1ad.config.load import parse_config
from l1ad.errors import ConfigurationError

pytest.importorskip("qkeras", reason="QKeras is not installed")


def types(layers: dict, architecture: str = "dense_vae") -> dict[str, str]:
    from l1ad.networks.architectures import build_encoder
    from l1ad.networks.base import load_frontend
    from l1ad.networks.quantized import integer_weights, output_type, quantizes_output

    config = parse_config({"network": {"architecture": architecture, "layers": layers}}, "test").network
    encoder = build_encoder(config, load_frontend(config))
    found = {}
    for layer in encoder.layers:
        found |= {f"{layer.name}.{name}": str(fixed) for name, (_, fixed) in integer_weights(layer).items()}
        if quantizes_output(layer):
            found[layer.name] = str(output_type(layer))
    return found


def test_a_layer_with_its_own_quantizers_leaves_the_others():
    layers = {
        "dense_1": {"kernel": "quantized_bits(4,0,alpha=1)", "bias": "quantized_bits(5,0,alpha=1)"},
        "relu_2": {"activation": "quantized_relu(5,2)"},
        "dense_mean": {"kernel": "quantized_bits(3,0,alpha=1)"},
    }
    expected = {
        "dense_1.kernel": "fixed<4,1>",
        "dense_1.bias": "fixed<5,1>",
        "relu_2": "ufixed<5,2>",
        "dense_mean.kernel": "fixed<3,1>",
    }
    plain, own = types({}), types(layers)
    assert {name: text for name, text in own.items() if text != plain[name]} == expected


def test_a_convolution_has_its_own_quantizer():
    own = types({"conv_1": {"kernel": "quantized_bits(3,0,alpha=1)"}}, "cnn_vae")
    assert (own["conv_1.kernel"], own["conv_2.kernel"]) == ("fixed<3,1>", "fixed<6,2>")


@pytest.mark.parametrize(
    ("layers", "match"),
    [
        ({"dense_3": {"kernel": "quantized_bits(4,0,alpha=1)"}}, r"no layer 'dense_3'\. Did you mean dense_"),
        ({"relu_1": {"kernel": "quantized_bits(4,0,alpha=1)"}}, "kernel is nothing that this layer has"),
        ({"dense_1": {"activation": "quantized_relu(4,2)"}}, "activation is nothing .* It has: bias, kernel"),
        ({"mean": {"activation": "quantized_relu(4,2)"}}, "It has: no quantizer of its own"),
        ({"dense_1": {"kernel": "quantized_bits(4,0)"}}, r"network\.layers\.dense_1\.kernel: .*alpha=1"),
        ({"dense_1": {"krenel": "quantized_bits(4,0)"}}, "Did you mean kernel"),
    ],
)
def test_what_no_layer_has_is_refused(layers, match):
    with pytest.raises(ConfigurationError, match=match):
        types(layers)


def test_learned_widths_have_no_layers_of_their_own():
    with pytest.raises(ConfigurationError, match="layers does not go with frontend hgq"):
        parse_config({"network": {"frontend": "hgq", "layers": {"dense_1": {"kernel": "x"}}}}, "test")
