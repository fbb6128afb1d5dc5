"""Chunks on the disk: resume, damage, a full disk, Ctrl-C, order. The simulation is replaced by numbered events."""

from __future__ import annotations

import errno
import logging
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from l1ad.errors import DataError, RunFolderError
from l1ad.events.generation import chunks, pieces
from l1ad.events.generation.chunks import StreamReader, chunk_key, chunk_path, make_chunks, mixed, summarize_stream
from l1ad.events.generation.plan import Stream
from l1ad.events.generation.processes import Process, Stratum
from l1ad.events.generation.simulate import Chunk, Conditions

STRATUM = Stratum("all", ("Top:all = on",), chunk_events=10)
STREAM = Stream(Process("top", "top", 3, (STRATUM,)), STRATUM, 0, 35)
CONDITIONS = Conditions(seed=1)


class Simulation:
    """Numbers events by chunk, counts calls, and stops where it is told to."""

    def __init__(self) -> None:
        self.made: list[int] = []
        self.stop_at: int | None = None

    def __call__(self, process, stratum, index, events, conditions):
        if index == self.stop_at:
            raise KeyboardInterrupt
        self.made.append(index)
        number = 100 * index + np.arange(events)
        particles = np.zeros((events, 19, 4), np.float32)
        particles[:, 0, 0] = number
        arrays = {"Particles": particles, "Parent": number // 2}
        return Chunk(arrays, hard_events=2 * events, trials=4 * events, accepted=events, cross_section_mb=1e-6,
                     generator_s=1.0, total_s=2.0)  # fmt: skip


@pytest.fixture
def simulation(monkeypatch):
    found = Simulation()
    monkeypatch.setattr(chunks, "simulate_chunk", found)
    return found


def run(folder, **options):
    with ThreadPoolExecutor(1) as executor:
        make_chunks([STREAM], folder, CONDITIONS, executor, **options)


def test_every_event_is_made_once_and_read_in_order(tmp_path, simulation):
    seen = []
    run(tmp_path, progress=seen.append)
    assert sorted(simulation.made) == [0, 1, 2, 3]
    reader = StreamReader(STREAM, tmp_path)
    numbers = np.concatenate([reader.take(n)["Particles"][:, 0, 0] for n in (3, 20, 12)])
    expected = [100 * c + i for c, n in enumerate((10, 10, 10, 5)) for i in range(n)]
    assert numbers.tolist() == expected
    assert (seen[0].events, seen[-1].events, seen[-1].total, seen[-1].share) == (0, 35, 35, pytest.approx(1))
    assert "35 of 35 events" in str(seen[-1])


def test_finished_chunks_are_not_made_again(tmp_path, simulation):
    run(tmp_path)
    simulation.made.clear()
    run(tmp_path)
    assert simulation.made == []


def test_ctrl_c_loses_the_chunk_in_work_alone(tmp_path, simulation):
    simulation.stop_at = 2
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    kept = sorted(path.name for path in (tmp_path / STREAM.name).glob("*.npz"))
    assert kept[:2] == ["chunk_00000.npz", "chunk_00001.npz"]
    assert "chunk_00002.npz" not in kept
    simulation.stop_at = None
    before = set(simulation.made)
    simulation.made.clear()
    run(tmp_path)
    assert 2 in simulation.made
    assert not {0, 1} & set(simulation.made)
    assert {0, 1} <= before


@pytest.mark.parametrize("damage", ["truncated", "changed", "removed"])
def test_a_damaged_chunk_is_made_again_with_a_warning(tmp_path, simulation, caplog, damage):
    run(tmp_path)
    path = chunk_path(tmp_path, STREAM, 1)
    content = path.read_bytes()
    simulation.made.clear()
    if damage == "removed":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with caplog.at_level(logging.WARNING, "l1ad"):
        run(tmp_path)
    assert simulation.made == [1]
    assert "chunk_00001.npz: truncated or changed" in caplog.text
    assert path.read_bytes() == content


def test_a_record_that_is_not_json_is_made_again(tmp_path, simulation, caplog):
    run(tmp_path)
    chunk_path(tmp_path, STREAM, 3).with_suffix(".json").write_text("{")
    simulation.made.clear()
    run(tmp_path)
    assert simulation.made == [3]
    assert "not readable" in caplog.text


@pytest.mark.parametrize("change", [{"seed": 2}, {"pileup": 3.0}, {"full": True}, {"regions": True}])
def test_other_conditions_are_another_chunk(change):
    from dataclasses import replace

    assert chunk_key(STREAM, 0, 10, CONDITIONS) == chunk_key(STREAM, 0, 10, replace(CONDITIONS, max_hard_events=5))
    assert chunk_key(STREAM, 0, 10, CONDITIONS) != chunk_key(STREAM, 0, 10, replace(CONDITIONS, **change))


def test_a_full_disk_leaves_no_half_chunk_and_keeps_the_others(tmp_path, simulation, monkeypatch):
    real, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFolderError, match="No space left"):
        run(tmp_path)
    names = sorted(path.name for path in (tmp_path / STREAM.name).iterdir())
    assert names == ["chunk_00000.json", "chunk_00000.npz", "chunk_00001.json", "chunk_00001.npz"]
    monkeypatch.setattr(os, "fsync", real)
    simulation.made.clear()
    run(tmp_path)
    assert sorted(simulation.made) == [2, 3]


