"""What a comparison of runs says, as plain records."""

from __future__ import annotations

from dataclasses import dataclass, field

from l1ad.records import Record

#: Verdicts of a value against that of the baseline.
BASELINE, SAME, BETTER, WORSE = "baseline", "same", "better", "worse"
REGRESSION, CHANGED, NOT_COMPARED, NOT_MEASURED = "regression", "changed", "not compared", "not measured"

#: Groups of rows.
PHYSICS, RESOURCES, MODULES = "physics", "resources", "modules"


@dataclass(frozen=True)
class Value(Record):
    """What one run measured.

    Attributes
    ----------
    value : float
        In the unit of its row.
    error : float or None
        One standard deviation; None for a number without an error.
    source : str
        Tool and version, file, or sample.
    low, high : float or None
        Band of an estimate; None for a number without a band.
    """

    value: float
    error: float | None = None
    source: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Row(Record):
    """One quantity of all runs. Everything in a row is alike: same design, same stage, same kind of tool.

    Attributes
    ----------
    group : str
        ``physics``, ``resources`` or ``modules``.
    quantity : str
        ``auc``, ``tpr``, ``rate_khz``, ``lut``, ``latency_clocks`` ...
    subject : str
        Signal, working point or module; empty for the whole.
    design : str
        Backend of the firmware project; empty for physics.
    stage : str
        Stage of the measurement; empty for physics.
    tool : str
        What else decides whether numbers are alike: the tool of an estimate, the working point of a TPR.
    unit : str
    values : tuple of Value or None
        One a run; None where the run did not measure it. Never 0 for that.
    verdicts : tuple of str
        One a run: ``baseline``, ``same``, ``better``, ``worse`` (within the tolerance), ``regression``, ``changed``
        (neither is good), ``not compared`` or ``not measured``.
    """

    group: str
    quantity: str
    subject: str
    design: str
    stage: str
    tool: str
    unit: str
    values: tuple[Value | None, ...]
    verdicts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Check(Record):
    """A check that passes or fails: a rung of the ladder, or the budget of a design.

    Attributes
    ----------
    name : str
    status : tuple of str
        One a run: ``passed``, ``failed`` or ``missing``.
    text : tuple of str
        One sentence a run.
    """

    name: str
    status: tuple[str, ...]
    text: tuple[str, ...]


@dataclass(frozen=True)
class Change(Record):
    """Something that is not the same in all runs.

    Attributes
    ----------
    kind : str
        ``configuration``, ``data``, ``score``, ``design``, ``tool``, ``version`` or ``code``.
    key : str
        Key of the configuration, library, tool, stage ...
    values : tuple of str
        One a run; ``absent`` where a run has none.
    """

    kind: str
    key: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Regression(Record):
    """What became worse beyond its tolerance, in which run, as one line."""

    run: str
    what: str
    text: str


@dataclass(frozen=True)
class ComparedRun(Record):
    """One of the runs.

    Attributes
    ----------
    label : str
        Its name, made unique among the runs compared.
    source : str
        Folder or file that it was read from.
    part : str
        Full part name; empty when the run made no firmware.
    sample : str
        Label of the events.
    data_digest : str
        Digest of the events that were scored.
    score : str
        Score and its type.
    created : str
        When its report was made.
    """

    label: str
    source: str
    part: str
    sample: str
    data_digest: str
    score: str
    created: str


@dataclass(frozen=True)
class Comparison(Record):
    """Runs against the first of them.

    Attributes
    ----------
    runs : tuple of ComparedRun
        The first is the baseline.
    rows : tuple of Row
    checks : tuple of Check
    changes : tuple of Change
    regressions : tuple of Regression
    warnings : tuple of str
        What a reader has to know: other data, another part, stages that only one run has.
    tolerances : dict of str to str
        Quantity -> what was tolerated.
    l1ad : str
        Version that compared.
    """

    runs: tuple[ComparedRun, ...]
    rows: tuple[Row, ...]
    checks: tuple[Check, ...]
    changes: tuple[Change, ...]
    regressions: tuple[Regression, ...]
    warnings: tuple[str, ...]
    tolerances: dict[str, str] = field(default_factory=dict)
    l1ad: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing became worse beyond its tolerance."""
        return not self.regressions
