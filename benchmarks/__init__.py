"""Benchmarks: one JSON line each, the figure beside the limit measured in the same run. Only ratios hold elsewhere."""
