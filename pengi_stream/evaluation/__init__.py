"""The protocol of the Pengi paper on the user's own copy of a data set: `python -m pengi_stream.evaluation`."""
