"""The prepared dataset of a run: its record, its files, and how to open them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError
from l1ad.events.contract import InputContract
from l1ad.events.files import open_array
from l1ad.events.input_kinds import OBJECTS
from l1ad.events.layout import N_QUANTITIES, N_ROWS
from l1ad.events.losses import SaturationCount
from l1ad.provenance import file_digest
from l1ad.records import Record

DATASET_FILE = "dataset.json"
CONTRACT_FILE = "inputs.json"
#: Parts of the background in the order of `l1ad.events.split.Part`.
PARTS = ("train", "validation", "test")
#: Parts whose physical events are kept beside the inputs: what a decoder is compared with.
PARTICLE_PARTS = ("train", "validation")


@dataclass(frozen=True)
class DatasetRecord(Record):
    """What `prepare_dataset` wrote.

    Attributes
    ----------
    source_tag : str
        Label of every result on these events.
    counts : dict of str to int
        ``train``, ``validation``, ``test`` -> background events.
    signals : dict of str to int
        Signal name -> events, in the order of the configuration.
    acceptance : float or None
        Events of the sample a bunch crossing; None when not known.
    contract_digest : str
        `InputContract.digest` of ``inputs.json``.
    sources : dict of str to str
        Event file -> SHA-256.
    files : dict of str to str
        File of the dataset -> SHA-256.
    saturation : tuple of SaturationCount
        Per input, over the training part.
    signal_saturation : dict of str to int
        Signal name -> events with at least one saturated raw input.
    warnings : tuple of str
        What a user should know before using the numbers.
    """

    source_tag: str
    counts: dict[str, int]
    signals: dict[str, int]
    acceptance: float | None
    contract_digest: str
    sources: dict[str, str]
    files: dict[str, str]
    saturation: tuple[SaturationCount, ...]
    signal_saturation: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """An open dataset; the arrays are mapped from disk, read-only.

    Attributes
    ----------
    folder : Path
        Where the files are.
    record : DatasetRecord
    contract : InputContract
    inputs : dict of str to ndarray of int, shape (N, inputs)
        ``train``, ``validation``, ``test`` -> raw inputs.
    particles : dict of str to ndarray of float32, shape (N, 19, 3)
        ``train``, ``validation`` -> pT in GeV, eta, phi in rad; empty for regions, which are their own target.
    signals : dict of str to ndarray of int, shape (N, inputs)
        Signal name -> raw inputs.
    """

    folder: Path
    record: DatasetRecord
    contract: InputContract
    inputs: dict[str, NDArray[np.signedinteger]]
    particles: dict[str, NDArray[np.float32]]
    signals: dict[str, NDArray[np.signedinteger]]


def particle_parts(kind: str) -> tuple[str, ...]:
    """Return the parts whose physical events are kept for inputs of a kind."""
    return PARTICLE_PARTS if kind == OBJECTS else ()


def inputs_file(part: str) -> str:
    """Return the name of the file with the raw inputs of a part of the background."""
    return f"{part}_inputs.npy"


def particles_file(part: str) -> str:
    """Return the name of the file with the physical events of a part of the background."""
    return f"{part}_particles.npy"


def signal_file(name: str) -> str:
    """Return the name of the file with the raw inputs of a signal."""
    return f"signal_{name}_inputs.npy"


def load_dataset(folder: Path, *, verify: bool = False) -> Dataset:
    """Open the dataset that `l1ad.events.prepare.prepare_dataset` wrote.

    Parameters
    ----------
    folder : Path
        Folder of the dataset.
    verify : bool, optional
        Compare the SHA-256 of every file with the record. Shapes and types are always compared.

    Raises
    ------
    DataError
        When a file is absent, truncated, or not the one that the record names.
    """
    record = DatasetRecord.read(folder / DATASET_FILE)
    contract = InputContract.read(folder / CONTRACT_FILE)
    if contract.digest != record.contract_digest:
        raise DataError(
            f"{folder / CONTRACT_FILE}: digest {contract.digest[:12]}; {DATASET_FILE} says "
            f"{record.contract_digest[:12]}. Prepare the dataset again."
        )
    if verify:
        _verify(folder, record)
    kind, size = contract.raw_dtype, len(contract.inputs)
    inputs = {part: open_array(folder / inputs_file(part), (record.counts[part], size), kind) for part in PARTS}
    particles = {
        part: open_array(
            folder / particles_file(part), (record.counts[part], N_ROWS, N_QUANTITIES), np.dtype(np.float32)
        )
        for part in particle_parts(contract.kind.name)
    }
    signals = {name: open_array(folder / signal_file(name), (n, size), kind) for name, n in record.signals.items()}
    return Dataset(folder, record, contract, inputs, particles, signals)


def _verify(folder: Path, record: DatasetRecord) -> None:
    """Compare the digest of every file with the record."""
    for name, expected in record.files.items():
        path = folder / name
        if not path.is_file() or file_digest(path) != expected:
            raise DataError(f"{path}: missing or changed since it was written. Prepare the dataset again.")
