"""Words for sounds, read from the package's own tables."""
