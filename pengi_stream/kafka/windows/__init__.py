"""Windows to and from topics: the two ends of a split deployment."""
