"""The Makefile, the set-up and the CI script, with small programs in the place of uv, make and the compilers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = "--extra generate --extra da --extra search --extra dask"
BASICS = ("sh", "bash", "cat", "cksum", "dirname", "env", "mkdir", "mktemp", "rm")

FAKE_UV = """#!/bin/sh
case "$1" in
    --version) echo "uv 0.13.0" ;;
    python) exit "${FIND_CODE:-0}" ;;
    sync) [ "${SYNC_CODE:-0}" = 0 ] || exit "$SYNC_CODE"
          mkdir -p "$UV_PROJECT_ENVIRONMENT"; echo "$UV_PROJECT_ENVIRONMENT: $*" >>"$UV_LOG" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path):
    """Return a folder, with a space in its name and without git, that holds what the set-up reads."""
    folder = tmp_path / "a check out"
    shutil.copytree(ROOT / ".ci", folder / ".ci")
    for name in ("Makefile", "pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture
def programs(tmp_path):
    """Return a folder for PATH with a shell, small programs for the compilers, and a uv that writes down its calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in BASICS:
        (folder / name).symlink_to(shutil.which(name))
    for name in ("g++", "make", "perl"):
        write_program(folder / name, "#!/bin/sh\n")
    write_program(folder / "uv", FAKE_UV)
    return folder


def write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def set_up(checkout: Path, programs: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    log = checkout.parent / "uv.log"
    environment = {"PATH": str(programs), "UV_LOG": str(log), **variables}
    command = [shutil.which("sh"), str(checkout / ".ci" / "setup")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def syncs(checkout: Path) -> list[str]:
    log = checkout.parent / "uv.log"
    return log.read_text().splitlines() if log.exists() else []


def test_set_up_once(checkout, programs):
    assert set_up(checkout, programs).returncode == 0
    assert syncs(checkout) == [f".venv: sync --frozen --quiet --extra qkeras {EXTRAS}"]
    assert set_up(checkout, programs).returncode == 0
    assert len(syncs(checkout)) == 1


def test_set_up_again_when_something_changed(checkout, programs):
    set_up(checkout, programs)
    set_up(checkout, programs, EXTRA="hgq")
    (checkout / "uv.lock").write_text("version = 1\n")
    set_up(checkout, programs, EXTRA="hgq")
    assert [re.search(r"--extra (\w+)", line)[1] for line in syncs(checkout)] == ["qkeras", "hgq", "hgq"]


def test_set_up_elsewhere(checkout, programs):
    place = str(checkout.parent / "v e n v")
    assert set_up(checkout, programs, VENV=place).returncode == 0
    assert syncs(checkout)[0].startswith(f"{place}: ")
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize("tool", ["g++", "make", "perl"])
def test_missing_tool_is_named_with_its_package(checkout, programs, tool):
    (programs / tool).unlink()
    done = set_up(checkout, programs)
    assert done.returncode == 3
    assert f"apt-get install {tool}\n" in done.stderr
    assert syncs(checkout) == []


def test_missing_python_is_named(checkout, programs):
    done = set_up(checkout, programs, FIND_CODE="2")
    assert done.returncode == 3
    assert "Python 3.11, 3.12 or 3.13" in done.stderr


def test_neither_uv_nor_python(checkout, programs):
    (programs / "uv").unlink()
    done = set_up(checkout, programs)
    assert done.returncode == 3
    assert "apt-get install python3 python3-venv" in done.stderr


def test_python_without_venv(checkout, programs):
    (programs / "uv").unlink()
    write_program(programs / "python3", "#!/bin/sh\nmkdir -p .cache/uv-tool/bin\nexit 1\n")
    done = set_up(checkout, programs)
    assert done.returncode == 3
    assert "apt-get install python3-venv" in done.stderr
    assert not (checkout / ".cache" / "uv-tool").exists()


def test_failed_set_up_is_done_again(checkout, programs):
    assert set_up(checkout, programs, SYNC_CODE="1").returncode == 1
    assert not (checkout / ".venv" / ".l1ad-setup").exists()
    assert set_up(checkout, programs).returncode == 0
    assert len(syncs(checkout)) == 1


@pytest.mark.parametrize("code", [0, 2])
def test_ci_ends_with_the_line_of_pytest_and_keeps_the_exit_code(checkout, programs, code):
    line = "==== 3 passed in 0.10s ===="
    write_program(programs / "make", f'#!/bin/sh\necho "$@" >"$UV_LOG"\necho "{line}"\nexit {code}\n')
    log = checkout.parent / "make.log"
    environment = {"PATH": str(programs), "UV_LOG": str(log), "TMPDIR": str(checkout.parent)}
    command = [shutil.which("bash"), str(checkout / ".ci" / "run")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stdout.splitlines()[-1] == line
    place = re.search(r"test VENV=(\S+)/venv", log.read_text())
    assert place is not None
    assert not Path(place.group(1)).exists()


def test_help_lists_every_target():
    text = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.search(r"^\.PHONY: (.+)$", text, flags=re.M).group(1).split()) - {"help"}
    make = shutil.which("make")
    done = subprocess.run([make, "-s", "-C", str(ROOT)], env=os.environ, capture_output=True, text=True, check=True)
    assert set(re.findall(r"^make (\S+)", done.stdout, flags=re.M)) == targets
    assert {"demo", "test", "lint", "bench", "test-heavy", "doctor", "clean"} <= targets
