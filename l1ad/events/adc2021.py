"""Reads and writes HDF5 files in the ADC2021 layout (arXiv:2107.02157), in chunks.

``Particles`` is (N, 19, 4) of float64 in the published files and float32 in ours; ``Particles_Names`` and
``Particles_Classes`` name columns and classes; ``EvtId`` (the black box), ``Process`` and ``Parent`` (ours) are
optional.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from l1ad import __version__
from l1ad.errors import DataError, nearest
from l1ad.events.files import whole_hdf5
from l1ad.events.layout import BLOCKS, COLUMN_NAMES, N_COLUMNS, N_ROWS
from l1ad.events.validation import check_events

_log = logging.getLogger(__name__)

PARTICLES = "Particles"
NAMES = "Particles_Names"
CLASSES = "Particles_Classes"
EVENT_ID = "EvtId"
PROCESS = "Process"
#: Number of the parent from which an event was made; events of one parent are never divided by a split.
PARENT = "Parent"
CLASS_NAMES = tuple(block.class_name for block in BLOCKS)

#: Rows read at once when the caller does not say: 10 MB of float64.
CHUNK_ROWS = 16_384


class EventFile:
    """One open HDF5 file of events; nothing is read until it is asked for.

    Parameters
    ----------
    path : Path
        File to open.
    variant : str, optional
        Dataset to read, ``Particles`` or a variant such as ``Particles_lepjets``.

    Raises
    ------
    DataError
        When the file is absent, truncated or foreign, or the dataset is missing, misshapen or empty.
    """

    def __init__(self, path: Path, variant: str = PARTICLES) -> None:
        import h5py

        self.path, self.variant = path, variant
        try:
            self._file = h5py.File(path, "r")
        except FileNotFoundError as error:
            raise DataError(f"{path}: no such file.") from error
        except OSError as error:
            raise DataError(f"{path}: not a whole HDF5 file ({error}). Copy or download it again.") from error
        try:
            self._particles = self._checked(variant)
            self._check_labels()
        except BaseException:
            self._file.close()
            raise

    def _checked(self, variant: str) -> Any:
        """Return the dataset `variant` after checking its shape and type."""
        import h5py

        found = self._file.get(variant)
        if not isinstance(found, h5py.Dataset):
            raise DataError(
                f"{self.path}: no dataset {variant!r}. {nearest(variant, self._file) if self._file else ''}"
            )
        if found.ndim != 3 or found.shape[1:] != (N_ROWS, N_COLUMNS):
            raise DataError(f"{self.path}: {variant} has shape {found.shape}; expected (N, {N_ROWS}, {N_COLUMNS}).")
        if found.dtype.kind != "f" or found.dtype.itemsize not in (4, 8):
            raise DataError(f"{self.path}: {variant} holds {found.dtype}; expected float32 or float64.")
        if found.shape[0] == 0:
            raise DataError(f"{self.path}: {variant} holds no event.")
        for name in (EVENT_ID, PROCESS, PARENT):
            other = self._file.get(name)
            if other is not None and other.shape != found.shape[:1]:
                raise DataError(f"{self.path}: {name} has shape {other.shape}; expected ({found.shape[0]},).")
        return found

    def _check_labels(self) -> None:
        """Check the names of columns and classes, where the file has them."""
        for dataset, expected in ((NAMES, COLUMN_NAMES), (CLASSES, CLASS_NAMES)):
            if dataset in self._file:
                found = [bytes(item) if isinstance(item, bytes) else str(item).encode() for item in self._file[dataset]]
                if found != list(expected):
                    raise DataError(f"{self.path}: {dataset} is {found}; expected {list(expected)}.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __len__(self) -> int:
        return int(self._particles.shape[0])

    def __getitem__(self, rows: slice) -> NDArray[np.floating]:
        return self._read(self._particles, rows)

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes of the file, text as str."""
        return {name: value.decode() if isinstance(value, bytes) else value for name, value in self._file.attrs.items()}

    @property
    def source_tag(self) -> str | None:
        """Source tag that l1ad wrote into the file, or None."""
        tag = self.attributes.get("source_tag")
        return None if tag is None else str(tag)

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of all datasets that hold events."""
        shape = self._particles.shape[1:]
        return tuple(name for name, item in self._file.items() if getattr(item, "shape", ())[1:] == shape)

    def has(self, name: str) -> bool:
        """Whether the file holds the dataset `name`."""
        return name in self._file

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of the dataset `name`; empty for what is no dataset."""
        return tuple(getattr(self._file.get(name), "shape", ()))

    def column(self, name: str, rows: slice) -> NDArray[np.integer]:
        """Return rows of a column such as ``EvtId``, ``Process`` or ``Parent``, shape (n, ...)."""
        if name not in self._file:
            raise DataError(f"{self.path}: no dataset {name!r}. {nearest(name, self._file)}")
        return self._read(self._file[name], rows)

    def _read(self, dataset: Any, rows: slice) -> NDArray[Any]:
        """Read rows; a damaged chunk becomes a DataError."""
        try:
            result: NDArray[Any] = dataset[rows]
        except OSError as error:
            name = dataset.name.lstrip("/")
            raise DataError(
                f"{self.path}: {name}, rows {rows.start} to {rows.stop}: cannot be read ({error}). "
                "The file is damaged; copy or download it again."
            ) from error
        return result

    def iter_chunks(self, rows: int = CHUNK_ROWS, limit: int | None = None) -> Iterator[NDArray[np.floating]]:
        """Yield the events in order, `rows` at a time, after checking their values.

        Parameters
        ----------
        rows : int, optional
            Events in a chunk.
        limit : int or None, optional
            Stop after so many events.

        Yields
        ------
        ndarray, shape (n, 19, 4)

        Raises
        ------
        DataError
            See `l1ad.events.validation.check_events`.
        """
        unordered, end = 0, len(self) if limit is None else min(limit, len(self))
        for start in range(0, end, rows):
            chunk = self[start : min(start + rows, end)]
            unordered += check_events(chunk, f"{self.path}: {self.variant}", start)
            yield chunk
        if unordered:
            _log.warning("%s: %s: %d events are not ordered by pT.", self.path, self.variant, unordered)


