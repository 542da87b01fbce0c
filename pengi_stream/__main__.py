"""`python -m pengi_stream` is `pengi-stream`."""

from pengi_stream.cli import main

main()
