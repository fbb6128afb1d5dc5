"""Reads ROOT trees in batches through uproot, with errors that name file, tree and branch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError, L1adError, nearest
from l1ad.events.adc2021 import EventChunk
from l1ad.events.importers.assembly import HARDWARE_DATASET, Assembly, ObjectColumns, check_units


@contextlib.contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn whatever uproot raises on a damaged file into a DataError.

    A damaged ROOT file can raise nearly anything (index, key, assertion, decompression errors), so everything but
    errors of l1ad is caught.
    """
    try:
        yield
    except (L1adError, MemoryError):
        raise
    except Exception as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{path}: {what} cannot be read ({type(error).__name__}: {detail}). The file is damaged or cut off; "
            "copy or download it again."
        ) from error


def open_root(path: Path) -> Any:
    """Open the ROOT file `path`; a context manager.

    Raises
    ------
    DataError
        When it is absent or not a whole ROOT file.
    """
    import uproot

    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    with path.open("rb") as stream:
        magic = stream.read(4)
    if magic != b"root":
        raise DataError(f"{path}: not a ROOT file: begins with {magic!r}; expected b'root'.")
    with reading(path, "its directory"):
        return uproot.open(path)


def tree_names(file: Any) -> list[str]:
    """Return the paths of the trees of an open file, without cycle numbers."""
    kinds = file.classnames(recursive=True, cycle=False)
    return [name for name, kind in kinds.items() if kind == "TTree"]


def find_tree(path: Path, file: Any, wanted: str | None, usual: tuple[str, ...]) -> tuple[str, Any]:
    """Return path and object of the tree that the user named, or of the first usual one that exists.

    Raises
    ------
    DataError
        When there is none, with the nearest names that exist; or when it is empty.
    """
    names = tree_names(file)
    candidates = (wanted,) if wanted is not None else usual
    for name in candidates:
        if name in names:
            with reading(path, f"tree {name}"):
                tree = file[name]
            if tree.num_entries == 0:
                raise DataError(f"{path}: tree {name} holds no event.")
            return name, tree
    found = nearest(candidates[0], names) if names else "The file holds no tree."
    raise DataError(f"{path}: no tree {' or '.join(candidates)}. {found}")


@dataclass(frozen=True)
class Collection:
    """Branches of one kind of object.

    Attributes
    ----------
    block : str
        ``met``, ``electron``, ``muon`` or ``jet``.
    pt, phi : str
        Branches.
    eta : str or None
        Branch; None for the missing energy.
    hardware : tuple of str or None, or None
        Branches of hwPt, hwEta, hwPhi; hwEta None for the missing energy. None: the source has none.
    crossing : str or None
        Branch with the bunch crossing of an object.
    kind : tuple of (str, int), or None
        Branch with the type of an energy sum, and the type that is wanted.
    """

    block: str
    pt: str
    phi: str
    eta: str | None = None
    hardware: tuple[str, str | None, str] | None = None
    crossing: str | None = None
    kind: tuple[str, int] | None = None

    def branches(self) -> list[str]:
        """Return the branches to read."""
        kind = self.kind[0] if self.kind is not None else None
        names = [self.pt, self.phi, self.eta, *(self.hardware or ()), self.crossing, kind]
        return [name for name in names if name is not None]


def require(path: Path, tree_name: str, tree: Any, names: list[str]) -> None:
    """Check that the tree has the branches `names`.

    Raises
    ------
    DataError
        Naming the first that is missing, with the nearest that exist.
    """
    known = set(branch_names(tree))
    for name in names:
        if name not in known:
            raise DataError(f"{path}: {tree_name}: no branch {name!r}. {nearest(name, known)}")


def branch_names(tree: Any) -> list[str]:
    """Return the names of all branches, those inside a split object without the name of the object."""
    return [str(name) for name in tree.keys(recursive=True, full_paths=False)]


