"""Tables and plot of a search."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from l1ad.provenance import whole_file, write_json, write_text
from l1ad.records.search import SearchRecord, TrialRecord
from l1ad.reporting.labels import signal_name

SEARCH_FILE, TRIALS_FILE = "search.json", "trials.csv"
FRONT_FILE, FRONT_TABLE, FRONT_PLOT = "pareto.json", "pareto.csv", "pareto.png"

#: Colours of Okabe and Ito.
_FRONT_COLOUR, _OTHER_COLOUR = "#0072b2", "#999999"


def write_search(record: SearchRecord, folder: Path) -> None:
    """Write ``search.json`` and the tables; with trials also the Pareto front and its plot."""
    write_json(folder / SEARCH_FILE, record.to_dict())
    write_text(folder / TRIALS_FILE, trials_csv(record, record.trials))
    write_json(folder / FRONT_FILE, [trial.to_dict() for trial in record.front])
    write_text(folder / FRONT_TABLE, trials_csv(record, record.front))
    if record.complete:
        plot_front(record, folder / FRONT_PLOT)


def trials_csv(record: SearchRecord, trials: Sequence[TrialRecord]) -> str:
    """Return trials as CSV; what a trial did not measure is an empty cell, never a zero."""
    fields = sorted({name for trial in record.trials for name in trial.values})
    signals = sorted({name for trial in record.trials for name in trial.auc})
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    measured = [f"{kind}_{name}" for kind in ("auc", "tpr") for name in signals]
    writer.writerow(["number", "state", "objective", "lut", "logic_ns", *measured, *fields, "seconds", "reason"])
    for trial in trials:
        values = [trial.auc.get(name) for name in signals] + [trial.tpr.get(name) for name in signals]
        settings = [_cell(trial.values.get(name)) for name in fields]
        writer.writerow(
            [trial.number, trial.state, trial.objective, trial.lut, trial.logic_ns, *values, *settings, trial.seconds,
             trial.reason]
        )  # fmt: skip
    return stream.getvalue()


def front_rows(record: SearchRecord, trials: Sequence[TrialRecord]) -> tuple[list[str], list[list[str]]]:
    """Return columns and rows of a table of trials for people."""
    signals = list(trials[0].auc) if trials else []
    columns = ["trial", "LUT cost", "logic in ns", f"mean {record.objective.upper()}"]
    columns += [f"AUC {signal_name(name)}" for name in signals] + ["values"]
    rows = [
        [
            str(trial.number),
            f"{trial.lut:.0f}",
            f"{trial.logic_ns:.1f}",
            f"{trial.objective:.4f}",
            *(f"{trial.auc[name]:.4f}" for name in signals),
            ", ".join(f"{short_name(name)} {_cell(value)}" for name, value in trial.values.items()),
        ]
        for trial in trials
    ]
    return columns, rows


def short_name(path: str) -> str:
    """Return a field without what every path has.

    Examples
    --------
    >>> short_name("network.layers.dense_1.kernel"), short_name("training.pruning.target")
    ('dense_1.kernel', 'pruning.target')
    """
    return path.removeprefix("network.").removeprefix("training.").removeprefix("layers.")


def _cell(value: Any) -> str:
    """Return a value as short text."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def _points(trials: Sequence[TrialRecord]) -> tuple[list[float], list[float]]:
    """Return LUT cost and objective of trials that have both."""
    both = [(t.lut, t.objective) for t in trials if t.lut is not None and t.objective is not None]
    return [lut for lut, _ in both], [objective for _, objective in both]


def plot_front(record: SearchRecord, path: Path) -> None:
    """Draw objective against LUT cost of all trials, and the Pareto front as steps."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"font.size": 10}):
        figure = Figure(figsize=(6.4, 4.4), layout="constrained")
        axes = figure.add_subplot()
        front = record.front
        others = [trial for trial in record.complete if trial not in front]
        axes.scatter(*_points(others), s=22, color=_OTHER_COLOUR, label="other trials")
        x, y = _points(front)
        axes.step(x, y, where="post", color=_FRONT_COLOUR, linewidth=1.2)
        axes.scatter(x, y, s=34, marker="D", color=_FRONT_COLOUR, label="Pareto front", zorder=3)
        for trial in front:
            axes.annotate(
                str(trial.number), (trial.lut, trial.objective), (4, -11), textcoords="offset points", fontsize=8
            )
        quantity = "AUC" if record.objective == "auc" else f"TPR at FPR {record.fpr:g}"
        axes.set_xlabel("LUT cost (alkaid's model, score included)")
        axes.set_ylabel(f"mean {quantity} of {len(record.signals)} signal{'s' if len(record.signals) > 1 else ''}")
        axes.set_title(f"{record.name}: {len(record.complete)} trials of {record.epochs} epochs", loc="left")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, loc="lower right")
        with whole_file(path) as stream:
            figure.savefig(stream, format="png", dpi=150)
