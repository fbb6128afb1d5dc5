"""Exports a run as a shared object for CMSSW."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from l1ad.emulation.cmssw import EmulatorOptions, build_emulator, write_check, write_emulator
from l1ad.emulation.csim import BACKENDS
from l1ad.emulation.project import open_project
from l1ad.errors import DataError, RunFolderError
from l1ad.events.contract import InputContract
from l1ad.events.dataset import CONTRACT_FILE
from l1ad.events.scales_header import write_scales_header
from l1ad.pipeline.projects import projects
from l1ad.pipeline.run_folder import RunFolder
from l1ad.pipeline.stages import CONVERT, DATA
from l1ad.pipeline.vectors import reference_events
from l1ad.provenance import folder_digests, versions, write_json

_log = logging.getLogger(__name__)

RECORD_FILE = "export.json"
SCALES_FILE = "scales.h"


def export_cmssw(run: RunFolder, options: EmulatorOptions, folder: Path, *, events: int, build: bool) -> Path:
    """Write the emulator of a run to `folder`, compile it, and compare it with reference vectors.

    Parameters
    ----------
    run : RunFolder
        A run with a project of Vitis or Vivado HLS. Without hardware integers as input it has to be emulated.
    options : EmulatorOptions
    folder : Path
        A new or empty folder; it appears when everything is written and compared.
    events : int
        Reference vectors.
    build : bool
        Whether to compile and compare here; without, `make check` does it elsewhere.

    Returns
    -------
    Path
        The shared object, or the folder when it was not built.

    Raises
    ------
    ConfigurationError
        When a name, payload or layer is not possible.
    DataError
        When the run has no HLS project, or files do not fit together.
    RunFolderError
        When the folder is not empty or cannot be written.
    CheckFailedError
        When a score differs; nothing is left then.
    ToolMissingError, ToolError
        When the compiler is missing or fails.
    """
    options.check()
    backend = next((name for name in BACKENDS if name in projects(run)), None)
    if backend is None:
        raise DataError(
            f"{run.path}: has no project of the backend {' or '.join(BACKENDS)}, whose C++ CMSSW runs. "
            "Add one to conversion.backends and convert again."
        )
    project = open_project(run.stage(CONVERT) / backend)
    contract = InputContract.read(run.stage(DATA) / CONTRACT_FILE)
    reference = reference_events(run, contract, events, hardware=options.input == "hardware")
    try:
        if folder.exists() and any(folder.iterdir()):
            raise RunFolderError(f"{folder}: is not empty; choose another folder.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            work = Path(scratch) / "emulator"
            work.mkdir()
            write_emulator(project, contract, options, work)
            write_check(work, reference.inputs, reference.expected)
            scales = _write_scales(contract, options, work)
            library = build_emulator(work, options) if build else None
            facts = {
                "run": run.config.name,
                "model": options.model,
                "input": options.input,
                "result": options.result,
                "project_digest": project.record.digest,
                "contract_digest": contract.digest,
                "reference": {"events": events, "scores": reference.origin, "compared": build},
                SCALES_FILE: scales or "written, the same numbers as in payload.h",
                "versions": versions(("hls4ml",)),
                "files": folder_digests(work),
            }
            write_json(work / RECORD_FILE, facts)
            if folder.exists():
                folder.rmdir()
            work.rename(folder)
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be written ({error.strerror or error}).") from error
    return folder if library is None else folder / library.name


def _write_scales(contract: InputContract, options: EmulatorOptions, folder: Path) -> str:
    """Write the scales as AXOL1TL's emulators have them; return why not where their arithmetic would lose bits."""
    try:
        write_scales_header(contract, folder / SCALES_FILE, options.model)
    except DataError as error:
        _log.warning("%s is not written: %s The emulator itself scales exactly.", SCALES_FILE, error)
        return f"not written: {error}"
    # The header includes the one of its model.
    (folder / "NN" / f"{options.model}.h").write_text('#pragma once\n#include "ap_fixed.h"\n', encoding="utf-8")
    return ""
