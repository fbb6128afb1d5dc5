from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from l1ad.config import EvaluationConfig
from l1ad.errors import DataError, RunFolderError
from l1ad.evaluation import evaluate_scores, write_evaluation
from l1ad.evaluation.plots import plot_roc
from l1ad.evaluation.thresholds import events_needed
from l1ad.records import EvaluationReport, FixedType

TYPE = FixedType(signed=False, width=20, integer=14)


def _sample(seed: int = 1, background: int = 50_000) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    generator = np.random.default_rng(seed)
    noise = np.minimum(generator.exponential(400, background), TYPE.maximum).astype(np.int64)
    names = {"Ato4l": 1200, "LQbtau": 900, "htautau": 700, "hchtaunu": 1000}
    signals = {n: np.minimum(generator.exponential(m, 8000), TYPE.maximum).astype(np.int64) for n, m in names.items()}
    return noise, signals


def _report(acceptance: float | None = 0.002) -> EvaluationReport:
    background, signals = _sample()
    return evaluate_scores(background, signals, "rz", TYPE, "l1ad-gen, test half", acceptance, EvaluationConfig())


def test_report_equals_direct_counts() -> None:
    background, signals = _sample()
    report = _report()
    assert [t.target_fpr for t in report.thresholds] == [1e-5, 1e-4, 1e-3, 1e-2]
    for threshold in report.thresholds:
        fired = int((background >= threshold.raw).sum())
        assert threshold.background_events == fired
        assert threshold.fpr == fired / background.size >= threshold.target_fpr
        assert (background >= threshold.raw + 1).mean() < threshold.target_fpr, "a higher threshold would do"
        assert threshold.rate_khz == pytest.approx(threshold.fpr * 0.002 * 40_000)
    working = report.thresholds[0].raw
    for result in report.signals:
        assert result.tpr == (signals[result.signal] >= working).mean()
        assert result.events == 8000
        assert 0.5 < result.auc < 1
        assert 0 < result.auc_error < 0.01


def test_better_separation_gives_a_larger_auc() -> None:
    areas = {result.signal: result.auc for result in _report().signals}
    assert areas["Ato4l"] > areas["hchtaunu"] > areas["LQbtau"] > areas["htautau"]


def test_few_background_events_are_warned_of_with_the_number_needed() -> None:
    report = _report()
    first = report.warnings[0]
    assert "FPR 1e-05: 1 background event stands behind the threshold" in first
    assert "10,000,000 background events" in first
    assert "50,000" in first
    # Negative control: 500 events stand behind 1e-2, no warning.
    assert not any(w.startswith("FPR 0.01:") for w in report.warnings)


def test_saturated_scores_are_warned_of() -> None:
    background, signals = _sample()
    background[:2000] = TYPE.maximum
    options = EvaluationConfig(fpr=(1e-2,), working_fpr=1e-2)
    report = evaluate_scores(background, signals, "rz", TYPE, "s", None, options)
    assert report.thresholds[0].raw == TYPE.maximum
    assert report.thresholds[0].fpr == pytest.approx(0.04, rel=0.01)
    assert any("saturates" in warning for warning in report.warnings)
    clean = evaluate_scores(*_sample(), "rz", TYPE, "s", None, options)
    assert clean.warnings == ()


def test_no_acceptance_means_no_rate() -> None:
    assert all(threshold.rate_khz is None for threshold in _report(None).thresholds)


def test_events_needed() -> None:
    assert [events_needed(f) for f in (1e-5, 1e-4, 1e-3, 1e-2, 3e-5)] == [10**7, 10**6, 10**5, 10**4, 3333334]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.array([1.0, np.nan]), "float64 values; expected raw integers"),
        (np.array([1.5, 2.5]), "raw integers"),
        (np.array([], dtype=np.int64), "0 events"),
        (np.array([-1, 3]), "values from -1 to 3"),
        (np.array([1, 1 << 20]), "holds 0 to 1048575"),
        (np.array([[1], [2]]), "shape"),
        (np.array(["a"]), "raw integers"),
        (np.array([True, False]), "raw integers"),
        (np.array([2**64 - 1], dtype=np.uint64), "18446744073709551615"),
    ],
)
@pytest.mark.parametrize("place", ["background", "signal"])
def test_bad_scores_are_refused(bad: np.ndarray, words: str, place: str) -> None:
    good = np.arange(100)
    background, signal = (bad, good) if place == "background" else (good, bad)
    with pytest.raises(DataError, match=words):
        evaluate_scores(background, {"Ato4l": signal}, "rz", TYPE, "s", None, EvaluationConfig())


def test_no_signal_and_bad_acceptance_are_refused() -> None:
    background, signals = _sample(background=100)
    with pytest.raises(DataError, match="no signal"):
        evaluate_scores(background, {}, "rz", TYPE, "s", None, EvaluationConfig())
    for acceptance in (0.0, 1.5, float("nan")):
        with pytest.raises(DataError, match="acceptance"):
            evaluate_scores(background, signals, "rz", TYPE, "s", acceptance, EvaluationConfig())


def test_a_signed_type_takes_negative_scores() -> None:
    signed = FixedType(signed=True, width=8, integer=8)
    report = evaluate_scores(np.arange(-100, 0), {"x": np.arange(-50, 50)}, "rz", signed, "s", None,
                             EvaluationConfig(fpr=(0.1,), working_fpr=0.1))  # fmt: skip
    assert report.thresholds[0].raw == -10


def test_files_are_written_and_read_back(tmp_path: Path) -> None:
    report = _report()
    write_evaluation(report, tmp_path)
    assert EvaluationReport.read(tmp_path / "metrics.json") == report
    document = json.loads((tmp_path / "thresholds.json").read_text())
    assert document["score_type"] == {"signed": False, "width": 20, "integer": 14}
    assert [t["raw"] for t in document["thresholds"]] == [t.raw for t in report.thresholds]
    assert all(isinstance(t["raw"], int) for t in document["thresholds"])
    assert (tmp_path / "roc.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "roc.svg").read_text().count("<svg") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["metrics.json", "roc.png", "roc.svg", "thresholds.json"]


def test_the_same_report_gives_the_same_figure(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        plot_roc(_report(), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    background, signals = _sample(seed=9)
    other = evaluate_scores(background, signals, "rz", TYPE, "l1ad-gen, test half", 0.002, EvaluationConfig())
    plot_roc(other, tmp_path / "c.svg")
    assert (tmp_path / "c.svg").read_bytes() != (tmp_path / "a.svg").read_bytes()


def test_another_format_and_a_folder_that_is_a_file_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.png or \.svg"):
        plot_roc(_report(), tmp_path / "roc.pdf")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "roc.svg").mkdir()
    with pytest.raises(RunFolderError, match="cannot be written"):
        plot_roc(_report(), tmp_path / "roc.svg")
    assert [p.name for p in tmp_path.iterdir()] == ["roc.svg"]
