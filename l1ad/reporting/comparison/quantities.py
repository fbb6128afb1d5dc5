"""The rows of a comparison: which numbers of two runs are alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from l1ad.records import Estimate, Measurement
from l1ad.reporting.collect import DESIGN_ORDER, RunReport, stage_rank
from l1ad.reporting.comparison.records import MODULES, PHYSICS, RESOURCES, Row, Value
from l1ad.reporting.designs import count_stage, natural_order
from l1ad.reporting.labels import unit_of
from l1ad.reporting.tables import working_threshold

#: Order of the quantities in a table; what is not listed comes after, by name.
_ORDER = (
    "lut",
    "ff",
    "dsp",
    "bram",
    "uram",
    "latency_clocks",
    "latency_ns",
    "ii",
    "clock_ns",
    "slack_ns",
    "power_w",
    "cost",
)

#: Stages in which two tools do not mean the same; a routed design is a routed design.
CALCULATED = ("estimate", "netlist", "model")

#: What tools say of a module that is a time or a number of cells of no interest here.
_MODULE_QUANTITIES = ("lut", "ff", "dsp", "bram", "uram", "latency_clocks")


class _Key(NamedTuple):
    """What has to be the same for two numbers to be compared."""

    group: str
    quantity: str
    subject: str
    design: str
    stage: str
    tool: str
    unit: str


def rows_of(reports: Sequence[RunReport]) -> tuple[Row, ...]:
    """Return the rows that the reports have together, without verdicts.

    Two numbers stand in one row when they are of the same quantity, design and stage; estimates also have to come
    from the same tool, and a TPR from the same working point.
    """
    found = [dict(_values(report)) for report in reports]
    keys = list(dict.fromkeys(key for values in found for key in values))
    # The order of the signals is that of the runs; sorting keeps it.
    keys.sort(key=_place)
    return tuple(Row(*key, values=tuple(values.get(key) for values in found)) for key in keys)


def _values(report: RunReport) -> Iterator[tuple[_Key, Value]]:
    """Yield what one run measured."""
    yield from _physics(report)
    yield from _measurements(report)
    yield from _modules(report)


def _physics(report: RunReport) -> Iterator[tuple[_Key, Value]]:
    """Yield AUC, TPR at the working point and trigger rate."""
    evaluation = report.evaluation
    if evaluation is None:
        return
    source = f"{evaluation.sample}, {evaluation.background_events:,} background events"
    point = f"FPR {evaluation.working_fpr:g}"
    for signal in evaluation.signals:
        events = f"{source}, {signal.events:,} signal events"
        yield _Key(PHYSICS, "auc", signal.signal, "", "", "", ""), Value(signal.auc, signal.auc_error, events)
        key = _Key(PHYSICS, "tpr", signal.signal, "", "", point, "")
        yield key, Value(signal.tpr, signal.tpr_error, events)
    threshold = working_threshold(evaluation)
    if threshold is not None and threshold.rate_khz is not None:
        relative = threshold.fpr_error / threshold.fpr if threshold.fpr > 0 else 0.0
        key = _Key(PHYSICS, "rate_khz", "", "", "", point, "kHz")
        yield key, Value(threshold.rate_khz, threshold.rate_khz * relative, source)


def _measurements(report: RunReport) -> Iterator[tuple[_Key, Value]]:
    """Yield resources, timing and the clock that was asked for; of several of one kind the largest."""
    found: dict[_Key, Measurement] = {}
    for attributed in report.attributed():
        measurement = attributed.measurement
        tool = attributed.tool if measurement.stage in CALCULATED else ""
        unit = unit_of(measurement.name, measurement.unit, 2.0)
        key = _Key(RESOURCES, measurement.name, "", attributed.design, measurement.stage, tool, unit)
        if key not in found or measurement.value > found[key].value:
            found[key] = measurement
    for key, measurement in found.items():
        yield key, value_of(measurement)
    for project in report.firmware:
        key = _Key(RESOURCES, "clock_target_ns", "", project.backend, "", "", "ns")
        yield key, Value(project.clock_ns, None, project.engine)


def value_of(measurement: Measurement) -> Value:
    """Return a measurement as a value of a row."""
    if isinstance(measurement, Estimate):
        return Value(measurement.value, None, measurement.source, measurement.low, measurement.high)
    return Value(measurement.value, None, measurement.source)


def _modules(report: RunReport) -> Iterator[tuple[_Key, Value]]:
    """Yield the resources of each module, where the tool lists them."""
    designs = {project.digest: project.backend for project in report.firmware}
    tops = {project.digest: project.top for project in report.firmware}
    for synthesis in report.synthesis:
        stage = count_stage(synthesis)
        tool = synthesis.tool if stage in CALCULATED else ""
        design = designs.get(synthesis.project_digest, "")
        for name_in_design, resources in synthesis.modules.items():
            # The top bears the name of the run.
            module = "top" if name_in_design == tops.get(synthesis.project_digest) else name_in_design
            for name in _MODULE_QUANTITIES:
                if name in resources:
                    key = _Key(MODULES, name, module, design, stage, tool, unit_of(name, "", 2.0))
                    yield key, Value(resources[name], None, f"{synthesis.tool} {synthesis.version}")


def _place(key: _Key) -> tuple[object, ...]:
    """Return where a row stands: physics, then design by design from the most true stage, then modules."""
    group = (PHYSICS, RESOURCES, MODULES).index(key.group)
    if key.group == PHYSICS:
        return (group, ("auc", "tpr", "rate_khz").index(key.quantity))
    design = DESIGN_ORDER.index(key.design) if key.design in DESIGN_ORDER else len(DESIGN_ORDER)
    order = _ORDER.index(key.quantity) if key.quantity in _ORDER else len(_ORDER)
    stage = stage_rank(key.stage) if key.stage else -1
    return (group, design, key.design, stage, key.tool, natural_order(key.subject), order, key.quantity)
