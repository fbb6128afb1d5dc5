"""What a simulation of a project returns, whichever engine ran it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from l1ad.emulation.compare import LayerValues
from l1ad.emulation.vectors import Integers
from l1ad.records import FixedType


@dataclass(frozen=True)
class SimulationResult:
    """Raw integers of one run.

    Attributes
    ----------
    engine : str
        What computed them, with its version.
    outputs : array of int64, shape (N, n_outputs)
        Raw integers of `output_type`.
    output_type : FixedType
        Type of the outputs.
    events_per_second : float
        Events over wall time, without compilation; start of the processes and file traffic included.
    layers : dict of str to LayerValues
        Values of the layers that were asked for, in the order of the network.
    """

    engine: str
    outputs: Integers
    output_type: FixedType
    events_per_second: float
    layers: Mapping[str, LayerValues] = field(default_factory=dict)
