"""The physics checks on the sample that ships with l1ad: they hold there, and fail when samples are swapped or bent."""

from __future__ import annotations

import numpy as np
import pytest

from l1ad.errors import ConfigurationError, DataError
from l1ad.events.adc2021 import PROCESS, EventFile
from l1ad.events.generation.checks import check_events, check_file, check_mixture, check_tails, read_events
from l1ad.events.generation.observables import (
    dilepton_masses,
    forward_asymmetry,
    histogram_peak,
    phi_modulation,
    transverse_masses,
)
from l1ad.events.sample import open_sample

EVENTS = 100_000


@pytest.fixture(scope="module")
def sample():
    found = open_sample(verify=False)
    names = {int(code): name for code, name in found.manifest["process"].items()} | {3: "tt"}
    with EventFile(found.background.paths[0]) as file:
        rows = slice(0, EVENTS)
        return file[rows], np.array([names[int(code)] for code in file.column(PROCESS, rows)])


def failed(events, names):
    return {check.name for check in check_events(events, names).checks if not check.passed}


def swapped(names, first, second):
    return np.where(names == first, second, np.where(names == second, first, names))


def test_every_check_holds_on_the_sample_that_ships(sample):
    report = check_events(*sample)
    assert [check for check in report.checks if not check.passed] == []
    assert report.passed
    assert len(report.checks) >= 30


def test_w_and_qcd_swapped_are_seen(sample):
    events, names = sample
    found = failed(events, swapped(names, "W", "QCD"))
    assert {"W: peak of the transverse mass [GeV]", "W: mean MET [GeV]", "QCD: MET above 60 GeV", "QCD: mean MET [GeV]",
            "MET above 60 GeV, W over QCD", "share of W", "share of QCD"} <= found  # fmt: skip


def test_z_and_w_swapped_are_seen(sample):
    events, names = sample
    found = failed(events, swapped(names, "W", "Z"))
    assert {"Z: events with two leptons", "W: events with two leptons", "Z: mean MET [GeV]"} <= found


def test_top_and_z_swapped_are_seen(sample):
    events, names = sample
    assert {"tt: mean number of jets", "tt: mean MET [GeV]"} <= failed(events, swapped(names, "tt", "Z"))


def test_a_wrong_energy_scale_is_seen(sample):
    events, names = sample
    bent = events.copy()
    bent[:, 1:9, 0] *= 1.1
    assert "Z: mean mass between 75 and 105 GeV" in failed(bent, names)


def test_a_beam_that_prefers_a_side_is_seen(sample):
    events, names = sample
    bent = events.copy()
    backward = (bent[:, 9:, 1] < 0) & (np.random.default_rng(0).random((len(bent), 10)) < 0.1)
    bent[:, 9:, 1][backward] *= -1
    assert "jets: (forward - backward) / all" in failed(bent, names)


def test_a_dead_sector_is_seen(sample):
    events, names = sample
    dead = ((events[:, 1:9, 2] > 0.5) & (events[:, 1:9, 2] < 1.0)).any(axis=1)
    found = failed(events[~dead], names[~dead])
    assert {"leptons: mean of cos phi", "leptons: mean of sin phi"} & found


@pytest.mark.parametrize(
    ("row", "column", "value", "name"),
    [
        (1, 0, 10.0, "events with a lepton above 23 GeV"),
        (5, 1, 2.2, "muons with |eta| below 2.1"),
        (1, 1, 3.1, "electrons with |eta| below 3"),
        (9, 0, 14.0, "jets above 15 GeV"),
    ],
)
def test_one_event_outside_the_selection_is_seen(sample, row, column, value, name):
    events, names = sample
    single = (events[:, 1:9, 0] > 0).sum(axis=1) == 1
    chosen = np.flatnonzero(single & (events[:, row, 0] > 0))[0]
    bent = events.copy()
    bent[chosen, row, column] = value
    assert name in failed(bent, names)


def test_the_mixture_is_the_published_one():
    assert all(check.passed for check in check_mixture({"W": 59200, "QCD": 33800, "Z": 6700, "tt": 300}))
    assert not all(check.passed for check in check_mixture({"W": 58200, "QCD": 34800, "Z": 6700, "tt": 300}))


def test_the_tail_belongs_to_w(sample):
    events, names = sample
    w, qcd = events[names == "W"], events[names == "QCD"]
    assert check_tails(w, qcd).passed
    assert not check_tails(qcd, w).passed
    assert not check_tails(w, w).passed


def test_too_few_events_are_refused(sample):
    events, names = sample
    with pytest.raises(DataError, match="at least 100"):
        check_events(events[:50], names[:50])


def test_a_file_that_does_not_say_its_process(tmp_path, sample):
    path = open_sample(verify=False).source("Ato4l").paths[0]
    with pytest.raises(ConfigurationError, match="give --process"):
        read_events(path)
    with pytest.raises(ConfigurationError, match="Did you mean Ato4l"):
        read_events(path, "Ato4")
    assert check_file(path, "Ato4l").passed
    assert not check_file(path, "W").passed


def test_masses_of_known_pairs():
    events = np.zeros((2, 19, 4))
    events[:, 1] = (45.6, 0.0, 0.0, 2)
    events[0, 2] = (45.6, 0.0, np.pi, 2)
    events[:, 0] = (45.6, 0.0, np.pi, 1)
    assert dilepton_masses(events) == pytest.approx([91.2])
    assert transverse_masses(events) == pytest.approx([91.2, 91.2])


def test_the_peak_of_a_known_distribution():
    value, error = histogram_peak(np.random.default_rng(0).normal(72, 8, 20_000), 40, 110)
    assert value == pytest.approx(72, abs=0.5)
    assert 0 < error < 1
    assert np.isnan(histogram_peak(np.zeros(100), 40, 110)[0])


def test_asymmetries_of_known_distributions():
    assert forward_asymmetry(np.array([1.0, 2.0, -1.0, 3.0]))[0] == pytest.approx(0.5)
    (cosine, error), (sine, _) = phi_modulation(np.array([0.0, np.pi / 2]))
    assert (cosine, sine, error) == pytest.approx((0.5, 0.5, 0.5))
