"""Kafka: the only place that imports kafka-python."""
