"""What a sample looks like: counts, multiplicities, pT spectra, ranges of eta and phi."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import DataError
from l1ad.events.adc2021 import EventSource
from l1ad.events.layout import BLOCKS, ETA, PHI, PT, ObjectBlock
from l1ad.records import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Edges of the pT spectra in GeV; what lies above the last edge is counted in the last bin.
PT_EDGES = (0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0)
#: Edges of the eta and phi distributions.
ETA_EDGES = tuple(round(-4.0 + 0.25 * i, 2) for i in range(33))
PHI_EDGES = tuple(-math.pi + math.pi / 16 * i for i in range(33))
#: Quantiles of pT that a summary gives.
QUANTILES = (0.05, 0.5, 0.95, 0.99)

# Quantiles come from counts in steps of 0.25 GeV up to 8 TeV, more than the beam energy of 6.5 TeV.
_FINE_STEP_GEV = 0.25
_FINE_BINS = 32_000
_COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")


@dataclass(frozen=True)
class ObjectSummary(Record):
    """One kind of object in a sample.

    Attributes
    ----------
    name : str
        ``met``, ``electron``, ``muon`` or ``jet``.
    entries : int
        Filled rows.
    multiplicity : tuple of int
        Events with 0, 1, 2 ... of them.
    pt_mean, pt_std, pt_max : float
        In GeV, over the filled rows; 0 without entries.
    pt_quantiles : tuple of float
        pT in GeV at `QUANTILES`, to 0.25 GeV.
    eta_min, eta_max, phi_min, phi_max : float
        Ranges over the filled rows.
    pt_counts, eta_counts, phi_counts : tuple of int
        Entries between the edges `PT_EDGES`, `ETA_EDGES`, `PHI_EDGES`.
    """

    name: str
    entries: int
    multiplicity: tuple[int, ...]
    pt_mean: float
    pt_std: float
    pt_max: float
    pt_quantiles: tuple[float, ...]
    eta_min: float
    eta_max: float
    phi_min: float
    phi_max: float
    pt_counts: tuple[int, ...]
    eta_counts: tuple[int, ...]
    phi_counts: tuple[int, ...]


@dataclass(frozen=True)
class EventSummary(Record):
    """One sample.

    Attributes
    ----------
    name, source_tag : str
        How the sample is called and where it comes from.
    events : int
        Events.
    objects : tuple of ObjectSummary
        Missing energy, electrons, muons, jets.
    """

    name: str
    source_tag: str
    events: int
    objects: tuple[ObjectSummary, ...]


class _ObjectCounter:
    """Adds up one kind of object over chunks."""

    def __init__(self, block: ObjectBlock) -> None:
        self._block = block
        self._multiplicity = np.zeros(block.count + 1, dtype=np.int64)
        self._fine = np.zeros(_FINE_BINS, dtype=np.int64)
        self._pt = np.zeros(len(PT_EDGES) - 1, dtype=np.int64)
        self._angles = [np.zeros(len(edges) - 1, dtype=np.int64) for edges in (ETA_EDGES, PHI_EDGES)]
        self._sum = self._square = self._largest = 0.0
        self._low, self._high = np.full(2, np.inf), np.full(2, -np.inf)

    def add(self, particles: NDArray[np.floating]) -> None:
        """Count one chunk, shape (N, 19, 4)."""
        rows = particles[:, self._block.rows]
        filled = rows[:, :, PT] > 0
        self._multiplicity += np.bincount(filled.sum(axis=1), minlength=len(self._multiplicity))
        values = rows[filled].astype(np.float64)
        if len(values) == 0:
            return
        pt = values[:, PT]
        self._sum, self._square = self._sum + float(pt.sum()), self._square + float((pt**2).sum())
        self._largest = max(self._largest, float(pt.max()))
        fine = np.minimum(pt / _FINE_STEP_GEV, _FINE_BINS - 1).astype(np.int64)
        self._fine += np.bincount(fine, minlength=_FINE_BINS)
        self._pt += np.histogram(np.minimum(pt, PT_EDGES[-1]), PT_EDGES)[0]
        for index, (column, edges) in enumerate(((ETA, ETA_EDGES), (PHI, PHI_EDGES))):
            angle = values[:, column]
            self._angles[index] += np.histogram(np.clip(angle, edges[0], edges[-1]), edges)[0]
            self._low[index] = min(self._low[index], angle.min())
            self._high[index] = max(self._high[index], angle.max())

    def summary(self) -> ObjectSummary:
        """Return what was counted."""
        entries = int(self._fine.sum())
        mean = self._sum / max(entries, 1)
        spread = math.sqrt(max(self._square / max(entries, 1) - mean**2, 0.0))
        low, high = (np.where(np.isfinite(values), values, 0.0) for values in (self._low, self._high))
        return ObjectSummary(
            name=self._block.name,
            entries=entries,
            multiplicity=_integers(self._multiplicity),
            pt_mean=mean,
            pt_std=spread,
            pt_max=self._largest,
            pt_quantiles=tuple(self._quantile(q, entries) for q in QUANTILES),
            eta_min=float(low[0]),
            eta_max=float(high[0]),
            phi_min=float(low[1]),
            phi_max=float(high[1]),
            pt_counts=_integers(self._pt),
            eta_counts=_integers(self._angles[0]),
            phi_counts=_integers(self._angles[1]),
        )

    def _quantile(self, share: float, entries: int) -> float:
        """Return the pT in GeV below which `share` of the entries lie."""
        if entries == 0:
            return 0.0
        return float(np.searchsorted(np.cumsum(self._fine), share * entries) + 0.5) * _FINE_STEP_GEV


def summarize(source: EventSource, name: str) -> EventSummary:
    """Read a sample once, in chunks, and summarize it.

    Parameters
    ----------
    source : EventSource
        Events to read; every chunk is checked.
    name : str
        How to call the sample.

    Raises
    ------
    DataError
        When a file or an event is invalid.
    """
    counters = [_ObjectCounter(block) for block in BLOCKS]
    events = 0
    for chunk in source.iter_chunks():
        events += len(chunk)
        for counter in counters:
            counter.add(chunk)
    return EventSummary(name, "+".join(source.source_tags()), events, tuple(counter.summary() for counter in counters))


def plot_summary(summaries: Sequence[EventSummary]) -> Figure:
    """Draw samples over one another, each normalized to its events.

    Rows: pT; eta, or phi for the missing energy; multiplicity, or the events of each sample.

    Parameters
    ----------
    summaries : sequence of EventSummary
        At most as many as there are colours, 7.

    Returns
    -------
    matplotlib.figure.Figure
        Not attached to any window; save it with ``savefig``.

    Raises
    ------
    DataError
        When there is no sample or there are too many.
    """
    from matplotlib.figure import Figure

    if not 1 <= len(summaries) <= len(_COLOURS):
        raise DataError(f"figure: {len(summaries)} samples; expected 1 to {len(_COLOURS)}.")
    figure = Figure(figsize=(15, 10), layout="constrained")
    axes = figure.subplots(3, len(BLOCKS))
    for summary, colour in zip(summaries, _COLOURS, strict=False):
        for index, item in enumerate(summary.objects):
            _draw_object(axes[:, index], item, summary.events, colour)
        axes[2, 0].bar([summary.name], [summary.events], color=colour)
    for index, block in enumerate(BLOCKS):
        _label(axes[:, index], block.name)
    tags = ", ".join(dict.fromkeys(summary.source_tag for summary in summaries))
    figure.suptitle(f"source: {tags}", fontsize=11)
    handles = axes[0, 0].get_lines()
    labels = [f"{summary.name} ({summary.events:,})" for summary in summaries]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(summaries), frameon=False)
    return figure


def _draw_object(axes: Sequence[Axes], item: ObjectSummary, events: int, colour: str) -> None:
    """Draw pT, an angle, and the multiplicity of one object of one sample."""
    _steps(axes[0], PT_EDGES, np.array(item.pt_counts) / np.diff(PT_EDGES) / events, colour)
    edges, counts = (PHI_EDGES, item.phi_counts) if item.name == "met" else (ETA_EDGES, item.eta_counts)
    _steps(axes[1], edges, np.array(counts) / np.diff(edges) / events, colour)
    if item.name != "met":
        _steps(
            axes[2], [n - 0.5 for n in range(len(item.multiplicity) + 1)], np.array(item.multiplicity) / events, colour
        )


def _steps(
    axes: Axes, edges: Sequence[float] | NDArray[np.floating], heights: NDArray[np.floating], colour: str
) -> None:
    """Draw a histogram as a line, with gaps where it is empty: the axes may be logarithmic."""
    heights = np.where(heights > 0, heights, np.nan)
    axes.plot(edges, np.append(heights, heights[-1]), drawstyle="steps-post", color=colour, linewidth=1.4)


def _label(axes: Sequence[Axes], name: str) -> None:
    """Name the axes of one column."""
    from matplotlib.ticker import MaxNLocator

    title = {"met": "missing transverse energy", "electron": "electrons", "muon": "muons", "jet": "jets"}[name]
    axes[0].set(title=title, xlabel="pT [GeV], last bin and above", ylabel="entries / event / GeV")
    axes[0].set(xscale="log", yscale="log", xlim=(3, PT_EDGES[-1]))
    if name == "met":
        axes[1].set(xlabel="phi [rad]", ylabel="entries / event / rad", ylim=(0, None))
        axes[2].set(ylabel="events")
        axes[2].tick_params(axis="x", rotation=30)
    else:
        axes[1].set(xlabel="eta", ylabel="entries / event / unit of eta", ylim=(0, None))
        axes[2].set(xlabel=f"{title} / event", ylabel="share of events", yscale="log")
        axes[2].xaxis.set_major_locator(MaxNLocator(integer=True))
    for panel in axes:
        panel.set_axisbelow(True)
        panel.grid(alpha=0.25)


def _integers(values: NDArray[np.int64]) -> tuple[int, ...]:
    """Return an array as Python integers."""
    return tuple(int(value) for value in values)
