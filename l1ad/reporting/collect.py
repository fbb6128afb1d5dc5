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
    training : dict
        ``epochs``, ``best_validation_loss``, ``seconds``, optional ``history`` (name -> one number an epoch).
    capacity : dict
        Resource name (``lut``, ``ff``, ``dsp``, ``bram``) -> how many the part has.
    versions, digests : dict
        Library -> version; stage -> SHA-256 of its inputs.
    created : str
        When the report was made, as text.
    """

    name: str
    config: dict[str, Any] = field(default_factory=dict)
    dataset: dict[str, Any] = field(default_factory=dict)
    evaluation: EvaluationReport | None = None
    bits: BitReport | None = None
    firmware: tuple[FirmwareProject, ...] = ()
    synthesis: tuple[SynthesisReport, ...] = ()
    budget: BudgetReport | None = None
    training: dict[str, Any] = field(default_factory=dict)
    capacity: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    created: str = ""

    def measurements(self) -> Iterator[Measurement]:
        """Yield the measurements of the ladder, then of the tools, then of the generators."""
        if self.bits is not None:
            yield from self.bits.measurements
        for synthesis in self.synthesis:
            yield from synthesis.measurements
        for project in self.firmware:
            yield from project.estimates

    def headline(self, name: str) -> Measurement | None:
        """Return the measurement of `name` that the overview shows, or None when there is none.

        What the budget was checked against, None when the budget found no measurement; without a limit of that
        name the measurement of the most true stage.
        """
        for line in self.budget.lines if self.budget is not None else ():
            if line.name == name:
                return None if line.value is None else Measurement(name, line.value, line.unit, line.stage, line.source)
        found = [measurement for measurement in self.measurements() if measurement.name == name]
        return min(found, key=lambda measurement: _stage_rank(measurement.stage), default=None)


def collect_report(
    name: str,
    *,
    config: Mapping[str, Any],
    dataset: Mapping[str, Any],
    evaluation: EvaluationReport | None = None,
    bits: BitReport | None = None,
    firmware: Sequence[FirmwareProject] = (),
    synthesis: Sequence[SynthesisReport] = (),
    budget: BudgetReport | None = None,
    training: Mapping[str, Any] | None = None,
    capacity: Mapping[str, float] | None = None,
    versions: Mapping[str, str] | None = None,
    digests: Mapping[str, str] | None = None,
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
        bits=bits,
        firmware=tuple(firmware),
        synthesis=tuple(synthesis),
        budget=budget,
        training=_json_values(training or {}, "training"),
        capacity=dict(capacity or {}),
        versions=dict(versions or {}),
        digests=dict(digests or {}),
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


def _stage_rank(stage: str) -> int:
    """Return the place of `stage` in the order of truth; unknown stages come last."""
    return STAGE_ORDER.index(stage) if stage in STAGE_ORDER else len(STAGE_ORDER)


def _json_values(values: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return `values` as what JSON gives back; a number that is not finite becomes None: it was not measured."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(values)), parse_constant=lambda _: None)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} of the report: {error}. Give plain dictionaries, lists, numbers and text.") from error
    return plain
