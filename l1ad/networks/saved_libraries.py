"""Which quantization library a saved Keras model needs; reads the file and builds nothing."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from l1ad.errors import ToolMissingError
from l1ad.networks.base import FRONTENDS
from l1ad.provenance import library_version

#: Part of a .keras file that names the class of every layer.
_CONFIG = "config.json"
_MODULE = re.compile(rb'"module":\s*"(\w+)')


def check_libraries(path: Path) -> None:
    """Check that the libraries are installed whose layers a saved model has.

    A file that is no .keras file passes; whoever loads it says what it is.

    Raises
    ------
    ToolMissingError
        When one is absent; the message names it and how to get it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            modules = {name.decode() for name in _MODULE.findall(archive.read(_CONFIG))}
    except (OSError, KeyError, zipfile.BadZipFile, EOFError):
        return
    for name in sorted(modules & FRONTENDS.keys()):
        _, _, distribution, remedy = FRONTENDS[name]
        # Asked by distribution: hgq2 also brings a module qkeras, which is another library.
        if distribution is not None and library_version(distribution) is None:
            raise ToolMissingError(
                f"{path}: its layers are those of the library {distribution!r}, which is not installed in this "
                f"environment. Get it with: {remedy}"
            )
