"""The checks that other tools do: ruff, mypy and import-linter run on this tree, and each sees a planted error."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(sys.executable).parent


def run(*command: str | Path, cwd: Path = ROOT) -> tuple[int, str]:
    """Run a command and return its exit code and everything it wrote."""
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_ruff_is_clean():
    code, output = run(SCRIPTS / "ruff", "check", ".")
    assert code == 0, output


def test_ruff_sees_an_error(tmp_path):
    (tmp_path / "bad.py").write_text("import os\n")
    code, output = run(SCRIPTS / "ruff", "check", "--no-cache", "--config", ROOT / "pyproject.toml", tmp_path)
    assert code == 1
    assert "F401" in output


def test_the_layout_is_ruffs():
    code, output = run(SCRIPTS / "ruff", "format", "--check", ".")
    assert code == 0, output


def test_ruff_sees_another_layout(tmp_path):
    (tmp_path / "bad.py").write_text("x = [ 1,2 ]\n")
    config = ROOT / "pyproject.toml"
    code, _ = run(SCRIPTS / "ruff", "format", "--check", "--no-cache", "--config", config, tmp_path)
    assert code == 1


def test_mypy_is_clean():
    code, output = run(SCRIPTS / "mypy")
    assert code == 0, output


def test_mypy_sees_an_error(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("def width(bits):\n    return bits\n")
    config = ("--config-file", ROOT / "pyproject.toml", "--cache-dir", tmp_path / "cache")
    code, output = run(SCRIPTS / "mypy", *config, bad, cwd=tmp_path)
    assert code == 1
    assert "no-untyped-def" in output


def test_import_contracts_are_kept():
    code, output = run(SCRIPTS / "lint-imports", "--no-cache")
    assert code == 0, output
    assert ", 0 broken" in output


def test_import_linter_sees_a_broken_contract(tmp_path):
    config = tmp_path / "contracts.ini"
    config.write_text(
        "[importlinter]\nroot_package = l1ad\n\n"
        "[importlinter:contract:upside-down]\nname = Upside down\ntype = layers\n"
        "layers =\n    l1ad.errors\n    l1ad.records\n"
    )
    code, output = run(SCRIPTS / "lint-imports", "--no-cache", "--config", config)
    assert code == 1
    assert "l1ad.records is not allowed to import l1ad.errors" in output or "0 kept, 1 broken" in output


def test_a_warning_of_our_own_code_is_an_error():
    with pytest.raises(RuntimeWarning, match="overflow"):
        warnings.warn_explicit("overflow", RuntimeWarning, "scale.py", 1, module="l1ad.hardware.scale")


def test_a_warning_of_a_library_is_not():
    with warnings.catch_warnings(record=True) as caught:
        warnings.warn_explicit("old", DeprecationWarning, "layer.py", 1, module="keras.src.layer")
        warnings.warn_explicit("slow", RuntimeWarning, "array.py", 1, module="some_library.array")
    assert [str(warning.message) for warning in caught] == ["slow"]
