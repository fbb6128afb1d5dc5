"""A small real sample, made once: 420 background events and 60 of A -> 4 leptons, with libraries of 150 events."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from l1ad.events.generation.generate import Request, generate
from l1ad.events.generation.simulate import Conditions


class Generated(NamedTuple):
    """The sample and what it was made with."""

    folder: Path
    request: Request
    cache: Path

    def conditions(self) -> Conditions:
        """Return the conditions of its chunks."""
        found = {path.name.split("_")[0]: path for path in self.cache.glob("*.npz")}
        return Conditions(
            seed=self.request.seed,
            pileup=self.request.pileup,
            regions=self.request.regions,
            underlying=found["underlying"],
            minimum_bias=found["pileup"],
            decays=found["decays"],
        )


@pytest.fixture(scope="session")
def generated(tmp_path_factory) -> Generated:
    for library in ("pythia8mc", "fastjet", "numba"):
        pytest.importorskip(library, reason="the extra `generate` is not installed")
    folder = tmp_path_factory.mktemp("generated")
    request = Request(
        out=folder / "sample",
        events=420,
        signal_events=60,
        processes=("background", "Ato4l"),
        seed=7,
        regions=True,
        cache=folder / "cache",
        library_events=150,
        library_decays=150,
        keep_chunks=True,
    )
    generate(request, workers=2)
    return Generated(request.out, request, folder / "cache")
