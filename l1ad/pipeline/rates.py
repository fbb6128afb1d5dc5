"""A rate study: events from files through the firmware's arithmetic, and how often each threshold fires."""

from __future__ import annotations

import collections
import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.emulation.engines import Engine, open_engine
from l1ad.emulation.toolchain import cores
from l1ad.errors import DataError, RunFolderError
from l1ad.evaluation.roc import binomial_error
from l1ad.evaluation.thresholds import trigger_rate_khz
from l1ad.events.adc2021 import EventFile, EventSource
from l1ad.events.contract import InputContract
from l1ad.events.dataset import CONTRACT_FILE, DATASET_FILE, DatasetRecord
from l1ad.events.files import named_digests, whole_hdf5
from l1ad.events.input_kinds import read_chunks
from l1ad.pipeline.projects import projects, stored_thresholds
from l1ad.pipeline.run_folder import RunFolder
from l1ad.pipeline.stages import CONVERT, DATA, EMULATE
from l1ad.provenance import versions
from l1ad.records import FixedType, Record, Threshold

#: Events that are in memory at once; a few such pieces are read ahead.
CHUNK_EVENTS = 65_536
_AHEAD = 2
#: Ending of a file with raw integers; all others are read as HDF5 in the ADC2021 layout.
RAW_SUFFIX = ".npy"

#: Called with events done and events in all.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ThresholdRate(Record):
    """How often one stored threshold fires on the files.

    Attributes
    ----------
    target_fpr : float
        What the threshold was made for.
    raw : int
        The threshold: an event fires when its raw score is at least this.
    events : int
        Events that fire.
    fraction, fraction_error : float
        Of all events of the files; the error is binomial.
    rate_khz : float or None
        Trigger rate; None when the events of the files a crossing are not known.
    """

    target_fpr: float
    raw: int
    events: int
    fraction: float
    fraction_error: float
    rate_khz: float | None


@dataclass(frozen=True)
class RateStudy(Record):
    """What a study found.

    Attributes
    ----------
    engine : str
        What computed the scores.
    score_type : FixedType
    events : int
        Events of all files.
    events_per_second : float
        Of the engine alone; reading and encoding go on beside it.
    sources : dict of str to str
        File name -> SHA-256.
    project_digest : str
        Of the firmware project.
    contract_digest : str
        Of the input contract.
    rates : tuple of ThresholdRate
        In the order of ``thresholds.json``.
    """

    engine: str
    score_type: FixedType
    events: int
    events_per_second: float
    sources: dict[str, str]
    project_digest: str
    contract_digest: str
    rates: tuple[ThresholdRate, ...]


def study_rates(
    run: RunFolder,
    files: Sequence[Path],
    *,
    rung: str = "native",
    out: Path | None = None,
    acceptance: float | None = None,
    progress: Progress | None = None,
) -> RateStudy:
    """Score files of events and count what fires at the stored thresholds.

    Parameters
    ----------
    run : RunFolder
        A run that was evaluated and converted.
    files : sequence of Path
        HDF5 files in the ADC2021 layout, which go through the input contract of the run, or ``.npy`` files of raw
        inputs with ``inputs.json``, the same contract, beside them.
    rung : str, optional
        Key of `l1ad.emulation.engines.ENGINES`.
    out : Path, optional
        HDF5 file for the raw scores; it appears when all events are scored.
    acceptance : float, optional
        Events of the files a bunch crossing. By default that of the run, when the files carry its source tag.
    progress : callable, optional
        Called with events done and events in all.

    Raises
    ------
    DataError
        When a file is no file of events, was made with another contract, or the thresholds are of another type of
        score than the firmware.
    RunFolderError
        When the run was not evaluated, or `out` cannot be written.
    ToolMissingError, ToolError
        When the engine cannot be built or fails.
    """
    contract = InputContract.read(run.stage(DATA) / CONTRACT_FILE)
    folders = {backend: run.stage(CONVERT) / backend for backend in projects(run)}
    engine = open_engine(rung, folders, run.build / EMULATE)
    record = engine.project.record
    thresholds = stored_thresholds(run, record.output_type)
    _check_engine(engine, contract)
    opened = [_open(path, contract) for path in files]
    total = sum(len(source) for source in opened)
    if out is not None and any(out.exists() and path.exists() and path.samefile(out) for path in files):
        raise RunFolderError(f"{out}: is one of the files of events; choose another name.")
    counts, seconds, done = np.zeros(len(thresholds), dtype=np.int64), 0.0, 0
    raws = np.array([threshold.raw for threshold in thresholds])
    name = ""
    with contextlib.ExitStack() as stack:
        writer, check_disk = stack.enter_context(_score_file(out, total, record.output_type))
        for inputs in _ahead(chunk for source in opened for chunk in source.chunks()):
            result = engine.run(inputs)
            scores = result.outputs[:, 0]
            counts += (scores[:, None] >= raws).sum(axis=0)
            name, seconds = result.engine, seconds + len(scores) / result.events_per_second
            if writer is not None:
                writer["scores"][done : done + len(scores)] = scores
                check_disk()
            done += len(scores)
            if progress is not None:
                progress(done, total)
        rates = _rates(thresholds, counts, done, _acceptance(run, opened, acceptance), run)
        study = RateStudy(
            name, record.output_type, done, done / seconds, named_digests(files), record.digest, contract.digest, rates
        )
        if writer is not None:
            _describe(writer, study, rung)
    return study


