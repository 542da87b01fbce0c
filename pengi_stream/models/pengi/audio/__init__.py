"""Samples -> a prefix of the language model."""
