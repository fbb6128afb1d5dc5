"""Draws ROC curves on logarithmic axes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from l1ad.errors import DataError
from l1ad.evaluation.thresholds import EVENTS_WANTED
from l1ad.provenance import whole_file
from l1ad.records import EvaluationReport, RocCurve, SignalResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Signals of the ADC2021 data challenge (arXiv:2107.02157) in matplotlib's mathtext.
_MATHTEXT = {
    "Ato4l": r"$A \to 4\ell$",
    "LQbtau": r"$LQ \to b\tau$",
    "htautau": r"$h^0 \to \tau\tau$",
    "hchtaunu": r"$h^\pm \to \tau\nu$",
}

#: Okabe-Ito palette without yellow; told apart by people with any colour vision.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_DASHES = ("-", "--", "-.", ":")

_LOWEST_FPR = 1e-5


def plot_roc(report: EvaluationReport, path: Path) -> None:
    """Draw the ROC of every signal to `path`, FPR and TPR on logarithmic axes.

    The band is the binomial error of the TPR. Left of the dotted edge fewer than 100 background events stand
    behind a point. The points at the working FPR are marked.

    Parameters
    ----------
    report : EvaluationReport
        Curves and results.
    path : Path
        File to write; its suffix (``.png`` or ``.svg``) is the format.

    Raises
    ------
    DataError
        When the suffix is another one.
    RunFolderError
        When the file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    file_format = path.suffix.lstrip(".")
    if file_format not in ("png", "svg"):
        raise DataError(f"{path}: a ROC is drawn as .png or .svg; received {path.suffix or 'no suffix'!r}.")
    # A fixed salt and no date: the same report gives the same bytes.
    with mpl.rc_context({"svg.hashsalt": "l1ad", "font.size": 10}):
        figure = Figure(figsize=(6.4, 5.0), layout="constrained")
        axes = figure.add_subplot()
        results = {result.signal: result for result in report.signals}
        lowest = [_draw_curve(axes, curve, results.get(curve.signal), i) for i, curve in enumerate(report.curves)]
        _draw_frame(axes, report, min([_LOWEST_FPR, *lowest]))
        metadata: dict[str, Any] = {"Date": None} if file_format == "svg" else {}
        with whole_file(path) as stream:
            figure.savefig(stream, format=file_format, dpi=150, metadata=metadata)


def _draw_curve(axes: Axes, curve: RocCurve, result: SignalResult | None, index: int) -> float:
    """Draw one curve with its band; return the lowest TPR that is drawn."""
    fpr, tpr = np.array(curve.fpr), np.array(curve.tpr)
    shown = (fpr >= _LOWEST_FPR) & (tpr > 0)
    fpr, tpr = fpr[shown], tpr[shown]
    colour = _COLOURS[index % len(_COLOURS)]
    label = _MATHTEXT.get(curve.signal, curve.signal)
    if result is not None:
        label += f"   AUC {result.auc:.3f} ± {result.auc_error:.3f}"
        error = np.sqrt(tpr * (1 - tpr) / result.events)
        axes.fill_between(fpr, np.maximum(tpr - error, 1e-9), tpr + error, color=colour, alpha=0.2, linewidth=0)
    axes.plot(fpr, tpr, color=colour, linestyle=_DASHES[index % len(_DASHES)], linewidth=1.6, label=label)
    return float(tpr.min()) if tpr.size else 1.0


def _draw_frame(axes: Axes, report: EvaluationReport, lowest_tpr: float) -> None:
    """Draw the line of a random choice, the working point, the region of few events, and label the axes."""
    axes.plot([_LOWEST_FPR, 1], [_LOWEST_FPR, 1], color="0.45", linewidth=1, label="random")
    few = min(EVENTS_WANTED / report.background_events, 1.0)
    if few > _LOWEST_FPR:
        axes.axvspan(_LOWEST_FPR, few, color="0.5", alpha=0.12, linewidth=0)
        axes.axvline(few, color="0.5", linewidth=0.8, linestyle=":")
        axes.text(few, 1.02, f"< {EVENTS_WANTED} background events", ha="right", va="bottom", fontsize=8, color="0.35",
                  transform=axes.get_xaxis_transform())  # fmt: skip
    working = next((t for t in report.thresholds if t.target_fpr == report.working_fpr), None)
    if working is not None:
        axes.axvline(working.fpr, color="0.2", linewidth=0.8)
        for index, result in enumerate(report.signals):
            if result.tpr > 0:
                axes.plot([working.fpr], [result.tpr], "o", color=_COLOURS[index % len(_COLOURS)], markersize=5,
                          clip_on=False)  # fmt: skip
    axes.set(xscale="log", yscale="log", xlim=(_LOWEST_FPR, 1), ylim=(lowest_tpr * 0.8, 1.3))
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    axes.set_title(f"{report.score} as {report.score_type}, {report.sample}", fontsize=9, pad=18)
    axes.grid(which="major", color="0.85", linewidth=0.6)
    axes.legend(loc="lower right", fontsize=8, frameon=False)