class RootReader:
    """Events of one tree; see `l1ad.events.importers.base.EventReader`."""

    def __init__(
        self,
        path: Path,
        file: Any,
        tree: Any,
        collections: list[Collection],
        *,
        identifiers: dict[str, str],
        crossing: int,
        batch: int,
        source_tag: str,
        settings: dict[str, str],
    ) -> None:
        self._path, self._file, self._tree = path, file, tree
        self._collections, self._identifiers = collections, identifiers
        self._crossing, self._batch = crossing, batch
        hardware = all(item.hardware is not None for item in collections)
        self._assembly = Assembly(str(path), hardware)
        self.events: int | None = int(tree.num_entries)
        self.source_tag: str | None = source_tag
        self.settings = {**settings, "hardware": "kept" if hardware else "none"}
        self.dropped = self._assembly.dropped
        self._keeps_hardware = hardware

    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns besides the events."""
        return (*self._identifiers, *((HARDWARE_DATASET,) if self._keeps_hardware else ()))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def chunks(self) -> Iterator[EventChunk]:
        """Yield the events in order, a batch at a time."""
        import awkward as ak

        names = [*dict.fromkeys(name for item in self._collections for name in item.branches())]
        names += list(self._identifiers.values())
        for start in range(0, int(self._tree.num_entries), self._batch):
            stop = min(start + self._batch, int(self._tree.num_entries))
            with reading(self._path, f"events {start} to {stop}"):
                # Branches of fixed length become lists like all others: a mask would flatten them otherwise.
                arrays = ak.from_regular(self._tree.arrays(names, entry_start=start, entry_stop=stop), axis=None)
            yield self._chunk(arrays, stop - start)

    def _chunk(self, arrays: Any, count: int) -> EventChunk:
        """Return one batch in the layout."""
        objects = {item.block: self._columns(item, arrays) for item in self._collections}
        for block, columns in objects.items():
            check_units(str(self._path), block, columns)
        particles, integers = self._assembly.events(objects, count)
        columns_out: dict[str, NDArray[np.integer]] = {
            name: np.asarray(arrays[branch]).astype(np.int64) for name, branch in self._identifiers.items()
        }
        if integers is not None:
            columns_out[HARDWARE_DATASET] = integers
        return EventChunk(particles, columns_out)

    def _columns(self, item: Collection, arrays: Any) -> ObjectColumns:
        """Return one collection, zero padded; other crossings and other sums are left out."""
        mask = None
        if item.crossing is not None:
            mask = arrays[item.crossing] == self._crossing
        if item.kind is not None:
            of_kind = arrays[item.kind[0]] == item.kind[1]
            mask = of_kind if mask is None else mask & of_kind
        pt = self._dense(item.pt, arrays, mask)
        eta = np.zeros_like(pt) if item.eta is None else self._dense(item.eta, arrays, mask, item.pt)
        phi = self._dense(item.phi, arrays, mask, item.pt)
        hardware = None
        if item.hardware is not None:
            zero = np.zeros(pt.shape, dtype=np.int64)
            parts = [zero if n is None else self._dense(n, arrays, mask, item.pt) for n in item.hardware]
            hardware = np.stack(parts, axis=-1).astype(np.int64)
        return ObjectColumns(pt, eta, phi, hardware, (item.pt, item.eta or "eta", item.phi))

    def _dense(self, name: str, arrays: Any, mask: Any, like: str | None = None) -> NDArray[Any]:
        """Return a branch as an array of shape (N, m), zero padded; m is the largest number in the batch."""
        import awkward as ak

        values = arrays[name]
        if values.ndim == 1:
            return np.asarray(values).reshape(-1, 1)
        if like is not None and not ak.all(ak.num(values) == ak.num(arrays[like])):
            event = int(ak.argmax(ak.num(values) != ak.num(arrays[like])))
            raise DataError(
                f"{self._path}: in event {event} of a batch {name} has {len(values[event])} entries and {like} has "
                f"{len(arrays[like][event])}; expected as many."
            )
        with reading(self._path, f"branch {name}"):
            values = values if mask is None else values[mask]
            longest = int(ak.max(ak.num(values), initial=0))
            padded = ak.fill_none(ak.pad_none(values, longest, clip=True), 0)
            return np.asarray(ak.to_numpy(padded)).reshape(len(values), longest)
