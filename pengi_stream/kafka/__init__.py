"""All that knows Kafka: audio, windows, events and dead letters in topics."""
