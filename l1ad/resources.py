"""Finds the folders models/, firmware/ and vivado_projects/ in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

from l1ad.errors import ConfigurationError

_PACKAGE = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """Return the path of a file or folder that ships with l1ad.

    Parameters
    ----------
    name : str
        Relative path that begins with ``models``, ``firmware``, ``vivado_projects`` or ``sample``.

    Raises
    ------
    ConfigurationError
        When nothing of that name ships with l1ad.
    """
    for root in (_PACKAGE / "_resources", _PACKAGE.parent, _PACKAGE / "events"):
        path = root / name
        if path.exists():
            return path
    raise ConfigurationError(f"{name}: not part of this installation of l1ad. Reinstall the package.")
