"""The firmware projects of a run."""

from __future__ import annotations

from l1ad.hardware.project import RECORD
from l1ad.pipeline.run_folder import RunFolder
from l1ad.pipeline.stages import CONVERT
from l1ad.records import FirmwareProject


def projects(run: RunFolder) -> dict[str, FirmwareProject]:
    """Return backend -> project of the run's configuration.

    Raises
    ------
    DataError
        When a project has not been converted.
    """
    return {
        backend: FirmwareProject.read(run.stage(CONVERT) / backend / RECORD)
        for backend in run.config.conversion.backends
    }
