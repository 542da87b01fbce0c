"""The recipe that makes `mini`, step by step: `python -m pengi_stream.training --help`."""
