"""Finds the line of a tool's log that says why it failed."""

from __future__ import annotations

import re
from pathlib import Path

#: A licence that was not to be had. "Attempting to get a license" and "Got license" are no errors.
_LICENCE = re.compile(
    r"licen[cs]e\b.*\b(not found|not available|denied|expired|invalid|failed|unable|could not|cannot|no longer)\b"
    r"|\b(failed|unable|could not|cannot|no valid|no)\b.*\blicen[cs]e\b",
    flags=re.IGNORECASE,
)
_ERROR = re.compile(r"^\s*(#\s*)?(ERROR|CRITICAL ERROR|FATAL|@E)\b|\bERROR: \[")
_CRASH = re.compile(
    r"\b(Killed|Out of memory|std::bad_alloc|Segmentation fault|Abnormal program termination|"
    r"No space left on device|timed? ?out|command not found)\b",
    flags=re.IGNORECASE,
)
#: What a compiler says; HLS tools announce it on a line that names no error: "Compilation errors found: In file".
_COMPILER = re.compile(r"^\S+:\d+:\d+: (fatal )?error: ")
_LENGTH = 300


def decisive_error(log: Path) -> str | None:
    """Return the line of `log` that explains a failure, or None when it reports none.

    A missing licence comes first, then the first error, then signs of a crash. The first error counts: the tools
    report the consequences of an error as errors too. When it announces errors of a compiler, the first of those
    stands behind it.
    """
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    licence = [line for line in lines if _LICENCE.search(line) and not line.startswith(("INFO", "Attempting"))]
    errors = [line for line in lines if _ERROR.search(line)]
    crashes = [line for line in lines if _CRASH.search(line) and not line.startswith(("INFO", "WARNING"))]
    found = [line for line in licence if _ERROR.search(line)] or licence or errors or crashes
    if not found:
        return None
    compiler = next((line for line in lines[lines.index(found[0]) :] if _COMPILER.match(line)), "")
    announced = "Compilation errors found" in found[0]
    return f"{found[0][:_LENGTH]} {compiler[:_LENGTH]}".strip() if announced else found[0][:_LENGTH]
