"""The same work in processes, on a Dask cluster and in a batch queue; and what goes wrong there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest

from l1ad import workers
from l1ad.errors import ConfigurationError, ToolError, ToolMissingError
from l1ad.workers import map_unordered, open_executor


def draw(seed: int, events: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=events)


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Late:
    """An executor whose tasks are all done when they are waited for."""

    def __init__(self, executor):
        self.executor = executor

    def submit(self, function, *arguments):
        future = self.executor.submit(function, *arguments)
        wait([future])
        return future


TASKS = {seed: (seed, 5) for seed in range(7)}


def test_processes_and_dask_give_the_same_bits():
    distributed = pytest.importorskip("distributed", reason="Dask is not installed (extra dask)")
    with open_executor(1) as executor:
        expected = dict(map_unordered(executor, draw, TASKS))
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp://", host="127.0.0.1"
    )
    with cluster, open_executor(2, cluster.scheduler_address) as executor:
        found = dict(map_unordered(executor, draw, TASKS, workers=2))
    assert set(found) == set(expected) == set(TASKS)
    for seed, values in expected.items():
        np.testing.assert_array_equal(found[seed], values)
    assert not np.array_equal(expected[0], expected[1])


def test_two_processes_give_the_same_bits():
    with open_executor(2) as executor:
        found = dict(map_unordered(executor, draw, TASKS, workers=2))
    for seed, values in found.items():
        np.testing.assert_array_equal(values, draw(seed, 5))


def test_error_of_a_task_reaches_the_caller():
    with open_executor(1) as executor, pytest.raises(ValueError, match="negative"):
        list(map_unordered(executor, draw, {"bad": (1, -1)}))


def test_dead_worker_is_named():
    with pytest.raises(ToolError, match="a worker process died"), open_executor(1) as executor:
        list(map_unordered(executor, die, {0: (0,)}))


def test_few_tasks_are_ahead():
    class Counting:
        submitted = 0

        def submit(self, function, *arguments):
            Counting.submitted += 1
            future = workers.Future()
            future.set_result(function(*arguments))
            return future

    results = map_unordered(Counting(), pow, {n: (n, 2) for n in range(100)}, workers=2)
    next(results)
    assert Counting.submitted == 4
    assert len(list(results)) == 99


def test_no_workers():
    with pytest.raises(ConfigurationError, match="workers: 0"), open_executor(0):
        pass


def test_neither_address_nor_queue():
    with pytest.raises(ConfigurationError, match="Did you mean slurm"), open_executor(1, "slrum"):
        pass


def test_nobody_listens(monkeypatch):
    pytest.importorskip("distributed", reason="Dask is not installed (extra dask)")
    monkeypatch.setattr(workers, "_DASK_TIMEOUT_S", 1)
    with pytest.raises(ToolError, match="no scheduler answered at tcp:"), open_executor(1, "tcp://127.0.0.1:9"):
        pass


def test_dask_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ToolMissingError, match=r"l1ad\[dask\]"), open_executor(1, "tcp://127.0.0.1:9"):
        pass


def test_queue_without_settings_names_the_file():
    pytest.importorskip("dask_jobqueue", reason="Dask is not installed (extra dask)")
    with pytest.raises(ConfigurationError, match=r"jobqueue\.slurm"), open_executor(1, "slurm"):
        pass


def test_batch_queue_runs_the_same_work(tmp_path, monkeypatch):
    dask = pytest.importorskip("dask", reason="Dask is not installed (extra dask)")
    # A queue of one machine: sbatch starts a copy of the job's script in the background and prints its number.
    # Dask deletes the script when sbatch returns.
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {
        "sbatch": '#!/bin/sh\nfor script; do :; done\ncp "$script" "$LOG.sh"\nsh "$LOG.sh" >"$LOG" 2>&1 &\n'
        'echo "Submitted batch job $!"\n',
        "scancel": '#!/bin/sh\nkill "$1" 2>/dev/null\nexit 0\n',
    }.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("LOG", str(tmp_path / "job.log"))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    pytest.importorskip("dask_jobqueue", reason="Dask is not installed (extra dask)")
    settings = {"cores": 1, "memory": "1GB", "interface": "lo", "log-directory": str(tmp_path)}
    dotted = {f"jobqueue.slurm.{key}": value for key, value in settings.items()}
    with dask.config.set(dotted), open_executor(1, "slurm") as executor:
        found = dict(map_unordered(executor, pow, {"a": (2, 10)}))
    assert found == {"a": 1024}


def test_what_succeeded_beside_a_failure_is_not_lost():
    def work(number):
        if number:
            raise ValueError(f"task {number}")
        return number

    with ThreadPoolExecutor(4) as executor:
        found = map_unordered(Late(executor), work, {1: (1,), 2: (2,), 0: (0,), 3: (3,)}, workers=4)
        assert next(found) == (0, 0)
        with pytest.raises(ValueError, match=r"task [123]"):
            next(found)


KILLED = """
import os, signal, sys
from l1ad import workers
if sys.argv[1] == "alone":
    workers.leave_with_parent = None
if __name__ == "__main__":
    with workers.open_executor(1) as executor:
        print(executor.submit(os.getpid).result(), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("how", "stays"), [("together", False), ("alone", True)])
def test_a_worker_does_not_outlive_a_process_that_is_killed(how, stays, tmp_path):
    """The second case is the control: without the watch the worker is still there, and the test ends it."""
    (tmp_path / "killed.py").write_text(KILLED)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "killed.py"), how],
        env={**os.environ, "PYTHONPATH": str(Path(workers.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    worker = int(process.stdout.readline())
    assert process.wait() == -signal.SIGKILL
    end = time.monotonic() + (2.0 if stays else 60.0)
    while alive(worker) and time.monotonic() < end:
        time.sleep(0.05)
    left = alive(worker)
    if left:
        os.kill(worker, signal.SIGKILL)
    assert left == stays


def alive(number: int) -> bool:
    """Return whether a process runs; one that has ended and that nobody waited for does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
