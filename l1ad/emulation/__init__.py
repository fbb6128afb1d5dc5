"""Runs firmware projects on raw integers and compares them with the reference."""

from l1ad.emulation.compare import Comparison, LayerValues, compare, compare_layers
from l1ad.emulation.ladder import run_ladder, write_bit_report
from l1ad.emulation.project import OpenProject, open_project
from l1ad.emulation.simulation import SimulationResult
from l1ad.emulation.vectors import read_test_vectors, write_test_vectors

__all__ = [
    "Comparison",
    "LayerValues",
    "OpenProject",
    "SimulationResult",
    "compare",
    "compare_layers",
    "open_project",
    "read_test_vectors",
    "run_ladder",
    "write_bit_report",
    "write_test_vectors",
]
