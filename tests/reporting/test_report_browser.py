"""Renders the page in a browser, where there is one."""

from __future__ import annotations

import dataclasses
import html
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from l1ad.records import BitReport, BudgetReport, NegativeControl
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


def _widths(tmp_path: Path, *pages: tuple[str, int]) -> list[tuple[int, int]]:
    """Return for each page and width in pixels by how much something is too wide, and the height of the verdict."""
    script = (
        "const out = []; document.querySelectorAll('iframe').forEach((f, i) => { f.onload = () => {"
        "const d = f.contentDocument, e = d.documentElement;"
        "const over = [...d.querySelectorAll('table, .plan, .tile, .tile *, svg')].map(t => "
        "t.getBoundingClientRect().right - (t.parentElement.closest('.tile, section') || e)"
        ".getBoundingClientRect().right);"
        "const excess = Math.ceil(Math.max(0, e.scrollWidth - e.clientWidth, ...over));"
        "const verdict = Math.round(d.getElementById('verdict').getBoundingClientRect().height);"
        "out[i] = excess + ':' + verdict; document.body.dataset.found = out.join(' '); };"
        "f.srcdoc = document.getElementById('page' + i).textContent; });"
    )
    frames = "".join(f'<iframe style="width:{width}px;height:900px;border:0"></iframe>' for _, width in pages)
    sources = "".join(f'<div id="page{i}" hidden>{html.escape(page)}</div>' for i, (page, _) in enumerate(pages))
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><body>{frames}{sources}<script>{script}</script></body>',
        encoding="utf-8",
    )
    dom = _browse(tmp_path, "--virtual-time-budget=8000", "--dump-dom", frame.as_uri())
    found = re.search(r'data-found="([^"]*)"', dom)
    assert found is not None, dom[:300]
    results = [tuple(map(int, text.split(":"))) for text in found[1].split()]
    assert len(results) == len(pages)
    return [(excess, verdict) for excess, verdict in results]


def _uncaught(report: RunReport) -> BitReport:
    """Return a ladder in which no negative control was caught."""
    assert report.bits is not None
    control = NegativeControl("firmware/weights/w7[35]: -43 became -44 (fixed<7,1>)", 2_000, 0)
    rungs = (dataclasses.replace(r, control=control) if r.control else r for r in report.bits.rungs)
    return dataclasses.replace(report.bits, rungs=tuple(rungs))


def _estimates(report: RunReport) -> RunReport:
    """Return the report with estimates whose band crosses the limit, in the longest words."""
    assert report.budget is not None
    source = "Yosys 0.70, alkaid 0.8.2, calibrated on 20 routed designs of arXiv:2508.15468"
    band = {"stage": "estimate", "source": source, "extrapolated": True}
    lines = tuple(
        dataclasses.replace(line, **band, low=0.5 * line.value, high=line.limit + 1) if line.value is not None else line
        for line in report.budget.lines
    )
    numbers = tuple(line.measurement for line in lines if line.measurement is not None)
    synthesis = (dataclasses.replace(report.synthesis[0], measurements=numbers),)
    return dataclasses.replace(report, budget=BudgetReport(lines), synthesis=synthesis, regions=3)


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
        "estimates": render_html(_estimates(report)),
        "empty": render_html(RunReport("empty")),
        "failed": render_html(dataclasses.replace(report, bits=_uncaught(report))),
    }


def test_nothing_is_too_wide_on_phone_tablet_and_screen(report: RunReport, tmp_path: Path) -> None:
    pages = [(kind, width) for kind in _pages(report) for width in (390, 760, 1280)]
    shown = _pages(report)
    found = _widths(tmp_path, *((shown[kind], width) for kind, width in pages))
    assert {name: excess for name, (excess, _) in zip(pages, found, strict=True) if excess} == {}
    assert all(verdict > 40 for _, verdict in found)


def test_the_width_check_sees_what_is_too_wide(report: RunReport, tmp_path: Path) -> None:
    page = render_html(report)
    wide = page.replace("<main>", '<main><div style="width:900px">wide</div>')
    table = page.replace('<table id="ladder-table"', '<table style="width:1110px" id="ladder-table"')
    assert "1110px" in table
    (narrow, _), (screen, _) = _widths(tmp_path, (wide, 390), (table, 1280))
    assert narrow > 300
    assert screen > 20


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
