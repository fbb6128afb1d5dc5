"""`l1ad emulate --events`: a number compares, a file is scored."""

from __future__ import annotations

import h5py
import pytest

from l1ad.cli.main import main


def test_a_file_is_scored(finished_run, tmp_path, capsys) -> None:
    out = tmp_path / "scores.h5"
    events = finished_run / "data" / "test_inputs.npy"
    assert main(["emulate", str(finished_run), "--events", str(events), "--out", str(out)]) == 0
    written = capsys.readouterr()
    assert "Threshold" in written.out
    assert written.out.splitlines()[-1] == str(out)
    assert "events a second" in written.err
    with h5py.File(out) as file:
        assert file.attrs["rung"] == "native"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--events", "0"], "--events 0: expected at least 1"),
        (["--events", "-5"], "--events -5: expected at least 1"),
        (["--events", "5", "--events", "x.h5"], "give one number of events, or files"),
        (["--rung", "native"], "--rung: belongs to files of events"),
        (["--out", "x.h5"], "--out: belongs to files of events"),
        (["--events", "x.h5", "--force"], "--force: belongs to the comparison"),
        (["--events", "x.h5"], "x.h5: no such file"),
        (["--events", "x.h5", "--rung", "keras"], "rung 'keras' is not known"),
    ],
)
def test_wrong_usage(finished_run, capsys, arguments, message) -> None:
    assert main(["emulate", str(finished_run), *arguments]) == 2
    assert message in capsys.readouterr().err
