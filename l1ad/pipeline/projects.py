"""The firmware projects of a run, and the thresholds that belong to their score."""

from __future__ import annotations

from l1ad.errors import DataError, RunFolderError
from l1ad.hardware.project import RECORD
from l1ad.pipeline.run_folder import RunFolder
from l1ad.pipeline.stages import CONVERT, EVALUATE
from l1ad.records import EvaluationReport, FirmwareProject, FixedType, Threshold


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


def stored_thresholds(run: RunFolder, score_type: FixedType) -> tuple[Threshold, ...]:
    """Return the thresholds of the evaluation, which have to be of the firmware's score.

    Raises
    ------
    RunFolderError
        When the run was not evaluated.
    DataError
        When they are of another type of score.
    """
    path = run.stage(EVALUATE) / "metrics.json"
    if not path.is_file():
        raise RunFolderError(f"{path}: absent, so there are no thresholds. Run `l1ad evaluate` first.")
    report = EvaluationReport.read(path)
    if report.score_type != score_type:
        raise DataError(
            f"{path}: thresholds of {report.score_type}; the firmware's score is {score_type}. "
            "Run `l1ad evaluate` and `l1ad convert` again."
        )
    return report.thresholds
