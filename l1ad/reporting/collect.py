"""Gathers the records of a run into one report."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from l1ad.errors import DataError
from l1ad.hardware.budgets import STAGE_ORDER
from l1ad.records import (
    BitReport,
    BudgetReport,
    EvaluationReport,
    FirmwareProject,
    Measurement,
    Record,
    SynthesisReport,
)

#: Designs that one run makes, best known first: keys of `FirmwareProject.backend`.
DESIGN_ORDER = ("verilog", "vhdl", "vitis", "vivado")

#: Design whose RTL the ladder simulates.
SIMULATED = "verilog"


@dataclass(frozen=True)
class Attributed:
    """A measurement, and which design and tool it belongs to.

    Attributes
    ----------
    design : str
        Backend of the firmware project; empty when the report does not hold the project.
    tool : str
        Tool that measured, without its version.
    measurement : Measurement
    """

    design: str
    tool: str
    measurement: Measurement


@dataclass(frozen=True)
class RunReport(Record):
    """Everything that the report page shows. What a run does not have is None or empty and shown as missing.

    Attributes
    ----------
    name : str
        Name of the run.
    config : dict
        Resolved configuration, as JSON values.
    dataset : dict
        The dataset's record: ``source_tag``, ``counts``, ``signals`` (name -> events), ``saturation`` and others.
    teacher : EvaluationReport
        The same of the float model whose score the network learned, where it has such a teacher.
    training : dict
        ``epochs``, ``best_validation_loss``, ``seconds``, optional ``history`` (name -> one number an epoch).
    budget : BudgetReport
        Limits against one design.
    budget_design : str
        The design that `budget` is of: backend of a firmware project.
    budgets : dict
        Other design (``vitis``, ``vivado``) -> the same limits against what vendor tools measured of it.
    capacity : dict
        Resource name (``lut``, ``ff``, ``dsp``, ``bram``) -> how many the part has.
    regions : int
        Super logic regions of the part.
    region_capacity : dict
        Resource name -> how many the smallest region has.
    versions : dict
        Library -> version.
    digests, inputs : dict
        Stage -> SHA-256 of all that decided its result; stage -> SHA-256 of what it read in the run, without code
        and event files.
    created : str
        When the report was made, as text.
    """

    name: str
    config: dict[str, Any] = field(default_factory=dict)
    dataset: dict[str, Any] = field(default_factory=dict)
    evaluation: EvaluationReport | None = None
    teacher: EvaluationReport | None = None
    bits: BitReport | None = None
    firmware: tuple[FirmwareProject, ...] = ()
    synthesis: tuple[SynthesisReport, ...] = ()
    budget: BudgetReport | None = None
    budget_design: str = SIMULATED
    budgets: dict[str, BudgetReport] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    capacity: dict[str, float] = field(default_factory=dict)
    regions: int = 1
    region_capacity: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    created: str = ""

    def attributed(self) -> Iterator[Attributed]:
        """Yield the measurements of the ladder, then of the tools, then of the generators, each with its design."""
        designs = {project.digest: project.backend for project in self.firmware}
        for measurement in self.bits.measurements if self.bits is not None else ():
            yield Attributed(SIMULATED, "simulation", measurement)
        for synthesis in self.synthesis:
            for measurement in synthesis.measurements:
                yield Attributed(designs.get(synthesis.project_digest, ""), synthesis.tool, measurement)
        for project in self.firmware:
            for measurement in project.estimates:
                yield Attributed(project.backend, project.engine.split(" ")[0], measurement)

    def measurements(self) -> Iterator[Measurement]:
        """Yield the measurements of the ladder, then of the tools, then of the generators."""
        return (found.measurement for found in self.attributed())

    def designs(self) -> tuple[str, ...]:
        """Return the designs that something was measured of; the first is that of the overview.

        It is the one that the budget was held against, or else the first of `DESIGN_ORDER`.
        """
        found = {attributed.design for attributed in self.attributed()}
        known = [design for design in DESIGN_ORDER if design in found]
        ordered = [*known, *sorted(found - set(known))]
        if self.budget is not None and self.budget_design in ordered:
            ordered.sort(key=lambda design: design != self.budget_design)
        return tuple(ordered)

    def held_budgets(self) -> dict[str, BudgetReport]:
        """Return the budget of each design that was held against limits, that of the overview first."""
        return ({} if self.budget is None else {self.budget_design: self.budget}) | self.budgets

    def headline(self, name: str, design: str | None = None) -> Measurement | None:
        """Return the measurement of `name` that stands for a design, or None when there is none.

        Designs are never mixed. It is what the budget of the design was checked against, None when the budget found
        no measurement. Without a limit of that name it is the measurement of the most true stage, and of several the
        largest.

        Parameters
        ----------
        name : str
            A quantity, such as ``lut``.
        design : str, optional
            Backend of a firmware project; by default the design of the overview.
        """
        wanted = next(iter(self.designs()), self.budget_design) if design is None else design
        budget = self.held_budgets().get(wanted)
        for line in budget.lines if budget is not None else ():
            if line.name == name:
                return line.measurement
        found = [a.measurement for a in self.attributed() if (a.design, a.measurement.name) == (wanted, name)]
        return min(found, key=lambda measurement: (stage_rank(measurement.stage), -measurement.value), default=None)


def collect_report(
    name: str,
    *,
    config: Mapping[str, Any],
    dataset: Mapping[str, Any],
    evaluation: EvaluationReport | None = None,
    teacher: EvaluationReport | None = None,
    bits: BitReport | None = None,
    firmware: Sequence[FirmwareProject] = (),
    synthesis: Sequence[SynthesisReport] = (),
    budget: BudgetReport | None = None,
    budget_design: str = SIMULATED,
    budgets: Mapping[str, BudgetReport] | None = None,
    training: Mapping[str, Any] | None = None,
    capacity: Mapping[str, float] | None = None,
    regions: int = 1,
    region_capacity: Mapping[str, float] | None = None,
    versions: Mapping[str, str] | None = None,
    digests: Mapping[str, str] | None = None,
    inputs: Mapping[str, str] | None = None,
    created: str = "",
) -> RunReport:
    """Gather the records of a run. The parameters are the attributes of `RunReport`.

    Raises
    ------
    DataError
        When a measurement is not a finite number, or a dictionary holds what JSON does not.
    """
    report = RunReport(
        name=name,
        config=_json_values(config, "config"),
        dataset=_json_values(dataset, "dataset"),
        evaluation=evaluation,
        teacher=teacher,
        bits=bits,
        firmware=tuple(firmware),
        synthesis=tuple(synthesis),
        budget=budget,
        budget_design=budget_design,
        budgets=dict(budgets or {}),
        training=_json_values(training or {}, "training"),
        capacity=dict(capacity or {}),
        regions=regions,
        region_capacity=dict(region_capacity or {}),
        versions=dict(versions or {}),
        digests=dict(digests or {}),
        inputs=dict(inputs or {}),
        created=created,
    )
    check_finite(report.measurements())
    return report


def check_finite(measurements: Iterable[Measurement]) -> None:
    """Raise DataError for the first measurement that is not a finite number."""
    for measurement in measurements:
        if not math.isfinite(measurement.value):
            raise DataError(
                f"measurement {measurement.name} of {measurement.source} is {measurement.value}; expected a finite "
                "number. Leave out a measurement that was not made."
            )


def check_report(report: RunReport, where: str) -> None:
    """Raise DataError when a number of `report`, read from `where`, is not a finite number where one has to be.

    Raises
    ------
    DataError
        The message names `where`, the number, and what stands in its place.
    """
    evaluation = report.evaluation
    for signal in evaluation.signals if evaluation is not None else ():
        for name in ("auc", "auc_error", "tpr", "tpr_error"):
            value = getattr(signal, name)
            if not _is_number(value) or not 0 <= value <= 1:
                raise DataError(f"{where}: {name} of {signal.signal} is {value!r}; expected a number from 0 to 1.")
    for measurement in report.measurements():
        if not _is_number(measurement.value):
            raise DataError(f"{where}: {measurement.name} is {measurement.value!r}; expected a finite number.")
    for budget in report.held_budgets().values():
        for line in budget.lines:
            if not _is_number(line.limit) or not (line.value is None or _is_number(line.value)):
                raise DataError(f"{where}: budget {line.name}: {line.value!r} against {line.limit!r} are no numbers.")


def _is_number(value: object) -> bool:
    """Return whether `value` is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def stage_rank(stage: str) -> int:
    """Return the place of `stage` in the order of truth; unknown stages come last."""
    return STAGE_ORDER.index(stage) if stage in STAGE_ORDER else len(STAGE_ORDER)


def _json_values(values: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return `values` as what JSON gives back; a number that is not finite becomes None: it was not measured."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(values)), parse_constant=lambda _: None)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} of the report: {error}. Give plain dictionaries, lists, numbers and text.") from error
    return plain
