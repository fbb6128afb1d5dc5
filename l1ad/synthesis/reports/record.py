"""What one report file says, as typed records, and the set of reports of one folder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from l1ad.errors import DataError
from l1ad.records import Measurement, Record
from l1ad.synthesis.reports.text import duration_ns, number

#: Unit of each measurement that is not a plain count.
UNITS = {
    "bram": "RAMB36",
    "latency_clocks": "clocks",
    "latency_min_clocks": "clocks",
    "ii": "clocks",
    "ii_min": "clocks",
    "total_clocks": "clocks",
    "latency_ns": "ns",
    "latency_min_ns": "ns",
    "clock_target_ns": "ns",
    "clock_uncertainty_ns": "ns",
    "clock_ns": "ns",
    "slack_ns": "ns",
    "hold_slack_ns": "ns",
    "pulse_slack_ns": "ns",
    "total_slack_ns": "ns",
    "power_w": "W",
    "power_dynamic_w": "W",
    "power_static_w": "W",
    "junction_c": "°C",
}

#: Measurements that may be below zero.
_SIGNED = ("slack_ns", "hold_slack_ns", "pulse_slack_ns", "total_slack_ns", "junction_c")

#: Resources of which at least one is above zero in any design that computes something.
_LOGIC = ("lut", "ff", "dsp")


@dataclass(frozen=True)
class ToolReport(Record):
    """One report file.

    Attributes
    ----------
    kind : str
        ``csynth``, ``cosim``, ``export``, ``utilization``, ``hierarchy``, ``timing``, ``power``, ``route_status`` or
        ``rtl``.
    tool, version : str
        What wrote the file; empty when neither the file nor its neighbours say so.
    stage : str
        ``csynth``, ``cosim``, ``synth``, ``place`` or ``route``.
    part : str
        Part as the report writes it; empty when it names none.
    top : str
        Top function or module; empty when the report names none.
    file : str
        Path of the file, relative to the folder that was read.
    measurements : tuple of Measurement
        Numbers of the whole design, each with unit, stage, tool, version and file.
    missing : dict of str to str
        Measurement -> what stands in its place: ``undef``, ``?``, ``-``, ``NA``. Never 0.
    available : dict of str to float
        Resource -> what the part holds, as the report says.
    modules : dict of str to dict of str to float
        Module or instance -> its resources, where the report lists them.
    regions : dict of str to dict of str to float
        Super logic region -> resources used in it.
    warnings : tuple of str
        What a reader has to know, such as a clock that exceeds its target.
    failures : tuple of str
        Why the report is no basis for a signature, such as a co-simulation that failed.
    """

    kind: str
    tool: str
    version: str
    stage: str
    part: str
    top: str
    file: str
    measurements: tuple[Measurement, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)
    available: dict[str, float] = field(default_factory=dict)
    modules: dict[str, dict[str, float]] = field(default_factory=dict)
    regions: dict[str, dict[str, float]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()

    def value(self, name: str, stage: str = "") -> float | None:
        """Return the measurement `name` (of `stage`, when given), or None when the report does not state it."""
        for measurement in self.measurements:
            if measurement.name == name and stage in ("", measurement.stage):
                return measurement.value
        return None


@dataclass(frozen=True)
class ReportSet(Record):
    """The reports of one folder.

    Attributes
    ----------
    folder : str
    top, part : str
        Top module and part that the reports agree on; empty when none names it.
    reports : tuple of ToolReport
    log_errors : dict of str to str
        Log file -> its decisive error line.
    warnings : tuple of str
        What the reports have against one another: two files of one stage that disagree.
    """

    folder: str
    top: str
    part: str
    reports: tuple[ToolReport, ...]
    log_errors: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """Return the measurements of all reports."""
        return tuple(m for report in self.reports for m in report.measurements)

    @property
    def failures(self) -> tuple[str, ...]:
        """Return the failures of all reports, each with its file."""
        return tuple(f"{report.file}: {failure}" for report in self.reports for failure in report.failures)

    @property
    def all_warnings(self) -> tuple[str, ...]:
        """Return the warnings of all reports, each with its file, and those of the set."""
        return self.warnings + tuple(f"{r.file}: {warning}" for r in self.reports for warning in r.warnings)


class Collector:
    """Gathers the numbers of one report; what is no number is kept as missing, never as 0.

    Parameters
    ----------
    path : Path
        File that is read; named in errors.
    file : str
        Name of the file in the record.
    tool, version, stage : str
        As in `ToolReport`.
    """

    def __init__(self, path: Path, file: str, tool: str, version: str, stage: str) -> None:
        self.path, self.file, self.tool, self.version, self.stage = path, file, tool, version, stage
        self.measurements: list[Measurement] = []
        self.missing: dict[str, str] = {}
        self.available: dict[str, float] = {}
        self.warnings: list[str] = []
        self.failures: list[str] = []

    def add(self, name: str, text: str | None, *, scale: float = 1.0, stage: str = "") -> float | None:
        """Add the number that `text` holds, times `scale`; return it, or None when `text` holds none."""
        value = number(text)
        return self._keep(name, text, None if value is None else value * scale, stage)

    def add_duration(self, name: str, text: str | None) -> float | None:
        """Add a time such as ``1.845 us``, in ns."""
        return self._keep(name, text, duration_ns(text), "")

    def has(self, name: str) -> bool:
        """Return whether a measurement called `name` was found."""
        return any(measurement.name == name for measurement in self.measurements)

    def drop(self, names: tuple[str, ...], reason: str) -> None:
        """Take measurements out again, because they mean nothing."""
        for measurement in [m for m in self.measurements if m.name in names]:
            self.measurements.remove(measurement)
            self.missing[measurement.name] = reason

    def report(self, kind: str, part: str, top: str) -> ToolReport:
        """Return the record; a design without any logic is a failure, and its zeros are dropped."""
        found = {m.name: m.value for m in self.measurements if m.stage == self.stage}
        logic = [found[name] for name in _LOGIC if name in found]
        if logic and not any(logic):
            self.failures.append("no LUT, flip-flop or DSP is used: the design was optimized away, or nothing measured")
            self.drop((*_LOGIC, "bram", "uram"), "0 in a report without any logic")
        return ToolReport(
            kind=kind,
            tool=self.tool,
            version=self.version,
            stage=self.stage,
            part=part,
            top=top,
            file=self.file,
            measurements=tuple(self.measurements),
            missing=dict(self.missing),
            available=dict(self.available),
            warnings=tuple(self.warnings),
            failures=tuple(self.failures),
        )

    def _keep(self, name: str, text: str | None, value: float | None, stage: str) -> float | None:
        if value is None:
            self.missing[name] = (text or "").strip() or "absent"
            return None
        if value < 0 and name not in _SIGNED:
            raise DataError(f"{self.path}: {name} is {text}; expected a number from 0 on. Make the report again.")
        source = source_text(self.tool, self.version, self.file)
        self.measurements.append(Measurement(name, value, UNITS.get(name, ""), stage or self.stage, source))
        return value


def source_text(tool: str, version: str, file: str) -> str:
    """Return what stands as the source of a measurement.

    Examples
    --------
    >>> source_text("Vitis HLS", "2022.2", "csynth.xml")
    'Vitis HLS 2022.2, csynth.xml'
    """
    return f"{tool or 'tool not stated'} {version or '(version not stated)'}, {file}"


def with_tool(report: ToolReport, tool: str, version: str) -> ToolReport:
    """Return `report` with the tool that another report of the same run names."""
    source = source_text(tool, version, report.file)
    measurements = tuple(replace(m, source=source) for m in report.measurements)
    return replace(report, tool=tool, version=version, measurements=measurements)
