"""Readers of the reports that Vivado HLS, Vitis HLS and Vivado write."""
