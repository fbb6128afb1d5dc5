"""Runs beside each other: physics against resources, what changed, and what became worse beyond a tolerance."""

from l1ad.reporting.comparison.compare import compare
from l1ad.reporting.comparison.output import render_comparison, write_comparison
from l1ad.reporting.comparison.records import Comparison
from l1ad.reporting.comparison.tolerance import Tolerance, parse_tolerances

__all__ = ["Comparison", "Tolerance", "compare", "parse_tolerances", "render_comparison", "write_comparison"]
