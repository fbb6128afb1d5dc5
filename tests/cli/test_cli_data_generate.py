"""`l1ad data generate` and `l1ad data check`: what they refuse, and with which exit code."""

from __future__ import annotations

import pytest

from l1ad.cli.main import main
from l1ad.events.generation import generate, pythia
from l1ad.events.sample import open_sample


@pytest.fixture
def installed(monkeypatch):
    """Let the libraries count as installed, so that mistakes in the request are seen first."""
    monkeypatch.setattr(generate, "require_libraries", lambda: None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--process", "Wjets"], "process 'Wjets': not known"),
        (["--process", ""], "nothing to generate"),
        (["--pileup", "-1"], "--pileup -1"),
        (["--seed", "-1"], "--seed -1"),
        (["--library-events", "0"], "--library-events 0"),
        (["--max-trials", "0"], "--max-trials 0"),
        (["--dask", "slrum"], "Did you mean slurm"),
    ],
)
def test_a_wrong_request_is_refused(installed, tmp_path, capsys, options, message):
    command = ["data", "generate", "--out", str(tmp_path / "out"), "--events", "10", *options]
    assert main(command) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_missing_library_is_exit_code_3(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(pythia, "LIBRARIES", ("pythia9",))
    assert main(["data", "generate", "--out", str(tmp_path), "--events", "10"]) == 3
    assert "pip install 'l1ad[generate]'" in capsys.readouterr().err


def test_check_says_yes_and_no(capsys):
    path = str(open_sample(verify=False).source("Ato4l").paths[0])
    assert main(["data", "check", path, "--process", "Ato4l"]) == 0
    assert "checks hold" in capsys.readouterr().out
    assert main(["data", "check", path, "--process", "W"]) == 1
    assert "W: events with two leptons" in capsys.readouterr().err


def test_check_refuses_a_figure_of_unknown_kind(tmp_path, capsys):
    path = str(open_sample(verify=False).source("Ato4l").paths[0])
    assert main(["data", "check", path, "--process", "Ato4l", "--plot", str(tmp_path / "a.gif")]) == 2
    assert ".png, .pdf, .svg" in capsys.readouterr().err
