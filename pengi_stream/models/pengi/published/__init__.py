"""The published checkpoints: downloaded, read and converted."""
