"""l1ad: anomaly-detection triggers from training events to verified FPGA firmware."""

__version__ = "0.1.0"
