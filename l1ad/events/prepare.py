"""Prepares the events of a run: split, input contract, raw integers on disk.

The events are read twice, in chunks: once to count and to derive the contract from the training part, once to encode.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from l1ad.config import DataConfig, InputsConfig, RunConfig
from l1ad.errors import DataError, RunFolderError
from l1ad.events.adc2021 import EventSource
from l1ad.events.contract import InputContract
from l1ad.events.dataset import (
    CONTRACT_FILE,
    DATASET_FILE,
    PARTS,
    Dataset,
    DatasetRecord,
    inputs_file,
    load_dataset,
    particle_parts,
    particles_file,
    signal_file,
)
from l1ad.events.derivation import HardwareHistogram, contract_of
from l1ad.events.files import ArrayWriter, named_digests
from l1ad.events.input_kinds import REGION_SUMS, InputChunk, read_chunks
from l1ad.events.layout import N_QUANTITIES, N_ROWS
from l1ad.events.losses import SaturationCounter
from l1ad.events.sample import open_sample
from l1ad.events.split import Part, split_parts
from l1ad.provenance import folder_digests, write_json
from l1ad.records import FixedType

__all__ = ["Dataset", "DatasetRecord", "Progress", "load_dataset", "prepare_dataset"]

#: Called with what is done, events done, events in all.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Sources:
    """The events of a run and what is known about them."""

    background: EventSource
    signals: dict[str, EventSource]
    source_tag: str
    acceptance: float | None
    warnings: tuple[str, ...]


def prepare_dataset(config: RunConfig, folder: Path, progress: Progress | None = None) -> DatasetRecord:
    """Read, split and encode the events of a run.

    Writes ``inputs.json``, ``{train,validation,test}_inputs.npy`` (raw integers, shape (N, inputs)), for objects
    ``{train,validation}_particles.npy`` (float32, shape (N, 19, 3)), ``signal_<name>_inputs.npy`` and, last,
    ``dataset.json``. Until that one is there, the folder holds no dataset.

    Parameters
    ----------
    config : RunConfig
        Its `data` and `inputs` sections are used.
    folder : Path
        Folder to write to; a dataset in it is replaced.
    progress : callable, optional
        Called after each chunk with what is done, events done, events in all.

    Returns
    -------
    DatasetRecord
        What stands in ``dataset.json``.

    Raises
    ------
    DataError
        When a file of events is unusable or a part of the split is empty.
    RunFolderError
        When the folder cannot be written. A former dataset is kept while the new one is not complete.
    """
    report = progress if progress is not None else _silent
    sources = open_sources(config.data)
    counts, contract = _first_pass(config, sources, report)
    if config.inputs.contract is not None:
        contract = _given_contract(Path(config.inputs.contract), config.inputs)
    with _staging(folder) as staging:
        contract.write(staging / CONTRACT_FILE)
        saturation = _write_background(config.data, sources, contract, counts, staging, report)
        signals = {
            name: _write_signal(name, source, config.data.max_signal, contract, staging, report)
            for name, source in sources.signals.items()
        }
        record = DatasetRecord(
            source_tag=sources.source_tag,
            counts=counts,
            signals={name: events for name, (events, _) in signals.items()},
            acceptance=sources.acceptance,
            contract_digest=contract.digest,
            sources=_source_digests(sources),
            files=folder_digests(staging),
            saturation=saturation.counts(),
            signal_saturation={name: saturated for name, (_, saturated) in signals.items()},
            warnings=sources.warnings + _region_warnings(config, sources),
        )
        write_json(staging / DATASET_FILE, record.to_dict())
    return record


def _region_warnings(config: RunConfig, sources: Sources) -> tuple[str, ...]:
    """Return what the events behind regions have been through; nothing for objects."""
    if config.inputs.kind != REGION_SUMS:
        return ()
    return (
        f"The events passed the selection of their sample ({sources.source_tag}), for l1ad-gen a lepton above 23 GeV. "
        "The network reads no lepton: a rate is that of both conditions together.",
    )


def open_sources(data: DataConfig) -> Sources:
    """Return the files of the configuration, or the embedded sample when it names none."""
    if data.background is None:
        sample = open_sample()
        acceptance = sample.acceptance if data.acceptance is None else data.acceptance
        return Sources(sample.background, sample.signals, sample.source_tag, acceptance, (sample.manifest["what"],))
    background = EventSource((Path(data.background),))
    signals = {name: EventSource((Path(path),)) for name, path in data.signals.items()}
    tags = list(dict.fromkeys(tag for s in (background, *signals.values()) for tag in s.source_tags()))
    warnings = []
    if len(tags) > 1:
        warnings.append(f"The files come from different sources: {', '.join(tags)}.")
    if "unknown" in tags:
        warnings.append("A file carries no source tag; `l1ad data import` writes one.")
    return Sources(background, signals, "+".join(tags), data.acceptance, tuple(warnings))


def _first_pass(config: RunConfig, sources: Sources, report: Progress) -> tuple[dict[str, int], InputContract]:
    """Count the parts of the background and derive the contract from the training part."""
    kind = config.inputs.kind
    histogram, counts = HardwareHistogram(kind=kind), np.zeros(len(PARTS), dtype=np.int64)
    for chunk, parts in _split_chunks(config.data, kind, sources, "count", report):
        counts += np.bincount(parts, minlength=len(PARTS))
        histogram.add(chunk.events[parts == Part.TRAIN])
    named = {part: int(count) for part, count in zip(PARTS, counts, strict=True)}
    for part, count in named.items():
        if count == 0:
            raise DataError(f"background: the {part} part holds no event of {counts.sum()}; give more events.")
    return named, contract_of(histogram, _input_type(config.inputs), sources.source_tag)


def _input_type(inputs: InputsConfig) -> FixedType:
    return FixedType(inputs.signed, inputs.width, inputs.integer)


def _given_contract(path: Path, inputs: InputsConfig) -> InputContract:
    """Return the contract of a model that was trained elsewhere."""
    contract, fixed_type = InputContract.read(path), _input_type(inputs)
    if contract.kind.name != inputs.kind:
        raise DataError(
            f"{path}: its inputs are {contract.kind.name}; the configuration has inputs.kind {inputs.kind}."
        )
    if contract.type != fixed_type:
        raise DataError(
            f"{path}: inputs are {contract.type}; the configuration says {fixed_type}. "
            f"Set inputs.width={contract.type.width} and inputs.integer={contract.type.integer}."
        )
    return contract


def _split_chunks(
    data: DataConfig, kind: str, sources: Sources, what: str, report: Progress
) -> Iterator[tuple[InputChunk, NDArray[np.int8]]]:
    """Yield chunks of the background with the part of each event, which its objects or its parent decide."""
    total = min(len(sources.background), data.max_background or len(sources.background))
    done = 0
    for chunk in read_chunks(sources.background, kind, data.max_background):
        yield chunk, split_parts(chunk.particles, data.train_fraction, data.validation_fraction, chunk.parents)
        done += len(chunk.events)
        report(f"background: {what}", done, total)


def _write_background(
    data: DataConfig,
    sources: Sources,
    contract: InputContract,
    counts: dict[str, int],
    staging: Path,
    report: Progress,
) -> SaturationCounter:
    """Encode the background into its parts and count saturations of the training part."""
    saturation = SaturationCounter(contract)
    float32, kind, size = np.dtype(np.float32), contract.kind.name, len(contract.inputs)
    with contextlib.ExitStack() as stack:
        inputs = [
            stack.enter_context(ArrayWriter(staging / inputs_file(p), (counts[p], size), contract.raw_dtype))
            for p in PARTS
        ]
        particles = [
            stack.enter_context(ArrayWriter(staging / particles_file(p), (counts[p], N_ROWS, N_QUANTITIES), float32))
            for p in particle_parts(kind)
        ]
        for chunk, parts in _split_chunks(data, kind, sources, "encode", report):
            raw = contract.encode(chunk.events)
            saturation.add(chunk.events[parts == Part.TRAIN])
            for part, writer in enumerate(inputs):
                writer.append(raw[parts == part])
            for part, writer in enumerate(particles):
                writer.append(chunk.particles[parts == part][:, :, :N_QUANTITIES])
    return saturation


def _write_signal(
    name: str, source: EventSource, limit: int | None, contract: InputContract, staging: Path, report: Progress
) -> tuple[int, int]:
    """Encode a signal; return its events and how many of them saturate at least one raw input."""
    total = min(len(source), limit or len(source))
    done = saturated = 0
    with ArrayWriter(staging / signal_file(name), (total, len(contract.inputs)), contract.raw_dtype) as writer:
        for chunk in read_chunks(source, contract.kind.name, limit):
            writer.append(contract.encode(chunk.events))
            saturated += int(contract.saturated(chunk.events)[1].any(axis=1).sum())
            done += len(chunk.events)
            report(f"{name}: encode", done, total)
    return total, saturated


def _source_digests(sources: Sources) -> dict[str, str]:
    """Return file name -> SHA-256 of the files that were read."""
    paths = [path for source in (sources.background, *sources.signals.values()) for path in source.paths]
    return named_digests(paths)


@contextlib.contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """Give a folder inside `folder` whose files move up, dataset.json last, when the block ends without an error."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=folder, prefix=".dataset.", suffix=".part"))
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be written ({error.strerror or error}).") from error
    try:
        yield staging
        _replace_dataset(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _replace_dataset(staging: Path, folder: Path) -> None:
    """Move the files of a new dataset over those of the former one."""
    former: set[str] = set()
    if (folder / DATASET_FILE).exists():
        with contextlib.suppress(DataError):
            former = set(DatasetRecord.read(folder / DATASET_FILE).files)
        (folder / DATASET_FILE).unlink()
    names = sorted((path.name for path in staging.iterdir()), key=lambda name: (name == DATASET_FILE, name))
    for name in names:
        (staging / name).replace(folder / name)
    for name in former - set(names):
        if Path(name).name == name:
            (folder / name).unlink(missing_ok=True)


def _silent(what: str, done: int, total: int) -> None:
    """Report nothing."""
