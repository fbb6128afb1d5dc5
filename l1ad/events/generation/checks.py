"""Checks of the physics of a sample: each a number with its error, the range that it must lie in, and why."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from l1ad.errors import ConfigurationError, DataError, nearest
from l1ad.events.adc2021 import PARENT, PROCESS, EventFile
from l1ad.events.generation.observables import (
    dilepton_masses,
    forward_asymmetry,
    histogram_peak,
    jets,
    leading_leptons,
    lepton_counts,
    leptons,
    missing_pt,
    phi_modulation,
    transverse_masses,
)
from l1ad.events.generation.processes import BACKGROUND, PROCESSES
from l1ad.events.layout import BLOCKS
from l1ad.records import Record

#: Standard deviations that a value may lie outside its range by chance.
_TOLERANCE = 3.0
#: Fewest events of a process that its checks look at.
LEAST_EVENTS = 100

Events = NDArray[np.floating]


@dataclass(frozen=True)
class PhysicsCheck(Record):
    """One number and the range in which it must lie.

    Attributes
    ----------
    name : str
        What was measured.
    value, error : float
        The number and its statistical error.
    low, high : float
        Expected range.
    source : str
        Where the range comes from.
    """

    name: str
    value: float
    error: float
    low: float
    high: float
    source: str

    @property
    def passed(self) -> bool:
        """Whether the value lies in the range, or outside by no more than three of its errors."""
        slack = _TOLERANCE * self.error
        return math.isfinite(self.value) and self.low - slack <= self.value <= self.high + slack


@dataclass(frozen=True)
class PhysicsReport(Record):
    """All checks of one sample."""

    checks: tuple[PhysicsCheck, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)


def share(name: str, chosen: NDArray[np.bool_], low: float, high: float, source: str) -> PhysicsCheck:
    """Return the check of a share of events, with its binomial error."""
    value = float(np.mean(chosen))
    # One event more or less keeps the error of an empty class from being 0.
    near = min(max(value, 1 / len(chosen)), 1 - 1 / len(chosen)) if len(chosen) > 1 else 0.5
    return PhysicsCheck(name, value, math.sqrt(near * (1 - near) / len(chosen)), low, high, source)


def mean(name: str, values: NDArray[np.floating], low: float, high: float, source: str) -> PhysicsCheck:
    """Return the check of a mean, with its error."""
    if len(values) < 2:
        return PhysicsCheck(name, math.nan, math.nan, low, high, source)
    return PhysicsCheck(name, float(values.mean()), float(values.std() / math.sqrt(len(values))), low, high, source)


def peak(
    name: str, values: NDArray[np.floating], window: tuple[float, float], low: float, high: float, source: str
) -> PhysicsCheck:
    """Return the check of where a distribution is highest inside a window."""
    value, error = histogram_peak(values, *window)
    return PhysicsCheck(name, value, error, low, high, source)


def check_trigger(events: Events) -> list[PhysicsCheck]:
    """Check what every event of every process must satisfy: the trigger and the acceptance (arXiv:2107.02157)."""
    source = "selection, arXiv:2107.02157"
    found = leptons(events)
    electrons, muons, found_jets = (np.abs(events[:, block.rows, 1]) for block in BLOCKS[1:])
    checks = [share("events with a lepton above 23 GeV", leading_leptons(events) > 23, 1, 1, source)]
    softest = found[:, :, 0][found[:, :, 0] > 0]
    checks.append(share("leptons above 3 GeV", softest >= 3, 1, 1, source))
    for name, values, edge in (("electrons", electrons, 3.0), ("muons", muons, 2.1), ("jets", found_jets, 4.0)):
        checks.append(share(f"{name} with |eta| below {edge:g}", (values <= edge).ravel(), 1, 1, source))
    pt = jets(events)[:, :, 0]
    checks.append(share("jets above 15 GeV", pt[pt > 0] >= 15, 1, 1, source))
    # A range without statistical slack: one event outside is a failure.
    return [PhysicsCheck(c.name, c.value, 0.0, c.low, c.high, c.source) for c in checks]


def check_symmetry(events: Events) -> list[PhysicsCheck]:
    """Check that nothing prefers a side: protons are equal, and the detector is round."""
    checks = []
    for name, values in (("leptons", leptons(events)), ("jets", jets(events))):
        filled = values[values[:, :, 0] > 0]
        value, error = forward_asymmetry(filled[:, 1])
        checks.append(PhysicsCheck(f"{name}: (forward - backward) / all", value, error, 0, 0, "equal beams"))
    for name, angles in (("leptons", leptons(events)), ("MET", missing_pt(events)[:, None])):
        filled = angles[angles[:, :, 0] > 0]
        for part, (value, error) in zip(("cos", "sin"), phi_modulation(filled[:, 2]), strict=True):
            checks.append(PhysicsCheck(f"{name}: mean of {part} phi", value, error, 0, 0, "round detector"))
    return checks


def check_w(events: Events) -> list[PhysicsCheck]:
    """Check W -> l nu: the Jacobian peak below the mass, one lepton, missing energy from the neutrino."""
    mass, pt = transverse_masses(events), leading_leptons(events)
    return [
        peak("W: peak of the transverse mass [GeV]", mass, (40, 110), 66, 78, "m(W) 80.4, MET resolution"),
        peak("W: shoulder of the lepton pT [GeV]", pt, (25, 60), 34, 41, "m(W) / 2 = 40.2"),
        share("W: transverse mass above 110 GeV", mass > 110, 0.02, 0.05, "MET resolution"),
        share("W: events with two leptons", lepton_counts(events) > 1, 0, 0.01, "one neutrino"),
        mean("W: mean MET [GeV]", missing_pt(events)[:, 0], 39, 45, "41.5 in the published background, 59 % W"),
        share("W: events without a jet", jets(events)[:, 0, 0] == 0, 0.55, 0.72, "0.61 in the published background"),
    ]


def check_z(events: Events) -> list[PhysicsCheck]:
    """Check Z -> l l: the mass from two leptons of one kind, its width, and little missing energy."""
    mass = dilepton_masses(events)
    near = mass[(mass > 75) & (mass < 105)]
    inside = (mass > 80) & (mass < 100)
    return [
        mean("Z: mean mass between 75 and 105 GeV", near, 89.0, 92.0, "m(Z) 91.19, radiation below"),
        share("Z: share of the pairs at 80 to 100 GeV", inside, 0.65, 0.90, "Z over gamma*"),
        share("Z: events with two leptons", lepton_counts(events) > 1, 0.40, 0.65, "acceptance"),
        mean("Z: mean MET [GeV]", missing_pt(events)[:, 0], 24, 33, "no neutrino: resolution alone"),
    ]


def check_qcd(events: Events) -> list[PhysicsCheck]:
    """Check QCD: soft leptons, jets, and missing energy from resolution and soft neutrinos."""
    return [
        mean("QCD: mean MET [GeV]", missing_pt(events)[:, 0], 24, 33, "resolution, soft neutrinos"),
        share("QCD: MET above 60 GeV", missing_pt(events)[:, 0] > 60, 0.005, 0.08, "no hard neutrino"),
        mean("QCD: mean lepton pT [GeV]", leading_leptons(events), 26, 33, "falling spectrum above 23"),
        share("QCD: events without a jet", jets(events)[:, 0, 0] == 0, 0.05, 0.30, "the other heavy quark"),
        share("QCD: transverse mass above 70 GeV", transverse_masses(events) > 70, 0, 0.20, "no W"),
    ]


def check_top(events: Events) -> list[PhysicsCheck]:
    """Check top pairs: many jets and hard neutrinos."""
    count = (jets(events)[:, :, 0] > 0).sum(axis=1).astype(np.float64)
    return [
        mean("tt: mean number of jets", count, 3.5, 6.0, "two b, and two more of the other W"),
        mean("tt: mean MET [GeV]", missing_pt(events)[:, 0], 55, 85, "neutrino of a W"),
    ]


def check_a4l(events: Events) -> list[PhysicsCheck]:
    """Check A -> 4 leptons: many leptons, and pairs whose mass stays below that of A."""
    mass, several = dilepton_masses(events), lepton_counts(events)
    return [
        mean("A -> 4l: mean number of leptons", several.astype(np.float64), 1.9, 3.0, "four, less acceptance"),
        share("A -> 4l: pairs heavier than 50 GeV", mass > 52, 0, 0.02, "m(A) = 50"),
    ]


_CHECKS: dict[str, Callable[[Events], list[PhysicsCheck]]] = {
    "W": check_w,
    "Z": check_z,
    "QCD": check_qcd,
    "tt": check_top,
    "Ato4l": check_a4l,
}


def check_mixture(counts: Mapping[str, int]) -> list[PhysicsCheck]:
    """Check the shares of the processes of a background against the published ones.

    Parameters
    ----------
    counts : mapping of str to int
        Events of each process.
    """
    total = sum(counts.values())
    # A part of a larger sample has fractions that fluctuate; those of a whole sample are exact.
    return [
        PhysicsCheck(
            f"share of {name}",
            counts.get(name, 0) / total,
            math.sqrt(part * (1 - part) / total),
            part,
            part,
            "arXiv:2107.02157",
        )
        for name, part in BACKGROUND.items()
    ]


def check_tails(w: Events, qcd: Events) -> PhysicsCheck:
    """Check that the tail of the missing energy, above 60 GeV, belongs to W and not to QCD: the ratio of the shares."""
    (a, da), (b, db) = (_fraction(missing_pt(events)[:, 0] > 60) for events in (w, qcd))
    ratio = a / max(b, 1 / len(qcd))
    error = ratio * math.hypot(da / max(a, 1 / len(w)), db / max(b, 1 / len(qcd)))
    return PhysicsCheck("MET above 60 GeV, W over QCD", ratio, error, 2.5, 30, "neutrino of the W")


def check_events(events: Events, names: NDArray[np.str_], parents: NDArray[np.integer] | None = None) -> PhysicsReport:
    """Check a sample.

    Parameters
    ----------
    events : ndarray, shape (N, 19, 4)
    names : ndarray of str, shape (N,)
        Process of every event, as in `l1ad.events.generation.processes.PROCESSES`.
    parents : ndarray of int, shape (N,), or None, optional
        Hard event behind every event. Events of one parent are no independent ones: they widen the errors.

    Raises
    ------
    DataError
        When there are too few events to check anything.
    """
    if len(events) < LEAST_EVENTS:
        raise DataError(f"{len(events)} events; at least {LEAST_EVENTS} are needed to check their physics.")
    checks = [*check_trigger(events), *_widened(check_symmetry(events), parents)]
    present = {str(name): events[names == name] for name in np.unique(names)}
    for name, own in present.items():
        if name in _CHECKS and len(own) >= LEAST_EVENTS:
            checks += _widened(_CHECKS[name](own), None if parents is None else parents[names == name])
    if all(len(present.get(name, ())) >= LEAST_EVENTS for name in ("W", "QCD")):
        checks += _widened([check_tails(present["W"], present["QCD"])], parents)
    if set(BACKGROUND) & set(present) and len(present) > 1:
        checks += check_mixture({name: len(own) for name, own in present.items()})
    return PhysicsReport(tuple(checks))


def _widened(checks: list[PhysicsCheck], parents: NDArray[np.integer] | None) -> list[PhysicsCheck]:
    """Return checks with errors for as many events as there are independent ones: (sum n)^2 / sum n^2 over parents."""
    if parents is None:
        return checks
    counts = np.unique(parents, return_counts=True)[1].astype(np.float64)
    factor = math.sqrt(float((counts**2).sum() / counts.sum()))
    return [replace(check, error=check.error * factor) for check in checks]


def read_events(path: Path, process: str | None = None) -> tuple[Events, NDArray[np.str_], NDArray[np.integer] | None]:
    """Return the events of a file, the process of each, and the parent of each where the file has them.

    Parameters
    ----------
    path : Path
        File in the ADC2021 layout.
    process : str or None, optional
        What the file holds; None: what its dataset ``Process`` says.

    Raises
    ------
    ConfigurationError
        When the process is not known, or must be given.
    DataError
        When the file is not valid.
    """
    if process is not None and process not in PROCESSES:
        raise ConfigurationError(f"--process {process}: not known. {nearest(process, PROCESSES)}")
    codes = {found.code: found.name for found in PROCESSES.values()}
    with EventFile(path) as file:
        events = np.concatenate(list(file.iter_chunks()))
        everything = slice(0, len(events))
        parents = file.column(PARENT, everything) if file.has(PARENT) else None
        if process is not None:
            return events, np.full(len(events), process), parents
        if not file.has(PROCESS):
            raise ConfigurationError(f"{path}: has no dataset {PROCESS}; give --process.")
        numbers = file.column(PROCESS, everything)
    return events, np.array([codes.get(int(number), "card") for number in numbers]), parents


def check_file(path: Path, process: str | None = None) -> PhysicsReport:
    """Check the events of a file, see `read_events` and `check_events`."""
    return check_events(*read_events(path, process))


def _fraction(chosen: NDArray[np.bool_]) -> tuple[float, float]:
    """Return a share and its binomial error."""
    found = share("", chosen, 0, 1, "")
    return found.value, found.error
