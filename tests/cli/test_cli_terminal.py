"""What verbs write, and where."""

from __future__ import annotations

import logging

import pytest

from l1ad.cli import terminal


@pytest.fixture
def quiet():
    """Act as after ``--quiet``."""
    logger = logging.getLogger("l1ad")
    level = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(level)


def test_results_and_notes_go_to_different_places(capsys):
    terminal.say("AUC 0.9")
    terminal.note("training")
    written = capsys.readouterr()
    assert (written.out, written.err) == ("AUC 0.9\n", "training\n")


@pytest.mark.usefixtures("quiet")
def test_quiet_keeps_results_only(capsys):
    terminal.say("AUC 0.9")
    terminal.note("training")
    written = capsys.readouterr()
    assert (written.out, written.err) == ("AUC 0.9\n", "")


def test_table_shows_cells_as_they_are(capsys):
    terminal.show_table("Signals", ("signal", "AUC"), [["A4l [bold]", "0.9"], ["h0", "0.77"]], numeric=("AUC",))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].strip() == "Signals"
    assert any("A4l [bold]" in line and line.rstrip().endswith(" 0.9") for line in lines)
    assert any(line.rstrip().endswith("0.77") for line in lines)


def test_progress_writes_nothing_into_a_file(capsys):
    with terminal.progress("training", 2) as update:
        update(1, "loss 0.5")
        update(2)
    written = capsys.readouterr()
    assert (written.out, written.err) == ("", "")
