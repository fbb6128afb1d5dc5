"""Test vectors of a run for boards and test benches: network inputs or hardware integers, and the scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from l1ad.emulation.engines import ENGINES, Engine, open_engine
from l1ad.emulation.patterns import Column, PatternOptions, Vectors, load_format, write_vectors
from l1ad.emulation.vectors import read_test_vectors
from l1ad.errors import ConfigurationError, DataError, RunFolderError
from l1ad.events.adc2021 import EventSource
from l1ad.events.contract import InputContract
from l1ad.events.dataset import CONTRACT_FILE, load_dataset
from l1ad.events.input_kinds import REGION_SUMS, read_chunks
from l1ad.pipeline.projects import projects, stored_thresholds
from l1ad.pipeline.run_folder import RunFolder
from l1ad.pipeline.stages import CONVERT, DATA, EMULATE
from l1ad.provenance import versions
from l1ad.records import FixedType

#: What the inputs of the vectors may be.
VALUES = ("network", "hardware")
#: The format whose objects are hardware integers and whose algorithm bits are decisions.
_TRIGGER_FORMAT = "ugt"


@dataclass(frozen=True)
class VectorRequest:
    """What a user asks for.

    Attributes
    ----------
    format : str
        Key of `l1ad.emulation.patterns.FORMATS`.
    events : int
    values : str or None
        One of `VALUES`; None is what the format carries, network inputs where it carries both.
    source : Path or None
        HDF5 file of physical events; None takes those of the run.
    options : PatternOptions
    """

    format: str
    events: int
    values: str | None
    source: Path | None
    options: PatternOptions


@dataclass(frozen=True)
class Reference:
    """Raw integers, what firmware has to answer, and what computed the answers."""

    inputs: NDArray[np.int64]
    expected: NDArray[np.int64]
    origin: str


def export_vectors(run: RunFolder, request: VectorRequest, folder: Path) -> Path:
    """Write test vectors of a run to `folder`, read them back, and compare.

    Returns
    -------
    Path
        ``vectors.json``, which says where every integer lies.

    Raises
    ------
    ConfigurationError
        When the format, the values or the number of events cannot be carried out.
    DataError
        When the thresholds are of another score than the firmware, or the files do not fit.
    RunFolderError
        When the run lacks a stage, or `folder` is not empty or cannot be written.
    CheckFailedError
        When what is read back differs.
    ToolMissingError, ToolError
        When the firmware's arithmetic cannot be compiled.
    """
    load_format(request.format)
    values = _values(request)
    records = projects(run)
    record = next(iter(records.values()))
    contract = InputContract.read(run.stage(DATA) / CONTRACT_FILE)
    if record.input_type != contract.type:
        raise DataError(f"{run.path}: firmware of {record.input_type}, contract of {contract.type}. Convert again.")
    reference = reference_events(run, contract, request.events, request.source, hardware=values == "hardware")
    vectors = Vectors(
        reference.inputs,
        reference.expected,
        _columns(contract, hardware=values == "hardware"),
        (Column("score", record.output_type),),
        tuple(t.raw for t in stored_thresholds(run, record.output_type)) if request.format == _TRIGGER_FORMAT else (),
    )
    facts = {
        "run": run.config.name,
        "values": values,
        "scores": reference.origin,
        "contract_digest": contract.digest,
        "project_digests": {name: found.digest for name, found in records.items()},
        "versions": versions(),
    }
    return write_vectors(request.format, vectors, folder, request.options, facts)


def _values(request: VectorRequest) -> str:
    """Return whether the inputs are network inputs or hardware integers."""
    if request.events < 1:
        raise ConfigurationError(f"events {request.events}; expected at least 1.")
    values = request.values or ("hardware" if request.format == _TRIGGER_FORMAT else "network")
    if values not in VALUES:
        raise ConfigurationError(f"values {values!r}; expected {' or '.join(VALUES)}.")
    if request.format == _TRIGGER_FORMAT and values != "hardware":
        raise ConfigurationError(f"format {_TRIGGER_FORMAT}: carries trigger objects; give --values hardware or none.")
    return values


def reference_events(
    run: RunFolder, contract: InputContract, events: int, source: Path | None = None, *, hardware: bool
) -> Reference:
    """Return events with the scores that firmware has to give.

    The network's own inputs are those that the ladder compared, with Keras's scores. Hardware integers come from
    physical events, the validation part of the run or the file `source`; they go through the input contract, and the
    score is that of the firmware's arithmetic.

    Raises
    ------
    ConfigurationError
        When there are fewer events.
    DataError
        When `source` is no file of events.
    RunFolderError
        When the run has not climbed the ladder.
    """
    if not hardware and source is None:
        inputs, expected, origin = _of_the_ladder(run)
    else:
        inputs, expected, origin = _of_events(run, contract, events, source, hardware=hardware)
    if len(inputs) < events:
        raise ConfigurationError(f"events {events}: there are {len(inputs)} ({origin}).")
    return Reference(np.asarray(inputs[:events], dtype=np.int64), np.asarray(expected[:events], dtype=np.int64), origin)


def _of_the_ladder(run: RunFolder) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
    """Return the events that every rung was compared on, and Keras's scores."""
    if EMULATE not in run.manifest().stages:
        raise RunFolderError(f"{run.path}: the firmware was not compared yet. Run `l1ad emulate` first.")
    return *read_test_vectors(run.stage(EMULATE)), "Keras, compared on the ladder"


def _of_events(
    run: RunFolder, contract: InputContract, events: int, source: Path | None, *, hardware: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
    """Return inputs of physical events, and the scores of the firmware's arithmetic."""
    regions = contract.kind.name == REGION_SUMS
    if source is None and regions and run.config.data.background is not None:
        # A run keeps no physical regions: their file has them.
        source = Path(run.config.data.background)
    physical: NDArray[np.floating]
    if source is None:
        physical = load_dataset(run.stage(DATA)).particles["validation"][:events]
    else:
        chunks = read_chunks(EventSource((source,)), contract.kind.name, events)
        physical = np.concatenate([chunk.events for chunk in chunks])
    integers = contract.to_hardware(physical)
    raw = contract.apply(integers)
    result = _engine(run).run(raw)
    return np.asarray(integers if hardware else raw, dtype=np.int64), result.outputs, result.engine


def _engine(run: RunFolder) -> Engine:
    """Open the first engine that has a project in the run."""
    folders = {backend: run.stage(CONVERT) / backend for backend in projects(run)}
    name = next(name for name, (backends, _) in ENGINES.items() if set(backends) & set(folders))
    return open_engine(name, folders, run.build / EMULATE)


def _columns(contract: InputContract, *, hardware: bool) -> tuple[Column, ...]:
    """Return names and types of the inputs."""
    if not hardware:
        return tuple(Column(spec.name, contract.type) for spec in contract.inputs)
    return tuple(Column(spec.name, FixedType(spec.signed, spec.width, spec.width)) for spec in contract.inputs)
