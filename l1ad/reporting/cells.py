"""Cells and tables: what the page and the terminal both show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from l1ad.records import Estimate, Measurement
from l1ad.reporting.formatting import number, percent, short_digest, with_error
from l1ad.reporting.labels import unit_of
from l1ad.units import rounded

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Cell:
    """One place of a table.

    Attributes
    ----------
    text : str
        What is read.
    value : int, float or None
        The exact number behind `text`; None for words.
    error_text : str
        Error as text, empty without one.
    error : float or None
        The exact error.
    unit : str
        Unit after the number.
    status : str
        ``passed``, ``failed``, ``missing``, ``warning`` or empty.
    stage : str
        Stage label of a measurement, ``estimate`` for example.
    code : bool
        Whether the text is set in a fixed-width font.
    note : str
        What stands smaller beside the text.
    note_status : str
        Status of the note, as in `status`.
    low, high : float or None
        Band of an estimate; None for a number without a band.
    """

    text: str
    value: float | int | None = None
    error_text: str = ""
    error: float | None = None
    unit: str = ""
    status: str = ""
    stage: str = ""
    code: bool = False
    note: str = ""
    note_status: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def band(self) -> tuple[str, str] | None:
        """Return the ends of the band as text, or None without one."""
        if self.low is None or self.high is None:
            return None
        return rounded(self.low), rounded(self.high)

    def plain(self) -> str:
        """Return the cell as one line of text."""
        error = f" ± {self.error_text}" if self.error_text else ""
        unit = f" {self.unit}" if self.unit else ""
        band = f", band {self.band[0]} to {self.band[1]}" if self.band else ""
        stage = f" [{self.stage}]" if self.stage else ""
        note = f" ({self.note})" if self.note else ""
        return f"{self.text}{error}{unit}{band}{stage}{note}".strip()


@dataclass(frozen=True)
class Table:
    """A table with a name for each column; every row has as many cells as there are columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def plain(self) -> list[list[str]]:
        """Return the rows as text, the column names first."""
        return [list(self.columns), *([cell.plain() for cell in row] for row in self.rows)]


def words(text: str, status: str = "") -> Cell:
    """Return a cell of words."""
    return Cell(text, status=status)


def fixed_width(text: str) -> Cell:
    """Return a cell in a fixed-width font: types, names of files, digests."""
    return Cell(text, code=True)


def missing(text: str = NOT_MEASURED) -> Cell:
    """Return the cell of a number that does not exist. It is never 0."""
    return Cell(text, status="missing")


def plain_number(value: float | None, unit: str = "") -> Cell:
    """Return a number without an error, or the cell of a missing one."""
    if value is None:
        return missing()
    return Cell(number(value), value=value, unit=unit)


def number_with_error(value: float, error: float, unit: str = "") -> Cell:
    """Return a number with its error, the error with two significant digits."""
    text, error_text = with_error(value, error)
    return Cell(text, value, error_text, error, unit)


def percent_with_error(fraction: float, error: float) -> Cell:
    """Return a fraction in percent with its error; the exact values stay fractions."""
    text, error_text = with_error(100 * fraction, 100 * error)
    return Cell(text, fraction, error_text, error, "%")


def plain_percent(fraction: float) -> Cell:
    """Return a fraction in percent; the exact value stays a fraction."""
    return Cell(percent(fraction).removesuffix(" %"), value=fraction, unit="%")


def measurement_cell(measurement: Measurement | None, *, stage: bool = True) -> Cell:
    """Return a measurement with unit and stage label, or the cell of a missing one.

    An estimate has its band and the word in any case.
    """
    if measurement is None:
        return missing()
    unit = unit_of(measurement.name, measurement.unit, measurement.value)
    if isinstance(measurement, Estimate):
        return Cell(
            rounded(measurement.value),
            value=measurement.value,
            unit=unit,
            stage=f"{measurement.stage}, extrapolated" if measurement.extrapolated else measurement.stage,
            low=measurement.low,
            high=measurement.high,
        )
    label = measurement.stage if stage or measurement.stage == "estimate" else ""
    return Cell(number(measurement.value), value=measurement.value, unit=unit, stage=label)


def value_cell(value: Any, unit: str = "") -> Cell:
    """Return a cell for a JSON value: number, text, truth, or a short form of a list or an object."""
    if value is None:
        return missing()
    if isinstance(value, bool):
        return words("yes" if value else "no")
    if isinstance(value, int | float):
        return plain_number(value, unit)
    if isinstance(value, list):
        return words(", ".join(str(item) for item in value))
    if isinstance(value, Mapping):
        return words(", ".join(f"{key} {item}" for key, item in value.items()))
    return words(str(value))


def digest_cell(digest: str) -> Cell:
    """Return the beginning of a digest."""
    return fixed_width(short_digest(digest))
