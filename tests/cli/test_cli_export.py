"""`l1ad export`."""

from __future__ import annotations

import pytest

from l1ad.cli.main import main
from l1ad.emulation.patterns import FORMATS, read_vectors


@pytest.mark.parametrize("kind", list(FORMATS))
def test_vectors(finished_run, tmp_path, capsys, kind: str) -> None:
    out = tmp_path / "vectors"
    arguments = ["--out", str(out), "--format", kind, "--events", "25"]
    assert main(["export", "vectors", str(finished_run), *arguments]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out / "vectors.json")
    assert len(read_vectors(out).inputs) == 25
    assert main(["export", "vectors", str(finished_run), *arguments]) == 2
    assert "is not empty" in capsys.readouterr().err


def test_an_unknown_format(finished_run, tmp_path, capsys) -> None:
    assert main(["export", "vectors", str(finished_run), "--out", str(tmp_path / "x"), "--format", "emp2"]) == 2
    assert "Did you mean empv2" in capsys.readouterr().err
