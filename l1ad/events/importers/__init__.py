"""Readers of foreign event files, one module a format, behind one protocol."""
