"""Summaries against plain numpy, and the figure."""

from __future__ import annotations

import numpy as np
import pytest

from l1ad.errors import DataError
from l1ad.events.adc2021 import EventSource
from l1ad.events.sample import open_sample
from l1ad.events.summary import QUANTILES, plot_summary, summarize


@pytest.fixture(scope="module")
def source():
    return open_sample(verify=False).signals["hchtaunu"]


def test_numbers_are_those_of_numpy(source):
    events = np.concatenate(list(source.iter_chunks()))
    summary = summarize(source, "h")
    assert (summary.events, summary.source_tag) == (20_000, "l1ad-gen-prototype")
    for item, rows in zip(summary.objects, (slice(0, 1), slice(1, 5), slice(5, 9), slice(9, 19)), strict=True):
        block = events[:, rows].astype(np.float64)
        filled = block[:, :, 0] > 0
        pt, eta = block[filled][:, 0], block[filled][:, 1]
        assert item.multiplicity == tuple(np.bincount(filled.sum(axis=1), minlength=filled.shape[1] + 1))
        assert (item.pt_mean, item.pt_std, item.pt_max) == pytest.approx((pt.mean(), pt.std(), pt.max()))
        np.testing.assert_allclose(item.pt_quantiles, np.quantile(pt, QUANTILES, method="inverted_cdf"), atol=0.13)
        assert (item.eta_min, item.eta_max) == (eta.min(), eta.max())
        assert sum(item.pt_counts) == sum(item.eta_counts) == sum(item.phi_counts) == item.entries == len(pt)


def test_another_sample_has_other_numbers(source):
    other = summarize(open_sample(verify=False).signals["Ato4l"], "h")
    assert other.objects[0].pt_mean < 0.5 * summarize(source, "h").objects[0].pt_mean


def test_figure_shows_every_sample(source, tmp_path):
    samples = open_sample(verify=False).signals
    summaries = [summarize(samples[name], name) for name in ("Ato4l", "hchtaunu")]
    figure = plot_summary(summaries)
    assert [len(axes.get_lines()) for axes in figure.axes[:4]] == [2, 2, 2, 2]
    heights = figure.axes[0].get_lines()[0].get_ydata()[:-1]
    edges = figure.axes[0].get_lines()[0].get_xdata()
    assert np.nansum(heights * np.diff(edges)) == pytest.approx(1.0)
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 20_000
    with pytest.raises(DataError, match="0 samples"):
        plot_summary([])


def test_absent_file(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        summarize(EventSource((tmp_path / "absent.h5",)), "x")
