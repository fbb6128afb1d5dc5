"""Reference models: a trained model with its card, thresholds and digests in one folder."""
