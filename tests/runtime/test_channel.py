"""A channel never loses, never mixes up, never leaves anybody waiting."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.runtime.channel import Channel, ChannelClosed, DropOldest, Fifo


def drain(channel: Channel[int, int]) -> list[int]:
    items = []
    while (item := channel.get()) is not None:
        items.append(item)
    return items


@given(items=st.lists(st.integers()), capacity=st.integers(1, 4))
def test_every_item_arrives_once_and_in_order_through_a_small_channel(items: list[int], capacity: int) -> None:
    channel: Channel[int, int] = Channel(Fifo(capacity))
    with ThreadPoolExecutor(1) as pool:
        received = pool.submit(drain, channel)
        for item in items:
            channel.put(item)
        channel.close()
        assert received.result(10) == items


def test_a_full_channel_makes_its_producer_wait_until_there_is_room() -> None:
    channel: Channel[int, int] = Channel(Fifo(1))
    channel.put(1)
    second_is_in = threading.Event()
    producer = threading.Thread(target=lambda: (channel.put(2), second_is_in.set()))
    producer.start()
    assert not second_is_in.is_set()
    assert channel.get() == 1
    assert second_is_in.wait(10)
    assert channel.get() == 2
    producer.join()


def test_a_channel_with_several_producers_ends_after_the_last_one() -> None:
    channel: Channel[int, int] = Channel(Fifo(8), producers=2)
    channel.close()
    channel.put(1)
    channel.close()
    assert drain(channel) == [1]


def test_an_aborted_channel_frees_a_waiting_producer_and_a_waiting_consumer() -> None:
    full: Channel[int, int] = Channel(Fifo(1))
    full.put(1)
    empty: Channel[int, int] = Channel(Fifo(1))
    with ThreadPoolExecutor(2) as pool:
        producer, consumer = pool.submit(full.put, 2), pool.submit(empty.get)
        full.abort()
        empty.abort()
        for waiting in (producer, consumer):
            with pytest.raises(ChannelClosed):
                waiting.result(10)


def test_get_many_takes_what_waits_up_to_a_limit_and_is_empty_at_the_end() -> None:
    channel: Channel[int, int] = Channel(Fifo(8))
    for item in range(5):
        channel.put(item)
    channel.close()
    assert channel.get_many(3) == [0, 1, 2]
    assert channel.get_many(3) == [3, 4]
    assert channel.get_many(3) == []


@given(items=st.lists(st.integers(), min_size=1, max_size=20), capacity=st.integers(1, 5))
def test_drop_oldest_keeps_the_newest_and_reports_each_item_that_it_drops(items: list[int], capacity: int) -> None:
    dropped: list[int] = []
    channel: Channel[int, int] = Channel(DropOldest(capacity, lambda _: True, dropped.append))
    for item in items:
        channel.put(item)
    channel.close()
    assert drain(channel) == items[-capacity:]
    assert dropped == items[:-capacity]


def test_drop_oldest_never_drops_what_must_arrive() -> None:
    dropped: list[int] = []
    channel: Channel[int, int] = Channel(DropOldest(2, lambda item: item > 0, dropped.append))
    for item in (0, 1, 2, 3):
        channel.put(item)
    channel.close()
    assert drain(channel) == [0, 3]
    assert dropped == [1, 2]
