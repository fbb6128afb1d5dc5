"""docs/events.md: its lines of Python write the files, its commands run on them, its configuration prepares a run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from l1ad.cli.main import main
from l1ad.config import RunConfig
from l1ad.events.adc2021 import EventFile
from l1ad.events.importers.base import FORMATS
from l1ad.events.importers.mapping import UNITS
from l1ad.events.prepare import prepare_dataset
from l1ad.events.published import PARTS

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "events.md").read_text("utf-8")


def blocks(kind):
    return re.findall(rf"```{kind}\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Run the lines of Python and the commands of the page in one folder; return it with what the commands printed."""
    path = tmp_path_factory.mktemp("docs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        for code in blocks("python"):
            exec(compile(code, "docs/events.md", "exec"), {})  # noqa: S102
        commands = [line.removeprefix("$ ") for text in blocks("console") for line in text.splitlines()]
        codes = {command: main(shlex.split(command)[1:]) for command in commands}
    return path, codes


def test_commands_run(folder):
    _, codes = folder
    assert len(codes) == 10
    assert set(codes.values()) == {0}


def test_files_are_what_the_page_says(folder):
    path, _ = folder
    with EventFile(path / "nano.h5") as nano, EventFile(path / "background.h5") as plain:
        assert (nano[:] == plain[:]).all()
        assert (nano.source_tag, plain.source_tag) == ("cms-nanoaod-reco", "mine")
    with EventFile(path / "short.h5") as short:
        assert short[:][:, (0, 9), 0].tolist() == [[31, 45], [28, 0]]
    assert (path / "scales.h").is_file()
    assert {file.name for file in (path / "parts").iterdir()} == {"train.h5", "validation.h5", "test.h5"}


def test_configuration_prepares_a_run(folder, monkeypatch, tmp_path):
    path, _ = folder
    monkeypatch.chdir(path)
    config = RunConfig.model_validate(yaml.safe_load(blocks("yaml")[0]))
    record = prepare_dataset(config, tmp_path)
    assert record.source_tag == "mine+cms-nanoaod-reco"
    assert record.signals == {"nano": 3000}
    assert (tmp_path / "inputs.json").read_text() == (path / "inputs.json").read_text()


def test_page_names_every_format_unit_and_part():
    named = set(re.findall(r"`([\w-]+)`", TEXT))
    assert set(FORMATS) <= named
    rows = dict(re.findall(r"^\| (pt|eta|phi) \| ([^|]+) \|$", TEXT, flags=re.MULTILINE))
    assert {quantity: set(units.replace(" ", "").split(",")) for quantity, units in rows.items()} == {
        quantity: set(units) for quantity, units in UNITS.items()
    }
    assert "background" in PARTS
