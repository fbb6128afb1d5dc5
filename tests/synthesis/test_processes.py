"""Processes that work, fail, are killed, and take too long."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from l1ad.errors import ToolError
from l1ad.synthesis.processes import Process, decisive_line, run_parallel


def python(folder: Path, name: str, code: str) -> Process:
    return Process(name, (sys.executable, "-c", code), folder / f"{name}.log")


def run(*processes: Process, workers: int = 2, timeout_s: float = 20.0) -> list[str]:
    names: list[str] = []
    run_parallel(processes, workers=workers, timeout_s=timeout_s, finished=names.append)
    return names


def test_all_run_and_report(tmp_path: Path) -> None:
    jobs = [python(tmp_path, f"job{index}", f"print({index})") for index in range(4)]
    assert sorted(run(*jobs)) == ["job0", "job1", "job2", "job3"]
    assert (tmp_path / "job3.log").read_text() == "3\n"


def test_one_worker_keeps_the_order(tmp_path: Path) -> None:
    jobs = [python(tmp_path, f"job{index}", "pass") for index in range(3)]
    assert run(*jobs, workers=1) == ["job0", "job1", "job2"]


def test_two_workers_take_from_both_ends(tmp_path: Path) -> None:
    """The first process lasts: the other worker takes the rest from the end, so the two largest never meet."""
    jobs = [
        python(tmp_path, f"job{index}", f"import time; time.sleep({1.5 if index == 0 else 0})") for index in range(4)
    ]
    assert run(*jobs) == ["job3", "job2", "job1", "job0"]


def test_failure_names_the_decisive_line_and_ends_the_others(tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    slow = python(tmp_path, "slow", f"import time, pathlib; time.sleep(3); pathlib.Path({str(mark)!r}).touch()")
    bad = python(tmp_path, "bad", "print('a.v:3: ERROR: syntax error'); print('bye'); raise SystemExit(1)")
    with pytest.raises(ToolError, match=r"bad: ended with code 1.*a\.v:3: ERROR: syntax error"):
        run(slow, bad)
    time.sleep(3.2)
    assert not mark.exists()


def test_killed_process(tmp_path: Path) -> None:
    job = python(tmp_path, "victim", f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})")
    with pytest.raises(ToolError, match=r"victim: killed by SIGKILL.*fewer workers"):
        run(job)


def test_command_or_folder_that_is_absent(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"cannot be started.*nosuch"):
        run(Process("absent", (str(tmp_path / "nosuch"),), tmp_path / "log"))
    with pytest.raises(ToolError, match=r"cannot be started.*missing"):
        run(Process("absent", (sys.executable, "-V"), tmp_path / "missing" / "log"))


def test_timeout_ends_the_whole_group(tmp_path: Path) -> None:
    code = "import subprocess, sys; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()"
    with pytest.raises(ToolError, match="not done after 1 s"):
        run(python(tmp_path, "parent", code), timeout_s=1.0)
    child = int((tmp_path / "parent.log").read_text())
    deadline = time.monotonic() + 5
    while _is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_alive(child)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_decisive_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert "cannot be read" in decisive_line(log)
    log.write_text("")
    assert decisive_line(log) == "the log is empty"
    log.write_text("1. reading\nModuleNotFoundError: No module named 'pyosys'\nlast\n")
    assert decisive_line(log) == "ModuleNotFoundError: No module named 'pyosys'"
    log.write_text("one\ntwo\n")
    assert decisive_line(log) == "two"
