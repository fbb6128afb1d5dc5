"""Models that others saved: read, rebuilt, proved, or refused by layer and property."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest

from l1ad.errors import ConfigurationError, DataError
from l1ad.networks.imported.model_file import read_model_file
from l1ad.networks.imported.proof import prove, read_predictions
from l1ad.networks.imported.translate import ImportOptions, translate
from l1ad.records import FixedType

pytest.importorskip("qkeras", reason="QKeras is not installed")
REAL = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "models"
_spec = importlib.util.spec_from_file_location("saved_models", Path(__file__).with_name("saved_models.py"))
saved = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(saved)


def real(name: str) -> Path:
    path = REAL / name
    if not path.exists():
        pytest.skip(f"{name}: the real model files are not beside this checkout")
    return path


def quantize(values: np.ndarray, bits: int, integer: int, signed: bool = True) -> np.ndarray:
    """Return fixed-point values as QKeras defines them: `integer` without the sign, nearest even, saturating."""
    step = 2.0 ** (integer - bits + signed)
    low, high = (-(2.0**integer) if signed else 0.0), 2.0**integer - step
    return np.clip(np.rint(np.asarray(values, np.float64) / step) * step, low, high)


@pytest.fixture
def chain(tmp_path):
    """A file of two dense layers, the first with a fused activation, and its outputs computed in numpy."""
    k0, b0, k1, b1 = saved.random_weights((6, 5), (5,), (5, 3), (3,))
    layers = [
        saved.activation("q-in", "quantized_bits(10,3,alpha=1)"),
        saved.dense("d0", 5, activation=saved.RELU),
        saved.dense("mean", 3),
    ]
    weights = {"d0": {"kernel": k0, "bias": b0}, "mean": {"kernel": k1, "bias": b1}}
    path = saved.write_hdf5(tmp_path / "m.h5", layers, weights)
    x = np.random.default_rng(2).normal(0, 4, (300, 6)).astype(np.float32)
    hidden = quantize(quantize(x, 10, 3) @ quantize(k0, 6, 1) + quantize(b0, 6, 1), 8, 4, signed=False)
    return path, x, (hidden @ quantize(k1, 6, 1) + quantize(b1, 6, 1)).astype(np.float32)


def test_hdf5_of_keras_2_gives_what_numpy_gives(chain):
    path, x, expected = chain
    found = translate(read_model_file(path))
    assert found.input_type == FixedType(True, 10, 4)
    assert found.rounded == ()
    assert [layer.name for layer in found.model.layers] == ["objects", "q_in", "d0", "d0_activation", "mean_layer"]
    proof = prove(found.model, x, [expected])
    assert proof.verdict == "exact"
    assert proof.control_events > 0


def test_a_changed_weight_of_the_file_is_seen(chain):
    import h5py

    path, x, expected = chain
    with h5py.File(path, "a") as file:
        file["model_weights/d0/d0/kernel:0"][2, 1] += 0.25
    proof = prove(translate(read_model_file(path)).model, x, [expected])
    assert proof.verdict == "different"
    assert proof.equal_values < proof.values


def test_predictions_that_see_nothing_are_noticed(chain):
    path, x, _ = chain
    model = translate(read_model_file(path)).model
    blind = np.zeros_like(x)
    proof = prove(model, blind, [model.predict(blind, verbose=0)])
    assert (proof.verdict, proof.control_events) == ("exact", 0)


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".txt", ""])
def test_the_content_decides_and_not_the_name(chain, tmp_path, suffix):
    path, x, expected = chain
    renamed = shutil.copy(path, tmp_path / f"other{suffix}")
    assert prove(translate(read_model_file(Path(renamed))).model, x, [expected]).verdict == "exact"


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_files_of_qkeras_v3_give_their_own_predictions(tmp_path, suffix):
    import keras
    import qkeras

    inputs = keras.Input((6,), name="objects")
    x = qkeras.QActivation("quantized_bits(10,3,alpha=1)", name="q_in")(inputs)
    settings = {"kernel_quantizer": "quantized_bits(6,1,alpha=1)", "bias_quantizer": "quantized_bits(6,1,alpha=1)"}
    x = qkeras.QDense(4, activation="quantized_relu(6,3)", name="first", **settings)(x)
    x = qkeras.QDenseBatchnorm(3, name="folded", **settings)(x)
    model = keras.Model(inputs, qkeras.QActivation("quantized_relu(8,3)", name="last")(x))
    rng = np.random.default_rng(5)
    for layer in model.layers:
        layer.set_weights([np.abs(rng.normal(0.2, 0.5, w.shape)).astype(w.dtype) for w in layer.get_weights()])
    model.save(tmp_path / f"m{suffix}")
    lying = (tmp_path / f"m{suffix}").rename(tmp_path / ("m.h5" if suffix == ".keras" else "m.keras"))
    events = rng.normal(0, 4, (400, 6)).astype(np.float32)
    proof = prove(translate(read_model_file(lying)).model, events, [model.predict(events, verbose=0)])
    assert proof.verdict == "exact"
    assert proof.control_events > 0


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            saved.dense("d", 3, kernel_quantizer=saved.changed(saved.KERNEL, alpha="auto")),
            "d, kernel_quantizer.*alpha='auto'",
        ),
        (saved.dense("d", 3, kernel_quantizer=None), "d, kernel: its kernel has no quantizer.*--round"),
        (saved.dense("d", 3, activation="tanh"), "d, activation: 'tanh'"),
        (
            saved.activation("a", saved.changed(saved.RELU, use_stochastic_rounding=True)),
            "use_stochastic_rounding=True",
        ),
        (saved.activation("a", saved.changed(saved.RELU, negative_slope=0.25)), "a, activation.*negative_slope=0.25"),
        (saved.activation("a", saved.changed(saved.RELU, relu_upper_bound=6)), "relu_upper_bound=6"),
        (saved.activation("a", saved.changed(saved.RELU, qnoise_factor=0.5)), "qnoise_factor=0.5"),
        (saved.activation("a", saved.changed(saved.KERNEL, symmetric=1)), "layer a: .*symmetric=1"),
        (saved.activation("a", saved.changed(saved.KERNEL, later_invention=1)), "unknown property later_invention"),
        (saved.activation("a", {"class_name": "quantized_po2", "config": {"bits": 4}}), "layer a: .*powers of two"),
        (saved.activation("a", {"class_name": "stochastic_ternary", "config": {}}), "stochastic_ternary is not known"),
        (saved.activation("a", "__import__('os').getcwd()"), "a, activation.*not a known quantizer"),
        (("Lambda", "code", {"function": ["4wEAAAA=", None, None]}), "layer code: Lambda .*never run"),
        (("LSTM", "memory", {"units": 3}), "layer memory: LSTM cannot be imported"),
        (("LeakyReLU", "leaky", {"alpha": 0.3}), "layer leaky: LeakyReLU cannot be imported"),
        (("ReLU", "capped", {"max_value": 6.0}), "layer capped: max_value=6.0"),
    ],
)
def test_what_firmware_cannot_do_is_refused_by_layer_and_property(tmp_path, layer, message):
    kernel, bias = saved.random_weights((6, 3), (3,))
    weights = {layer[1]: {"kernel": kernel, "bias": bias}}
    path = saved.write_hdf5(tmp_path / "m.h5", [layer, saved.dense("z", 3)], weights)
    with pytest.raises(ConfigurationError, match=message):
        translate(read_model_file(path))


def convolution(tmp_path: Path, rows: int) -> Path:
    kernel, last = saved.random_weights((3, 3, 1, 4), (4 * 12 // rows, 2))
    conv = {"filters": 4, "kernel_size": [3, 3], "strides": [1, 1], "padding": "valid", "use_bias": False}
    layers = [
        ("ZeroPadding2D", "pad", {"padding": [[1, 1], [0, 0]]}),
        ("QConv2D", "c", conv | {"activation": "linear", "kernel_quantizer": saved.KERNEL}),
        saved.activation("a", saved.RELU),
        ("AveragePooling2D", "pool", {"pool_size": [rows, 1], "strides": [rows, 1], "padding": "valid"}),
        ("Flatten", "flat", {}),
        saved.dense("z", 2, use_bias=False),
    ]
    weights = {"c": {"kernel": kernel}, "z": {"kernel": last}}
    return saved.write_hdf5(tmp_path / "c.h5", layers, weights, shape=(12, 3, 1))


def convolved(path: Path, x: np.ndarray, rows: int) -> np.ndarray:
    """Return the outputs of `convolution` in numpy."""
    weights = {layer.name: layer.weights for layer in read_model_file(path).layers}
    padded = np.pad(x[..., 0], ((0, 0), (1, 1), (0, 0)))
    windows = np.stack([padded[:, i : i + 3, :].reshape(len(x), -1) for i in range(12)], axis=1)
    sums = windows @ quantize(weights["c"]["kernel"], 6, 1).reshape(9, 4)
    means = quantize(sums, 8, 4, signed=False).reshape(len(x), 12 // rows, rows, 4).mean(axis=2)
    return (means.reshape(len(x), -1) @ quantize(weights["z"]["kernel"], 6, 1)).astype(np.float32)


def grid_events() -> np.ndarray:
    return (np.random.default_rng(3).integers(-64, 64, (200, 12, 3, 1)) / 16).astype(np.float32)


def test_an_average_over_two_rows_is_exact(tmp_path):
    path, x = convolution(tmp_path, 2), grid_events()
    found = translate(read_model_file(path))
    assert found.rounded == ()
    assert prove(found.model, x, [convolved(path, x, 2)]).verdict == "exact"


def test_an_average_over_three_rows_is_refused_or_rounded(tmp_path):
    path, x = convolution(tmp_path, 3), grid_events()
    with pytest.raises(ConfigurationError, match="z, kernel: pool scales its inputs by other numbers"):
        translate(read_model_file(path))
    largest = []
    for bits in (6, 14):
        found = translate(read_model_file(path), ImportOptions(bits))
        assert found.rounded == ("z, kernel",)
        largest.append(prove(found.model, x, [convolved(path, x, 3)]).largest_difference)
    assert largest[1] < 0.01 < largest[0]


@pytest.mark.parametrize("place", ["before", "behind"])
def test_a_batch_normalization_goes_into_the_dense_layer(tmp_path, place):
    kernel, bias, mean, beta = saved.random_weights((6, 3), (3,), (6,), (6,))
    size = 6 if place == "before" else 3
    weights = {"gamma": np.full(size, 1.5), "beta": beta[:size], "moving_mean": mean[:size]}
    weights["moving_variance"] = np.full(size, 0.75)
    norm = ("BatchNormalization", "bn", {"epsilon": 0.25, "axis": [1]})
    layers = [norm, saved.dense("z", 3)] if place == "before" else [saved.dense("z", 3), norm]
    path = saved.write_hdf5(tmp_path / "b.h5", layers, {"z": {"kernel": kernel, "bias": bias}, "bn": weights})
    found = translate(read_model_file(path), ImportOptions(16))
    x = np.random.default_rng(4).normal(0, 2, (100, 6)).astype(np.float32)

    def norm_of(values):
        return (values - mean[:size]) * 1.5 + beta[:size]

    def dense_of(values):
        return values @ quantize(kernel, 6, 1) + quantize(bias, 6, 1)

    expected = dense_of(norm_of(x)) if place == "before" else norm_of(dense_of(x))
    assert np.abs(found.model.predict(x, verbose=0) - expected).max() < 0.01
    # Variance and epsilon give one, and gamma three halves: kernels stay exact, and offsets need more bits.
    assert set(found.rounded) == {"z, bias"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "neither HDF5 nor a zip"),
        (b"\x80\x04K\x01.", "neither HDF5 nor a zip"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 50, "damaged"),
        (b"PK\x03\x04" + b"\0" * 50, "damaged"),
    ],
)
def test_other_content_is_refused(tmp_path, content, message):
    path = tmp_path / "m.keras"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_model_file(path)


def test_weights_without_an_architecture_are_refused(tmp_path):
    import h5py

    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["model_weights/d/d/kernel:0"] = np.ones((2, 2))
    with pytest.raises(DataError, match=r"no model_config.*model\.save"):
        read_model_file(tmp_path / "w.h5")


def test_truncated_and_poisoned_files_are_refused(chain, tmp_path):
    import h5py

    path, _, _ = chain
    cut = tmp_path / "cut.h5"
    cut.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match="damaged"):
        read_model_file(cut)
    with h5py.File(path, "a") as file:
        file["model_weights/d0/d0/kernel:0"][0, 0] = np.nan
    with pytest.raises(ConfigurationError, match="layer d0: its kernel holds a value that is not finite"):
        translate(read_model_file(path))


def test_predictions_of_another_shape_are_refused(chain, tmp_path):
    path, x, expected = chain
    model = translate(read_model_file(path)).model
    with pytest.raises(DataError, match="outputs of shape"):
        prove(model, x, [expected[:, :2]])
    np.savez(tmp_path / "p.npz", x=x)
    with pytest.raises(DataError, match="expected x and y"):
        read_predictions(tmp_path / "p.npz")
    np.savez(tmp_path / "p.npz", x=x, y=np.full((300, 3), np.nan))
    with pytest.raises(DataError, match="finite"):
        read_predictions(tmp_path / "p.npz")


def test_real_dense_encoder_is_exact():
    found = translate(read_model_file(real("qkeras09_dense_vae_encoder.h5")))
    proof = prove(found.model, *read_predictions(real("qkeras09_dense_vae_encoder_predictions.npz")))
    assert (proof.verdict, proof.values) == ("exact", 12000)
    assert proof.control_events > 0


@pytest.mark.parametrize(
    ("name", "reason", "agree"),
    [
        ("qkeras09_batchnorm_po2", "d0, kernel: bn scales its inputs", 0.99),
        ("qkeras09_cnn_encoder_avgpool3", "c1, kernel: average_pooling2d scales its inputs", 0.01),
    ],
)
def test_real_models_without_an_exact_form_are_refused_or_rounded(name, reason, agree):
    file = read_model_file(real(f"{name}.h5"))
    with pytest.raises(ConfigurationError, match=reason):
        translate(file)
    found = translate(file, ImportOptions(18))
    proof = prove(found.model, *read_predictions(real(f"{name}_predictions.npz")))
    assert found.rounded
    assert proof.equal_values > agree * proof.values
    assert proof.largest_difference < 0.01 * proof.largest_output


def test_real_autoencoder_folds_its_batch_normalization():
    file = read_model_file(real("mlperf_tiny_ad08_qkeras.h5"))
    found = translate(file)
    assert found.rounded == ()
    x = (np.random.default_rng(1).integers(-64, 64, (50, 64)) / 8).astype(np.float32)
    value = x.astype(np.float64)
    for layer in file.layers[1:]:
        w = layer.weights
        if layer.kind == "QDenseBatchnorm":
            inverse = w["gamma"] / np.sqrt(w["moving_variance"] + np.float32(0.001))
            bias = quantize(inverse * (w["bias"] - w["moving_mean"]) + w["beta"], 12, 6)
            value = value @ quantize(inverse * w["kernel"], 12, 6) + bias
        elif layer.kind == "QDense":
            value = value @ quantize(w["kernel"], 12, 0) + quantize(w["bias"], 12, 0)
        else:
            value = quantize(value, 6, 6, signed=False)
    assert np.array_equal(found.model.predict(x, verbose=0), value.astype(np.float32))
