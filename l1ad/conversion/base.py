"""SEAM 2: a converter turns the Keras model that firmware implements into a firmware project."""

from __future__ import annotations

import contextlib
import importlib
import logging
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from l1ad.conversion.names import check_top
from l1ad.conversion.preflight import check_model
from l1ad.conversion.top_level.spec import check_trigger, trigger_spec
from l1ad.conversion.top_level.write import write_hls, write_rtl
from l1ad.errors import ConfigurationError, ConversionError, L1adError, RunFolderError, nearest
from l1ad.events.contract import InputContract
from l1ad.hardware.parts import Part
from l1ad.hardware.rtl_ports import wrapper_ports
from l1ad.provenance import folder_digests, value_digest, write_json
from l1ad.records import FirmwareProject, FixedType

_log = logging.getLogger(__name__)

PROJECT_FILE = "project.json"

#: Built-in converters: backend -> (module, class).
CONVERTERS = {
    "vitis": ("l1ad.conversion.hls", "HlsConverter"),
    "vivado": ("l1ad.conversion.hls", "HlsConverter"),
    "verilog": ("l1ad.conversion.verilog", "RtlConverter"),
    "vhdl": ("l1ad.conversion.verilog", "RtlConverter"),
}


@dataclass(frozen=True)
class ConversionJob:
    """What a converter needs besides the model.

    Attributes
    ----------
    backend : str
        Key of `CONVERTERS`.
    top : str
        Name of the top function or module.
    part : Part
    clock_ns : float
        Target clock period.
    io_type : str
        ``io_parallel`` or ``io_stream``; for HLS.
    logic_ns : float
        Delay of the generator's model allowed in one pipeline stage; for RTL.
    input_type : FixedType
        Raw type of the inputs.
    n_inputs : int
        Values of one event.
    test_inputs, test_outputs : ndarray of int64, shape (N, n_inputs) and (N, 1)
        Events for the test bench that goes with the project, as raw integers.
    contract : InputContract, optional
        How events become inputs. With it the project gets the trigger's top level.
    thresholds : tuple of int
        Raw thresholds that the top level has after a reset.
    strategy : str
        ``latency``, ``resource`` or ``distributed_arithmetic``; for HLS.
    reuse_factor : int
        Multiplications that share one multiplier; for HLS with ``resource``. Above 1 a new event is taken less often
        than every clock, and there is no top level of the trigger.
    extra_adder_levels : int or None
        Levels of adders of a product by constants beyond the fewest possible; None: any number. For RTL.
    """

    backend: str
    top: str
    part: Part
    clock_ns: float
    io_type: str
    logic_ns: float
    input_type: FixedType
    n_inputs: int
    test_inputs: NDArray[np.int64]
    test_outputs: NDArray[np.int64]
    contract: InputContract | None = None
    thresholds: tuple[int, ...] = ()
    strategy: str = "latency"
    reuse_factor: int = 1
    extra_adder_levels: int | None = 2


@dataclass(frozen=True)
class Draft:
    """What a converter knows about the project that it wrote; the files are added by `convert`."""

    engine: str
    output_type: FixedType
    n_outputs: int
    layers: dict[str, FixedType]
    stages: int
    estimates: tuple[Any, ...]


class Converter(Protocol):
    """Writes the files of a project."""

    def refuse(self, model: Any, job: ConversionJob) -> None:
        """Raise ConversionError when this backend cannot do the model, before anything is written."""

    def write(self, model: Any, job: ConversionJob, folder: Path) -> Draft:
        """Write the project into the empty `folder`."""


def load_converter(backend: str) -> Converter:
    """Return the converter of a backend.

    Raises
    ------
    ConfigurationError
        When no such backend exists.
    """
    if backend not in CONVERTERS:
        raise ConfigurationError(f"backend {backend!r} is not known. {nearest(backend, CONVERTERS)}")
    module, name = CONVERTERS[backend]
    converter: Converter = getattr(importlib.import_module(module), name)()
    return converter