@dataclass(frozen=True)
class EventSource:
    """Several files read one after the other as a single sample."""

    paths: tuple[Path, ...]
    variant: str = PARTICLES

    def __len__(self) -> int:
        total = 0
        for path in self.paths:
            with EventFile(path, self.variant) as file:
                total += len(file)
        return total

    def iter_chunks(self, rows: int = CHUNK_ROWS, limit: int | None = None) -> Iterator[NDArray[np.floating]]:
        """Yield checked chunks of all files in order; see `EventFile.iter_chunks`."""
        left = limit
        for path in self.paths:
            if left is not None and left <= 0:
                return
            with EventFile(path, self.variant) as file:
                yield from file.iter_chunks(rows, left)
                if left is not None:
                    left -= min(left, len(file))

    def iter_with(
        self, name: str, rows: int = CHUNK_ROWS, limit: int | None = None
    ) -> Iterator[tuple[NDArray[np.floating], NDArray[np.integer] | None]]:
        """Yield checked chunks and the column `name` beside them, None for a file that does not have it."""
        left = limit
        for path in self.paths:
            with EventFile(path, self.variant) as file:
                has, start = file.has(name), 0
                for chunk in file.iter_chunks(rows, left):
                    stop = start + len(chunk)
                    yield chunk, file.column(name, slice(start, stop)) if has else None
                    start = stop
            if left is not None:
                left -= start
                if left <= 0:
                    return

    def source_tags(self) -> tuple[str, ...]:
        """Return the distinct source tags of the files, ``unknown`` for a file without one."""
        tags: list[str] = []
        for path in self.paths:
            with EventFile(path, self.variant) as file:
                tags.append(file.source_tag or "unknown")
        return tuple(dict.fromkeys(tags))


@dataclass(frozen=True)
class EventChunk:
    """Events to write, with the optional columns that belong to them.

    Attributes
    ----------
    particles : ndarray, shape (n, 19, 4)
    columns : dict of str to ndarray, shape (n, ...)
        ``EvtId``, ``Process``, ``Parent`` ...; the same names in every chunk.
    """

    particles: NDArray[np.floating]
    columns: dict[str, NDArray[np.integer]]


def write_events(
    path: Path,
    chunks: Iterable[EventChunk],
    *,
    source_tag: str,
    attributes: dict[str, str] | None = None,
    at_end: Callable[[int], dict[str, str]] | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> int:
    """Write events in the ADC2021 layout as float32, compressed, whole or not at all.

    Parameters
    ----------
    path : Path
        File to write; an existing one is replaced.
    chunks : iterable of EventChunk
        Events in order; each chunk is checked before it is written.
    source_tag : str
        Where the events come from, for example ``adc2021-v1``.
    attributes : dict of str to str, optional
        Further provenance.
    at_end : callable, optional
        Called with the number of events when all are written; returns provenance that only reading tells.
    chunk_rows : int, optional
        Rows of an HDF5 chunk.

    Returns
    -------
    int
        Events written.

    Raises
    ------
    DataError
        When an event is invalid or there is none.
    RunFolderError
        When the file cannot be written.
    """
    with whole_hdf5(path) as (file, check_disk):
        file[NAMES] = np.array(COLUMN_NAMES)
        file[CLASSES] = np.array(CLASS_NAMES)
        file.attrs.update({"source_tag": source_tag, "l1ad_version": __version__, **(attributes or {})})
        total = 0
        for chunk in chunks:
            check_events(chunk.particles, f"events for {path}", total)
            for name, values in _datasets(chunk):
                _append(file, name, values, total, chunk_rows)
            check_disk()
            total += len(chunk.particles)
        if total == 0:
            raise DataError(f"{path}: no event to write.")
        if at_end is not None:
            file.attrs.update(at_end(total))
    return total


def _datasets(chunk: EventChunk) -> Sequence[tuple[str, NDArray[Any]]]:
    """Return name and values of every dataset of a chunk."""
    return [(PARTICLES, chunk.particles.astype(np.float32)), *chunk.columns.items()]


def _append(file: Any, name: str, values: NDArray[Any], start: int, chunk_rows: int) -> None:
    """Extend the dataset `name` by `values`; the first call creates it."""
    if start == 0:
        file.create_dataset(
            name,
            shape=(0, *values.shape[1:]),
            maxshape=(None, *values.shape[1:]),
            dtype=values.dtype,
            chunks=(chunk_rows, *values.shape[1:]),
            compression="gzip",
            compression_opts=9,
            shuffle=True,
            fletcher32=True,
        )
    dataset = file[name]
    dataset.resize(start + len(values), axis=0)
    dataset[start:] = values
