"""Plans for Vivado HLS, Vitis HLS and Vivado: written as data, run here or elsewhere, read back."""
