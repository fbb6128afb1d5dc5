"""The stages data, train and evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import CheckFailedError
from l1ad.evaluation.evaluate import evaluate_scores, write_evaluation
from l1ad.events.dataset import Dataset, load_dataset
from l1ad.events.prepare import prepare_dataset
from l1ad.hardware.fixed_point import quantize
from l1ad.networks.firmware_model import load_model
from l1ad.networks.inference import float_scores, run_firmware_model
from l1ad.pipeline.observer import Observer
from l1ad.pipeline.reference.start import take_reference
from l1ad.pipeline.run_folder import RunFolder
from l1ad.pipeline.stages import DATA, EVALUATE, TEACHER_METRICS, TRAIN
from l1ad.provenance import whole_file, write_json
from l1ad.records import EvaluationReport, FixedType
from l1ad.training.checkpoint import EpochRecord
from l1ad.training.fit import train
from l1ad.training.imported import import_network
from l1ad.training.record import ENCODER_FILE, FIRMWARE_FILE, TEACHER_FILE, TRAINING_FILE, TrainingRecord

#: Type in which the scores of a float model are ordered: wide enough to keep their order.
_FLOAT_SCORE = FixedType(signed=False, width=48, integer=24)


def run_data(run: RunFolder, observer: Observer) -> None:
    """Read the events, split them, derive the input contract and write the integers."""
    prepare_dataset(run.config, run.stage(DATA), lambda what, done, total: observer.advance(done, total, what))


def run_train(run: RunFolder, observer: Observer) -> None:
    """Train the network, or take the weights of another; an interrupted training goes on."""
    if run.config.network.reference is not None:
        observer.step(f"weights of {run.config.network.reference}")
        take_reference(run.config, run.stage(TRAIN))
        return
    if run.config.network.architecture == "imported":
        observer.step(f"import of {run.config.network.file}")
        import_network(run.config, load_dataset(run.stage(DATA)), run.stage(TRAIN))
        return

    def epoch(phase: str, done: int, total: int, record: EpochRecord) -> None:
        observer.advance(done, total, f"{phase} epoch {done}, validation loss {record.validation_loss:.4f}")

    train(run.config, run.stage(DATA), run.stage(TRAIN), epoch)


def run_evaluate(run: RunFolder, observer: Observer) -> None:
    """Score the test part and the signals, and write ROC curves, thresholds and rates."""
    data = load_dataset(run.stage(DATA))
    folder = run.stage(EVALUATE)
    record = TrainingRecord.read(run.stage(TRAIN) / TRAINING_FILE)
    score = _scorer(run, record)
    samples = {"background": data.inputs["test"], **{f"signal_{name}": x for name, x in data.signals.items()}}
    scores: dict[str, NDArray[np.int64]] = {}
    for number, (name, inputs) in enumerate(samples.items(), start=1):
        scores[name] = score(data, np.asarray(inputs))
        _write_scores(folder / f"scores_{name}.npy", scores[name])
        observer.advance(number, len(samples), f"scores of {name}")
    score_type = _FLOAT_SCORE if record.frontend == "float" else record.score.score
    write_evaluation(_evaluated(run, data, scores, record.score.kind, score_type), folder)
    if run.config.network.regresses:
        observer.step("scores of the teacher")
        teacher = _float_scorer(run.stage(TRAIN) / TEACHER_FILE, record)
        taught = {name: teacher(data, np.asarray(inputs)) for name, inputs in samples.items()}
        report = _evaluated(run, data, taught, record.score.kind, _FLOAT_SCORE)
        write_json(folder / TEACHER_METRICS, report.to_dict())


def _evaluated(
    run: RunFolder, data: Dataset, scores: dict[str, NDArray[np.int64]], kind: str, score_type: FixedType
) -> EvaluationReport:
    """Return the evaluation of raw scores of the test part and of the signals."""
    return evaluate_scores(
        scores["background"],
        {name: scores[f"signal_{name}"] for name in data.signals},
        kind,
        score_type,
        data.record.source_tag,
        data.record.acceptance,
        run.config.evaluation,
    )


def _float_scorer(path: Path, record: TrainingRecord) -> Any:
    """Return a function that gives the scores of events by a float model, as integers that keep their order."""
    model = load_model(path)

    def score_of_float(data: Dataset, inputs: NDArray[np.signedinteger]) -> NDArray[np.int64]:
        """Score events by the float model."""
        values = float_scores(model, inputs, data.contract.type, record.score)
        if not np.isfinite(values).all():
            raise CheckFailedError(f"{path}: a score is not finite. Train again.")
        return quantize(values, _FLOAT_SCORE)

    return score_of_float


def _scorer(run: RunFolder, record: TrainingRecord) -> Any:
    """Return a function that gives the raw integer scores of events."""
    if record.frontend == "float":
        return _float_scorer(run.stage(TRAIN) / ENCODER_FILE, record)
    model = load_model(run.stage(TRAIN) / FIRMWARE_FILE)

    def score_of_firmware(data: Dataset, inputs: NDArray[np.signedinteger]) -> NDArray[np.int64]:
        return run_firmware_model(model, inputs, data.contract.type).score[:, 0]

    return score_of_firmware


def _write_scores(path: Path, scores: NDArray[np.int64]) -> None:
    """Write raw integer scores, whole or not at all."""
    with whole_file(path) as stream:
        np.save(stream, scores, allow_pickle=False)
