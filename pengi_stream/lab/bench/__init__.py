"""Benchmarks: `pengi-stream bench --help`."""