@dataclass(frozen=True)
class _PhysicalEvents:
    """Events in GeV and rad, or regions, which the contract turns into raw inputs."""

    path: Path
    contract: InputContract

    def __len__(self) -> int:
        return len(EventSource((self.path,)))

    @property
    def source_tag(self) -> str:
        """Source tag that the file carries; empty for none."""
        with EventFile(self.path) as file:
            return file.source_tag or ""

    def chunks(self) -> Iterator[Callable[[], NDArray[Any]]]:
        """Yield what gives the raw inputs of the next events."""
        for chunk in read_chunks(EventSource((self.path,)), self.contract.kind.name, rows=CHUNK_EVENTS):
            yield functools.partial(self.contract.encode, chunk.events)


@dataclass(frozen=True)
class _RawEvents:
    """Raw inputs in a NumPy file."""

    path: Path
    events: int
    source_tag: str

    def __len__(self) -> int:
        return self.events

    def chunks(self) -> Iterator[Callable[[], NDArray[Any]]]:
        """Yield what gives the next raw inputs."""
        for start in range(0, self.events, CHUNK_EVENTS):
            yield functools.partial(self._read, start)

    def _read(self, start: int) -> NDArray[Any]:
        """Read one piece; the file is mapped for that long only, so that its pages do not stay in memory."""
        return np.array(np.load(self.path, mmap_mode="r", allow_pickle=False)[start : start + CHUNK_EVENTS])


def _open(path: Path, contract: InputContract) -> _PhysicalEvents | _RawEvents:
    """Open one file of events."""
    if path.suffix != RAW_SUFFIX:
        return _PhysicalEvents(path, contract)
    beside = path.parent / CONTRACT_FILE
    if not beside.is_file():
        raise DataError(f"{path}: no {CONTRACT_FILE} beside it says how its integers were made; copy it there.")
    other = InputContract.read(beside)
    if other.digest != contract.digest:
        raise DataError(
            f"{path}: made with another input contract ({beside}, digest {other.digest[:12]}) than the run "
            f"({contract.digest[:12]}). Give the events in physical units instead."
        )
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not readable as a NumPy array ({error}).") from error
    count = len(contract.inputs)
    if values.ndim != 2 or values.shape[1] != count or values.dtype.kind != "i" or not len(values):
        raise DataError(f"{path}: holds {values.dtype} {values.shape}; expected integers of shape (N, {count}).")
    record = path.parent / DATASET_FILE
    return _RawEvents(path, len(values), DatasetRecord.read(record).source_tag if record.is_file() else "")


def _ahead(chunks: Iterable[Callable[[], NDArray[Any]]]) -> Iterator[NDArray[Any]]:
    """Encode the next chunks on other threads while one is scored; a few are in memory."""
    with ThreadPoolExecutor(cores()) as pool:
        waiting: collections.deque[Future[NDArray[Any]]] = collections.deque()
        try:
            for chunk in chunks:
                waiting.append(pool.submit(chunk))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _check_engine(engine: Engine, contract: InputContract) -> None:
    """Refuse firmware with another input than the contract gives, or with more than a score."""
    record = engine.project.record
    if record.input_type != contract.type or record.n_inputs != len(contract.inputs):
        raise DataError(
            f"{engine.project.folder}: takes {record.n_inputs} inputs of {record.input_type}; the contract of the run "
            f"gives {len(contract.inputs)} of {contract.type}. Convert again."
        )
    if record.n_outputs != 1:
        raise DataError(f"{engine.project.folder}: gives {record.n_outputs} outputs; a rate needs one score.")


def _acceptance(run: RunFolder, opened: Sequence[_PhysicalEvents | _RawEvents], given: float | None) -> float | None:
    """Return the events of the files a crossing; None when it is not known."""
    if given is not None:
        return given
    record = DatasetRecord.read(run.stage(DATA) / DATASET_FILE)
    return record.acceptance if all(source.source_tag == record.source_tag for source in opened) else None


def _rates(
    thresholds: Sequence[Threshold], counts: NDArray[np.int64], events: int, acceptance: float | None, run: RunFolder
) -> tuple[ThresholdRate, ...]:
    crossings_khz = run.config.evaluation.crossing_rate_khz
    return tuple(
        ThresholdRate(
            threshold.target_fpr,
            threshold.raw,
            int(count),
            int(count) / events,
            binomial_error(int(count), events),
            trigger_rate_khz(int(count) / events, acceptance, crossings_khz),
        )
        for threshold, count in zip(thresholds, counts, strict=True)
    )


@contextlib.contextmanager
def _score_file(path: Path | None, events: int, score_type: FixedType) -> Iterator[tuple[Any, Callable[[], None]]]:
    """Give an HDF5 file with the empty dataset ``scores``, and a call that raises when the disk is full.

    The file appears at the end of the block. Without `path` there is none.
    """
    if path is None:
        yield None, lambda: None
        return
    kind = np.int32 if score_type.width <= 31 else np.int64
    with whole_hdf5(path) as (file, check_disk):
        file.create_dataset("scores", shape=(events,), dtype=kind, chunks=(min(events, CHUNK_EVENTS),))
        yield file, check_disk


def _describe(file: Any, study: RateStudy, rung: str) -> None:
    """Write what the scores are into the file's attributes."""
    kind = study.score_type
    scores = file["scores"]
    scores.attrs.update({"signed": kind.signed, "width": kind.width, "integer": kind.integer, "type": str(kind)})
    file.attrs.update(
        {
            "rung": rung,
            "engine": study.engine,
            "project_digest": study.project_digest,
            "contract_digest": study.contract_digest,
            "sources": [f"{name} sha256:{digest}" for name, digest in study.sources.items()],
            "versions": [f"{name} {version}" for name, version in versions(("alkaid", "hls4ml", "numpy")).items()],
        }
    )
    rows = [(rate.target_fpr, rate.raw, rate.events) for rate in study.rates]
    columns = [("target_fpr", "<f8"), ("raw", "<i8"), ("events", "<i8")]
    file.create_dataset("thresholds", data=np.array(rows, dtype=columns))
