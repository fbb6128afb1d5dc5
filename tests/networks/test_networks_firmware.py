"""The firmware model against an integer reference, and how models are saved and loaded."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from l1ad.errors import ConversionError, DataError
from l1ad.hardware.fixed_point import cast
from l1ad.networks.firmware_model import layer_types, load_model, save_model, to_firmware
from l1ad.networks.inference import latent_outputs, run_firmware_model
from l1ad.records import FixedType
from l1ad.scores.integer import score_raw

pytest.importorskip("qkeras", reason="QKeras is not installed")

from l1ad.networks.qkeras_frontend import integer_weights

ARCHITECTURES = ["dense_vae", "cnn_vae"]


def affine(x, x_type, layer, target):
    """Return an exact dense layer with its rounding: raw integers in, raw integers of `target` out."""
    (kernel, kernel_type), (bias, bias_type) = (integer_weights(layer)[name] for name in ("kernel", "bias"))
    fraction = x_type.fraction + kernel_type.fraction
    total = x @ kernel + bias * 2 ** (fraction - bias_type.fraction)
    return cast(total, FixedType(True, 40, 40 - fraction), target)


def convolution(x, x_type, layer, target):
    """Return an exact 'valid' convolution of (N, rows, columns, channels) with its rounding."""
    kernel, kernel_type = integer_weights(layer)["kernel"]
    height, width = kernel.shape[:2]
    rows, columns = x.shape[1] - height + 1, x.shape[2] - width + 1
    total = np.zeros((len(x), rows, columns, kernel.shape[3]), dtype=np.int64)
    for i in range(height):
        for j in range(width):
            total += x[:, i : i + rows, j : j + columns] @ kernel[i, j]
    return cast(total, FixedType(True, 40, 40 - x_type.fraction - kernel_type.fraction), target)


def trunk(name, model, types, inputs, input_type):
    """Return the raw outputs of the hidden activations, in order; the last feeds the latent heads."""
    if name == "dense_vae":
        first = affine(inputs, input_type, model.get_layer("dense_1"), types["relu_1"])
        second = affine(first, types["relu_1"], model.get_layer("dense_2"), types["relu_2"])
        return [first, second], second
    x = np.pad(inputs.reshape(-1, 19, 3, 1), ((0, 0), (1, 0), (0, 0), (0, 0)))
    first = convolution(x, input_type, model.get_layer("conv_1"), types["relu_1"])
    x = np.pad(first.reshape(-1, 6, 3, 1, 16).sum(axis=2), ((0, 0), (1, 1), (0, 0), (0, 0)))
    second = convolution(x, types["relu_1"], model.get_layer("conv_2"), types["relu_2"])
    return [first, second], second.reshape(-1, 2, 3, 1, 32).sum(axis=2).reshape(-1, 64)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_layer_equals_the_integer_reference(name, firmware, make):
    model, inputs = firmware[name], make.inputs(1500)
    found = run_firmware_model(model, inputs, make.input_type, layers=True, batch_size=400)
    types = layer_types(model)
    assert list(found.layers) == ["relu_1", "relu_2", "mean", "log_variance", "score"]
    assert found.layer_types == types
    hidden, last = trunk(name, model, types, inputs, make.input_type)
    heads = {which: affine(last, types["relu_2"], model.get_layer(f"dense_{which}"), types[which])
             for which in ("mean", "log_variance")}  # fmt: skip
    expected = {"relu_1": hidden[0], "relu_2": hidden[1], **heads}
    for layer, values in expected.items():
        np.testing.assert_array_equal(found.layers[layer], values.reshape(len(inputs), -1), err_msg=layer)
    score = score_raw(heads["mean"], heads["log_variance"], make.score())
    np.testing.assert_array_equal(found.score[:, 0], score)
    assert found.score_type == make.score().score
    assert found.events_per_second > 0
    assert len(np.unique(score)) > 100


def test_one_weight_moved_by_one_unit_is_seen(firmware, make):
    model, inputs = firmware["dense_vae"], make.inputs(300)
    before = run_firmware_model(model, inputs, make.input_type).score
    layer = model.get_layer("dense_1")
    kernel = layer.kernel.numpy()
    try:
        changed = kernel.copy()
        changed[0, 0] += 2.0**-4
        layer.kernel.assign(changed)
        assert (run_firmware_model(model, inputs, make.input_type).score != before).any()
    finally:
        layer.kernel.assign(kernel)
    np.testing.assert_array_equal(run_firmware_model(model, inputs, make.input_type).score, before)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("kind", ["rz", "mu2"])
def test_firmware_has_exact_weights_and_the_score_and_leaves_the_encoder(name, kind, encoders, make):
    encoder = encoders[name]
    before = [weight.copy() for weight in encoder.get_weights()]
    model = to_firmware(encoder, make.score(kind))
    for old, new in zip(before, encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert model.output_shape == (None, 1)
    assert model.layers[-1].name == "score"
    assert not any("decoder" in layer.name or "sampling" in layer.name for layer in model.layers)
    moved = 0
    for layer in model.layers:
        for weight, (raw, fixed) in integer_weights(layer).items():
            values = getattr(layer, weight).numpy()
            np.testing.assert_array_equal(values, (raw * 2.0**-fixed.fraction).astype(np.float32))
            source = integer_weights(encoder.get_layer(layer.name))[weight][0]
            np.testing.assert_array_equal(raw, source)
            moved += int((values != getattr(encoder.get_layer(layer.name), weight).numpy()).sum())
    # The weights of the encoder are not multiples of a unit, so nearly all of them had to move.
    assert moved > 0.9 * encoder.count_params()


def test_quantized_and_firmware_model_have_the_same_latent_space(encoders, firmware, make):
    inputs = make.inputs(200)
    mean, log_variance = latent_outputs(encoders["dense_vae"], inputs, make.input_type)
    layers = run_firmware_model(firmware["dense_vae"], inputs, make.input_type, layers=True).layers
    np.testing.assert_array_equal(mean * 2.0**5, layers["mean"])
    np.testing.assert_array_equal(log_variance * 2.0**4, layers["log_variance"])
    assert mean.shape == log_variance.shape == (200, 3)


def test_mu2_model_does_not_need_log_variance(encoders, make):
    model = to_firmware(encoders["dense_vae"], make.score("mu2"))
    inputs = make.inputs(100)
    mean, _ = latent_outputs(encoders["dense_vae"], inputs, make.input_type)
    expected = score_raw((mean * 2.0**5).astype(np.int64), None, make.score("mu2"))
    np.testing.assert_array_equal(run_firmware_model(model, inputs, make.input_type).score[:, 0], expected)


def test_float_encoder_is_refused(make):
    encoder = make.encoder(make.network("dense_vae", "float"))
    with pytest.raises(ConversionError, match=r"layer dense_1: 0 of its 2 weights are quantized.*frontend=qkeras"):
        to_firmware(encoder, make.score())


def test_one_float_weight_is_refused(make):
    import qkeras

    inputs = keras.Input((57,))
    heads = []
    for which in ("mean", "log_variance"):
        head = qkeras.QDense(3, kernel_quantizer=qkeras.quantized_bits(6, 0, alpha=1), name=f"dense_{which}")(inputs)
        heads.append(qkeras.QActivation(qkeras.quantized_bits(10, 4, alpha=1), name=which)(head))
    with pytest.raises(ConversionError, match="layer dense_mean: 1 of its 2 weights"):
        to_firmware(keras.Model(inputs, heads), make.score())


@pytest.mark.parametrize("which", ["mean", "log_variance"])
def test_latent_type_of_another_score_is_refused_and_named(which, encoders, make):
    spec = make.score(**{which: FixedType(True, 7, 4)})
    with pytest.raises(ConversionError, match=rf"layer {which}: type is fixed<.*expects fixed<7,4>"):
        to_firmware(encoders["dense_vae"], spec)


def test_wrong_inputs_are_refused(firmware, make):
    model, good = firmware["dense_vae"], make.inputs(5)
    cases = [
        (good[:, :56], "shape (5, 56); the model expects (N, 57)"),
        (good.reshape(5, 19, 3), "the model expects (N, 57)"),
        (good[:0], "no events"),
        (good.astype(np.float64) + 0.5, "type float64; expected raw integers"),
        (good + 4096, "outside fixed<10,4>"),
    ]
    for inputs, message in cases:
        with pytest.raises(DataError) as caught:
            run_firmware_model(model, inputs, make.input_type)
        assert message in str(caught.value)


def test_value_that_is_not_exact_names_the_layer(make):
    from l1ad.scores.layers import LatentScore

    inputs = keras.Input((57,))
    # A dense layer stands where a quantizer should: its output is no multiple of the score's unit.
    mean = keras.layers.Dense(3, name="mean")(inputs)
    spec = make.score("mu2", score=FixedType(False, 20, 14))
    layer = LatentScore(spec, name="score")
    model = keras.Model(inputs, keras.layers.Rescaling(0.3)(layer(mean)))
    with pytest.raises(DataError, match=r"layer score: value .* is not exact in ufixed<20,14>"):
        run_firmware_model(model, make.inputs(50), make.input_type)


def test_model_without_score_is_refused(encoders, make):
    with pytest.raises(DataError, match="no layer 'score'"):
        run_firmware_model(encoders["dense_vae"], make.inputs(5), make.input_type)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_saved_firmware_model_gives_the_same_integers(name, firmware, make, tmp_path):
    path = tmp_path / "deep" / "firmware.keras"
    save_model(firmware[name], path)
    assert [p.name for p in path.parent.iterdir()] == ["firmware.keras"]
    loaded = load_model(path)
    assert layer_types(loaded) == layer_types(firmware[name])
    inputs = make.inputs(200)
    np.testing.assert_array_equal(
        run_firmware_model(loaded, inputs, make.input_type).score,
        run_firmware_model(firmware[name], inputs, make.input_type).score,
    )


def test_model_cannot_be_saved_below_a_file(firmware, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        save_model(firmware["dense_vae"], tmp_path / "file" / "firmware.keras")


@pytest.fixture(scope="module")
def saved(firmware, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "firmware.keras"
    save_model(firmware["dense_vae"], path)
    return path


def test_absent_truncated_and_foreign_files_are_refused(saved, tmp_path):
    with pytest.raises(DataError, match="no such model file"):
        load_model(tmp_path / "absent.keras")
    content = saved.read_bytes()
    for name, data in {
        "empty": b"",
        "text": b"not a model",
        "half": content[: len(content) // 2],
        "tail": content[:-30],
        "middle": content[:5000] + bytes(2000) + content[7000:],
    }.items():
        path = tmp_path / f"{name}.keras"
        path.write_bytes(data)
        with pytest.raises(DataError, match=rf"{name}\.keras: cannot be loaded"):
            load_model(path)
    other = tmp_path / "model.h5"
    other.write_bytes(content)
    with pytest.raises(DataError, match=r"ends with \.keras"):
        load_model(other)
    assert load_model(saved).name == "firmware"


def rewritten(saved: Path, target: Path, change) -> Path:
    """Write a copy of a model whose config.json went through `change`."""
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(target, "w") as copy:
        for name in source.namelist():
            data = source.read(name)
            if name == "config.json":
                data = json.dumps(change(json.loads(data))).encode()
            copy.writestr(name, data)
    return target


def test_foreign_layer_is_refused(saved, tmp_path):
    def foreign(config):
        config["config"]["layers"][1] |= {"class_name": "Unheard", "module": None, "registered_name": "other>Unheard"}
        return config

    with pytest.raises(DataError, match="Unheard"):
        load_model(rewritten(saved, tmp_path / "foreign.keras", foreign))
    # Negative control: the same copy without a change loads.
    assert load_model(rewritten(saved, tmp_path / "same.keras", lambda config: config)).name == "firmware"


def test_lambda_layer_is_refused(tmp_path):
    marker = str(tmp_path / "executed")
    inputs = keras.Input((57,))
    model = keras.Model(inputs, keras.layers.Lambda(lambda x: (open(marker, "w").close(), x)[1])(inputs))  # noqa: PTH123
    # Negative control: building the model ran the function.
    Path(marker).unlink()
    model.save(tmp_path / "lambda.keras")
    with pytest.raises(DataError, match=r"Lambda|unsafe"):
        load_model(tmp_path / "lambda.keras")
    assert not Path(marker).exists()


@pytest.mark.parametrize(
    ("module", "function"),
    [("os", "system"), ("builtins", "exec"), ("subprocess", "call"), ("keras.utils", "get_file")],
)
def test_function_named_in_a_file_is_not_called(module, function, saved, tmp_path):
    marker = tmp_path / "executed"

    def malicious(config):
        config["config"]["layers"][1] = {
            "module": module,
            "class_name": function,
            "registered_name": function,
            "config": {"command": f"touch {marker}", "name": "x"},
            "name": "x",
            "inbound_nodes": [{"args": [f"touch {marker}"], "kwargs": {}}],
        }
        return config

    with pytest.raises(DataError, match="cannot be loaded"):
        load_model(rewritten(saved, tmp_path / "malicious.keras", malicious))
    assert not marker.exists()


def test_changed_score_in_a_file_is_refused(saved, tmp_path):
    def narrower(config):
        config["config"]["layers"][-1]["config"]["spec"]["kind"] = "chi2"
        return config

    with pytest.raises(DataError, match=r"score\.kind"):
        load_model(rewritten(saved, tmp_path / "changed.keras", narrower))
