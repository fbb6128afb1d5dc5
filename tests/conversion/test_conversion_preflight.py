"""What cannot work is refused by name before a file is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from l1ad.errors import ConfigurationError, ConversionError, L1adError
from l1ad.records import FixedType

KERNEL, BIAS = "quantized_bits(6,1,alpha=1)", "quantized_bits(8,2,alpha=1)"


@pytest.fixture
def check_refused(conversion, tmp_path):
    """Assert that a model is refused by every backend, with the words given, and that nothing is written."""
    from l1ad.conversion.base import convert

    def check(model, *words: str, backends=("vitis", "vivado", "verilog"), error=ConversionError, **changes) -> None:
        events = np.zeros((2, 57), dtype=np.int64)
        for backend in backends:
            job = conversion.job(backend, events, events[:, :1], **changes)
            with pytest.raises(error) as caught:
                convert(model, job, tmp_path / "firmware" / backend)
            missing = [word for word in words if word not in str(caught.value)]
            assert missing == [], str(caught.value)
        assert list(tmp_path.iterdir()) == []

    return check


@pytest.fixture
def build(conversion):
    """Build a firmware model by hand, around one layer of the test."""
    import keras
    import qkeras

    from l1ad.networks.qkeras_frontend import make_quantizer
    from l1ad.scores.layers import LatentScore

    def quantizer(text: str):
        return make_quantizer(text, "test")

    def dense(units: int, name: str, **changes):
        values = {"kernel_quantizer": quantizer(KERNEL), "bias_quantizer": quantizer(BIAS)}
        return qkeras.QDense(units, name=name, **(values | changes))

    def conv(**changes):
        values = {"kernel_quantizer": quantizer(KERNEL), "use_bias": False, "filters": 2, "kernel_size": (3, 3)}
        return qkeras.QConv2D(name="conv_1", **(values | changes))

    def relu(name: str = "relu_1"):
        return qkeras.QActivation(quantizer("quantized_relu(8,3)"), name=name)

    def model(*layers, shape=(57,), scored: bool = True):
        tensor = inputs = keras.Input(shape, name="inputs")
        for layer in layers:
            tensor = layer(tensor)
        texts = {"mean": "quantized_bits(8,3,alpha=1)", "log_variance": "quantized_bits(6,2,alpha=1)"}
        latent = [
            qkeras.QActivation(quantizer(text), name=name)(dense(2, f"dense_{name}")(tensor))
            for name, text in texts.items()
        ]
        outputs = LatentScore(conversion.spec("rz"), name="score")(*latent) if scored else latent[0]
        built = keras.Model(inputs, outputs, name="firmware")
        rng = np.random.default_rng(3)
        built.set_weights([rng.normal(0, 0.4, w.shape).astype(np.float32) for w in built.get_weights()])
        return built

    class Builder:
        pass

    found = Builder()
    found.quantizer, found.dense, found.conv, found.relu, found.model = quantizer, dense, conv, relu, model
    return found


def test_the_plain_model_passes(conversion, build) -> None:
    """The control of every test below: the same model without the fault."""
    from l1ad.conversion.preflight import check_model

    bits = check_model(build.model(build.dense(6, "dense_1"), build.relu()), conversion.input_type)
    assert set(bits) > {"inputs", "dense_1", "relu_1", "mean", "log_variance", "score"}
    assert max(bits.values()) <= 24
    assert bits["relu_1"] == 8


def test_bound_of_the_sums_holds_and_is_reached(conversion, examples) -> None:
    import keras

    from l1ad.conversion.preflight import check_model
    from l1ad.networks.qkeras_frontend import integer_weights

    model = examples("dense_vae", "rz").model
    layer = model.get_layer("dense_1")
    (kernel, _), (bias, _) = integer_weights(layer)["kernel"], integer_weights(layer)["bias"]
    total = np.abs(kernel).sum(axis=0) * 512
    # The input has 6 fraction bits, the kernel 4, the bias 5: sums have 10.
    largest = int((total + np.abs(bias) * 2**5).max())
    assert check_model(model, conversion.input_type)["dense_1"] == largest.bit_length()
    worst = np.where(kernel[:, np.argmax(total)] > 0, 511, -512)[None, :] * 2.0**-6
    reached = np.abs(np.asarray(keras.Model(model.inputs, layer.output)([worst.astype(np.float32)]))).max() * 2**10
    assert largest // 2 < reached <= largest


def test_unknown_layer_is_named_with_the_nearest(build, check_refused) -> None:
    import keras

    check_refused(build.model(keras.layers.Dense(6, name="plain")), "layer plain", "Dense", "QDense")
    flat = keras.layers.GaussianNoise(0.1, name="noise")
    check_refused(build.model(flat), "layer noise", "GaussianNoise")


def test_layer_without_quantizer_is_named(build, check_refused) -> None:
    check_refused(build.model(build.dense(6, "open", kernel_quantizer=None)), "layer open", "kernel has no quantizer")
    check_refused(build.model(build.dense(6, "open", bias_quantizer=None)), "layer open", "bias has no quantizer")


@pytest.mark.parametrize("name", ["alpha", "qnoise_factor", "use_stochastic_rounding", "symmetric"])
def test_quantizer_that_firmware_cannot_do_is_refused(build, check_refused, name: str) -> None:
    import qkeras

    options = {
        "alpha": {"alpha": "auto"},
        "qnoise_factor": {"alpha": 1, "qnoise_factor": 0.5},
        "use_stochastic_rounding": {"alpha": 1, "use_stochastic_rounding": True},
        "symmetric": {"alpha": 1, "symmetric": 1},
    }
    quantizer = qkeras.quantized_bits(6, 1, **options[name])
    check_refused(build.model(build.dense(6, "odd", kernel_quantizer=quantizer)), "layer odd", name)


def test_sums_over_24_bits_are_named(build, check_refused) -> None:
    wide = build.quantizer("quantized_bits(18,4,alpha=1)")
    model = build.model(build.dense(6, "wide", kernel_quantizer=wide), build.relu())
    check_refused(model, "layer wide", "float32 holds 24", "Use fewer bits")


def test_low_bits_that_no_weight_has_do_not_count(conversion, build, check_refused) -> None:
    """The negative control is one weight more that has the lowest bit of the type."""
    from l1ad.conversion.preflight import check_model

    wide = build.quantizer("quantized_bits(18,4,alpha=1)")
    layer = build.dense(6, "wide", kernel_quantizer=wide)
    model = build.model(layer, build.relu())
    kernel = np.round(np.random.default_rng(5).normal(0, 1, layer.kernel.shape) * 2**4) / 2**4
    layer.kernel.assign(kernel)
    assert check_model(model, conversion.input_type)["wide"] <= 20
    kernel[0, 0] += 2.0**-13
    layer.kernel.assign(kernel)
    check_refused(model, "layer wide", "float32 holds 24")


def test_sums_of_unsigned_inputs_are_bounded(build, check_refused) -> None:
    wide = build.quantizer("quantized_bits(14,2,alpha=1)")
    model = build.model(build.dense(6, "wide", kernel_quantizer=wide), build.relu())
    check_refused(model, "layer wide", "float32 holds 24", input_type=FixedType(False, 10, 4))


def test_missing_score_and_second_output_are_refused(build, check_refused) -> None:
    import keras

    check_refused(build.model(build.dense(6, "dense_1"), build.relu(), scored=False), "only output", "to_firmware")
    model = build.model(build.dense(6, "dense_1"), build.relu())
    outputs = [model.get_layer("mean").output, model.output]
    check_refused(keras.Model(model.inputs, outputs), "only output must be that of the score")


def test_options_that_an_engine_ignores_or_cannot_do_are_refused(build, check_refused) -> None:
    import keras

    shape = (19, 3, 1)
    flatten = keras.layers.Flatten(name="flatten")
    dilated = build.conv(dilation_rate=(2, 1))
    check_refused(build.model(dilated, build.relu(), flatten, shape=shape), "layer conv_1", "dilation_rate=(2, 1)")
    active = build.dense(6, "dense_1", activation=build.quantizer("quantized_relu(4,2)"))
    check_refused(build.model(active), "layer dense_1", "quantized_relu", "QActivation")
    shared = build.relu()
    check_refused(
        build.model(build.dense(6, "dense_1"), shared, build.dense(6, "dense_2"), shared), "relu_1: is used 2 times"
    )


def test_layer_name_that_cpp_cannot_have_is_refused(build, check_refused) -> None:
    check_refused(build.model(build.dense(6, "dense 1; int x")), "layer 'dense 1; int x'")


def test_convolution_too_large_for_parallel_is_refused(conversion, build, check_refused) -> None:
    import keras

    from l1ad.conversion.base import load_converter
    from l1ad.conversion.preflight import check_model

    def large(filters: int):
        flatten = keras.layers.Flatten(name="flatten")
        return build.model(build.conv(filters=filters), build.relu(), flatten, shape=(19, 3, 1))

    # 17 x 1 pixels: 240 filters give 4080 values, 241 give 4097.
    words = ("layer conv_1", "4097 outputs", "io_stream", "network.filters")
    check_refused(large(241), *words, backends=("vitis", "vivado"))
    events = np.zeros((2, 57), dtype=np.int64)
    for filters, io_type in ((240, "io_parallel"), (241, "io_stream")):
        job = conversion.job("vitis", events, events[:, :1], io_type=io_type)
        model = large(filters)
        assert check_model(model, conversion.input_type)["conv_1"] <= 24
        load_converter("vitis").refuse(model, job)


@pytest.mark.parametrize("top", ["a b", "1x", "../x", "", "x;exit", "é", "int", "main", "reg", "nnet", "mux"])
def test_top_name_is_refused(build, check_refused, top: str) -> None:
    check_refused(build.model(build.dense(6, "dense_1"), build.relu()), "top", error=L1adError, top=top)


def test_unknown_backend_and_part_are_named_with_the_nearest(build, check_refused) -> None:
    from l1ad.hardware.parts import resolve_part

    model = build.model(build.dense(6, "dense_1"), build.relu())
    check_refused(model, "vitiss", "Did you mean vitis", backends=("vitiss",), error=ConfigurationError)
    with pytest.raises(ConfigurationError, match="xcvu9"):
        resolve_part("xcvu9")


def test_one_converter_refuses_the_backend_of_another(conversion, examples, tmp_path: Path) -> None:
    from l1ad.conversion.verilog import RtlConverter

    example = examples("dense_vae", "rz")
    job = conversion.job("vitis", example.inputs, example.keras.score)
    with pytest.raises(ConversionError, match="writes verilog"):
        RtlConverter().refuse(example.model, job)


def test_engine_error_becomes_ours_and_disk_errors_pass() -> None:
    from l1ad.conversion.base import engine_errors

    with (
        pytest.raises(ConversionError, match=r"alkaid cannot convert the model \(IndexError: list"),
        engine_errors("alkaid"),
    ):
        raise IndexError("list")
    for error in (OSError("full"), ConfigurationError("ours")):
        with pytest.raises(type(error), match=str(error)), engine_errors("alkaid"):
            raise error


def test_autoencoder_refuses_io_stream_and_says_what_can(conversion, check_refused) -> None:
    model = conversion.firmware("dense_ae", "reconstruction")
    words = ("layer score", "io_stream", "io_parallel")
    check_refused(model, *words, backends=("vitis", "vivado"), io_type="io_stream")
    check_refused(model, "layer score", "resource", "latency", backends=("vitis",), strategy="resource")


def test_score_of_another_prediction_type_is_refused(conversion) -> None:
    with pytest.raises(ConversionError, match=r"layer reconstruction: type is fixed<6,4>, the score expects"):
        conversion.firmware("dense_ae", "reconstruction", reconstruction="quantized_bits(6,3,alpha=1)")
