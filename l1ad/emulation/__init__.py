"""Runs firmware projects on raw integers and compares them with the reference."""
