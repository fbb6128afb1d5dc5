"""Libraries on the disk: pieces that survive a stop, damage, keys. Pythia is replaced by numbered events."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from l1ad.events.generation import libraries
from l1ad.events.generation.libraries import PIECE_EVENTS, SPECIES, LibrarySpec, build_library, load_library

SPEC = LibrarySpec("underlying", 2 * PIECE_EVENTS["underlying"] + 7)


class Builder:
    """Makes pieces with one particle an event and counts them."""

    def __init__(self) -> None:
        self.made: list[tuple[str, int, int]] = []
        self.stop_at: int | None = None

    def __call__(self, name, index, events):
        if index == self.stop_at:
            raise KeyboardInterrupt
        self.made.append((name, index, events))
        return {
            "sizes": np.ones(events, np.int64),
            "p4": np.full((events, 4), index, np.float32),
            "kind": np.zeros(events, np.int8),
            "charge": np.zeros(events, np.int8),
        }


@pytest.fixture
def builder(monkeypatch):
    found = Builder()
    monkeypatch.setattr(libraries, "build_piece", found)
    return found


def build(cache, spec=SPEC):
    with ThreadPoolExecutor(1) as executor:
        return build_library(spec, cache, executor)


def test_a_library_is_built_in_pieces_and_once(tmp_path, builder):
    path = build(tmp_path)
    size = PIECE_EVENTS["underlying"]
    assert sorted(builder.made) == [("underlying", 0, size), ("underlying", 1, size), ("underlying", 2, 7)]
    offsets, p4, _, _ = load_library(path, "underlying")
    assert len(offsets) == SPEC.events + 1
    assert p4[:, 0].tolist() == [0] * size + [1] * size + [2] * 7
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".json", ".npz"]
    builder.made.clear()
    assert build(tmp_path) == path
    assert builder.made == []


def test_a_stopped_build_goes_on(tmp_path, builder):
    builder.stop_at = 1
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path)
    builder.stop_at = None
    builder.made.clear()
    build(tmp_path)
    assert 0 not in [index for _, index, _ in builder.made]


def test_a_damaged_library_is_built_again(tmp_path, builder, caplog):
    path = build(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:100])
    build(tmp_path)
    assert "truncated or changed" in caplog.text
    assert path.read_bytes() == content


def test_another_size_is_another_library():
    specs = [LibrarySpec("underlying", 10), LibrarySpec("underlying", 11), LibrarySpec("pileup", 10)]
    assert len({spec.key for spec in specs}) == 3
    assert LibrarySpec("decays", 10).pieces == len(SPECIES)


@pytest.mark.parametrize(("name", "arrays"), [("underlying", 4), ("pileup", 4), ("decays", 7)])
def test_an_empty_library_has_the_same_arrays(name, arrays):
    found = load_library(None, name)
    assert len(found) == arrays
    assert all(len(array) <= 1 for array in found)
