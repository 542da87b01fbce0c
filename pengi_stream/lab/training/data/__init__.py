"""Recordings -> windows, and what the encoder says of them."""
