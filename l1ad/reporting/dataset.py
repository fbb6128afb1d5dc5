"""The table of the sample, from the dataset's record as a plain dictionary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from l1ad.reporting.cells import Cell, Table, digest_cell, value_cell, words
from l1ad.reporting.collect import RunReport
from l1ad.reporting.formatting import number
from l1ad.reporting.labels import plain_name, signal_name

_Row = tuple[Cell, ...]

#: Field that maps names to numbers -> what stands before the name.
_COUNTS = {
    "counts": "Background events",
    "signals": "Signal events",
    "signal_saturation": "Signal events with a saturated input",
}
_LABELS = {"source_tag": "Source", "contract_digest": "Digest of the input contract"}

#: Shown elsewhere or of no use to a reader of the page.
_HIDDEN = ("files", "warnings")


def dataset_source(report: RunReport) -> str:
    """Return the label of the sample; empty when the record has none."""
    return str(report.dataset.get("source_tag") or report.dataset.get("source") or "")


def dataset_warnings(report: RunReport) -> list[str]:
    """Return the warnings of the dataset's record."""
    return [str(warning) for warning in report.dataset.get("warnings") or ()]


def dataset_table(report: RunReport) -> Table:
    """Return source, counts, saturations and digests of the sample."""
    rows = [row for name, value in report.dataset.items() if name not in _HIDDEN for row in _rows(name, value)]
    return Table(("Sample", "Value"), tuple(rows))


def _rows(name: str, value: Any) -> Iterator[_Row]:
    """Yield the rows of one field of the record."""
    label = _LABELS.get(name, plain_name(name))
    if name in _COUNTS and isinstance(value, Mapping):
        for key, count in value.items():
            yield words(f"{_COUNTS[name]}, {signal_name(key)}"), value_cell(count)
    elif name == "sources" and isinstance(value, Mapping):
        for file, digest in value.items():
            yield words(f"SHA-256 of {file}"), digest_cell(str(digest))
    elif name == "saturation" and isinstance(value, list):
        yield _saturation_row("beyond the input type", "raw", value)
        yield _saturation_row("beyond the hardware integer", "hardware", value)
    elif name == "contract_digest":
        yield words(label), digest_cell(str(value))
    else:
        yield words(label), value_cell(value)


def _saturation_row(what: str, kind: str, counts: list[Mapping[str, Any]]) -> _Row:
    """Return how many training values saturate, and which input does so most often."""
    label = words(f"Training values {what}")
    if not counts:
        return label, value_cell(None)
    worst = max(counts, key=lambda count: int(count[kind]))
    total, values = sum(int(c[kind]) for c in counts), sum(int(c["values"]) for c in counts)
    note = f"of {number(values)}"
    if int(worst[kind]):
        note += f"; most: {worst['name']}, {number(int(worst[kind]))} of {number(int(worst['values']))}"
    return label, Cell(number(total), value=total, note=note)
