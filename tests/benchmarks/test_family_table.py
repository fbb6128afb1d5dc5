"""The table of families: rows as Markdown, the marks of its page, and rows of another configuration."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import make_family_table

    yield make_family_table
    sys.modules.pop("make_family_table", None)


def row(form: str, auc: float, cost: float | None) -> dict[str, object]:
    signals = {name: [auc, 0.001, 0.002, 0.0003] for name in ("Ato4l", "LQbtau", "htautau", "hchtaunu")}
    return {"family": "dense_vae", "form": form, "score": "rz", "signals": signals, "background_events": 100_000,
            "cost": cost}  # fmt: skip


def test_rows_become_lines_and_missing_costs_stay_empty(script):
    text = script.table([row("float", 0.9, None), row("qat", 0.89, 19433.8)])
    lines = [line for line in text.splitlines() if line.startswith("| dense_vae")]
    assert len(lines) == 4
    assert lines[0].endswith("| 0.900 ± 0.001 |  |")
    assert lines[1].endswith("| 0.890 ± 0.001 | 19,434 |")
    assert lines[3].endswith("| 0.200 ± 0.030 |")


def test_the_page_is_filled_between_its_marks(script, tmp_path, monkeypatch):
    page = tmp_path / "families.md"
    page.write_text((ROOT / "docs" / "families.md").read_text("utf-8"), encoding="utf-8")
    monkeypatch.setattr(script, "PAGE", page)
    script.draw([row("qat", 0.123, 7.0)])
    text = page.read_text("utf-8")
    assert "0.123 ± 0.001" in text
    assert text.count(script.BEGIN) == text.count(script.END) == 1
    assert "## Published figures, on other data" in text


def test_a_kept_row_counts_for_its_own_configuration_only(script, tmp_path):
    path = tmp_path / "rows" / "dense_vae_qat.json"
    path.parent.mkdir()
    config = script.configuration("dense_vae")
    key = script.row_key(config, "qat", 0)
    path.write_text(json.dumps({"key": key, "rows": [row("qat", 0.9, 1.0)]}))
    assert script.finished(path, key) is not None
    other = script.configuration("dense_vae", "network.latent=4")
    assert script.finished(path, script.row_key(other, "qat", 0)) is None
    assert script.kept_rows(tmp_path) == [row("qat", 0.9, 1.0)]
    assert script.kept_rows(tmp_path / "elsewhere") == []
