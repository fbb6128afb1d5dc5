"""Text and tables as Markdown."""

from __future__ import annotations

import re

from l1ad.reporting.cells import Table


def markdown_text(text: str) -> str:
    r"""Return text that Markdown shows as it is.

    Examples
    --------
    >>> markdown_text("R_z  of [a]")
    'R\\_z of \\[a\\]'
    """
    plain = " ".join(text.split())
    return re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", plain)


def markdown_table(table: Table) -> list[str]:
    """Return a table as lines of Markdown."""
    header, *rows = table.plain()
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cell if cell == "---" else markdown_text(cell) for cell in line) + " |" for line in lines]
