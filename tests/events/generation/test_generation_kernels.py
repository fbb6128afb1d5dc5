"""The kernels as plain Python: kinematics, kinds of particles, decays, towers, leptons. No compilation is needed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from l1ad.events.generation import kernels_decays, kernels_detector, kernels_events, kernels_particles
from l1ad.events.generation.particles import (
    CHARGED_HADRON,
    ELECTRON,
    INVISIBLE,
    MUON,
    NEUTRAL_HADRON,
    PHOTON,
    SOFT_ELECTRON,
    SOFT_MUON,
    UNSTABLE,
)

MODULES = (kernels_particles, kernels_decays, kernels_detector, kernels_events)


@pytest.fixture(scope="module", autouse=True)
def as_python():
    """Replace every compiled function by its source for the tests of this module."""
    patch = pytest.MonkeyPatch()
    plain = {
        name: value.py_func for module in MODULES for name, value in vars(module).items() if hasattr(value, "py_func")
    }
    for module in MODULES:
        for name in plain.keys() & vars(module).keys():
            patch.setattr(module, name, plain[name])
    yield
    patch.undo()


def momentum(pt, eta, phi, mass=0.0):
    pz = pt * math.sinh(eta)
    return np.array([pt * math.cos(phi), pt * math.sin(phi), pz, math.sqrt(pt**2 + pz**2 + mass**2)])


def mass2(p):
    return p[..., 3] ** 2 - (p[..., :3] ** 2).sum(axis=-1)


@pytest.mark.parametrize(
    ("pdg", "heavy"),
    [(511, True), (-421, True), (5122, True), (443, True), (10411, True), (211, False), (3122, False), (22, False),
     (4, False), (1_000_020_040, False)],
)  # fmt: skip
def test_heavy_hadrons_are_known_by_their_code(pdg, heavy):
    assert kernels_particles.has_heavy_quark(pdg) is heavy


@pytest.mark.parametrize(
    ("chain", "kind"),
    [
        ([90, 24, 11], ELECTRON),
        ([90, 24, 11, 11, 11], ELECTRON),
        ([90, 24, 15, 13], MUON),
        ([90, 511, 411, 13], MUON),
        ([90, 111, 11], SOFT_ELECTRON),
        ([90, 21, 22, 11], SOFT_ELECTRON),
        ([90, 211, 13], SOFT_MUON),
        ([90, 21, 211], CHARGED_HADRON),
        ([90, 21, 130], NEUTRAL_HADRON),
        ([90, 111, 22], PHOTON),
        ([90, 24, 12], INVISIBLE),
        ([90, 42, -15, 11], ELECTRON),
    ],
)
def test_the_kind_of_a_particle_comes_from_its_mothers(chain, kind):
    pdg, mother = np.array(chain, np.int32), np.arange(-1, len(chain) - 1, dtype=np.int32)
    mother[0] = 0
    assert kernels_particles.kind_of(len(chain) - 1, 0, pdg, mother) == kind


@pytest.mark.parametrize(
    ("pdg", "kind", "charge"),
    [(11, ELECTRON, -1), (-13, MUON, 1), (211, CHARGED_HADRON, 1), (-2212, CHARGED_HADRON, -1),
     (3112, CHARGED_HADRON, -1), (22, PHOTON, 0), (130, NEUTRAL_HADRON, 0)],
)  # fmt: skip
def test_charges(pdg, kind, charge):
    assert kernels_particles.charge_of(pdg, kind) == charge


def test_unstable_particles_are_kept_and_final_ones_alone():
    pdg = np.array([90, 511, 211, 12, -15], np.int32)
    status = np.array([-11, 1, -1, 1, 1], np.int32)
    p4 = np.arange(20.0).reshape(5, 4)
    offsets, kept, kind, charge = kernels_particles.sort_particles(
        np.array([0, 5]), pdg, status, np.zeros(5, np.int32), p4, np.array([15, 511])
    )
    assert offsets.tolist() == [0, 2]
    assert kind.tolist() == [UNSTABLE + 1, UNSTABLE]
    assert charge.tolist() == [1, -1]
    assert kept.tolist() == p4[[1, 4]].tolist()


def test_a_boost_keeps_masses_and_adds_up_to_the_parent():
    rng, frame = np.random.default_rng(0), np.empty((3, 3))
    parent = momentum(30, 1.2, 0.5, 5.28)
    half = 5.28 / 2
    rest = [np.array([0, 0, half, half]), np.array([0, 0, -half, half])]
    for _ in range(20):
        kernels_particles.random_rotation(rng, frame)
        assert frame @ frame.T == pytest.approx(np.eye(3))
        assert np.linalg.det(frame) == pytest.approx(1)
        found = np.empty((2, 4))
        for i in range(2):
            kernels_particles.boosted(frame, rest[i], parent, found[i])
        assert found.sum(axis=0) == pytest.approx(parent)
        assert mass2(found) == pytest.approx([0, 0], abs=1e-6)


def test_rotations_prefer_no_direction():
    rng, frame = np.random.default_rng(1), np.empty((3, 3))
    axes = []
    for _ in range(4000):
        kernels_particles.random_rotation(rng, frame)
        axes.append(frame[:, 2].copy())
    assert np.mean(axes, axis=0) == pytest.approx([0, 0, 0], abs=0.03)
    assert np.mean(np.square(axes), axis=0) == pytest.approx([1 / 3] * 3, abs=0.02)


@pytest.mark.parametrize("flip", [False, True])
def test_the_helicity_frame_points_along_the_flight(flip):
    rng, frame, p = np.random.default_rng(0), np.empty((3, 3)), momentum(20, -0.7, 2.0, 1.777)
    kernels_particles.helicity_frame(rng, p, flip, frame)
    direction = p[:3] / np.linalg.norm(p[:3])
    assert frame[:, 2] == pytest.approx(-direction if flip else direction)
    assert frame @ frame.T == pytest.approx(np.eye(3))


def test_helicities_follow_the_process():
    rng = np.random.default_rng(0)

    def draws(mode):
        return [kernels_decays.tau_flips(mode, rng) for _ in range(2000)]

    assert set(draws(kernels_particles.TAU_W)) == {(False, False)}
    assert set(draws(kernels_particles.TAU_ANTI_W)) == {(True, True)}
    assert set(draws(kernels_particles.TAU_SCALAR)) == {(True, False), (False, True)}
    assert len(set(draws(kernels_particles.TAU_ANY))) == 4
    z = draws(kernels_particles.TAU_Z)
    assert set(z) == {(True, True), (False, False)}
    assert np.mean([not first for first, _ in z]) == pytest.approx(0.575, abs=0.04)


class TestProposals:
    """A B meson at 60 GeV with a library of two decays: one with an electron, one without."""

    def propose(self, pt, trials, extra=None):
        half = 5.28 / 2
        rest = np.array([[0, 0, half, half], [0, 0, -half, half], [0, 0, half, half], [0, 0, -half, half]])
        kinds = np.array([ELECTRON, PHOTON, PHOTON, PHOTON], np.int8)
        charges = np.array([-1, 0, 0, 0], np.int8)
        p4, kind, charge = [momentum(pt, 0.3, 1.0, 5.28)], [UNSTABLE], [1]
        if extra is not None:
            p4, kind, charge = [*p4, extra], [*kind, CHARGED_HADRON], [*charge, 1]
        return kernels_decays.propose(
            np.array([0, len(p4)]), np.array(p4), np.array(kind, np.int8), np.array(charge, np.int8),
            np.array([trials]), 0, np.array([511]), np.array([0, 2]), np.array([0, 2, 4]), rest, kinds, charges,
            np.array([1, 0], np.int8), np.random.default_rng(0),
        )  # fmt: skip

    def test_only_decays_with_a_fast_lepton_are_kept(self):
        offsets, p4, kind, _, parent = self.propose(60, 400)
        assert 20 < len(parent) < 200
        assert set(parent) == {0}
        assert np.diff(offsets).tolist() == [2] * len(parent)
        leptons = p4[kind == ELECTRON]
        assert len(leptons) == len(parent)
        assert np.hypot(leptons[:, 0], leptons[:, 1]).min() > kernels_particles.LEPTON_MIN_PT_GEV
        sums = p4.reshape(-1, 2, 4).sum(axis=1)
        assert sums == pytest.approx(np.tile(momentum(60, 0.3, 1.0, 5.28), (len(parent), 1)))

    def test_a_slow_parent_gives_nothing(self):
        assert len(self.propose(15, 400)[4]) == 0

    def test_a_lepton_in_a_jet_is_dropped(self):
        alone, crowded = self.propose(60, 400), self.propose(60, 400, momentum(80, 0.35, 1.1))
        assert len(alone[4]) > 0
        assert len(crowded[4]) == 0

    def test_no_trials_no_events(self):
        assert len(self.propose(60, 0)[4]) == 0


def test_towers_cover_the_detector_once():
    edges = kernels_detector.TOWER_EDGES
    assert (np.diff(edges) > 0).all()
    for row in range(kernels_detector.N_ETA):
        assert kernels_detector.eta_index(kernels_detector.tower_eta(row)) == row
    assert kernels_detector.eta_index(5.2) == -1
    assert kernels_detector.eta_index(-5.2) == -1


def test_a_deposit_lands_in_its_tower():
    grid = np.zeros((3, kernels_detector.N_ETA, kernels_detector.N_PHI))
    kernels_detector.deposit(grid, kernels_detector.HAD, 7.0, -0.01, -0.01)
    assert grid[kernels_detector.HAD, kernels_detector.N_SIDE - 1, kernels_detector.N_PHI - 1] == 7.0
    assert grid.sum() == 7.0


def test_slow_tracks_curl_up_and_fast_ones_bend_away_from_each_other():
    assert kernels_detector.bend(0.5, 0.0, 1) == 99
    assert kernels_detector.bend(10, 0.0, 1) == pytest.approx(-kernels_detector.bend(10, 0.0, -1))
    assert abs(kernels_detector.bend(10, 0.0, 1)) == pytest.approx(math.asin(0.735 / 10), rel=0.01)


def test_measured_energies_have_the_mean_and_the_width():
    rng = np.random.default_rng(0)
    values = [kernels_detector.measured(50.0, 10.0, 0.0, 0.0, rng) for _ in range(4000)]
    assert np.mean(values) == pytest.approx(50, abs=0.6)
    assert np.std(values) == pytest.approx(10, rel=0.05)
    assert kernels_detector.measured(0.0, 1.0, 0.0, 0.0, rng) == 0
    assert kernels_detector.measured(1.0, 0.4, 5.0, 0.0, rng) == 0


@pytest.mark.parametrize(("kind", "expected"), [(ELECTRON, 0.95 * 0.95), (MUON, 0.99 * 0.95), (CHARGED_HADRON, 0.95)])
def test_efficiencies_of_the_card(kind, expected):
    assert kernels_detector.track_efficiency(kind, 30.0, 0.5) == pytest.approx(expected)
    assert kernels_detector.track_efficiency(kind, 0.05, 0.5) == 0
    assert kernels_detector.track_efficiency(kind, 30.0, 3.5) == 0


def run_detector(particles, pileup=0.0, library=None, seed=0):
    """Run the detector on events given as lists of (momentum, kind, charge)."""
    offsets = np.cumsum([0, *(len(event) for event in particles)])
    flat = [part for event in particles for part in event]
    empty = np.zeros(1, np.int64), np.zeros((0, 4), np.float32), np.zeros(0, np.int8), np.zeros(0, np.int8)
    none = np.zeros(1, np.int64), np.zeros((0, 2), np.uint8), np.zeros((0, 3), np.float32), np.zeros((0, 2), np.float32)
    return kernels_events.detect(
        offsets, np.array([p for p, _, _ in flat]), np.array([k for _, k, _ in flat], np.int8),
        np.array([c for _, _, c in flat], np.int8), *empty, *(library or none), pileup, True,
        np.random.default_rng(seed), np.random.default_rng(seed),
    )  # fmt: skip


def test_a_lonely_muon_is_an_event_and_all_of_its_missing_energy():
    events = [[(momentum(40, 0.5, 1.0), MUON, 1)]] * 40
    index, leptons, met, offsets, _, regions = run_detector(events)
    assert 30 <= len(index) <= 40
    assert leptons[:, 4, 0] == pytest.approx(40, abs=4)
    assert (leptons[:, :4] == 0).all()
    assert np.hypot(met[:, 0], met[:, 1]) == pytest.approx(leptons[:, 4, 0])
    assert np.diff(offsets).tolist() == [1] * len(index)
    assert regions.sum() == 0


@pytest.mark.parametrize(
    "event",
    [
        [(momentum(22, 0.5, 1.0), MUON, 1)],
        [(momentum(40, 2.3, 1.0), MUON, 1)],
        [(momentum(40, 3.2, 1.0), ELECTRON, 1)],
        [(momentum(40, 0.5, 1.0), SOFT_MUON, 1)],
        [(momentum(40, 0.5, 1.0), MUON, 1), (momentum(30, 0.6, 1.1), CHARGED_HADRON, 1),
         (momentum(30, 0.6, 1.2), CHARGED_HADRON, 1)],
    ],
    ids=["slow", "muon outside", "electron outside", "of a light hadron", "in a jet"],
)  # fmt: skip
def test_what_does_not_trigger(event):
    assert len(run_detector([event] * 20)[0]) == 0


def test_an_electron_and_a_photon_show_up_in_their_regions():
    event = [(momentum(60, 0.2, 0.1), ELECTRON, -1), (momentum(50, -1.0, 2.0), PHOTON, 0)]
    regions = run_detector([event] * 20)[5]
    total = regions.sum(axis=0)
    assert total.shape == (18, 14)
    photon_phi, photon_eta = int(2.0 / (2 * math.pi) * 18), 6 - int(1.0 / 0.348)
    assert total[photon_phi, photon_eta] == pytest.approx(50 * len(regions), rel=0.1)
    assert total.sum() == pytest.approx(110 * len(regions), rel=0.15)


def test_pileup_goes_into_the_missing_energy_and_a_fifth_into_the_jets():
    offsets, cells = np.array([0, 1]), np.array([[40, 10]], np.uint8)
    library = offsets, cells, np.array([[100.0, 0, 0]], np.float32), np.zeros((1, 2), np.float32)
    events = [[(momentum(40, 2.0, 1.0), MUON, 1)]] * 40
    _, _, _, starts, constituents, _ = run_detector(events, pileup=3.0, library=library)
    first = np.zeros(len(constituents), bool)
    first[starts[:-1]] = True
    assert (~first).sum() > 20
    assert np.median(constituents[~first, 3]) == pytest.approx(20, rel=0.1)
