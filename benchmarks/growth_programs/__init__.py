"""Small services with a known history of one container each; `python -m benchmarks.growth` runs them."""
