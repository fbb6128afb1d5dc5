"""Draws the progress of a run on the terminal."""

from __future__ import annotations

import contextlib
import sys
import time
from types import TracebackType
from typing import Any, Self

from l1ad.cli.terminal import is_quiet, note, progress
from l1ad.pipeline.stages import STAGES


class Watcher:
    """An observer that writes a line a stage, and a bar with the time left on a terminal.

    Without a terminal a line is written at most every ten seconds, so that a log shows that work goes on.
    """

    _EVERY_S = 10.0

    def __init__(self) -> None:
        self._bar: Any = None
        self._stack = contextlib.ExitStack()
        self._last = 0.0
        self._title = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def begin(self, stage: str) -> None:
        """Open the bar of a stage."""
        self._title, self._last = STAGES[stage].title, time.monotonic()
        if sys.stderr.isatty() and not is_quiet():
            self._bar = self._stack.enter_context(progress(self._title, None))
        else:
            note(f"{self._title} ...")

    def skip(self, stage: str) -> None:
        """Write that a stage is unchanged."""
        note(f"{STAGES[stage].title}: unchanged, not run again")

    def end(self, stage: str, seconds: float) -> None:
        """Close the bar and write how long the stage took."""
        self._stack.close()
        self._bar = None
        note(f"{STAGES[stage].title}: done in {seconds:.1f} s")

    def step(self, text: str) -> None:
        """Show what the stage does now."""
        if self._bar is not None:
            self._bar(None, text)
        else:
            note(f"  {text}")

    def advance(self, done: float, total: float, text: str) -> None:
        """Show how far the stage is."""
        if self._bar is not None:
            self._bar(done, text, total)
        elif time.monotonic() - self._last >= self._EVERY_S:
            self._last = time.monotonic()
            note(f"  {100 * done / max(total, 1):.0f} % {text}")
