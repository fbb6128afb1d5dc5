"""Turns a Keras model into a firmware project."""