def convert(
    model: Any, job: ConversionJob, folder: Path, progress: Callable[[str], None] | None = None
) -> FirmwareProject:
    """Write the firmware project of `model` to `folder`, whole or not at all.

    Parameters
    ----------
    model : keras.Model
        What `l1ad.networks.firmware_model.to_firmware` returned.
    job : ConversionJob
        Backend, part, clock and types.
    folder : Path
        Project folder. One that is there is replaced when the new one is complete.
    progress : callable, optional
        Called with one line when a step begins.

    Returns
    -------
    FirmwareProject
        Also written as ``project.json``.

    Raises
    ------
    ConversionError
        When the model cannot be converted; the layer is named and nothing is written.
    RunFolderError
        When the files cannot be written.
    """
    check_top(job.top)
    converter = load_converter(job.backend)
    check_model(model, job.input_type)
    if job.contract is not None:
        score = model.layers[-1].spec.score
        check_trigger(job.contract, job.input_type, job.n_inputs, score, job.thresholds)
    converter.refuse(model, job)
    if progress is not None:
        progress(f"convert: {job.backend}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            work = Path(scratch) / "project"
            work.mkdir()
            draft = converter.write(model, job, work)
            if job.contract is not None:
                _write_trigger(job.contract, draft, job, work)
            project = _finish(draft, job, work)
            _put(work, folder, Path(scratch) / "before")
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be written ({error}). Free space or choose another folder.") from error
    return project


@contextlib.contextmanager
def engine_errors(engine: str) -> Iterator[None]:
    """Turn what `engine` raises into a ConversionError; our own errors and those of the disk pass.

    Raises
    ------
    ConversionError
        With the type and text of the engine's error.
    """
    try:
        yield
    except (L1adError, OSError):
        raise
    except Exception as error:  # hls4ml raises bare Exception; the seam turns every type into ours.
        raise ConversionError(f"{engine} cannot convert the model ({type(error).__name__}: {error}).") from error


def _write_trigger(contract: InputContract, draft: Draft, job: ConversionJob, work: Path) -> None:
    """Write the trigger's top level; the HLS one takes arrays and an event every clock, so that others get none."""
    if job.backend == "verilog":
        ports = wrapper_ports(work, job.top, job.n_inputs, draft.n_outputs)
        # alkaid registers the inputs and the output of every stage.
        spec = trigger_spec(job.top, contract, draft.output_type, job.thresholds, draft.stages + 1)
        write_rtl(spec, ports, work)
    elif job.backend == "vhdl":
        _log.info("%s: the VHDL project has no top level of the trigger; the Verilog one has", job.top)
    elif job.io_type == "io_parallel" and job.reuse_factor == 1:
        write_hls(trigger_spec(job.top, contract, draft.output_type, job.thresholds, 0), work)
    else:
        _log.info("%s: no top level of the trigger; io_parallel with reuse_factor 1 has one", job.top)


def _put(work: Path, folder: Path, before: Path) -> None:
    """Move the new project to `folder`; what was there stays when that fails."""
    if not folder.exists():
        work.rename(folder)
        return
    folder.rename(before)
    try:
        work.rename(folder)
    except OSError:
        before.rename(folder)
        raise


def _finish(draft: Draft, job: ConversionJob, work: Path) -> FirmwareProject:
    """Digest the files and write ``project.json``."""
    files = folder_digests(work)
    project = FirmwareProject(
        backend=job.backend,
        top=job.top,
        part=job.part.name,
        clock_ns=job.clock_ns,
        engine=draft.engine,
        input_type=job.input_type,
        n_inputs=job.n_inputs,
        output_type=draft.output_type,
        n_outputs=draft.n_outputs,
        files=files,
        digest=value_digest(files),
        layers=draft.layers,
        stages=draft.stages,
        estimates=draft.estimates,
    )
    write_json(work / PROJECT_FILE, project.to_dict())
    return project
