"""Frozen records that stages exchange. Each can be written as JSON and read back."""

from __future__ import annotations

from dataclasses import dataclass, field

from l1ad.records.base import Record
from l1ad.records.measurements import BudgetLine, BudgetReport, Estimate, Measurement

__all__ = [
    "BitReport",
    "BudgetLine",
    "BudgetReport",
    "Difference",
    "Estimate",
    "EvaluationReport",
    "FirmwareProject",
    "FixedType",
    "LayerComparison",
    "Measurement",
    "NegativeControl",
    "Record",
    "RocCurve",
    "RungReport",
    "SignalResult",
    "SynthesisReport",
    "Threshold",
]


@dataclass(frozen=True)
class FixedType(Record):
    """A fixed-point type as hardware sees it.

    Attributes
    ----------
    signed : bool
        Two's complement when true.
    width : int
        Bits in all, the sign included.
    integer : int
        Bits left of the point, the sign included (the ``I`` of ``ap_fixed<W,I>``).
    """

    signed: bool
    width: int
    integer: int

    @property
    def fraction(self) -> int:
        """Bits right of the point; one raw unit is ``2**-fraction``."""
        return self.width - self.integer

    @property
    def minimum(self) -> int:
        """Smallest raw integer."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        """Largest raw integer."""
        return (1 << (self.width - int(self.signed))) - 1

    def __str__(self) -> str:
        return f"{'' if self.signed else 'u'}fixed<{self.width},{self.integer}>"


@dataclass(frozen=True)
class Difference(Record):
    """The first integer on which two rungs of the ladder differ."""

    event: int
    layer: str
    channel: int
    expected: int
    found: int
    expected_type: FixedType
    found_type: FixedType

    def __str__(self) -> str:
        return (
            f"event {self.event}, {self.layer}[{self.channel}]: expected {self.expected} ({self.expected_type}), "
            f"found {self.found} ({self.found_type})"
        )


@dataclass(frozen=True)
class LayerComparison(Record):
    """How many values of one layer agree between a rung and the reference."""

    layer: str
    values: int
    equal: int


@dataclass(frozen=True)
class NegativeControl(Record):
    """What was corrupted on a rung on purpose, and whether the comparison saw it."""

    what: str
    events: int
    changed_events: int

    @property
    def caught(self) -> bool:
        """Whether at least one event changed."""
        return self.changed_events > 0


@dataclass(frozen=True)
class RungReport(Record):
    """One rung of the ladder of truth against the Keras reference.

    Attributes
    ----------
    rung : str
        ``keras``, ``interpreter``, ``native``, ``csim`` or ``rtl``.
    engine : str
        What computed it, with its version.
    events, equal_events : int
        Events compared, and events in which every output integer agrees.
    events_per_second : float
        Throughput of the run itself, without compilation.
    layers : tuple of LayerComparison
        Per layer, where the rung shows layers.
    first_difference : Difference or None
        Set when `equal_events` is below `events` or a layer differs.
    control : NegativeControl or None
        The negative control; None only for the reference itself.
    """

    rung: str
    engine: str
    events: int
    equal_events: int
    events_per_second: float
    layers: tuple[LayerComparison, ...] = ()
    first_difference: Difference | None = None
    control: NegativeControl | None = None

    @property
    def passed(self) -> bool:
        """Whether all events and all values of the layers agree and the negative control was caught."""
        layers = all(layer.equal == layer.values for layer in self.layers)
        return self.equal_events == self.events and layers and (self.control is None or self.control.caught)


@dataclass(frozen=True)
class BitReport(Record):
    """The ladder of truth of one run."""

    rungs: tuple[RungReport, ...]
    measurements: tuple[Measurement, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every rung passed."""
        return all(rung.passed for rung in self.rungs)


@dataclass(frozen=True)
class FirmwareProject(Record):
    """An ordered set of generated files and how to run them.

    Attributes
    ----------
    backend : str
        ``vitis``, ``vivado``, ``verilog`` or ``vhdl``.
    top : str
        Name of the top function or module.
    part : str
        Full part name.
    clock_ns : float
        Target clock period.
    engine : str
        Generator and version.
    input_type, output_type : FixedType
        Raw integer types at the ports; `n_inputs` and `n_outputs` values of them an event.
    files : dict of str to str
        Path relative to the project folder -> SHA-256.
    digest : str
        SHA-256 over the ordered files.
    layers : dict of str to FixedType
        Layers whose values the project can show in simulation.
    stages : int
        Pipeline stages of an RTL project; 0 when the tool that reads the project decides.
    estimates : tuple of Measurement
        What the generator says about size and delay; stage ``model``.
    """

    backend: str
    top: str
    part: str
    clock_ns: float
    engine: str
    input_type: FixedType
    n_inputs: int
    output_type: FixedType
    n_outputs: int
    files: dict[str, str]
    digest: str
    layers: dict[str, FixedType] = field(default_factory=dict)
    stages: int = 0
    estimates: tuple[Measurement, ...] = ()


@dataclass(frozen=True)
class SynthesisReport(Record):
    """Resources and timing of one project as one tool sees them."""

    tool: str
    version: str
    stage: str
    part: str
    project_digest: str
    measurements: tuple[Measurement, ...]
    modules: dict[str, dict[str, float]] = field(default_factory=dict)
    wall_s: float = 0.0
    peak_memory_mb: float = 0.0


@dataclass(frozen=True)
class SignalResult(Record):
    """How well a score separates one signal from the background.

    AUC with its Hanley-McNeil error; the true positive rate at the working point with its binomial error.
    """

    signal: str
    events: int
    auc: float
    auc_error: float
    tpr: float
    tpr_error: float


@dataclass(frozen=True)
class Threshold(Record):
    """A raw integer threshold: an event fires when its score is at least `raw`.

    Attributes
    ----------
    target_fpr : float
        What was asked for.
    raw : int
        Raw integer in the score's type.
    fpr, fpr_error : float
        Fraction of background events that fire, and its binomial error.
    background_events : int
        Background events that fire: what stands behind the threshold.
    rate_khz : float or None
        Trigger rate; None when the acceptance of the sample is not known.
    """

    target_fpr: float
    raw: int
    fpr: float
    fpr_error: float
    background_events: int
    rate_khz: float | None


@dataclass(frozen=True)
class RocCurve(Record):
    """Points of one receiver operating characteristic, thinned for drawing."""

    signal: str
    fpr: tuple[float, ...]
    tpr: tuple[float, ...]


@dataclass(frozen=True)
class EvaluationReport(Record):
    """What a score does on physics."""

    score: str
    score_type: FixedType
    sample: str
    background_events: int
    signals: tuple[SignalResult, ...]
    thresholds: tuple[Threshold, ...]
    curves: tuple[RocCurve, ...]
    working_fpr: float
    warnings: tuple[str, ...] = ()
