"""Tables with named columns: CSV, Parquet and NumPy, read in batches."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError, nearest
from l1ad.events.adc2021 import EventChunk
from l1ad.events.importers.assembly import HARDWARE_DATASET, Assembly, ObjectColumns, physical
from l1ad.events.importers.base import ImportOptions
from l1ad.events.importers.mapping import UNITS, TableMapping
from l1ad.events.importers.numpyfiles import open_table
from l1ad.events.layout import BLOCKS, QUANTITIES, ObjectBlock

#: One batch of a table: column -> values of shape (n,) or (n, m).
Batch = dict[str, NDArray[Any]]

#: Bytes of text that pyarrow parses at once.
_CSV_BLOCK = 1 << 22


class TableReader:
    """Events of one table; see `l1ad.events.importers.base.EventReader`.

    Parameters
    ----------
    path : Path
        File, for messages.
    names : list of str
        Columns of the table.
    read : callable
        Given the columns to read, yields batches.
    close : callable
        Closes the file.
    events : int or None
        Rows; None when only reading tells.
    mapping : TableMapping
        Which column is which quantity.
    """

    def __init__(
        self,
        path: Path,
        names: list[str],
        read: Callable[[list[str]], Iterator[Batch]],
        close: Callable[[], None],
        events: int | None,
        mapping: TableMapping,
    ) -> None:
        self._path, self._read, self._close = path, read, close
        self._mapping = mapping
        self._fields = {
            block.name: _fields_of(path, block, names, mapping) for block in BLOCKS if block.name not in mapping.absent
        }
        self._assembly = Assembly(str(path), mapping.is_hardware)
        self.events = events
        self.source_tag: str | None = None
        units = ", ".join(f"{quantity} in {unit}" for quantity, unit in mapping.units.items())
        self.settings = {
            "units": units,
            "absent": ", ".join(mapping.absent) or "none",
            "hardware": "kept" if mapping.is_hardware else "none",
        }
        self.dropped = self._assembly.dropped

    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns besides the events."""
        return (HARDWARE_DATASET,) if self._mapping.is_hardware else ()

    def close(self) -> None:
        """Close the file."""
        self._close()

    def chunks(self) -> Iterator[EventChunk]:
        """Yield the rows in order, a batch at a time."""
        wanted = [name for parts in self._fields.values() for columns in parts.values() for name in columns]
        for batch in self._read(list(dict.fromkeys(wanted))):
            count = len(next(iter(batch.values())))
            objects = {block: self._objects(block, parts, batch) for block, parts in self._fields.items()}
            particles, integers = self._assembly.events(objects, count)
            yield EventChunk(particles, {} if integers is None else {HARDWARE_DATASET: integers})

    def _objects(self, block: str, parts: dict[str, list[str]], batch: Batch) -> ObjectColumns:
        """Return one kind of object of a batch, in GeV and rad."""
        raw = {quantity: self._values(names, batch) for quantity, names in parts.items()}
        shape = raw["pt"].shape
        raw.setdefault("eta", np.zeros(shape))
        for quantity, values in raw.items():
            if values.shape != shape:
                raise DataError(
                    f"{self._path}: {block}: {quantity} has {values.shape[1]} values an event and pt {shape[1]}; "
                    "expected as many."
                )
        names = tuple(parts[q][0] if q in parts else q for q in QUANTITIES)
        units = self._mapping.units
        if self._mapping.is_hardware:
            integers = np.stack([raw[quantity] for quantity in QUANTITIES], axis=-1)
            self._check_whole(integers, block)
            hardware = integers.astype(np.int64)
            pt, eta, phi = physical(block, hardware)
            return ObjectColumns(pt, eta, phi, hardware, (names[0], names[1], names[2]))
        scaled = [raw[quantity] * UNITS[quantity][units[quantity]] for quantity in QUANTITIES]
        return ObjectColumns(scaled[0], scaled[1], scaled[2], None, (names[0], names[1], names[2]))

    def _check_whole(self, integers: NDArray[np.floating], block: str) -> None:
        """Refuse numbers that are no integers."""
        bad = ~np.isfinite(integers) | (integers != np.rint(integers))
        if bad.any():
            raise DataError(f"{self._path}: {block}: {integers[bad][0]} in hardware units; expected whole numbers.")

    def _values(self, names: list[str], batch: Batch) -> NDArray[np.float64]:
        """Return columns side by side, shape (n, m)."""
        columns = []
        for name in names:
            values = batch[name]
            if values.dtype.kind not in "iufb":
                raise DataError(f"{self._path}: column {name!r} holds {values.dtype}; expected numbers.")
            columns.append(values.reshape(len(values), -1).astype(np.float64))
        return np.concatenate(columns, axis=1)


