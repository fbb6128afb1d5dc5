"""Figures of the distributions that `l1ad.events.generation.checks` measures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import ConfigurationError
from l1ad.events.generation.checks import LEAST_EVENTS, Events, read_events
from l1ad.events.generation.observables import (
    dilepton_masses,
    jets,
    leading_leptons,
    leptons,
    missing_pt,
    transverse_masses,
)
from l1ad.provenance import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FORMATS = (".png", ".pdf", ".svg")
_COLOURS = {"W": "#0072b2", "QCD": "#d55e00", "Z": "#009e73", "tt": "#cc79a7"}
_SIGNAL_COLOURS = {
    "Ato4l": "#000000",
    "LQbtau": "#e69f00",
    "htautau": "#56b4e9",
    "hchtaunu": "#999999",
    "card": "#666666",
}


def plot_physics(path: Path, process: str | None = None) -> Figure:
    """Draw the distributions of a file, process by process, each normalized to 1.

    Parameters
    ----------
    path : Path
        File in the ADC2021 layout.
    process : str or None, optional
        What the file holds; None: what its dataset ``Process`` says.
    """
    from matplotlib.figure import Figure

    events, names, _ = read_events(path, process)
    parts = {str(name): events[names == name] for name in np.unique(names)}
    # A process of a few events draws spikes over all others.
    parts = {name: own for name, own in parts.items() if len(own) >= LEAST_EVENTS or len(parts) == 1}
    figure = Figure(figsize=(13, 7), layout="constrained")
    axes = figure.subplots(2, 4).ravel()
    for name, own in parts.items():
        _draw(axes, own, (_COLOURS | _SIGNAL_COLOURS)[name])
    _label(axes)
    handles, labels = axes[0].get_lines(), [f"{name} ({len(own):,})" for name, own in parts.items()]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(parts), frameon=False)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all.

    Raises
    ------
    ConfigurationError
        When the ending of the name is none of .png, .pdf, .svg.
    """
    if path.suffix not in _FORMATS:
        raise ConfigurationError(f"--plot {path}: expected a name that ends in {', '.join(_FORMATS)}.")
    with whole_file(path) as stream:
        figure.savefig(stream, format=path.suffix[1:], dpi=75)


def _draw(axes: NDArray[np.object_], events: Events, colour: str) -> None:
    """Draw the distributions of one process."""
    found, found_jets = leptons(events), jets(events)
    filled = found[found[:, :, 0] > 0]
    _steps(axes[0], transverse_masses(events), np.linspace(0, 150, 51), colour)
    _steps(axes[1], leading_leptons(events), np.linspace(20, 80, 61), colour)
    _steps(axes[2], dilepton_masses(events), np.linspace(0, 140, 71), colour)
    _steps(axes[3], missing_pt(events)[:, 0], np.linspace(0, 200, 51), colour)
    _steps(axes[4], (found_jets[:, :, 0] > 0).sum(axis=1), np.arange(-0.5, 11.5), colour)
    _steps(axes[5], (found[:, :, 0] > 0).sum(axis=1), np.arange(-0.5, 7.5), colour)
    _steps(axes[6], filled[:, 1], np.linspace(-3.2, 3.2, 33), colour)
    _steps(axes[7], filled[:, 2], np.linspace(-np.pi, np.pi, 33), colour)


def _steps(axes: Axes, values: NDArray[np.floating] | NDArray[np.integer], edges: Events, colour: str) -> None:
    """Draw a normalized histogram as a line."""
    counts, _ = np.histogram(values, edges)
    heights = counts / max(len(values), 1) / np.diff(edges)
    drawn = np.where(heights > 0, heights, np.nan)
    axes.plot(edges, np.append(drawn, drawn[-1]), drawstyle="steps-post", color=colour, linewidth=1.3)


def _label(axes: NDArray[np.object_]) -> None:
    """Name the axes."""
    titles = (
        "transverse mass [GeV]",
        "leading lepton pT [GeV]",
        "mass of two leptons of a kind [GeV]",
        "MET [GeV]",
        "jets / event",
        "leptons / event",
        "lepton eta",
        "lepton phi",
    )
    for panel, title in zip(axes, titles, strict=True):
        panel.set(xlabel=title)
        panel.set_axisbelow(True)
        panel.grid(alpha=0.25)
        panel.tick_params(labelsize=8)
    for index in (2, 3, 4, 5):
        axes[index].set_yscale("log")
    for index in (0, 4):
        axes[index].set_ylabel("share per unit")
    for index in (0, 1, 6, 7):
        axes[index].set_ylim(0, None)
