"""Models behind `AudioLanguageModel`."""
