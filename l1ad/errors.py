"""The errors that l1ad raises, each with the exit code that the command line returns for it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class L1adError(Exception):
    """Base of every error that l1ad raises on purpose.

    The message names what was asked, what came instead, and what to do.
    """

    exit_code = 2


class ConfigurationError(L1adError):
    """What the user wrote (configuration, option, argument) cannot be carried out."""


class DataError(L1adError):
    """A file or an array does not hold what it should."""


class RunFolderError(L1adError):
    """A run folder is missing a stage, belongs to another version, or cannot be written."""


class ConversionError(L1adError):
    """A model cannot be turned into firmware; the message names the layer."""


class CheckFailedError(L1adError):
    """A check ran and its answer is no: a bit differs, a budget is exceeded."""

    exit_code = 1


class ToolError(L1adError):
    """A tool ran and failed; the message ends with the decisive line of its log."""

    exit_code = 1


class ToolMissingError(L1adError):
    """A tool or a library is not installed; the message says how to get it."""

    exit_code = 3


def nearest(name: str, known: Iterable[str], *, limit: int = 3) -> str:
    """Return a hint that lists the known names nearest to `name`.

    Parameters
    ----------
    name : str
        What was asked for.
    known : iterable of str
        What exists.
    limit : int, optional
        How many names the hint lists at most when some are similar.

    Returns
    -------
    str
        ``Did you mean a, b?`` or, when nothing is similar, ``Known: a, b, c.``

    Examples
    --------
    >>> nearest("xcvu9", ["xcvu9p", "xcvu13p"])
    'Did you mean xcvu9p, xcvu13p?'
    >>> nearest("foo", ["rz", "mu2"])
    'Known: mu2, rz.'
    """
    names = sorted(known)
    similar = difflib.get_close_matches(name, names, n=limit)
    if similar:
        return f"Did you mean {', '.join(similar)}?"
    return f"Known: {', '.join(names)}."
