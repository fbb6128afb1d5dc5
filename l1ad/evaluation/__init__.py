"""ROC, thresholds and rates from raw integer scores."""
