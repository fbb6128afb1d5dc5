"""What is in an event: how many objects, how much momentum. Also which events a run tests on, in their order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from l1ad.config import DataConfig
from l1ad.errors import DataError
from l1ad.events.adc2021 import PARENT, PROCESS, EventSource
from l1ad.events.input_kinds import OBJECTS, read_chunks
from l1ad.events.layout import BLOCKS, N_ROWS, PT
from l1ad.events.prepare import open_sources
from l1ad.events.split import Part, split_parts

#: Quantities of an event and their units.
CONTENT = {
    "electrons": "",
    "muons": "",
    "leptons": "",
    "jets": "",
    "met": "GeV",
    "lepton_pt": "GeV",
    "jet_pt": "GeV",
    "jet_pt_sum": "GeV",
}


def event_content(particles: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
    """Return quantity -> one value an event.

    Counts of electrons, muons, leptons and jets; missing transverse momentum; pT of the leading lepton and of the
    leading jet, 0 without one; scalar sum of the pT of the jets.

    Parameters
    ----------
    particles : ndarray, shape (N, 19, 3) or (N, 19, 4)
        pT in GeV, eta, phi in rad; zeros are padding.

    Returns
    -------
    dict of str to ndarray of float64, shape (N,)
        The keys are those of `CONTENT`.

    Raises
    ------
    DataError
        When the shape differs.

    Examples
    --------
    >>> event = np.zeros((1, 19, 3))
    >>> event[0, [1, 5, 9, 10], 0] = [20.0, 30.0, 50.0, 40.0]
    >>> {name: float(values[0]) for name, values in event_content(event).items() if values[0]}
    {'electrons': 1.0, 'muons': 1.0, 'leptons': 2.0, 'jets': 2.0, 'lepton_pt': 30.0, 'jet_pt': 50.0, 'jet_pt_sum': 90.0}
    """
    if particles.ndim != 3 or particles.shape[1] != N_ROWS:
        raise DataError(f"events: expected shape (N, {N_ROWS}, 3 or 4); came {particles.shape}.")
    pt = {block.name: particles[:, block.rows, PT].astype(np.float64) for block in BLOCKS}
    count = {name: (values > 0).sum(axis=1).astype(np.float64) for name, values in pt.items()}
    return {
        "electrons": count["electron"],
        "muons": count["muon"],
        "leptons": count["electron"] + count["muon"],
        "jets": count["jet"],
        "met": pt["met"][:, 0],
        "lepton_pt": np.maximum(pt["electron"].max(axis=1), pt["muon"].max(axis=1)),
        "jet_pt": pt["jet"].max(axis=1),
        "jet_pt_sum": pt["jet"].sum(axis=1),
    }


def evaluated_events(data: DataConfig) -> Iterator[tuple[str, NDArray[np.floating], NDArray[np.integer] | None]]:
    """Yield the physical events that a run evaluates: the test part of the background, then the signals.

    The order is that of the integers that `l1ad.events.prepare.prepare_dataset` wrote.

    Parameters
    ----------
    data : DataConfig

    Yields
    ------
    name : str
        ``background`` or the name of a signal.
    particles : ndarray, shape (n, 19, 4)
    process : ndarray of int, shape (n,), or None
        Number of the process, where the file has it; None for signals.

    Raises
    ------
    DataError
        When a file of events is unusable.
    """
    sources = open_sources(data)
    background = sources.background
    processes = background.iter_with(PROCESS, limit=data.max_background)
    for (chunk, parents), (_, process) in zip(
        background.iter_with(PARENT, limit=data.max_background), processes, strict=True
    ):
        test = split_parts(chunk, data.train_fraction, data.validation_fraction, parents) == Part.TEST
        yield "background", chunk[test], None if process is None else process[test]
    for name, source in sources.signals.items():
        for chunk in source.iter_chunks(limit=data.max_signal):
            yield name, chunk, None


def first_events(data: DataConfig, background: int, signal: int, kind: str = OBJECTS) -> NDArray[np.floating]:
    """Return the first events of the background and of each signal, shape (N, 19, 4), or (N, 18, 14) of regions.

    Raises
    ------
    DataError
        When a file of events is unusable.
    """
    sources = open_sources(data)
    wanted: list[tuple[EventSource, int]] = [(sources.background, background)]
    wanted += [(source, signal) for source in sources.signals.values()]
    chunks = [[chunk.events for chunk in read_chunks(source, kind, limit)] for source, limit in wanted]
    return np.concatenate([np.concatenate(found) for found in chunks])
