"""What the benchmarks change in the configurations that ship still gives configurations."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from l1ad.config import load_config
from l1ad.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = ("dense_vae", "cnn_vae", "dense_ae", "cnn_ae")


def configuration(name: str) -> Path:
    return ROOT / "models" / name / "config.yaml"


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name == "_bench" or name.startswith("bench_"):
            sys.modules.pop(name)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.usefixtures("benchmarks")
def test_a_short_training_is_one(family):
    from _bench import few_epochs

    config = load_config(configuration(family), few_epochs(3))
    assert (config.training.float_epochs, config.training.epochs) == (3, 3)
    assert config.data.max_background == 40_000
    if load_config(configuration(family)).training.pruning.target > 0:
        # Negative control: the few epochs alone leave none at the full share of pruned weights.
        with pytest.raises(ConfigurationError, match=r"pruning\.end_epoch"):
            load_config(configuration(family), ("training.epochs=3",))


@pytest.mark.parametrize("architecture", ["dense_vae", "cnn_vae"])
@pytest.mark.usefixtures("benchmarks")
def test_the_rows_of_the_training_are_configurations(architecture):
    from bench_training import settings

    config = settings(architecture, 30_000, "training.epochs=6", "training.float_epochs=1")
    assert (config.training.epochs, config.data.max_background) == (6, 75_000)


@pytest.mark.parametrize("family", ["dense_vae_hgq", "cnn_vae_hgq"])
@pytest.mark.usefixtures("benchmarks")
def test_the_rows_of_learned_bits_are_configurations(family):
    from bench_learned_bits import SHORT, UNIFORM

    for changes in ((), SHORT):
        learned = load_config(configuration(family), changes)
        assert learned.network.frontend == "hgq"
        uniform = load_config(configuration(family), (*changes, *UNIFORM))
        assert uniform.quantization.training == "post"
        assert uniform.network.kernel.startswith("quantized_bits(8,")
