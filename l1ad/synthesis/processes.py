"""Runs processes beside one another; the first that fails ends the others."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from l1ad.errors import ToolError

#: Time between two looks at the running processes.
_POLL_S = 0.05

_ERROR = re.compile(r"\bERROR\b|\bError\b:|^[\w.]*(?:Error|Exception)\b")


@dataclass(frozen=True)
class Process:
    """A command, without a shell, and the file that takes what it prints."""

    name: str
    command: tuple[str, ...]
    log: Path


@dataclass
class _Running:
    process: Process
    handle: subprocess.Popen[bytes]
    deadline: float
    first: bool


def run_parallel(
    processes: Sequence[Process], *, workers: int, timeout_s: float, finished: Callable[[str], None]
) -> None:
    """Run `processes`, at most `workers` at a time.

    Half of the workers take the processes in their order, the others from the end: when the longest come first, the
    largest do not hold their memory at the same time.

    Parameters
    ----------
    processes : sequence of Process
    workers : int
        Processes at a time, at least one.
    timeout_s : float
        Time that one process may take.
    finished : callable
        Called with the name of each process that ended well.

    Raises
    ------
    ToolError
        When a process fails, is killed, or takes too long. All others, and what they started, are ended first.
    """
    waiting, running = deque(processes), list[_Running]()
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                first = sum(item.first for item in running) < (workers + 1) // 2
                running.append(_start(waiting.popleft() if first else waiting.pop(), timeout_s, first))
            ended = [item for item in running if item.handle.poll() is not None]
            for item in ended:
                running.remove(item)
                _check(item)
                finished(item.process.name)
            _check_deadlines(running, timeout_s)
            if not ended:
                time.sleep(_POLL_S)
    finally:
        for item in running:
            _end(item)


def decisive_line(log: Path) -> str:
    """Return the last line of `log` that reports an error, or its last line when none does."""
    try:
        lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError as error:
        return f"the log cannot be read ({error.strerror})"
    lines = [line for line in lines if line]
    errors = [line for line in lines if _ERROR.search(line)]
    return (errors or lines or ["the log is empty"])[-1]


def _start(process: Process, timeout_s: float, first: bool) -> _Running:
    """Start `process` in a group of its own, so that it can be ended with what it starts."""
    try:
        with process.log.open("wb") as log:
            handle = subprocess.Popen(
                process.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
    except OSError as error:
        raise ToolError(f"{process.name}: cannot be started: {error}. Log: {process.log}.") from error
    return _Running(process, handle, time.monotonic() + timeout_s, first)


def _check(item: _Running) -> None:
    code = item.handle.returncode
    if code < 0:
        raise ToolError(
            f"{item.process.name}: killed by {signal.Signals(-code).name}; the machine may have run out of memory: "
            f"use fewer workers. Log: {item.process.log}. Last line: {decisive_line(item.process.log)}"
        )
    if code != 0:
        raise ToolError(
            f"{item.process.name}: ended with code {code}. Log: {item.process.log}. {decisive_line(item.process.log)}"
        )


def _check_deadlines(running: list[_Running], timeout_s: float) -> None:
    for item in running:
        if time.monotonic() > item.deadline:
            raise ToolError(
                f"{item.process.name}: not done after {timeout_s:g} s and ended. Raise timeout_s. "
                f"Log: {item.process.log}. Last line: {decisive_line(item.process.log)}"
            )


def _end(item: _Running) -> None:
    """End the process and all of its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(item.handle.pid, signal.SIGKILL)
    item.handle.wait()
