"""What the pipeline tells whoever watches it."""

from __future__ import annotations

from typing import Protocol


class Observer(Protocol):
    """Receives the progress of a run; the command line draws it, a program may ignore it."""

    def begin(self, stage: str) -> None:
        """Tell that a stage begins."""

    def skip(self, stage: str) -> None:
        """Tell that a stage is unchanged and is not run again."""

    def end(self, stage: str, seconds: float) -> None:
        """Tell that a stage has finished."""

    def step(self, text: str) -> None:
        """Tell in one line what the stage does now."""

    def advance(self, done: float, total: float, text: str) -> None:
        """Tell how far the current step is."""


class Silent:
    """An observer that does nothing."""

    def begin(self, stage: str) -> None:
        """Ignore that a stage begins."""

    def skip(self, stage: str) -> None:
        """Ignore that a stage is skipped."""

    def end(self, stage: str, seconds: float) -> None:
        """Ignore that a stage has finished."""

    def step(self, text: str) -> None:
        """Ignore a step."""

    def advance(self, done: float, total: float, text: str) -> None:
        """Ignore progress."""
