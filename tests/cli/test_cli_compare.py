"""`l1ad compare` and `l1ad report --baseline` on a finished run and on copies of it that were changed."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from l1ad.cli.main import main

DOCS = Path(__file__).resolve().parents[2] / "docs" / "runs.md"


@pytest.fixture
def baseline(finished_run: Path, tmp_path: Path) -> Path:
    """Return a copy of the finished run without what only its stages need."""
    path = tmp_path / "baseline" / "small_run"
    shutil.copytree(finished_run, path, ignore=shutil.ignore_patterns("build", "*.npy", "*.keras", "*.npz"))
    return path


@pytest.fixture
def copy(baseline: Path, tmp_path: Path) -> Path:
    path = tmp_path / "copy" / "small_run"
    shutil.copytree(baseline, path)
    return path


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def worse_auc(values: dict[str, Any]) -> None:
    evaluation = values.get("evaluation", values)
    evaluation["signals"][0]["auc"] = max(evaluation["signals"][0]["auc"] - 0.2, 0.0)


def more_lut(values: dict[str, Any]) -> None:
    synthesis = values["synthesis"][0] if "synthesis" in values else values
    for measurement in synthesis["measurements"]:
        if measurement["name"] == "lut":
            measurement["value"] *= 1.1
            measurement.update({name: measurement[name] * 1.1 for name in ("low", "high") if name in measurement})


def test_an_unchanged_copy_is_no_regression(baseline: Path, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(baseline), str(copy)]) == 0
    written = capsys.readouterr()
    assert written.out.splitlines()[-1] == "no regression against small_run."
    assert "warning" not in written.err
    assert main(["compare", str(baseline), str(baseline)]) == 0


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("evaluate/metrics.json", worse_auc, "AUC A → 4l"),
        ("synth/synthesis.json", more_lut, "LUT (alkaid, Verilog"),
    ],
)
def test_a_changed_copy_is_a_regression_and_names_it(
    baseline: Path, copy: Path, capsys: pytest.CaptureFixture[str], file: str, change: Callable[[Any], Any], words: str
) -> None:
    edit(copy / file, change)
    assert main(["compare", str(baseline), str(copy)]) == 1
    text = capsys.readouterr().err
    assert words in text
    assert "l1ad: 1 regression:" in text
    assert f"changed since the stage wrote it: {file}" in text
    assert main(["compare", str(copy), str(baseline)]) == 0


@pytest.mark.parametrize(("change", "words"), [(worse_auc, "AUC A → 4l"), (more_lut, "LUT (alkaid, Verilog")])
def test_the_json_of_the_report_alone_is_enough(
    baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Any], Any], words: str
) -> None:
    alone = tmp_path / "a.json"
    shutil.copy(baseline / "report" / "report.json", alone)
    assert main(["compare", str(alone), str(baseline)]) == 0
    edit(alone, change)
    capsys.readouterr()
    assert main(["compare", str(baseline / "report"), str(alone)]) == 1
    assert words in capsys.readouterr().err


def test_all_formats_and_the_report_with_a_baseline(
    baseline: Path, run_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(baseline), str(run_copy), "--out", str(tmp_path / "all")]) == 0
    names = {f"comparison{suffix}" for suffix in (".json", ".csv", ".md", ".html", ".svg")}
    assert {path.name for path in (tmp_path / "all").iterdir()} == names
    assert main(["report", str(run_copy), "--baseline", str(baseline)]) == 0
    assert names < {path.name for path in (run_copy / "report").iterdir()}
    edit(run_copy / "evaluate" / "metrics.json", worse_auc)
    capsys.readouterr()
    assert main(["report", str(run_copy), "--baseline", str(baseline)]) == 1
    assert "AUC A → 4l" in capsys.readouterr().err
    assert json.loads((run_copy / "report" / "comparison.json").read_text())["passed"] is False
    assert main(["report", str(run_copy)]) == 0
    assert not (run_copy / "report" / "comparison.json").exists(), "a comparison of a former report stays behind"


def test_other_events_are_said(baseline: Path, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(copy / "data" / "dataset.json", lambda values: values.update(source_tag="ADC2021"))
    edit(copy / "evaluate" / "metrics.json", worse_auc)
    assert main(["compare", str(baseline), str(copy)]) == 0
    text = capsys.readouterr()
    assert "their AUCs, TPRs and rates are not comparable and are not judged" in text.err
    assert "not compared" in text.out


def test_an_unfinished_run(baseline: Path, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(copy / "manifest.json", lambda values: [values["stages"].pop(name) for name in ("synth", "report")])
    assert main(["compare", str(baseline), str(copy)]) == 1
    text = capsys.readouterr()
    assert "not finished: synth" in text.err
    assert "LUT of alkaid, Verilog" in text.err
    assert "not measured" in text.out
    assert main(["compare", str(baseline), str(copy), "--allow-missing"]) == 0
    assert main(["compare", str(copy), str(baseline)]) == 0


def test_a_run_without_a_report_page(baseline: Path, copy: Path) -> None:
    shutil.rmtree(copy / "report")
    assert main(["compare", str(baseline), str(copy)]) == 0


def test_a_run_of_another_version_gives_its_report(
    baseline: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(copy / "manifest.json", lambda values: values.update(l1ad="0.0.1"))
    edit(copy / "report" / "report.json", lambda values: values["versions"].update(l1ad="0.0.1"))
    assert main(["compare", str(baseline), str(copy)]) == 0
    written = capsys.readouterr()
    assert "written by l1ad 0.0.1" in written.err
    assert re.search(r"version +l1ad", written.out)
    shutil.rmtree(copy / "report")
    assert main(["compare", str(baseline), str(copy)]) == 2
    assert "written by l1ad 0.0.1" in capsys.readouterr().err


def truncated(text: str) -> str:
    return text[: len(text) // 2]


def of_the_future(text: str) -> str:
    values = json.loads(text)
    return json.dumps({**values, "entropy": 3, "versions": {"l1ad": "9.0"}})


def not_a_number(text: str) -> str:
    values = json.loads(text)
    values["evaluation"]["signals"][0]["auc"] = float("nan")
    return json.dumps(values)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (truncated, "not readable as JSON"),
        (of_the_future, "written by l1ad 9.0, this is"),
        (not_a_number, "auc of Ato4l is nan"),
        (lambda _: "[]", "holds list"),
        (lambda _: '{"name": "x", "evaluation": "good"}', "EvaluationReport: unknown field"),
        (lambda _: '{"name": "x", "synthesis": 3}', "RunReport: 'int' object is not iterable"),
        (lambda _: "{}", "name"),
    ],
)
def test_a_broken_report(
    baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[str], str], words: str
) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text(spoil((baseline / "report" / "report.json").read_text()))
    out = tmp_path / "out"
    assert main(["compare", str(baseline), str(broken), "--out", str(out)]) == 2
    text = capsys.readouterr().err
    assert words in text
    assert "broken.json" in text
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compare", "{baseline}"], "at least two runs"),
        (["compare", "{baseline}", "nowhere"], "nowhere: no run and no report here"),
        (["compare", "{baseline}", "{empty}"], "no run and no report here"),
        (["compare", "{baseline}", "{baseline}", "--out", "a.pdf"], "a.pdf: .pdf is not a format"),
        (["compare", "{baseline}", "{baseline}", "-t", "luts=1"], "Did you mean lut"),
        (["report", "{baseline}", "--baseline", "nowhere"], "nowhere: no run and no report here"),
    ],
)
def test_wrong_usage(
    baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    (tmp_path / "empty").mkdir()
    given = [text.format(baseline=baseline, empty=tmp_path / "empty") for text in arguments]
    assert main(given) == 2
    assert words in capsys.readouterr().err


def test_a_folder_in_which_no_stage_has_finished(
    baseline: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(copy / "manifest.json", lambda values: values.update(stages={}))
    shutil.rmtree(copy / "report")
    assert main(["compare", str(baseline), str(copy)]) == 2
    assert "no stage has finished. Run: l1ad run" in capsys.readouterr().err


def documented() -> list[str]:
    block = DOCS.read_text(encoding="utf-8").partition("## Comparing runs")[2].split("```")[1]
    return [line for line in block.splitlines() if line.strip()]


def test_the_documented_commands_run(
    baseline: Path, run_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = documented()
    assert len(lines) >= 5
    for line in lines:
        words = shlex.split(line.replace("BASELINE", str(baseline)).replace("RUN", str(run_copy)))
        assert words[0] == "l1ad"
        assert main(words[1:]) == 0, line
    assert (tmp_path / "comparison" / "comparison.html").is_file()
    assert (tmp_path / "table.csv").is_file()


def test_comparing_needs_no_tensorflow(baseline: Path) -> None:
    code = (
        "import sys; from l1ad.cli.main import main; code = main(sys.argv[1:]); "
        "loaded = {'tensorflow', 'keras', 'hls4ml', 'alkaid', 'matplotlib'} & set(sys.modules); "
        "sys.exit(code or len(loaded))"
    )
    line = [sys.executable, "-c", code, "compare", str(baseline), str(baseline)]
    done = subprocess.run(line, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
