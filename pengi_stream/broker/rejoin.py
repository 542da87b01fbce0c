"""A join of a consumer group that kafka-python would forget."""

from __future__ import annotations

from kafka import KafkaConsumer


def finish_join(consumer: KafkaConsumer) -> None:
    """Call it after each `poll` of a subscribed consumer, in the polling thread; polls of 50 ms and more.

    A poll whose time ran out leaves its join to the next one. Where new metadata was the reason to join (a topic of
    which nothing was known yet, a partition that was added), kafka-python 3.0.12 sees no reason any more in the next
    poll, never learns its partitions, and goes on sending heartbeats: the group gives it partitions that nobody reads.
    """
    coordinator = consumer._coordinator
    if coordinator.rejoining and not coordinator.need_rejoin():
        coordinator.request_rejoin()
