"""The configuration: what is read, what is refused, and what the refusal says."""

from __future__ import annotations

import pytest
import yaml
from pydantic import ValidationError

from l1ad.config import RunConfig, apply_overrides, dump_config, load_config
from l1ad.errors import ConfigurationError
from l1ad.resources import resource


def write(folder, text):
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def test_absent_fields_take_their_defaults(tmp_path):
    config = load_config(write(tmp_path, "name: mine\ntraining: {epochs: 3}\n"))
    assert config.name == "mine"
    assert config.training.epochs == 3
    assert config.training.batch_size == RunConfig().training.batch_size


def test_an_empty_file_is_the_default(tmp_path):
    assert load_config(write(tmp_path, "")) == RunConfig()


def test_overrides_win(tmp_path):
    path = write(tmp_path, "training: {epochs: 3, beta: 0.5}\n")
    config = load_config(path, ["training.epochs=7", "network.hidden=[16, 8]", "synthesis.budget.lut=3 %"])
    assert (config.training.epochs, config.training.beta) == (7, 0.5)
    assert config.network.hidden == (16, 8)
    assert config.synthesis.budget.lut == "3 %"


def test_overrides_leave_the_values_given_alone():
    values = {"training": {"epochs": 3}}
    assert apply_overrides(values, ["training.epochs=7"]) == {"training": {"epochs": 7}}
    assert values == {"training": {"epochs": 3}}


def test_what_is_dumped_is_read_back(tmp_path):
    config = RunConfig(name="other", seed=5)
    assert load_config(write(tmp_path, dump_config(config))) == config
    assert yaml.safe_load(dump_config(config))["seed"] == 5


def test_a_configuration_does_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        RunConfig().name = "other"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training: {epoch: 3}\n", r"training.epoch: unknown field. Did you mean epochs\?"),
        ("trainin: {}\n", r"trainin: unknown field. Did you mean training\?"),
        ("training: {epochs: 0}\n", r"training.epochs: .*greater than 0. Received: 0"),
        ("training: {epochs: many}\n", "training.epochs: .*Received: 'many'"),
        ("training: {learning_rate: .inf}\n", "training.learning_rate: .*finite number. Received: inf"),
        ("conversion: {clock_ns: .nan}\n", "conversion.clock_ns: .*Received: nan"),
        ("training: 3\n", "training: .*Received: 3"),
        ("name: ../x\n", "run name '../x' is not usable"),
        ("seed: -1\n", "seed: "),
        ("network: {architecture: transformer}\n", "network.architecture"),
        ("data: {train_fraction: 0.9, validation_fraction: 0.2}\n", "keep the sum below 1"),
        ("data: {background: b.h5}\n", "give both background and signals"),
        ("data: {background: b.h5, signals: {'a b': s.h5}}\n", "signal name 'a b' is not usable"),
        ("inputs: {width: 4, integer: 6}\n", r"integer \(6\) exceeds width \(4\)"),
        ("evaluation: {working_fpr: 0.5}\n", r"working_fpr \(0.5\) is not in fpr"),
        ("- a\n- b\n", "holds a list; expected a mapping"),
        ("a: [1\n", "not valid YAML"),
        ("!!python/object/apply:os.getcwd []\n", "not valid YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ConfigurationError, match=message) as caught:
        load_config(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epochs", "expected section.key=value"),
        ("=3", "expected section.key=value"),
        ("training.epochs.x=3", "epochs is not a section"),
        ("training.epochs=[1", "not valid YAML"),
        ("training.epoch=3", r"Did you mean epochs\?"),
    ],
)
def test_a_wrong_override_is_named(tmp_path, override, message):
    path = write(tmp_path, "training: {epochs: 3}\n")
    with pytest.raises(ConfigurationError, match=message):
        load_config(path, [override])


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigurationError, match="no such configuration file"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_config(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\x80\x81")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_config(tmp_path / "binary.yaml")


def test_every_configuration_that_ships_is_valid():
    paths = sorted(resource("models").glob("*/config.yaml"))
    assert paths
    assert [load_config(path).name for path in paths] == [path.parent.name for path in paths]
