"""Fit, losses, checkpoints and resume."""
