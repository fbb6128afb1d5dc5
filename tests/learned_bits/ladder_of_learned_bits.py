"""Runs in the environment of HGQ2: networks with learned bit widths, and their firmware, bit for bit.

`test_learned_bits.py` builds that environment and runs this file in it.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from l1ad.config import NetworkConfig
from l1ad.config.load import parse_config
from l1ad.conversion.base import ConversionJob, convert
from l1ad.emulation.ladder import run_ladder
from l1ad.errors import ToolMissingError
from l1ad.hardware.parts import resolve_part
from l1ad.networks.architectures import build_encoder
from l1ad.networks.base import load_frontend
from l1ad.networks.firmware_model import load_model, save_model, to_firmware
from l1ad.networks.inference import run_firmware_model
from l1ad.networks.layer_ranges import layer_ranges
from l1ad.networks.learned_bits import is_width
from l1ad.records import FixedType
from l1ad.scores.output import OutputSpec
from l1ad.scores.reconstruction import ReconstructionSpec
from l1ad.scores.spec import ScoreSpec

INPUT = FixedType(True, 10, 4)
SPEC = ScoreSpec(
    "rz", 2, FixedType(True, 8, 4), FixedType(True, 6, 3), FixedType(False, 10, 5), FixedType(False, 14, 10)
)
ERROR = ReconstructionSpec(
    kind="reconstruction", inputs=INPUT, prediction=FixedType(True, 6, 3), error=FixedType(False, 5, 2),
    exponents=(0, 3, 3) * 19, padding=(-40,) * 19, score=FixedType(False, 16, 12),
)  # fmt: skip
FEATURES = ReconstructionSpec(
    kind="feature_error", inputs=FixedType(True, 8, 4), prediction=FixedType(True, 6, 3), error=FixedType(False, 6, 3),
    exponents=(0,) * 5, padding=(), score=FixedType(False, 16, 12),
)  # fmt: skip
SCORES = {"dense_ae": ERROR, "cnn_ae": ERROR, "feature_ae": FEATURES,
          "cicada_student": OutputSpec("output", FixedType(False, 12, 4))}  # fmt: skip
REGION = FixedType(False, 9, 5)
#: Bits left of the point of the inputs: pT needs all of them, angles do not.
INPUT_BITS = (3, 2, 1) * 19
EVENTS = 1500


def network(architecture: str) -> NetworkConfig:
    values = {"architecture": architecture, "frontend": "hgq", "latent": 2, "hidden": (6, 4), "filters": (2, 3)}
    latent = {"mean": "quantized_bits(8,3,alpha=1)", "log_variance": "quantized_bits(6,2,alpha=1)"}
    latent |= {"reconstruction": "quantized_bits(6,2,alpha=1)", "feature": "quantized_bits(8,3,alpha=1)"}
    latent |= {"output": "quantized_bits(12,4,keep_negative=False,alpha=1)"}
    values |= {"features": 5, "feature_hidden": (4,), "student": {"filters": 2, "units": 4}}
    return NetworkConfig.model_validate(values | latent)


def random_encoder(architecture: str):
    """Return an encoder with random weights and random widths, as a training would leave them; some are zero."""
    config = network(architecture)
    regions = architecture == "cicada_student"
    encoder = build_encoder(
        config, load_frontend(config, REGION if regions else INPUT, None if regions else INPUT_BITS)
    )
    rng = np.random.default_rng(3)
    for variable in encoder.weights:
        name = variable.path.rsplit("/", 1)[-1]
        if name in ("kernel", "bias"):
            variable.assign(rng.normal(0, 0.5, variable.shape))
        elif name in ("b", "f") and variable.trainable:
            variable.assign(rng.integers(0, 7, variable.shape))
        elif name == "i" and variable.trainable:
            variable.assign(np.asarray(variable) + rng.integers(-2, 1, variable.shape))
    return encoder


def raw_inputs(architecture: str = "") -> np.ndarray:
    """Return events over the whole range, its corners, small values, and rows of padding; of regions, mostly empty."""
    rng = np.random.default_rng(2)
    if architecture == "cicada_student":
        events = rng.integers(0, REGION.maximum, (EVENTS, 252), endpoint=True) * (rng.random((EVENTS, 252)) < 0.2)
        events[0], events[1] = 0, REGION.maximum
        return events
    events = rng.integers(INPUT.minimum, INPUT.maximum, (EVENTS, 57), endpoint=True)
    events[0], events[1], events[2:200] = INPUT.minimum, INPUT.maximum, rng.choice([-512, 511], (198, 57))
    events[200:700] //= 8
    events[700:800, 30:] = (-40, 0, 0) * 9
    return events


def test_a_network_climbs_the_ladder(tmp_path):
    encoder, events = random_encoder("dense_vae"), raw_inputs()
    save_model(to_firmware(encoder, SPEC), tmp_path / "firmware.keras")
    model = load_model(tmp_path / "firmware.keras")
    reference = run_firmware_model(model, events, INPUT).score
    assert len(np.unique(reference)) > 50
    folders = [write_project(model, backend, events, reference, tmp_path) for backend in ("vitis", "verilog")]
    options = parse_config({"emulation": {"events": EVENTS, "control_events": 300}}, "test").emulation
    report = run_ladder(
        folders, events, reference, layer_references={}, options=options, build_folder=tmp_path / "build",
        reference_engine="Keras", reference_rate=1.0,
    )  # fmt: skip
    rungs = {rung.rung: rung for rung in report.rungs}
    assert {"keras", "interpreter", "csim", "rtl"} <= set(rungs)
    for name, rung in rungs.items():
        assert rung.equal_events == EVENTS, (name, rung.first_difference)
        assert name == "keras" or rung.control.caught, (name, rung.control)


def write_project(
    model, backend: str, events: np.ndarray, score: np.ndarray, folder: Path, input_type: FixedType = INPUT
) -> Path:
    job = ConversionJob(
        backend=backend, top="learned", part=resolve_part("xcvu9p"), clock_ns=5.0, io_type="io_parallel", logic_ns=3.8,
        input_type=input_type, n_inputs=events.shape[1], test_inputs=events[:50], test_outputs=score[:50],
    )  # fmt: skip
    convert(model, job, folder / backend)
    return folder / backend


@pytest.mark.parametrize(
    "architecture",
    [
        *("dense_ae", "feature_ae", "cicada_student"),
        *(pytest.param(name, marks=pytest.mark.heavy) for name in ("cnn_vae", "cnn_ae")),
    ],
)
def test_logic_has_the_scores_of_the_network(architecture):
    from l1ad.conversion.verilog import trace

    encoder, events = random_encoder(architecture), raw_inputs(architecture)
    spec, fixed = SCORES.get(architecture, SPEC), REGION if architecture == "cicada_student" else INPUT
    model = to_firmware(encoder, spec)
    logic = trace(model, fixed)
    found = logic.predict(events * 2.0**-fixed.fraction).ravel() * 2.0**spec.score.fraction
    expected = run_firmware_model(model, events, fixed).score[:, 0]
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(expected)) > 30
    first = next(layer for layer in encoder.layers if getattr(layer, "kernel", None) is not None)
    first.kernel.assign(-np.asarray(first.kernel))
    assert not np.array_equal(run_firmware_model(to_firmware(encoder, spec), events, fixed).score[:, 0], found)


@pytest.mark.parametrize("architecture", ["feature_ae", pytest.param("cicada_student", marks=pytest.mark.heavy)])
def test_hls_has_the_scores_of_the_network(architecture, tmp_path):
    encoder, events = random_encoder(architecture), raw_inputs(architecture)[:300]
    spec, fixed = SCORES[architecture], REGION if architecture == "cicada_student" else INPUT
    model = to_firmware(encoder, spec)
    scores = run_firmware_model(model, events, fixed).score
    folder = write_project(model, "vitis", events, scores, tmp_path, input_type=fixed)
    options = parse_config({"emulation": {"events": len(events), "control_events": 300}}, "test").emulation
    report = run_ladder(
        [folder], events, scores, layer_references={}, options=options, build_folder=tmp_path / "build",
        reference_engine="Keras", reference_rate=1.0,
    )  # fmt: skip
    csim = next(rung for rung in report.rungs if rung.rung == "csim")
    assert csim.equal_events == len(events), csim.first_difference
    assert csim.control.caught


@pytest.mark.parametrize("architecture", ["dense_vae", "cicada_student"])
def test_the_bits_of_a_sum_are_those_of_its_own_unit(architecture):
    from l1ad.conversion.preflight import check_model
    from l1ad.networks.quantized import input_type, integer_weights

    encoder, fixed = random_encoder(architecture), REGION if architecture == "cicada_student" else INPUT
    bits = check_model(to_firmware(encoder, SCORES.get(architecture, SPEC)), fixed)
    last = encoder.get_layer("dense_output" if architecture == "cicada_student" else "dense_2")
    kernel, seen = integer_weights(last)["kernel"][0], input_type(last)
    common = int(np.abs(kernel).sum(axis=0).max() * seen.maximum).bit_length()
    assert 0 < bits[last.name] <= common + 1
    # A sum of the outputs on events is a multiple of that unit, and below its largest value.
    import keras

    x = raw_inputs(architecture)[:500] * 2.0**-fixed.fraction
    shape = encoder.inputs[0].shape[1:]
    sums = np.asarray(keras.Model(encoder.inputs, last.output)(x.reshape(-1, *shape).astype(np.float32)), np.float64)
    for column in sums.T:
        # The finest unit that the sums of all events have in common; float64 holds them exactly.
        raw = np.rint(column * 2.0**30).astype(np.int64)
        finest = max(int(np.gcd.reduce(raw)), 1)
        assert int(np.abs(raw).max()) // (finest & -finest) <= 2 ** bits[last.name]


def test_firmware_has_the_scores_of_the_encoder():
    from l1ad.networks.inference import latent_outputs
    from l1ad.scores.integer import score_raw

    encoder, events = random_encoder("cnn_vae"), raw_inputs()[:300]
    mean, log_variance = latent_outputs(encoder, events, INPUT)
    raw = [
        np.rint(v * 2.0**t.fraction).astype(np.int64) for v, t in ((mean, SPEC.mean), (log_variance, SPEC.log_variance))
    ]
    found = run_firmware_model(to_firmware(encoder, SPEC), events, INPUT).score[:, 0]
    assert np.array_equal(found, score_raw(*raw, SPEC))
    encoder.get_layer("conv_1").kernel.assign(-np.asarray(encoder.get_layer("conv_1").kernel))
    assert not np.array_equal(run_firmware_model(to_firmware(encoder, SPEC), events, INPUT).score[:, 0], found)


def test_the_table_of_layers_shows_inputs_and_weights():
    limits = np.array([2 ** (bits + INPUT.fraction) for bits in INPUT_BITS])
    table = layer_ranges(random_encoder("dense_vae"), np.clip(raw_inputs(), -limits, limits - 1), INPUT)
    rows = {(row.layer, row.tensor): row for row in table.tensors}
    assert {("dense_1", t) for t in ("inputs", "kernel", "bias")} | {("mean", "output")} <= set(rows)
    # The range of the inputs is kept whole; hidden values saturate.
    assert rows["dense_1", "inputs"].saturated == 0
    assert rows["dense_2", "inputs"].saturated > 0
    assert 0 < rows["dense_1", "kernel"].bits < rows["dense_1", "kernel"].type.width


@pytest.mark.parametrize("architecture", ["dense_vae", "cnn_vae"])
def test_inputs_keep_the_range_that_hardware_can_reach(architecture):
    config = network(architecture)
    first = build_encoder(config, load_frontend(config, INPUT, INPUT_BITS)).get_layer(
        "dense_1" if architecture == "dense_vae" else "conv_1"
    )
    limits = np.array([2.0**bits for bits in INPUT_BITS])
    x = np.tile(limits - 2.0**-INPUT.fraction, (2, 1)) * [[1.0], [-1.0]]
    rows = np.pad(x.reshape(2, 19, 3, 1), ((0, 0), (1, 0), (0, 0), (0, 0))) if architecture == "cnn_vae" else x
    np.testing.assert_array_equal(np.asarray(first.iq(rows.astype(np.float32))), rows)
    wrapped = np.asarray(first.iq((rows * 2).astype(np.float32)))
    assert (wrapped != 2 * rows)[rows != 0].all()


SLOW = ("dense_ae", "feature_ae", "cicada_student")


@pytest.mark.parametrize("architecture", ["dense_vae", *(pytest.param(name, marks=pytest.mark.heavy) for name in SLOW)])
def test_a_price_buys_fewer_bit_operations(architecture):
    from l1ad.networks.learned_bits import Price, WidthAdam
    from l1ad.networks.quantized import bit_operations

    regions = architecture == "cicada_student"
    x = (raw_inputs(architecture)[:1024] / (16 if regions else 64)).astype(np.float32)
    x = x.reshape(-1, 18, 14, 1) if regions else x
    y = x.reshape(-1, 19, 3) if architecture == "dense_vae" else x
    found = {}
    for beta in (1e-9, 1e-3):
        model = priced(architecture, Price(beta, min(beta, 1e-6), 4))
        model.build_from(x[:1])
        model.compile(optimizer=WidthAdam(50.0, learning_rate=1e-3), jit_compile=False)
        model.fit(x, y, batch_size=128, epochs=6, verbose=0)
        found[beta] = bit_operations(model.encoder)
    assert found[1e-3] < 0.9 * found[1e-9]


def priced(architecture: str, price):
    """Return a trainable network with learned widths; of an autoencoder of features the extractor."""
    from l1ad.config import FeaturesConfig
    from l1ad.networks.architectures import build_decoder
    from l1ad.networks.feature_ae import build_projector, extractor_of
    from l1ad.networks.learned_bits import LearnedAutoencoder, LearnedBits, LearnedStudent, LearnedVicReg
    from l1ad.networks.region_networks import build_autoencoder, build_teacher

    config = network(architecture)
    encoder = build_encoder(config, load_frontend(config, REGION if architecture == "cicada_student" else INPUT))
    if architecture == "cicada_student":
        return LearnedStudent(encoder, build_teacher(build_autoencoder(config), 0.0625), 15.0, price=price)
    if architecture == "feature_ae":
        projector = build_projector(config.features, FeaturesConfig())
        return LearnedVicReg(extractor_of(encoder), projector, weights=(25.0, 25.0, 1.0, 0.0), price=price)
    if architecture == "dense_ae":
        return LearnedAutoencoder(encoder, spec=ERROR, feature_weights=(1.0, 0.1, 0.1), price=price)
    return LearnedBits(
        encoder, build_decoder(config, bounded=False), beta=0.01, seed=1, target="whitened",
        feature_weights=(1.0, 0.1, 0.1), price=price,
    )  # fmt: skip


def test_widths_are_told_from_weights():
    paths = [v.path for v in random_encoder("dense_vae").trainable_variables]
    widths = [path for path in paths if is_width(path)]
    assert len(widths) == len([p for p in paths if p.rsplit("/", 1)[-1] in ("b", "i", "f")]) > 0
    assert not any(is_width(path) for path in paths if path.endswith(("kernel", "bias")))


def test_qkeras_is_not_the_module_that_hgq2_brings():
    with pytest.raises(ToolMissingError, match=r"'qkeras-v3'.*uv sync --extra qkeras"):
        load_frontend(network("dense_vae").model_copy(update={"frontend": "qkeras"}))