def _fields_of(path: Path, block: ObjectBlock, names: list[str], mapping: TableMapping) -> dict[str, list[str]]:
    """Return quantity -> columns of one object: a list column, or one column for each row that the table has.

    Raises
    ------
    DataError
        When the table has no such object, or only some of its quantities.
    """
    for field, column in mapping.columns.items():
        if field.startswith(block.name) and column not in names:
            raise DataError(f"{path}: no column {column!r} for {field}. {nearest(column, names)}")
    needed = [q for q in QUANTITIES if not (block.count == 1 and q == "eta")]
    lists = {q: [mapping.column(f"{block.name}_{q}")] for q in needed}
    present = {q: columns for q, columns in lists.items() if columns[0] in names}
    if not present and block.count > 1:
        rows = [f"{block.name}{i + 1}" for i in range(block.count)]
        found = [row for row in rows if any(mapping.column(f"{row}_{q}") in names for q in needed)]
        lists = {q: [mapping.column(f"{row}_{q}") for row in found or rows[:1]] for q in needed}
        present = lists
    for columns in (lists[q] for q in needed):
        for column in columns:
            if column not in names:
                raise DataError(
                    f"{path}: no column {column!r} for {block.name}. {nearest(column, names)} Name it with "
                    f"--map {block.name}_pt=COLUMN, or say --absent {block.name} when the table has none."
                )
    return present


def open_csv(path: Path, options: ImportOptions) -> TableReader:
    """Open text with a line of column names; separated by commas, semicolons or tabs.

    Raises
    ------
    DataError
        When the file is absent or no such table, or lacks a column.
    """
    import pyarrow as pa
    from pyarrow import csv

    separator = _separator(path)
    read_options = csv.ReadOptions(block_size=_CSV_BLOCK)
    parse_options = csv.ParseOptions(delimiter=separator)

    def read(wanted: list[str]) -> Iterator[Batch]:
        convert = csv.ConvertOptions(column_types=dict.fromkeys(wanted, pa.float64()), include_columns=wanted)
        with _arrow(path), csv.open_csv(path, read_options, parse_options, convert) as stream:
            for batch in stream:
                for start in range(0, batch.num_rows, options.batch):
                    yield _from_arrow(path, batch.slice(start, options.batch))

    names = _csv_names(path, separator)
    return TableReader(path, names, read, lambda: None, None, options.mapping)


def open_parquet(path: Path, options: ImportOptions) -> TableReader:
    """Open a Parquet file; lists of numbers are objects of an event.

    Raises
    ------
    DataError
        When the file is absent or damaged, or lacks a column.
    """
    from pyarrow import parquet

    with _arrow(path):
        file = parquet.ParquetFile(path)

    def read(wanted: list[str]) -> Iterator[Batch]:
        with _arrow(path):
            for batch in file.iter_batches(batch_size=options.batch, columns=wanted):
                yield _from_arrow(path, batch)

    try:
        return TableReader(
            path, list(file.schema_arrow.names), read, file.close, int(file.metadata.num_rows), options.mapping
        )
    except BaseException:
        file.close()
        raise


def open_numpy(path: Path, options: ImportOptions) -> TableReader:
    """Open a ``.npy`` or ``.npz`` file.

    An array needs no names when it has the shape (N, 57), (N, 19, 3) or (N, 19, 4); the columns of any other array of
    two dimensions are called 0, 1, 2 ... A structured array and ``.npz`` have names of their own.

    Raises
    ------
    DataError
        When the file is absent or damaged, holds objects, or lacks a column.
    """
    table = open_table(path)
    return TableReader(
        path, table.names, lambda wanted: table.batches(wanted, options.batch), table.close, table.rows, options.mapping
    )


@contextlib.contextmanager
def _arrow(path: Path) -> Iterator[None]:
    """Turn errors of pyarrow into a DataError."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file.") from error
    except (pa.ArrowException, OSError) as error:
        detail = str(error).splitlines()[0]
        raise DataError(f"{path}: cannot be read ({detail}). Is the file whole, and of this format?") from error


def _from_arrow(path: Path, batch: Any) -> Batch:
    """Return the columns of an Arrow batch; lists become arrays of shape (n, m), padded with 0."""
    import awkward as ak

    result: Batch = {}
    for name in batch.schema.names:
        column = batch.column(name)
        if column.null_count:
            raise DataError(f"{path}: column {name!r} has {column.null_count} empty or NaN entries; expected numbers.")
        values = ak.from_arrow(column)
        if values.ndim > 1:
            longest = int(ak.max(ak.num(values), initial=0))
            if ak.any(ak.is_none(values, axis=1)):
                raise DataError(f"{path}: column {name!r} has empty entries in its lists; expected numbers.")
            values = ak.fill_none(ak.pad_none(values, longest, clip=True), 0)
        result[name] = np.asarray(ak.to_numpy(values))
    return result


def _csv_names(path: Path, separator: str) -> list[str]:
    """Return the column names in the first line."""
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        names = [name.strip().strip('"') for name in stream.readline().rstrip("\r\n").split(separator)]
    if len(names) < 2:
        raise DataError(f"{path}: one column, {names[0][:40]!r}; expected a line with names of columns.")
    return names


def _separator(path: Path) -> str:
    """Return what separates the columns in the first line."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as stream:
            line = stream.readline()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    return max((",", ";", "\t"), key=line.count)
