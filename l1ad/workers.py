"""Where independent pieces of work run: processes on this machine, a Dask cluster, or a batch queue through Dask.

Whoever computes sees a `concurrent.futures.Executor` and nothing else. Results must not depend on which one it is:
each piece of work carries its own seed.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait as wait_for
from typing import Any, TypeVar

from l1ad.errors import ConfigurationError, ToolError, ToolMissingError, nearest

Key = TypeVar("Key")
Result = TypeVar("Result")

_logger = logging.getLogger(__name__)

#: Seconds that a Dask scheduler has to answer.
_DASK_TIMEOUT_S = 20
#: Tasks that wait in the queue for each worker; more would only delay Ctrl-C.
_AHEAD = 2
#: Batch queues that dask-jobqueue knows, with the name of its class.
_QUEUES = {
    "htcondor": "HTCondorCluster",
    "lsf": "LSFCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "slurm": "SLURMCluster",
}
_SCHEMES = ("tcp://", "tls://", "ucx://", "ws://", "wss://")


@contextmanager
def open_executor(workers: int = 1, dask: str | None = None) -> Iterator[Executor]:
    """Open where the work is done, and close it in the end.

    When the block is left by an error or by Ctrl-C, tasks that have not begun are dropped.

    Parameters
    ----------
    workers : int, optional
        Processes on this machine, or jobs in the batch queue. A cluster given by address has its own number.
    dask : str, optional
        Address of a Dask scheduler (``tcp://host:8786``), or the name of a batch queue (``slurm``, ``htcondor``,
        ``pbs``, ``lsf``, ``sge``): its cores, memory and queue are read by dask-jobqueue from the user's Dask
        configuration (``~/.config/dask/jobqueue.yaml``).

    Yields
    ------
    concurrent.futures.Executor

    Raises
    ------
    ConfigurationError
        When there is no worker, `dask` is neither an address nor a queue, or the queue is not configured.
    ToolMissingError
        When Dask is not installed.
    ToolError
        When the scheduler does not answer.

    Examples
    --------
    >>> with open_executor(1) as executor:
    ...     executor.submit(pow, 2, 10).result()
    1024
    """
    if workers < 1:
        raise ConfigurationError(f"workers: {workers}; expected at least 1.")
    if dask is not None:
        with _dask_executor(dask, workers) as executor:
            yield executor
        return
    # TensorFlow, Pythia and BLAS do not survive a fork with threads running: fresh processes.
    processes = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=leave_with_parent)
    try:
        yield processes
    except BrokenProcessPool as error:
        raise ToolError(
            "a worker process died before its work was done (killed, or out of memory). What was finished is kept: "
            "run the same command again, with fewer workers when memory is short."
        ) from error
    finally:
        processes.shutdown(wait=True, cancel_futures=True)


def map_unordered(
    executor: Executor,
    function: Callable[..., Result],
    tasks: Mapping[Key, tuple[Any, ...]],
    *,
    workers: int = 1,
) -> Iterator[tuple[Key, Result]]:
    """Yield the result of every task as it finishes.

    Only a few tasks per worker are in the queue at a time, so that Ctrl-C loses those alone.

    Parameters
    ----------
    executor : concurrent.futures.Executor
    function : callable
        A function that can be imported in another process.
    tasks : mapping of hashable to tuple
        The arguments of every task, by its key.
    workers : int, optional
        How many tasks run at once.

    Yields
    ------
    key, result
        In the order in which they finish.

    Examples
    --------
    >>> with open_executor(2) as executor:
    ...     sorted(map_unordered(executor, pow, {"a": (2, 3), "b": (3, 2)}, workers=2))
    [('a', 8), ('b', 9)]
    """
    waiting = iter(tasks.items())
    running: dict[Future[Result], Key] = {}
    while True:
        for key, arguments in waiting:
            running[executor.submit(function, *arguments)] = key
            if len(running) >= _AHEAD * workers:
                break
        if not running:
            return
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        # What succeeded comes first: a failure ends the loop, and finished work must not be lost with it.
        for future in sorted(done, key=_failed):
            yield running.pop(future), future.result()


def leave_with_parent() -> None:
    """End this worker process when the one that started it is killed, which it would otherwise outlive."""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait_for([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _failed(future: Future[Any]) -> bool:
    """Return whether a future that is done has no result."""
    return future.cancelled() or future.exception() is not None


@contextmanager
def _dask_executor(dask: str, workers: int) -> Iterator[Executor]:
    """Open the executor of a Dask cluster."""
    is_address = dask.startswith(_SCHEMES)
    if not is_address and dask not in _QUEUES:
        raise ConfigurationError(
            f"dask: {dask!r} is neither the address of a scheduler (tcp://host:8786) nor a batch queue. "
            f"{nearest(dask, _QUEUES)}"
        )
    try:
        import dask_jobqueue
        from distributed import Client
    except ImportError as error:
        raise ToolMissingError("Dask is not installed. Install it with: pip install 'l1ad[dask]'.") from error
    cluster = None if is_address else _open_queue(dask_jobqueue, dask, workers)
    try:
        client = Client(dask if cluster is None else cluster, timeout=_DASK_TIMEOUT_S)
    except OSError as error:
        if cluster is not None:
            cluster.close()
        raise ToolError(
            f"dask: no scheduler answered at {dask} within {_DASK_TIMEOUT_S} s. Start one with `dask scheduler`, "
            "or leave the address out to use processes on this machine."
        ) from error
    try:
        yield client.get_executor(pure=False)
    finally:
        client.close()
        if cluster is not None:
            cluster.close()


def _open_queue(dask_jobqueue: Any, queue: str, workers: int) -> Any:
    """Ask the batch queue for `workers` jobs."""
    try:
        cluster = getattr(dask_jobqueue, _QUEUES[queue])()
        cluster.scale(jobs=workers)
    except (ValueError, TypeError, FileNotFoundError) as error:
        raise ConfigurationError(
            f"dask: {queue}: {error} Set cores and memory of a job under jobqueue.{queue} in "
            "~/.config/dask/jobqueue.yaml."
        ) from error
    _logger.info("%d jobs asked of %s", workers, queue)
    return cluster
