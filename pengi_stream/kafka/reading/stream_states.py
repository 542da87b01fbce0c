"""How far a stream is done <-> plain values, for what is kept with an offset."""

from __future__ import annotations

from typing import Any

from pengi_stream.clock import parse_rfc3339, rfc3339
from pengi_stream.kafka.reading.kept import pack, unpack
from pengi_stream.types import Stream, StreamState


def session_ns(stream: Stream) -> int | None:
    """The session as a number, where it is a time."""
    try:
        found = parse_rfc3339(stream.session)
    except ValueError:
        return None
    return found if rfc3339(found) == stream.session else None


def stream_key(stream: Stream) -> bytes:
    """What tells a stream from the others of its partition."""
    ns = session_ns(stream)
    return pack([stream.id, stream.session if ns is None else ns])


def stream_of(key: bytes) -> Stream:
    """What `stream_key` was given. Raises StateError."""
    name, session = unpack(key)
    return Stream(name, rfc3339(session) if isinstance(session, int) else session)


def done_fields(state: StreamState | None, offset: int) -> tuple[Any, ...]:
    """As few values as say it; none where it says nothing that `offset` does not."""
    if state is None or not (state.next_sample or state.next_offset > offset or state.behind):
        return ()
    return (state.next_sample, state.next_offset, *([state.behind] if state.behind else []))


def done_of(stream: Stream, fields: tuple[Any, ...]) -> StreamState | None:
    """What `done_fields` was given."""
    if not fields:
        return None
    return StreamState(stream, *fields)
