"""Draws nulls, widths, density ratios, uniformity, power and control charts; every function returns a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import chi2, gamma, norm

from l1ad.errors import ConfigurationError
from l1ad.provenance import whole_file
from l1ad.validation.calibration import Assessment, CalibratedNull
from l1ad.validation.kernels import Floats
from l1ad.validation.nulls import gamma_threshold
from l1ad.validation.weighted_chi2 import log_survival

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from l1ad.validation.monitor import BatchResult, Monitor
    from l1ad.validation.nplm import KernelNplm

#: Okabe-Ito palette; told apart by people with any colour vision.
_BLUE, _ORANGE, _GREEN = "#0072b2", "#d55e00", "#009e73"
_BANDS = (1.0, 2.0, 3.0)
_BINS = 30
#: Quantiles that divide the outermost bins of a ratio.
_TAILS = (0.001, 0.003, 0.01, 0.99, 0.997, 0.999)
#: Data events that the reference predicts in a bin of a ratio, at least.
_FEWEST = 3.0


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure to `path`, whole or not at all; the suffix is the format.

    Raises
    ------
    ConfigurationError
        When it is not ``.png``, ``.pdf`` or ``.svg``.
    """
    if path.suffix not in (".png", ".pdf", ".svg"):
        raise ConfigurationError(f"{path}: expected a name that ends in .png, .pdf or .svg.")
    with whole_file(path) as stream:
        figure.savefig(stream, format=path.suffix[1:], dpi=150)


def plot_null(null: CalibratedNull, found: Assessment, index: int = 0) -> Figure:
    """Draw the toys of one statistic with the models of the null, Z bands and the observed value."""
    figure, axes = _axes("test statistic t", "density")
    toys, value = null.toys[:, index], found.statistics[index].value
    grid = np.linspace(max(min(toys.min(), value) * 0.8, 1e-3), max(toys.max(), value) * 1.1, 200)
    shape, scale = toys.mean() ** 2 / toys.var(ddof=1), toys.var(ddof=1) / toys.mean()
    axes.hist(toys, bins=_BINS, density=True, color="0.8", label=f"{len(toys)} toys")
    axes.plot(grid, gamma.pdf(grid, shape, scale=scale), color=_BLUE, label="Gamma")
    axes.plot(grid, chi2.pdf(grid, toys.mean()), color="0.4", linestyle=":", label="chi-squared")
    if null.analytic:
        survival = np.exp([log_survival(float(t), null.analytic[index]) for t in grid])
        axes.plot(grid, -np.gradient(survival, grid), color=_GREEN, linestyle="--", label="weighted chi-squared")
    for z, p in zip(_BANDS, (0.1587, 0.02275, 0.00135), strict=True):
        axes.axvline(gamma_threshold(toys, p), color="0.6", linewidth=0.8, linestyle=":")
        axes.text(
            gamma_threshold(toys, p), 1.01, rf"{z:.0f}$\sigma$", transform=axes.get_xaxis_transform(), ha="center"
        )
    axes.axvline(value, color=_ORANGE, label=f"observed, {found.statistics[index].quoted}")
    axes.legend(frameon=False)
    return figure


def plot_widths(found: Assessment) -> Figure:
    """Draw the quoted Z of every kernel width with its error."""
    figure, axes = _axes("statistic", "Z")
    quoted = [item.quoted for item in found.statistics]
    names = [item.name for item in found.statistics]
    axes.errorbar(range(len(names)), [q.z for q in quoted], [q.z_error for q in quoted], fmt="o", color=_BLUE)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    for z in _BANDS:
        axes.axhline(z, color="0.8", linewidth=0.8)
    return figure


