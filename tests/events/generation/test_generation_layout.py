"""Jets of FastJet and the event layout."""

from __future__ import annotations

import numpy as np
import pytest

from l1ad.events.generation.selection import fill_layout
from l1ad.events.validation import check_events


def test_jets_are_ordered_cut_at_ten_and_cleaned():
    leptons = np.zeros((2, 8, 3))
    leptons[0, 0] = (50, 0.0, 3.1)
    leptons[1, 4] = (30, 1.0, 0.0)
    jets = np.array([[20, 2.0, 0.0], [48, 0.05, -3.1], *[[15 + i, -2.0, 0.1 * i] for i in range(12)], [40, 1.0, 1.0]])
    cleaned, kept = fill_layout(leptons, np.array([[3.0, 4.0], [0.0, -1.0]]), np.array([0, 14, 15]), jets)
    check_events(cleaned, "cleaned")
    check_events(kept, "kept")
    assert cleaned[:, 0, 0].tolist() == [5.0, 1.0]
    assert cleaned[1, 0, 2] == pytest.approx(-np.pi / 2)
    # The jet at 48 GeV is the electron, across the turn of phi.
    assert kept[0, 9, 0] == 48
    assert cleaned[0, 9, 0] == 26
    assert (cleaned[0, 9:, 0] > 0).sum() == 10
    assert cleaned[1, 9].tolist() == kept[1, 9].tolist() == [40, 1, 1, 4]
    assert cleaned[0, 1].tolist() == pytest.approx([50, 0, 3.1, 2])
    assert cleaned[1, 5].tolist() == [30, 1, 0, 3]


def test_a_jet_at_the_edge_of_the_cone_stays():
    leptons = np.zeros((1, 8, 3))
    leptons[0, 0] = (50, 0.0, 0.0)
    for distance, left in ((0.39, 0), (0.41, 1)):
        cleaned, _ = fill_layout(leptons, np.ones((1, 2)), np.array([0, 1]), np.array([[30, distance, 0.0]]))
        assert (cleaned[0, 9:, 0] > 0).sum() == left


def test_fastjet_finds_two_jets_and_says_nothing(capfd):
    pytest.importorskip("fastjet", reason="the extra `generate` is not installed")
    from l1ad.events.generation.jets import cluster_jets

    def particle(pt, eta, phi):
        return [pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)]

    first = [particle(20, 0.5, 1.0), particle(15, 0.6, 1.1), particle(30, -1.0, -2.0), particle(14, 3.0, 0.0)]
    second = [particle(50, 4.2, 0.0), particle(25, 0.0, 0.0)]
    offsets, jets = cluster_jets(np.array([0, 4, 4, 6]), np.array(first + second))
    assert offsets.tolist() == [0, 2, 2, 3]
    found = jets[np.argsort(-jets[:, 0])]
    assert found[0, 0] == pytest.approx(35, abs=0.2)
    assert found[1] == pytest.approx([30, -1.0, -2.0])
    assert found[2] == pytest.approx([25, 0.0, 0.0], abs=1e-9)
    assert capfd.readouterr().out == ""
