"""Threads and channels around the pure cores."""
