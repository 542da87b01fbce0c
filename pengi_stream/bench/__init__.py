"""Benchmarks: `python -m pengi_stream.bench --help`."""
