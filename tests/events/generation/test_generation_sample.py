"""A real sample, small: what it holds, that it is reproducible on every kind of worker, and its physics.

Every test that needs the sample is in this file, so that parallel test processes make it once.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from l1ad.cli.main import main
from l1ad.errors import DataError
from l1ad.events.adc2021 import EventFile, EventSource
from l1ad.events.generation import simulate
from l1ad.events.generation.checks import check_events, read_events
from l1ad.events.generation.chunks import chunk_path, make_chunks
from l1ad.events.generation.generate import generate, read_manifest
from l1ad.events.generation.libraries import load_library
from l1ad.events.generation.pieces import read_arrays
from l1ad.events.generation.plan import plan_samples
from l1ad.events.generation.processes import PROCESSES, Stratum
from l1ad.events.generation.simulate import simulate_chunk
from l1ad.events.sample import open_sample
from l1ad.workers import open_executor


def columns(path):
    with EventFile(path) as file:
        rows = slice(0, len(file))
        return file[rows], {name: file.column(name, rows) for name in ("Process", "Parent", "Regions")}


def w_stream(generated):
    return plan_samples(("background",), generated.request.events, 1)["background"][0]


def test_the_folder_is_a_sample_like_the_one_that_ships(generated):
    sample = open_sample(generated.folder)
    assert sample.source_tag == "l1ad-gen"
    assert {name: len(source) for name, source in [("background", sample.background), *sample.signals.items()]} == {
        "background": 420,
        "Ato4l": 60,
    }
    assert sum(len(chunk) for chunk in sample.background.iter_chunks()) == 420
    # Both are leading order with the same selection; 240 events of W tell the cross section to some 7 %.
    assert 0.6 < sample.acceptance / open_sample(verify=False).acceptance < 1.6


def test_the_manifest_says_how_the_events_came_about(generated):
    manifest = read_manifest(generated.folder / "MANIFEST.json")
    assert manifest["request"]["seed"] == 7
    assert {"pythia8mc", "fastjet", "numba", "l1ad"} <= set(manifest["versions"])
    strata = {(part["process"], part["stratum"]): part for part in manifest["strata"]["background"]}
    assert strata["W", "leptons"]["events"] + strata["W", "taus"]["events"] == 249
    assert strata["W", "leptons"]["accepted_nb"] == pytest.approx(12.9, rel=0.25)
    assert "WeakSingleBoson:ffbar2W = on" in strata["W", "leptons"]["settings"]
    with pytest.raises(DataError, match="lists no strata"):
        read_manifest(generated.folder / "chunks" / w_stream(generated).name / "chunk_00000.json")


def test_the_mixture_is_exact_and_any_part_of_it_is_mixed(generated):
    _, found = columns(generated.folder / "background.h5")
    assert np.bincount(found["Process"]).tolist() == [249, 142, 28, 1]
    first = np.bincount(found["Process"][:100], minlength=2)
    assert 35 < first[0] < 80
    assert first[1] > 15


def test_parents_are_shared_where_decays_are_repeated_and_nowhere_else(generated):
    _, found = columns(generated.folder / "background.h5")
    parents, process = found["Parent"], found["Process"]
    assert len(set(parents[process == 1])) < (process == 1).sum()
    hard_w = parents[(process == 0) & (parents // 10**12 == 0)]
    assert len(set(hard_w)) == len(hard_w) == 240
    # A parent belongs to one process.
    for code in set(process):
        assert not set(parents[process == code]) & set(parents[process != code])


def test_events_of_one_parent_differ(generated):
    events, found = columns(generated.folder / "background.h5")
    values, counts = np.unique(found["Parent"], return_counts=True)
    same = events[found["Parent"] == values[counts.argmax()]]
    assert len(same) > 1
    assert len(np.unique(same[:, 0, 0])) == len(same)


def test_both_variants_are_there_and_differ_by_the_leptons(generated):
    path = generated.folder / "Ato4l.h5"
    with EventFile(path) as cleaned, EventFile(path, "Particles_lepjets") as kept:
        assert set(cleaned.variants) == {"Particles", "Particles_lepjets"}
        a, b = cleaned[slice(0, 60)], kept[slice(0, 60)]
    assert (b[:, 9:, 0] > 0).sum() > (a[:, 9:, 0] > 0).sum() + 60
    assert (a[:, :9] == b[:, :9]).all()


def test_regions_are_hardware_integers_with_the_energy_of_the_event(generated):
    _, found = columns(generated.folder / "background.h5")
    regions = found["Regions"]
    assert regions.shape == (420, 18, 14)
    assert regions.dtype == np.uint16
    assert regions.max() <= 1023
    # In units of 0.5 GeV: twenty collisions leave some 200 to 1500 GeV at |eta| below 3.
    assert 400 < np.median(regions.sum(axis=(1, 2))) < 3000


def test_the_physics_holds_and_swapped_samples_are_seen(generated):
    events, names, parents = read_events(generated.folder / "background.h5")
    report = check_events(events, names, parents)
    assert [check for check in report.checks if not check.passed] == []
    swapped = np.where(names == "W", "QCD", np.where(names == "QCD", "W", names))
    failed = {check.name for check in check_events(events, swapped, parents).checks if not check.passed}
    assert {"QCD: transverse mass above 70 GeV", "MET above 60 GeV, W over QCD"} <= failed


def test_the_signal_has_more_leptons_than_the_background(generated):
    several = {}
    for name in ("background", "Ato4l"):
        events = np.concatenate(list(EventSource((generated.folder / f"{name}.h5",)).iter_chunks()))
        several[name] = (events[:, 1:9, 0] > 0).sum(axis=1).mean()
    assert several["Ato4l"] > several["background"] + 0.7


def test_a_chunk_does_not_depend_on_where_it_is_made(generated):
    stream = w_stream(generated)
    stored = read_arrays(chunk_path(generated.folder / "chunks", stream, 0))
    conditions = generated.conditions()
    here = simulate_chunk("W", stream.stratum, 0, stream.events, conditions).arrays
    assert set(here) == set(stored)
    assert all(np.array_equal(here[name], stored[name]) for name in stored)
    fewer = simulate_chunk("W", stream.stratum, 0, 50, conditions).arrays
    assert np.array_equal(fewer["Particles"], stored["Particles"][:50])
    other = simulate_chunk("W", stream.stratum, 0, 50, replace(conditions, seed=8)).arrays
    assert not np.array_equal(other["Particles"], fewer["Particles"])


@pytest.mark.heavy
def test_a_dask_cluster_makes_the_same_chunks(generated, tmp_path):
    distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    streams = plan_samples(("background",), generated.request.events, 1)["background"]
    chosen = [stream for stream in streams if stream.process.name == "W"]
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    with cluster, open_executor(2, cluster.scheduler_address) as executor:
        make_chunks(chosen, tmp_path, generated.conditions(), executor, workers=2)
    for stream in chosen:
        here, there = (read_arrays(chunk_path(folder, stream, 0)) for folder in (tmp_path, generated.folder / "chunks"))
        assert all(np.array_equal(here[name], there[name]) for name in there)


def test_the_full_simulation_needs_no_library_of_underlying_events(generated, monkeypatch):
    monkeypatch.setattr(simulate, "BATCH", 20)
    conditions = replace(generated.conditions(), full=True, underlying=None)
    found = simulate_chunk("W", w_stream(generated).stratum, 0, 5, conditions)
    assert len(found.arrays["Particles"]) == 5
    assert found.cross_section_mb * 1e6 == pytest.approx(18.8, rel=0.5)


def test_the_same_request_again_changes_nothing(generated):
    path = generated.folder / "background.h5"
    before = path.stat().st_mtime_ns
    assert generate(generated.request) == generated.folder / "MANIFEST.json"
    assert path.stat().st_mtime_ns == before


def test_a_process_without_leptons_says_so(generated):
    stratum = Stratum("card", ("PromptPhoton:qqbar2ggamma = on", "PhaseSpace:pTHatMin = 20"))
    conditions = replace(generated.conditions(), max_hard_events=250)
    with pytest.raises(DataError, match="none of 250 generated events passed the selection"):
        simulate_chunk("photons", stratum, 0, 10, conditions)


def test_leptons_of_taus_have_the_spectrum_of_w_decays(generated):
    species, first, offsets, p4, kind, _, _ = load_library(generated.conditions().decays, "decays")
    index = int(np.flatnonzero(species == 15)[0])
    decays = range(first[index], first[index + 1])
    leptons = [row for d in decays for row in range(offsets[d], offsets[d + 1]) if kind[row] >= 5]
    assert len(leptons) / len(decays) == pytest.approx(0.352, abs=0.12)
    # Energy over the energy of a fast tau: (E + pz) / m. Helicity -1 gives 0.40 on average, no polarisation 0.35.
    share = (p4[leptons, 3] + p4[leptons, 2]) / 1.777
    flipped = (p4[leptons, 3] - p4[leptons, 2]) / 1.777
    assert share.mean() == pytest.approx(0.40, abs=4 * 0.23 / len(leptons) ** 0.5)
    assert share.mean() > flipped.mean()


def test_the_commands_read_the_sample(generated, capsys):
    path = str(generated.folder / "background.h5")
    assert main(["data", "info", path]) == 0
    assert "l1ad-gen" in capsys.readouterr().out
    assert main(["data", "check", path, "--plot", str(generated.folder / "physics.png")]) == 0
    assert (generated.folder / "physics.png").stat().st_size > 10_000
    assert main(["data", "check", path, "--process", "QCD"]) == 1
    assert "QCD: transverse mass above 70 GeV" in capsys.readouterr().err


def test_every_process_can_be_simulated(generated, monkeypatch):
    monkeypatch.setattr(simulate, "BATCH", 25)
    conditions = generated.conditions()
    for process in PROCESSES.values():
        for stratum in process.strata:
            if stratum.decays == "heavy":
                continue
            found = simulate_chunk(process.name, stratum, 0, 2, conditions)
            assert len(found.arrays["Particles"]) == 2, process.name
            assert found.cross_section_mb > 0


@pytest.mark.heavy
def test_ctrl_c_keeps_finished_chunks_and_the_next_run_goes_on(generated, tmp_path):
    card = tmp_path / "wboson.cmnd"
    card.write_text("WeakSingleBoson:ffbar2W = on\n24:onMode = off\n24:onIfAny = 11 13\n")
    command = [
        sys.executable, "-m", "l1ad", "data", "generate", "--out", str(tmp_path / "out"), "--events", "2500",
        "--card", str(card), "--cache", str(generated.cache), "--library-events", "150", "--library-decays", "150",
    ]  # fmt: skip
    folder = tmp_path / "out" / "chunks" / "wboson_card"
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 500
        while not (folder / "chunk_00000.json").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        message = process.communicate(timeout=120)[1]
    assert process.returncode == 130, message
    assert "what was finished is kept" in message
    before = (folder / "chunk_00000.npz").stat().st_mtime_ns
    assert not list(folder.glob("*.part"))
    assert subprocess.run([*command, "--keep-chunks"], check=False).returncode == 0
    assert (folder / "chunk_00000.npz").stat().st_mtime_ns == before
    assert json.loads((tmp_path / "out" / "MANIFEST.json").read_text())["samples"]["wboson"][0]["events"] == 2500
