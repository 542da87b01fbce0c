"""PCM, resampling, decoding."""
