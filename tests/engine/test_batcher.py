"""Requests leave once, in order, in turn; nobody waits longer than told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.engine.batcher import MOST_LIVE, Batcher, Shed
from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.types import Batch, Request, Stream, Window

CAPTION = Prompt("caption", "generate audio caption")
BEAMS = Prompt("beams", "generate audio caption", DecodingOptions(beams=3))
LABELS = Prompt("labels", "this is a sound of", labels=("a", "b"))


def request(stream: Stream, number: int = 0, prompt: Prompt = CAPTION, ready_s: float = 0.0) -> Request:
    window = Window(stream, 0, number, np.zeros(1, np.float32), 1, 1, 0, 0, ready_s)
    return Request(window, prompt)


def batcher(size: int = 4, wait_s: float = 1.0, age_s: float = 100.0, capacity: int = 1000) -> Batcher:
    return Batcher(max_batch_size=size, max_wait_s=wait_s, max_age_s=age_s, capacity=capacity)


def drained(b: Batcher, now_s: float = 0.0) -> list[object]:
    b.close()
    out = []
    while (item := b.take(now_s)) is not None:
        out.append(item)
    assert len(b) == 0
    return out


STREAMS = [Stream("a"), Stream("b"), Stream("c", live=True), Stream("d", live=True)]


@st.composite
def items(draw: st.DrawFn) -> list[Request]:
    prompts = st.sampled_from([CAPTION, BEAMS, LABELS])
    drawn = draw(st.lists(st.tuples(st.sampled_from(STREAMS), prompts), max_size=40))
    return [request(stream, number, prompt) for number, (stream, prompt) in enumerate(drawn)]


@given(items(), st.integers(1, 6))
def test_everything_leaves_once_and_in_its_streams_order(given_items: list[Request], size: int) -> None:
    b = batcher(size)
    for item in given_items:
        b.add(item, 0.0)
    left: list[Request] = []
    for out in drained(b):
        assert isinstance(out, Batch)
        left += out.requests
    assert sorted(map(id, left)) == sorted(map(id, given_items))
    for stream in STREAMS:
        for prompt in (CAPTION, BEAMS, LABELS):
            before = [id(item) for item in given_items if item.stream is stream and item.prompt is prompt]
            assert [id(item) for item in left if item.stream is stream and item.prompt is prompt] == before


@given(items(), st.integers(1, 6))
def test_batches_share_options_and_labels_and_are_never_too_large(given_items: list[Request], size: int) -> None:
    b = batcher(size)
    for item in given_items:
        b.add(item, 0.0)
    for out in drained(b):
        if isinstance(out, Batch):
            assert 1 <= len(out.requests) <= size
            assert len({(r.prompt.options, r.prompt.labels) for r in out.requests}) == 1


def test_a_full_batch_leaves_at_once_and_a_part_of_one_when_it_has_waited() -> None:
    b = batcher(size=2, wait_s=1.0)
    b.add(request(STREAMS[0]), 10.0)
    assert b.take(10.5) is None
    assert b.ready_at_s(10.5) == pytest.approx(11.0)
    b.add(request(STREAMS[1]), 10.6)
    assert isinstance(b.take(10.6), Batch)
    b.add(request(STREAMS[0]), 11.0)
    assert b.take(11.9) is None
    assert isinstance(b.take(12.0), Batch)
    assert b.ready_at_s(12.0) is None


def test_a_stream_with_a_backlog_does_not_keep_others_waiting() -> None:
    b = batcher(size=2)
    for number in range(6):
        b.add(request(STREAMS[0], number), 0.0)
    b.add(request(STREAMS[1], 0), 0.0)
    first = b.take(0.0)
    assert isinstance(first, Batch)
    assert {r.stream.id for r in first.requests} == {"a", "b"}


def test_live_streams_go_first() -> None:
    b = batcher(size=2)
    for number in range(2):
        b.add(request(STREAMS[0], number), 0.0)
        b.add(request(STREAMS[2], number), 0.0)
    batches = drained(b)
    assert [{r.stream.id for r in batch.requests} for batch in batches] == [{"c"}, {"a"}]  # type: ignore[attr-defined]


def test_live_requests_that_waited_too_long_are_shed_and_stored_ones_never() -> None:
    b = batcher(age_s=5)
    b.add(request(STREAMS[2], 0, ready_s=0.0), 0.0)
    b.add(request(STREAMS[2], 1, ready_s=4.0), 4.0)
    b.add(request(STREAMS[0], 0, ready_s=0.0), 0.0)
    shed = b.take(6.0)
    assert isinstance(shed, Shed)
    assert (shed.request.stream.id, shed.request.first_sample) == ("c", 0)
    rest = [r for out in drained(b, 6.0) for r in out.requests]  # type: ignore[attr-defined]
    assert [(r.stream.id, r.first_sample) for r in rest] == [("c", 1), ("a", 0)]


def test_stored_streams_wait_for_room_and_live_ones_shed_their_oldest() -> None:
    b = batcher(size=8, capacity=2)
    stored, live = request(STREAMS[0]), request(STREAMS[2])
    for _ in range(2):
        assert b.has_room(stored)
        b.add(request(STREAMS[0]), 0.0)
    assert not b.has_room(stored)
    assert b.has_room(live)
    for number in range(MOST_LIVE + 1):
        b.add(request(STREAMS[2], number), 0.0)
    shed = b.take(0.0)
    assert isinstance(shed, Shed)
    assert shed.request.first_sample == 0
    assert isinstance(b.take(0.0), Batch)
