"""Pengi, an audio language model, as a service that listens to streams and writes timestamped text."""
