"""Numbers, times and tables of text reports, and how report files are opened."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path

from l1ad.errors import DataError

#: Largest report that is read. The largest seen, C synthesis of a wide network, has a few MB.
MAX_BYTES = 256 * 1024 * 1024

_NUMBER = re.compile(r"([+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)(?:\s*\(.*\))?")
_DURATION = re.compile(r"([+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*(ps|ns|us|ms|sec|s)")
_NANOSECONDS = {"ps": 1e-3, "ns": 1.0, "us": 1e3, "ms": 1e6, "sec": 1e9, "s": 1e9}


def number(text: str | None) -> float | None:
    """Return the number that `text` holds, or None for ``undef``, ``?``, ``-``, ``NA``, ``inf`` and the like.

    A percentage in parentheses behind the number is passed over.

    Examples
    --------
    >>> number("2557 (20%)"), number("25.5"), number("1.845e+06")
    (2557.0, 25.5, 1845000.0)
    >>> [number(text) for text in ("undef", "?", "-", "NA", "inf", "<0.01", "", None)]
    [None, None, None, None, None, None, None, None]
    """
    matched = _NUMBER.fullmatch(text.strip()) if text is not None else None
    return None if matched is None else float(matched[1])


def duration_ns(text: str | None) -> float | None:
    """Return a time with its unit in ns, or None when there is none.

    Examples
    --------
    >>> duration_ns("75.000 ns"), duration_ns("1.5 us"), duration_ns("undef")
    (75.0, 1500.0, None)
    """
    matched = _DURATION.fullmatch(text.strip()) if text is not None else None
    return None if matched is None else float(matched[1]) * _NANOSECONDS[matched[2]]


def read_text(path: Path) -> str:
    """Return the text of a report.

    Raises
    ------
    DataError
        When the file cannot be read, is empty, or is larger than `MAX_BYTES`.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DataError(f"{path}: {size} bytes; a report has at most {MAX_BYTES}. Is this a report?")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from error
    if not data.strip(b"\0 \t\r\n"):
        raise DataError(f"{path}: empty; expected a report. Make it again, or copy it again.")
    return data.decode("utf-8", errors="replace")


def parse_xml(path: Path) -> ET.Element:
    """Return the root of an XML report.

    A document type is refused: no report has one, and entities are declared in it.

    Raises
    ------
    DataError
        When the file is not whole, not XML, not UTF-8, or declares a document type.
    """
    text = read_text(path)
    if "�" in text:
        raise DataError(f"{path}: not UTF-8; expected an XML report.")
    if re.search(r"<!\s*(DOCTYPE|ENTITY)", text, flags=re.IGNORECASE):
        raise DataError(f"{path}: declares a document type, which no report of these tools does. It was not read.")
    try:
        return ET.fromstring(text)  # noqa: S314 - without a document type no entity can be expanded
    except ET.ParseError as error:
        raise DataError(f"{path}: not whole XML ({error}). Make the report again, or copy it again.") from error


def text_of(element: ET.Element, path: str) -> str | None:
    """Return the stripped text of the element at `path` below `element`, or None when there is none."""
    found = element.find(path)
    return None if found is None or found.text is None else found.text.strip()


def cells(line: str) -> list[str] | None:
    """Return the cells of a table row, or None when `line` is none.

    Examples
    --------
    >>> cells("| CLB LUTs |  999 |")
    ['CLB LUTs', '999']
    """
    stripped = line.strip()
    if not stripped.startswith("|") or not stripped.endswith("|") or len(stripped) < 2:
        return None
    return [cell.strip() for cell in stripped[1:-1].split("|")]


def rows(lines: Iterable[str]) -> list[list[str]]:
    """Return the rows of all tables in `lines`."""
    return [row for row in map(cells, lines) if row is not None]


def part_after(text: str, start: str, end: str = "") -> str:
    r"""Return what stands behind the first match of `start`, up to the next match of `end`; empty without a match.

    Examples
    --------
    >>> part_after("a: 1\nb: 2\n", "a:", "b:")
    ' 1\n'
    """
    found = re.search(start, text, flags=re.MULTILINE)
    if found is None:
        return ""
    rest = text[found.end() :]
    stop = re.search(end, rest, flags=re.MULTILINE) if end else None
    return rest if stop is None else rest[: stop.start()]


def field_of(text: str, name: str) -> str:
    """Return the value of a line such as ``* Version:   2022.2`` or ``| Device   : xcku3p``; empty when absent."""
    found = re.search(rf"^[ \t*|]*{re.escape(name)}[ \t]*:[ \t]*(.*?)[ \t]*\r?$", text, flags=re.MULTILINE)
    return "" if found is None else found[1]


def ends_with_rule(text: str) -> bool:
    r"""Return whether the last table in `text` is closed by a line such as ``+-----+``: a cut leaves it open.

    Examples
    --------
    >>> ends_with_rule("+---+\n| a |\n+---+\n"), ends_with_rule("+---+\n| a |\n")
    (True, False)
    """
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith(("|", "+"))]
    return bool(lines) and re.fullmatch(r"\+(-+\+)+", lines[-1]) is not None


def whole_by_contents(text: str) -> bool:
    """Return whether the last section that the table of contents lists is there; True without such a table."""
    contents = part_after(text, r"^Table of Contents[ \t\r]*\n-+[ \t\r]*\n", r"^[ \t\r]*$")
    entries = [line.strip() for line in contents.splitlines() if re.match(r"\d+(\.\d+)*\.? ", line.strip())]
    return not entries or len(re.findall(rf"^{re.escape(entries[-1])}\s*$", text, flags=re.MULTILINE)) > 1
