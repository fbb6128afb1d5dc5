"""Writes HDF5 files and NumPy arrays that appear whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError, RunFolderError
from l1ad.provenance import file_digest, whole_file


@contextlib.contextmanager
def whole_path(path: Path) -> Iterator[Path]:
    """Give the path of a neighbour that is renamed to `path` when the block ends without an error.

    For libraries that open files by name; `l1ad.provenance.whole_file` serves all others.

    Raises
    ------
    RunFolderError
        When the file cannot be written (no space, no permission). Nothing is left behind then.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be written ({error.strerror or error}). Nothing was changed.") from error
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        part.chmod(0o644)
        part.replace(path)
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be written ({error.strerror or error}). Nothing was changed.") from error
    finally:
        part.unlink(missing_ok=True)


class _Sink:
    """A file for HDF5 that never fails: after an error of the disk it discards what comes and keeps the error.

    The HDF5 library cannot close a file whose writes fail, and crashes the process at its end when it tries again.
    """

    def __init__(self, stream: io.FileIO) -> None:
        self._stream = stream
        self._place = self._end = 0
        self.error: OSError | None = None

    def write(self, data: memoryview) -> int:
        """Write all of `data` at the present place."""
        view = memoryview(data).cast("B")
        if self.error is None:
            try:
                self._stream.seek(self._place)
                done = 0
                while done < len(view):
                    done += self._stream.write(view[done:]) or 0
            except OSError as error:
                self.error = error
        self._place += len(view)
        self._end = max(self._end, self._place)
        return len(view)

    def read(self, size: int) -> bytes:
        """Read `size` bytes from the present place."""
        data = bytearray(size)
        self.readinto(memoryview(data))
        return bytes(data)

    def readinto(self, data: memoryview) -> int:
        """Read from the present place; what was discarded is 0."""
        view = memoryview(data).cast("B")
        self._stream.seek(self._place)
        found = self._stream.readinto(view) or 0
        view[found:] = bytes(len(view) - found)
        self._place += len(view)
        return len(view)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place, counted from the begin, the present place or the end."""
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._end}[whence]
        return self._place

    def tell(self) -> int:
        """Return the present place."""
        return self._place

    def truncate(self, size: int | None = None) -> int:
        """Make the file as long as `size`."""
        self._end = self._place if size is None else size
        if self.error is None:
            try:
                self._stream.truncate(self._end)
            except OSError as error:
                self.error = error
        return self._end

    def flush(self) -> None:
        """Do nothing: every write goes to the system at once."""


@contextlib.contextmanager
def whole_hdf5(path: Path) -> Iterator[tuple[Any, Callable[[], None]]]:
    """Give an HDF5 file to write, which appears as `path` only when the block ends without an error.

    Yields
    ------
    h5py.File
        Open for writing.
    callable
        To be called now and then: it raises when the disk is full, which HDF5 itself is not told.

    Raises
    ------
    RunFolderError
        When the file cannot be written (no space, no permission). Nothing is left behind then.
    """
    import h5py

    with whole_path(path) as part, part.open("r+b", buffering=0) as stream:
        sink = _Sink(stream)

        def check() -> None:
            if sink.error is not None:
                raise sink.error

        with h5py.File(sink, "w") as file:
            yield file, check
        check()


class ArrayWriter:
    """Writes one ``.npy`` file of known shape in pieces, without holding it in memory.

    Parameters
    ----------
    path : Path
        File that appears when the block ends and all rows were written.
    shape : tuple of int
        Shape of the whole array; the first axis is filled by `append`.
    dtype : dtype
        Type of the values, written little-endian.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.path, self.shape, self.dtype = path, shape, np.dtype(dtype).newbyteorder("<")
        self.rows = 0
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._stream = self._stack.enter_context(whole_file(self.path))
        header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(self._stream, header)
        return self

    def append(self, values: NDArray[Any]) -> None:
        """Write the next rows, shape (n, ...)."""
        if values.shape[1:] != self.shape[1:]:
            raise DataError(f"{self.path}: rows of shape {values.shape[1:]}; expected {self.shape[1:]}.")
        self._stream.write(np.ascontiguousarray(values, dtype=self.dtype).tobytes())
        self.rows += len(values)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self.rows != self.shape[0]:
            short = DataError(f"{self.path}: {self.rows} rows were written; expected {self.shape[0]}.")
            self._stack.__exit__(DataError, short, None)
            raise short
        self._stack.__exit__(kind, error, trace)


def open_array(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Map the array of a ``.npy`` file into memory, read-only, after checking its shape and type.

    Raises
    ------
    DataError
        When the file is absent, truncated, or holds another array.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; prepare the dataset again.") from error
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not readable as a NumPy array ({error}); prepare the dataset again.") from error
    if array.shape != shape or array.dtype != dtype:
        raise DataError(
            f"{path}: holds {array.dtype} {array.shape}; expected {dtype} {shape}. Prepare the dataset again."
        )
    result: NDArray[Any] = array
    return result


def named_digests(paths: Sequence[Path]) -> dict[str, str]:
    """Return file name -> SHA-256; the whole path stands for the name where two files have the same one."""
    names = [path.name for path in paths]
    return {path.name if names.count(path.name) == 1 else str(path): file_digest(path) for path in paths}
