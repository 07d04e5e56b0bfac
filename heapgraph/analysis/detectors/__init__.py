"""Detectors of waste and leaks: one module for each family, listed in `registry`."""
