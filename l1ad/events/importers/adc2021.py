"""The ADC2021 layout as one of the formats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from l1ad.events.adc2021 import EVENT_ID, PARENT, PROCESS, EventChunk, EventFile
from l1ad.events.importers.assembly import HARDWARE_DATASET
from l1ad.events.importers.base import ImportOptions

#: Columns that are carried over where the file has them.
OPTIONAL = (EVENT_ID, PROCESS, PARENT, HARDWARE_DATASET)


def open_adc2021(path: Path, options: ImportOptions) -> Adc2021Reader:
    """Open a file in the ADC2021 layout.

    Raises
    ------
    DataError
        See `l1ad.events.adc2021.EventFile`.
    """
    return Adc2021Reader(path, options)


class Adc2021Reader:
    """Events of one file; see `l1ad.events.importers.base.EventReader`."""

    def __init__(self, path: Path, options: ImportOptions) -> None:
        self._file = EventFile(path, options.variant)
        self._batch = options.batch
        self.events: int | None = len(self._file)
        self.source_tag = self._file.source_tag
        self.settings = {"variant": options.variant}
        self.dropped: dict[str, int] = {}

    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns besides the events."""
        return tuple(name for name in OPTIONAL if self._file.has(name))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def chunks(self) -> Iterator[EventChunk]:
        """Yield the checked events in order, a batch at a time."""
        start = 0
        for particles in self._file.iter_chunks(self._batch):
            rows = slice(start, start + len(particles))
            yield EventChunk(particles, {name: self._file.column(name, rows) for name in self.columns()})
            start = rows.stop
