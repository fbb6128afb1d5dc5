"""Does the firmware of a run see the same world as its float models?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError, RunFolderError
from l1ad.events.dataset import Dataset, load_dataset
from l1ad.networks.firmware_model import load_model
from l1ad.networks.inference import float_scores, latent_outputs, run_firmware_model
from l1ad.pipeline.run_folder import RunFolder
from l1ad.pipeline.stages import DATA, EMULATE, TRAIN
from l1ad.provenance import write_json
from l1ad.records import BitReport, FixedType, Record
from l1ad.scores.floating import score_float
from l1ad.scores.output import OutputSpec
from l1ad.scores.reconstruction import ReconstructionSpec
from l1ad.scores.spec import ScoreSpec
from l1ad.training.record import ENCODER_FILE, FIRMWARE_FILE, TEACHER_FILE, TRAINING_FILE, TrainingRecord
from l1ad.validation.calibration import Assessment, calibrate, run
from l1ad.validation.kernels import Floats
from l1ad.validation.nplm import KernelNplm
from l1ad.validation.reference import NplmTest, make_reference

VALIDATE = "validate"
QUANTIZED_FILE = "quantized.json"

#: Shares of the events that are the reference and the pool of the toys; the rest is the data.
_REFERENCE_SHARE, _POOL_SHARE = 0.55, 0.4
#: Kernel widths as multiples of the standard width; narrow ones see steps of the quantization.
_NARROW = (0.1, 0.3, 1.0)


@dataclass(frozen=True)
class PairedCheck(Record):
    """Float and firmware score of the same events.

    Attributes
    ----------
    events : int
    equal_events : int
        Events whose scores agree within half a unit of the firmware's score.
    mean_difference, largest_difference : float
        Firmware minus float, in units of the score.
    overflows : int
        Events whose float score is above the largest firmware score; there the firmware saturates.
    saturated : int
        Events whose firmware score is the largest integer.
    """

    events: int
    equal_events: int
    mean_difference: float
    largest_difference: float
    overflows: int
    saturated: int


@dataclass(frozen=True)
class QuantizedReport(Record):
    """What `validate_quantized` found.

    Attributes
    ----------
    bits_passed : bool or None
        Whether every rung of the ladder agreed with Keras; None when the run has not been emulated.
    paired : dict of str to PairedCheck
        Float model -> the same events.
    scores, latent : dict of str to Assessment; latent is empty for an autoencoder
        Float model -> NPLM of disjoint events: float as reference, firmware as data.
    """

    bits_passed: bool | None
    paired: dict[str, PairedCheck]
    scores: dict[str, Assessment]
    latent: dict[str, Assessment]


@dataclass(frozen=True)
class _Outputs:
    """Score and latent means of one model on the same events."""

    score: Floats
    latent: Floats


def validate_quantized(
    opened: RunFolder, *, toys: int = 300, workers: int = 1, progress: Callable[[str], None] | None = None
) -> QuantizedReport:
    """Compare the firmware model of a run with its float models: bits, paired scores, then distributions.

    The float models are the quantized encoder with the score in floating point, which isolates the integer
    arithmetic of the score, and the float twin, which also has unquantized weights and activations.

    Parameters
    ----------
    opened : RunFolder
        A run whose training has finished.
    toys, workers : int, optional
        Null toys of every test, and processes.
    progress : callable, optional
        Told what is being done.

    Returns
    -------
    QuantizedReport
        Also written to ``validate/quantized.json`` of the run.

    Raises
    ------
    RunFolderError
        When the network of the run is not quantized.
    """
    tell = progress or (lambda text: None)
    if opened.config.network.frontend == "float":
        raise RunFolderError(f"{opened.path}: network.frontend is float; there is no firmware to compare.")
    data = load_dataset(opened.stage(DATA))
    spec = TrainingRecord.read(opened.stage(TRAIN) / TRAINING_FILE).score
    tell("scores of the firmware model")
    inputs = np.asarray(data.inputs["test"], dtype=np.int64)
    firmware_raw = run_firmware_model(
        load_model(opened.stage(TRAIN) / FIRMWARE_FILE), inputs, data.contract.type
    ).score[:, 0]
    firmware = firmware_raw * 2.0**-spec.score.fraction
    encoder = _float_outputs(opened.stage(TRAIN) / ENCODER_FILE, inputs, data, spec)
    paired, scores, latent = {}, {}, {}
    for name, path in (("quantized_encoder", ENCODER_FILE), ("float_twin", TEACHER_FILE)):
        if not (opened.stage(TRAIN) / path).is_file():
            continue
        tell(f"NPLM of {name}")
        model = encoder if path == ENCODER_FILE else _float_outputs(opened.stage(TRAIN) / path, inputs, data, spec)
        paired[name] = paired_check(model.score, firmware_raw, spec.score)
        scores[name] = compare_distributions(
            np.log1p(model.score)[:, None], np.log1p(firmware)[:, None], toys=toys, workers=workers
        )
        if path != ENCODER_FILE and isinstance(spec, ScoreSpec):
            latent[name] = compare_distributions(model.latent, encoder.latent, toys=toys, workers=workers)
    report = QuantizedReport(_bits(opened), paired, scores, latent)
    write_json(opened.stage(VALIDATE) / QUANTIZED_FILE, report.to_dict())
    return report


def paired_check(score: Floats, firmware_raw: NDArray[np.int64], score_type: FixedType) -> PairedCheck:
    """Compare the scores of the same events; this sees rare overflows, which no distribution test sees.

    Parameters
    ----------
    score : ndarray of float64, shape (n,)
        Float scores.
    firmware_raw : ndarray of int64, shape (n,)
        Raw integers of `score_type`.
    score_type : FixedType

    Examples
    --------
    >>> byte = FixedType(signed=False, width=8, integer=8)
    >>> check = paired_check(np.array([3.2, 7.0, 400.0]), np.array([3, 9, 255]), byte)
    >>> check.equal_events, check.overflows, check.saturated
    (1, 1, 1)
    """
    if score.shape != firmware_raw.shape:
        raise DataError(f"float scores of shape {score.shape}, firmware scores of shape {firmware_raw.shape}.")
    unit = 2.0**-score_type.fraction
    difference = firmware_raw * unit - score
    return PairedCheck(
        events=len(score),
        equal_events=int((np.abs(difference) <= 0.5 * unit).sum()),
        mean_difference=float(difference.mean()),
        largest_difference=float(difference[np.argmax(np.abs(difference))]),
        overflows=int((score > score_type.maximum * unit).sum()),
        saturated=int((firmware_raw == score_type.maximum).sum()),
    )


def compare_distributions(reference: Floats, data: Floats, *, toys: int, workers: int = 1, seed: int = 0) -> Assessment:
    """Test values of two models on disjoint events: reference and toys from one, data from the other.

    Parameters
    ----------
    reference, data : ndarray of float64, shape (n, d)
        The same events in the same order.
    toys, workers, seed : int
        Null toys, processes, and the seed of toys and split.
    """
    order = np.random.default_rng(seed).permutation(len(reference))
    first, second = int(_REFERENCE_SHARE * len(order)), int((_REFERENCE_SHARE + _POOL_SHARE) * len(order))
    x, pool, tested = reference[order[:first]], reference[order[first:second]], data[order[second:]]
    base = KernelNplm()
    base.prepare(x, np.full(len(x), len(tested) / len(x)))
    widths = tuple(factor * base.width_ for factor in (_NARROW if x.shape[1] == 1 else (1.0,)))
    test = NplmTest(make_reference(x, expected=len(tested)), KernelNplm(), widths)
    null = calibrate(test, "pool", pool=pool, toys=toys, workers=workers, seed=seed)
    return run(test, tested, null)


def _float_outputs(
    path: Any, inputs: NDArray[np.int64], data: Dataset, spec: ScoreSpec | OutputSpec | ReconstructionSpec
) -> _Outputs:
    """Return score and latent means of a float model; an autoencoder and a student give no means."""
    model = load_model(path)
    if isinstance(spec, OutputSpec | ReconstructionSpec):
        score = float_scores(model, inputs, data.contract.type, spec)
        mean = np.zeros((len(score), 1))
    else:
        mean, log_variance = latent_outputs(model, inputs, data.contract.type)
        score = score_float(mean, log_variance, spec)
    if not np.isfinite(score).all() or not math.isfinite(float(np.abs(mean).max())):
        raise DataError(f"{path}: a score is not finite. Train again.")
    return _Outputs(score, mean)


def _bits(opened: RunFolder) -> bool | None:
    """Return whether the ladder passed, or None when it was not climbed."""
    path = opened.stage(EMULATE) / "bits.json"
    return BitReport.read(path).passed if path.exists() else None
