"""Errors, hints and units."""

from __future__ import annotations

import math

import pytest

from l1ad import errors, units


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.ConfigurationError, 2),
        (errors.DataError, 2),
        (errors.RunFolderError, 2),
        (errors.ConversionError, 2),
        (errors.CheckFailedError, 1),
        (errors.ToolError, 1),
        (errors.ToolMissingError, 3),
    ],
)
def test_exit_codes(kind, code):
    assert issubclass(kind, errors.L1adError)
    assert kind.exit_code == code


def test_every_error_has_a_case_above():
    kinds = {k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.L1adError)}
    assert len(kinds - {errors.L1adError}) == 7


def test_nearest_names_what_is_similar_first():
    assert errors.nearest("epoch", ["epochs", "beta"]) == "Did you mean epochs?"
    assert errors.nearest("q", ["epochs", "beta"]) == "Known: beta, epochs."


def test_a_turn_has_144_and_576_units():
    assert math.isclose(144 * units.PHI_CALO_LSB, 2 * math.pi)
    assert math.isclose(576 * units.PHI_MUON_LSB, 2 * math.pi)
    assert math.isclose(units.ETA_CALO_LSB, 4 * units.ETA_MUON_LSB)


def test_clock_arithmetic():
    assert units.clocks_to_ns(9, 5.0) == 45.0
    assert units.clock_mhz(2.5) == 400.0
    assert math.isclose(units.BUNCH_CROSSING_RATE_KHZ * units.BUNCH_CROSSING_NS, 1e6)
