"""Pruning: its schedule, zeros that stay through training, resume and firmware, and what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from l1ad.config import PruningConfig, RunConfig
from l1ad.config.load import parse_config
from l1ad.errors import CheckFailedError, ConfigurationError
from l1ad.networks.firmware_model import load_model, save_model
from l1ad.networks.layer_ranges import LayerRanges
from l1ad.networks.pruning import check_zeros, keep_largest, share_at, zero_shares
from l1ad.training.checkpoint import EpochRecord, Progress
from l1ad.training.fit import train
from l1ad.training.loop import Phase, advance

pytest.importorskip("qkeras", reason="QKeras is not installed")

TARGET = 0.6
KERNELS = {"dense_1": 57 * 32, "dense_2": 32 * 16, "dense_mean": 16 * 3, "dense_log_variance": 16 * 3}
PRUNING = {"target": TARGET, "start_epoch": 0, "end_epoch": 2}


def configuration(tiny, **changes: object) -> RunConfig:
    return tiny.configuration(**{"float_epochs": 0, "epochs": 4, "pruning": PRUNING, **changes})


class Stop(Exception):  # noqa: N818 - not an error
    """Ends a training from its callback."""


@pytest.fixture(scope="module")
def pruned(tiny, tmp_path_factory):
    """A pruned training, and the masks after every quantized epoch."""
    folder, masks = tmp_path_factory.mktemp("pruned"), []

    def callback(*_call: object) -> None:
        masks.append(masks_of(folder))

    record = train(configuration(tiny), tiny.dataset, folder, callback)
    return folder, record, masks


def masks_of(folder) -> list[np.ndarray]:
    """Return the masks in the checkpoint: the variables of 0 and 1 that have the shape of a kernel."""
    with np.load(folder / "checkpoint_quantized.npz") as archive:
        arrays = [archive[f"best_{i}"] for i in range(sum(name.startswith("best_") for name in archive.files))]
    sizes = sorted(KERNELS.values())
    found = [a for a in arrays if a.ndim == 2 and set(np.unique(a)) <= {0.0, 1.0}]
    assert sorted(a.size for a in found) == sizes
    return found


def test_share_follows_the_cubic_schedule():
    options = PruningConfig(target=0.8, start_epoch=1, end_epoch=5)
    shares = [share_at(options, epoch) for epoch in range(8)]
    assert shares[:2] == [0, 0]
    assert shares[3] == pytest.approx(0.8 * (1 - 0.5**3))
    assert shares[5:] == [0.8] * 3
    assert shares == sorted(shares)


def test_zeros_reach_the_saved_firmware_and_the_table(pruned):
    folder, _, _ = pruned
    shares = zero_shares(load_model(folder / "firmware.keras"))
    assert set(shares) == set(KERNELS)
    for name, size in KERNELS.items():
        assert shares[name] * size >= round(TARGET * size)
    rows = {row.layer: row.zeros for row in LayerRanges.read(folder / "layers.json").tensors if row.tensor == "kernel"}
    assert rows == pytest.approx(shares)


def test_without_pruning_there_are_fewer_zeros(baseline):
    """Negative control: the same check on a network that was not pruned."""
    model = load_model(baseline.folder / "firmware.keras")
    with pytest.raises(CheckFailedError, match=r"layer dense_1 has \d+ zeros in 1824 weights; .* asks for 1094"):
        check_zeros(model, TARGET, baseline.folder / "firmware.keras")


def test_a_zero_that_is_lost_on_the_way_to_the_file_is_seen(pruned, tmp_path):
    """Negative control: one weight of the saved firmware model is given a value again."""
    model = load_model(pruned[0] / "firmware.keras")
    layer = model.get_layer("dense_mean")
    values = np.asarray(layer.kernel).copy()
    values[values == 0] = 1.0
    layer.kernel.assign(values)
    save_model(model, tmp_path / "firmware.keras")
    with pytest.raises(CheckFailedError, match="layer dense_mean has 0 zeros in 48"):
        check_zeros(load_model(tmp_path / "firmware.keras"), TARGET, tmp_path / "firmware.keras")


def test_a_pruned_weight_stays_pruned_and_the_share_grows(pruned):
    _, record, masks = pruned
    assert len(masks) == 4
    shares = [np.mean([1 - mask.mean() for mask in epoch]) for epoch in masks]
    assert shares[0] == 0
    assert shares[1] == pytest.approx(TARGET * (1 - 0.5**3), abs=0.01)
    assert shares[2] == shares[3] == pytest.approx(TARGET, abs=0.01)
    for before, after in itertools.pairwise(masks):
        assert all((b >= a).all() for b, a in zip(before, after, strict=True))
    # Of the epochs before the last weight is pruned none is kept.
    assert record.best_epoch >= 3


def test_weights_under_the_mask_are_zero_behind_the_optimizer(pruned):
    folder, _, masks = pruned
    encoder = load_model(folder / "encoder.keras")
    kernels = {name: np.asarray(encoder.get_layer(name).kernel) for name in KERNELS}
    for mask in masks[-1]:
        same = [k for k in kernels.values() if k.shape == mask.shape]
        assert any((k[mask == 0] == 0).all() and (k[mask == 1] != 0).all() for k in same)


def test_interrupted_pruning_ends_with_the_same_bits(pruned, tiny, tmp_path):
    folder, _, _ = pruned

    def callback(_phase: str, epoch: int, *_rest: object) -> None:
        if epoch == 2:
            raise Stop

    with pytest.raises(Stop):
        train(configuration(tiny), tiny.dataset, tmp_path, callback)
    train(configuration(tiny), tiny.dataset, tmp_path)
    for arrays in (tiny.model_weights, tiny.checkpoint_arrays):
        found, expected = arrays(tmp_path), arrays(folder)
        assert found.keys() == expected.keys()
        assert [name for name in expected if found[name].tobytes() != expected[name].tobytes()] == []


@pytest.mark.heavy
def test_a_float_network_is_pruned_in_its_only_phase(tiny, tmp_path):
    config = configuration(tiny).model_dump(mode="json")
    config["network"]["frontend"] = "float"
    train(parse_config(config, "test"), tiny.dataset, tmp_path)
    shares = zero_shares(load_model(tmp_path / "encoder.keras"))
    assert shares == pytest.approx(dict.fromkeys(KERNELS, TARGET), abs=0.01)


def test_the_smallest_quantized_weights_go_first():
    import keras

    layer = keras.layers.Dense(2, use_bias=False)
    layer.build((None, 3))
    layer.kernel.assign([[0.5, -0.1], [2.0, 0.2], [-3.0, 0.3]])
    ones = np.ones((3, 2), dtype=np.float32)
    assert keep_largest(layer, ones, 0.5).tolist() == [[1, 0], [1, 0], [1, 0]]
    assert keep_largest(layer, ones, 0.0).tolist() == ones.tolist()
    # What is pruned already counts first, even where the weight has a value.
    already = np.array([[1, 1], [0, 1], [1, 1]], dtype=np.float32)
    assert keep_largest(layer, already, 2 / 6).tolist() == [[1, 0], [0, 1], [1, 1]]


def test_no_epoch_before_the_full_share_is_kept_or_stops_the_training(tiny):
    options = configuration(tiny, patience=1).training

    def run(phase: Phase) -> Progress:
        progress = Progress(phase.name, 1.0)
        for loss in (1.0, 2.0, 3.0, 2.5):
            if not progress.finished:
                epoch = EpochRecord("quantized", progress.epoch + 1, loss, 0.0, 0.0, 0.0, 0.0, loss, 1.0, 0.1)
                progress = advance(progress, epoch, phase, options)
        return progress

    kept = run(Phase("quantized", 4, 1.0, prunes=True))
    assert (kept.best_epoch, kept.best_loss, kept.epoch) == (4, 2.5, 4)
    stopped = run(Phase("quantized", 4, 1.0))
    assert (stopped.best_epoch, stopped.best_loss, stopped.epoch) == (1, 1.0, 2)


@pytest.mark.parametrize(
    ("section", "values", "match"),
    [
        ("network", {"frontend": "hgq"}, r"does not go with network\.frontend hgq.*quantization\.beta"),
        ("quantization", {"training": "post"}, "needs quantized epochs"),
        ("training", {"epochs": 2}, r"pruning\.end_epoch \(2\) leaves no epoch at the full share"),
        ("training", {"pruning": {"target": 0.5, "start_epoch": 4, "end_epoch": 4}}, "must be below end_epoch"),
        ("training", {"pruning": {"target": 1.0}}, "less than 1"),
        ("training", {"pruning": {"target": -0.1}}, "greater than or equal to 0"),
        ("training", {"pruning": {"share": 0.5}}, "Did you mean|unknown field"),
    ],
)
def test_what_cannot_be_pruned_is_refused(tiny, section, values, match):
    config = configuration(tiny).model_dump(mode="json")
    config[section] = {**config[section], **values}
    with pytest.raises(ConfigurationError, match=match):
        parse_config(config, "test")
