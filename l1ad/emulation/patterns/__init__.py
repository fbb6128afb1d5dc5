"""Test vectors for boards and test benches: writers and readers of the files that CMS's boards take."""

from l1ad.emulation.patterns.base import FORMATS, Column, PatternOptions, Vectors, load_format
from l1ad.emulation.patterns.folder import read_vectors, write_vectors

__all__ = ["FORMATS", "Column", "PatternOptions", "Vectors", "load_format", "read_vectors", "write_vectors"]
