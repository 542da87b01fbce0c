"""Fitting a checkpoint's confidence."""
