"""Architectures and the frontends that build their quantized layers."""
