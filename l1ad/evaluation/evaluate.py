"""Evaluates integer scores of background and signals, and writes the result."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from l1ad.config import EvaluationConfig
from l1ad.errors import DataError
from l1ad.evaluation.roc import (
    IntArray,
    ScoreCounts,
    auc,
    auc_error,
    binomial_error,
    count_scores,
    roc_points,
    thin_curve,
    threshold_at,
)
from l1ad.evaluation.thresholds import find_thresholds, fired_events, threshold_warnings
from l1ad.provenance import write_json
from l1ad.records import EvaluationReport, FixedType, RocCurve, SignalResult

_log = logging.getLogger(__name__)


def evaluate_scores(
    background: npt.NDArray[Any],
    signals: Mapping[str, npt.NDArray[Any]],
    score: str,
    score_type: FixedType,
    sample: str,
    acceptance: float | None,
    options: EvaluationConfig,
) -> EvaluationReport:
    """Evaluate raw integer scores.

    Parameters
    ----------
    background : ndarray of int64, shape (n_background,)
        Raw scores of background events.
    signals : mapping of str to ndarray of int64, shape (n_signal,)
        Signal name -> raw scores.
    score : str
        Name of the score, such as ``rz``.
    score_type : FixedType
        Type of the raw integers.
    sample : str
        Where the events come from and which part of them this is.
    acceptance : float or None
        Events of the sample a bunch crossing; None when not known.
    options : EvaluationConfig
        Target false positive rates and the crossing rate.

    Returns
    -------
    EvaluationReport
        TPR and AUC of each signal with errors, thresholds, thinned ROC curves and warnings.

    Raises
    ------
    DataError
        When an array is empty, not one-dimensional, not of integers, or holds values outside `score_type`;
        when there is no signal; when the acceptance is not in (0, 1].
    """
    if not signals:
        raise DataError(f"{sample}: no signal to evaluate. Give the scores of at least one signal.")
    if acceptance is not None and not (math.isfinite(acceptance) and 0 < acceptance <= 1):
        raise DataError(f"{sample}: acceptance {acceptance}; expected a number above 0 and at most 1, or none.")
    counted = count_scores(check_scores(background, "background", score_type))
    thresholds = find_thresholds(counted, options.fpr, acceptance, options.crossing_rate_khz)
    warnings = threshold_warnings(thresholds, counted.events, score_type)
    for warning in warnings:
        _log.warning(warning)
    results, curves = [], []
    for name, scores in signals.items():
        signal = count_scores(check_scores(scores, name, score_type))
        results.append(evaluate_signal(name, counted, signal, options.working_fpr))
        fpr, tpr = thin_curve(roc_points(counted, signal), options.working_fpr)
        curves.append(RocCurve(name, tuple(fpr.tolist()), tuple(tpr.tolist())))
    return EvaluationReport(
        score=score,
        score_type=score_type,
        sample=sample,
        background_events=counted.events,
        signals=tuple(results),
        thresholds=thresholds,
        curves=tuple(curves),
        working_fpr=options.working_fpr,
        warnings=warnings,
    )


def evaluate_signal(name: str, background: ScoreCounts, signal: ScoreCounts, working_fpr: float) -> SignalResult:
    """Return AUC and TPR at `working_fpr` of one signal, each with its error."""
    area = auc(background, signal)
    fired = fired_events(signal, threshold_at(background, working_fpr))
    return SignalResult(
        signal=name,
        events=signal.events,
        auc=area,
        auc_error=auc_error(area, background.events, signal.events),
        tpr=fired / signal.events,
        tpr_error=binomial_error(fired, signal.events),
    )


def check_scores(scores: npt.NDArray[Any], name: str, score_type: FixedType) -> IntArray:
    """Return `scores` as int64 when they are raw integers of `score_type`.

    Raises
    ------
    DataError
        When the array is empty, not one-dimensional, not of integers, or holds values outside `score_type`.
    """
    array = np.asarray(scores)
    if array.ndim != 1:
        raise DataError(f"scores of {name}: shape {array.shape}; expected one score an event, shape (n_events,).")
    if array.size == 0:
        raise DataError(f"scores of {name}: 0 events; expected at least one.")
    if not np.issubdtype(array.dtype, np.integer):
        raise DataError(
            f"scores of {name}: {array.dtype} values; expected raw integers of {score_type}. "
            "Evaluate what the hardware compares, the integer before it is scaled to a number."
        )
    low, high = int(array.min()), int(array.max())
    if low < score_type.minimum or high > score_type.maximum:
        raise DataError(
            f"scores of {name}: values from {low} to {high}; "
            f"{score_type} holds {score_type.minimum} to {score_type.maximum}. Give the type of these scores."
        )
    return array.astype(np.int64, copy=False)


def write_evaluation(report: EvaluationReport, folder: Path) -> None:
    """Write ``metrics.json``, ``thresholds.json``, ``roc.png`` and ``roc.svg`` to `folder`.

    ``metrics.json`` is the whole report (`EvaluationReport.read` reads it); ``thresholds.json`` holds what firmware
    needs. Each file appears whole or not at all.

    Raises
    ------
    RunFolderError
        When a file cannot be written.
    """
    from l1ad.evaluation.plots import plot_roc

    write_json(folder / "metrics.json", report.to_dict())
    write_json(folder / "thresholds.json", thresholds_document(report))
    for suffix in ("png", "svg"):
        plot_roc(report, folder / f"roc.{suffix}")


def thresholds_document(report: EvaluationReport) -> dict[str, Any]:
    """Return the content of ``thresholds.json``: raw integers with their type, FPR, error and kHz."""
    return {
        "score": report.score,
        "score_type": report.score_type.to_dict(),
        "score_type_text": str(report.score_type),
        "fires": "raw score >= raw threshold",
        "sample": report.sample,
        "background_events": report.background_events,
        "working_fpr": report.working_fpr,
        "thresholds": [threshold.to_dict() for threshold in report.thresholds],
        "warnings": list(report.warnings),
    }
