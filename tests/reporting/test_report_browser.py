"""Renders the page in a browser, where there is one."""

from __future__ import annotations

import dataclasses
import html
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from l1ad.reporting import RunReport, render_html
from l1ad.reporting.comparison import compare, render_comparison

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH: the page is not rendered")

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def _browse(tmp_path: Path, *arguments: str) -> str:
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = [str(CHROMIUM), *FLAGS, profile, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout


def _widths(tmp_path: Path, page: str, width: int) -> tuple[int, int]:
    """Return by how much `page` is wider than a frame of `width` pixels, and the height of its verdict there."""
    script = (
        "const f = document.querySelector('iframe'); f.onload = () => { const d = f.contentDocument;"
        "const e = d.documentElement; document.body.dataset.excess = e.scrollWidth - e.clientWidth;"
        "document.body.dataset.verdict = Math.round(d.getElementById('verdict').getBoundingClientRect().height); };"
        "f.srcdoc = document.getElementById('page').textContent;"
    )
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><body style="margin:0"><iframe style="width:{width}px;height:900px;'
        f'border:0"></iframe><div id="page" hidden>{html.escape(page)}</div><script>{script}</script></body>',
        encoding="utf-8",
    )
    dom = _browse(tmp_path, "--virtual-time-budget=4000", "--dump-dom", frame.as_uri())
    excess, verdict = re.search(r'data-excess="(\d+)"', dom), re.search(r'data-verdict="(\d+)"', dom)
    assert excess is not None, dom[:300]
    assert verdict is not None
    return int(excess[1]), int(verdict[1])


def _pages(report: RunReport) -> dict[str, str]:
    """Return a page of each kind: one design, two designs with modules, a comparison, an empty run."""
    modules = {
        f"dense_{i}_with_a_long_name": {"lut": 900.0, "ff": 12_345.0, "dsp": 2.0, "carry": 7.0} for i in range(9)
    }
    more = dataclasses.replace(report.synthesis[0], tool="Vitis HLS", stage="csynth", modules=modules,
                               project_digest=report.firmware[1].digest)  # fmt: skip
    two = dataclasses.replace(report, synthesis=(*report.synthesis, more), regions=3)
    slow = dataclasses.replace(report, name="another_name_of_a_run", config={**report.config, "seed": 2})
    return {
        "one": render_html(report),
        "two": render_html(two).replace("<details", "<details open"),
        "comparison": render_comparison(compare([report, two, slow])).replace("<details", "<details open"),
        "empty": render_html(RunReport("empty")),
    }


@pytest.mark.parametrize("kind", ["one", "two", "comparison", "empty"])
def test_no_horizontal_scroll_on_a_phone(report: RunReport, tmp_path: Path, kind: str) -> None:
    excess, verdict = _widths(tmp_path, _pages(report)[kind], 390)
    assert excess == 0
    assert verdict > 40


def test_no_horizontal_scroll_on_a_tablet(report: RunReport, tmp_path: Path) -> None:
    assert _widths(tmp_path, _pages(report)["comparison"], 760)[0] == 0


def test_the_width_check_sees_a_page_that_is_too_wide(report: RunReport, tmp_path: Path) -> None:
    page = render_html(report).replace("<main>", '<main><div style="width:900px">wide</div>')
    assert _widths(tmp_path, page, 390)[0] > 300


def test_screenshot_and_print(report: RunReport, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(render_html(report), encoding="utf-8")
    picture, print_out = tmp_path / "page.png", tmp_path / "page.pdf"
    _browse(tmp_path, "--window-size=1280,1000", f"--screenshot={picture}", page.as_uri())
    _browse(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={print_out}", page.as_uri())
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert picture.stat().st_size > 40_000, "the picture is nearly empty"
    assert print_out.read_bytes()[:5] == b"%PDF-"
    assert print_out.stat().st_size > 40_000
