"""Audio from topics: records -> frames, and what a replay needs."""
