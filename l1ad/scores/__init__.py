"""Anomaly scores: each defined once as exact integer arithmetic, as a float, and as a Keras layer."""