def plot_ratio(
    model: KernelNplm,
    reference: Floats,
    data: Floats,
    feature: int = 0,
    *,
    name: str = "",
    weights: Floats | None = None,
) -> Figure:
    """Draw the ratio of data and reference in bins of one feature, with the learned density ratio over it.

    The learned ratio of a bin is the mean of ``e^f`` over the reference events in it. A feature of few values has a
    bin for each; bins in which the reference predicts fewer than three data events are left out.

    Parameters
    ----------
    model : KernelNplm
        Fitted to both samples.
    reference, data : ndarray of float64, shapes (n, d) and (m, d)
    feature : int, optional
    name : str, optional
        Label of the axis.
    weights : ndarray of float64, shape (n,), optional
        Reference weights; by default each is m/n.
    """
    figure, axes = _axes(name or f"feature {feature}", "data / reference")
    x, y = reference[:, feature], data[:, feature]
    w = np.full(len(x), len(y) / len(x)) if weights is None else weights
    edges = _edges(x)
    observed, _ = np.histogram(y, edges)
    expected, _ = np.histogram(x, edges, weights=w)
    squares, _ = np.histogram(x, edges, weights=w**2)
    learned, _ = np.histogram(x, edges, weights=w * model.density_ratio(reference))
    filled = expected >= _FEWEST
    middle = 0.5 * (edges[1:] + edges[:-1])[filled]
    e, o = expected[filled], observed[filled]
    ratio = o / e
    # The error of the reference stands in it as well; an empty bin has the error of one event.
    error = np.sqrt(np.maximum(o, 1) / e**2 + ratio**2 * squares[filled] / e**2)
    axes.errorbar(middle, ratio, error, fmt=".", color="0.2", label="data")
    axes.plot(middle, learned[filled] / e, color=_ORANGE, label="learned", zorder=3)
    axes.axhline(1.0, color="0.8", linewidth=0.8)
    axes.legend(frameon=False)
    return figure


def _edges(x: Floats) -> Floats:
    """Return bins of equal content, or one for each of few values."""
    values = np.unique(x)
    if len(values) <= _BINS:
        gaps = np.diff(values) if len(values) > 1 else np.array([1.0])
        return np.concatenate([[values[0] - gaps[0] / 2], values[:-1] + gaps[: len(values) - 1] / 2,
                               [values[-1] + gaps[-1] / 2]])  # fmt: skip
    return np.unique(np.quantile(x, np.concatenate([np.linspace(0, 1, _BINS + 1), _TAILS])))


def plot_uniformity(p_values: Floats) -> Figure:
    """Draw the histogram of null p-values with the binomial band of a uniform distribution."""
    figure, axes = _axes("p-value", "entries")
    bins = 20
    mean = len(p_values) / bins
    axes.hist(p_values, bins=bins, range=(0, 1), color=_BLUE, alpha=0.6)
    spread = np.sqrt(mean * (1 - 1 / bins))
    axes.axhspan(mean - spread, mean + spread, color="0.7", alpha=0.5)
    axes.axhline(mean, color="0.3", linewidth=0.8)
    return figure


def plot_power(sizes: Sequence[float], null: Floats, signals: Sequence[Floats], z: float = 3.0) -> Figure:
    """Draw the probability of at least `z` against the size of a signal.

    The error of a point holds its binomial error and that of the Gamma quantile of the null, from resampled toys.
    """
    figure, axes = _axes("signal", f"P(Z ≥ {z:g})")
    rate, rng = float(norm.sf(z)), np.random.default_rng(0)
    thresholds = [gamma_threshold(null[rng.integers(0, len(null), len(null))], rate) for _ in range(100)]
    middle = gamma_threshold(null, rate)
    power = np.array([(values > middle).mean() for values in signals])
    shifted = np.array([[(values > t).mean() for t in thresholds] for values in signals])
    binomial = np.array([p * (1 - p) / len(values) for p, values in zip(power, signals, strict=True)])
    axes.errorbar(sizes, power, np.sqrt(binomial + shifted.var(axis=1)), fmt="o-", color=_BLUE)
    axes.set_ylim(0, 1.02)
    return figure


def plot_control_chart(results: Sequence[BatchResult], monitor: Monitor) -> Figure:
    """Draw the significance of every batch with the limit of the false-alarm rate.

    Alarms are marked, and named by the feature that moved or by the overflows.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = _axes("batch", "Z")
    numbers, z = [r.batch for r in results], [r.z for r in results]
    axes.plot(numbers, z, ".-", color=_BLUE, linewidth=0.8)
    for result in results:
        if result.alarm:
            axes.plot([result.batch], [result.z], "o", color=_ORANGE)
            name = "overflow" if result.overflow_p <= 0.5 * monitor.false_alarm_rate else result.feature
            axes.annotate(name, (result.batch, result.z), textcoords="offset points", xytext=(4, 4))
    axes.axhline(norm.isf(monitor.nplm_rate), color=_ORANGE, linestyle="--", linewidth=0.8)
    axes.set_title(f"false-alarm rate {monitor.false_alarm_rate:g} a batch", fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for band in _BANDS:
        axes.axhline(band, color="0.8", linewidth=0.8)
    return figure


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
    """Return a figure with labelled axes."""
    from matplotlib.figure import Figure as NewFigure

    figure = NewFigure(figsize=(6.0, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlabel=x, ylabel=y)
    return figure, axes