def test_a_chunk_that_vanishes_before_the_end_is_named(tmp_path, simulation):
    run(tmp_path)
    chunk_path(tmp_path, STREAM, 0).unlink()
    with pytest.raises(DataError, match="removed or changed"):
        summarize_stream(STREAM, tmp_path, CONDITIONS)


def test_cross_sections_add_up_over_chunks(tmp_path, simulation):
    run(tmp_path)
    found = summarize_stream(STREAM, tmp_path, CONDITIONS)
    assert (found.events, found.hard_events, found.trials, found.accepted) == (35, 70, 140, 35)
    # 1e-6 mb = 1 nb passed the filter, one trial in four was accepted.
    assert found.accepted_nb == pytest.approx(0.25)
    assert found.parents == 18
    assert found.accepted_nb_error == pytest.approx(0.25 * np.sqrt(35 / 18 / 35))


def test_parents_of_different_chunks_differ(tmp_path, simulation):
    run(tmp_path)
    parents = StreamReader(STREAM, tmp_path).take(35)["Parent"]
    assert len(np.unique(parents)) == 18
    assert parents.min() == 30 * 10**12


def test_streams_are_mixed_in_the_order_of_the_labels(tmp_path, simulation):
    other = Stream(Process("other", "o", 4, (STRATUM,)), STRATUM, 0, 5)
    with ThreadPoolExecutor(1) as executor:
        make_chunks([STREAM, other], tmp_path, CONDITIONS, executor)
    labels = np.array([0, 1, 0, 0, 1, 0])
    readers = {0: StreamReader(STREAM, tmp_path), 1: StreamReader(other, tmp_path)}
    parts = list(mixed(readers, labels, rows=4))
    numbers = np.concatenate([arrays["Particles"][:, 0, 0] for _, arrays in parts])
    assert numbers.tolist() == [0, 0, 1, 2, 1, 3]
    parents = np.concatenate([arrays["Parent"] for _, arrays in parts])
    assert (parents // 10**13).tolist() == [3, 4, 3, 3, 4, 3]


def test_seeds_depend_on_every_name_and_nothing_else():
    states = {
        tuple(pieces.derived_seed(seed, name, index).generate_state(2))
        for seed in (1, 2) for name in ("W", "Z") for index in range(50)
    }  # fmt: skip
    assert len(states) == 200
    same = [pieces.derived_seed(1, "W", 0).generate_state(2).tolist() for _ in range(2)]
    assert same[0] == same[1]
    assert 1 <= pieces.pythia_seed(pieces.derived_seed(1, "W", 0)) <= 900_000_000
