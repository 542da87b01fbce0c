"""Windows, and what lies between them, <-> records; every record says in which version it is written.

Key: the stream's id. Value: the samples of a window, FLAC or 16-bit PCM; of others, nothing. Headers: all else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pengi_stream.errors import AudioError
from pengi_stream.outcomes import Quiet, Span, Unheard, WindowItem
from pengi_stream.positions import ReadPosition
from pengi_stream.types import BadRecord, Gap, Stream, StreamEnd, TimeMap, Window, WindowShape
from pengi_stream.wire import payload
from pengi_stream.wire.headers import MOST_DIGITS, Facts, Headers, fits, write

VERSION = 3  # 1 had no origin; 2 had those of Kafka only
READABLE = ("1", "2", "3")
KINDS = {Window: "window", Quiet: "quiet", Unheard: "unheard", Gap: "gap", StreamEnd: "end", BadRecord: "bad"}
SCHEMA = "pengi_stream.{kind}/{version}"

MOST_HEADER_BYTES = 4096
VERSION_2_ORIGIN = re.compile(rf"(.+)/([0-9]{{1,9}}) ([0-9]{{1,{MOST_DIGITS}}})")


@dataclass(frozen=True, slots=True)
class Elsewhere(ReadPosition):
    """A position in another process's source."""

    facts: tuple[tuple[str, str | int], ...] = ()

    @property
    def origin(self) -> Mapping[str, str | int]:
        return dict(self.facts)


@dataclass(frozen=True, slots=True)
class WindowRecord:
    """What a topic keeps of a window."""

    key: bytes
    value: bytes
    headers: Headers


def to_record(item: WindowItem, encoding: payload.Encoding) -> WindowRecord:
    """The samples of a window are rounded to 24 or 16 bits; all else arrives as it is."""
    facts: dict[str, str | int | float] = {
        "schema": SCHEMA.format(kind=KINDS[type(item)], version=VERSION),
        "session": item.stream.session,
        "live": int(item.stream.live),
    }
    value = b""
    if isinstance(item, Window | BadRecord) and (origin := item.origin or item.position):
        facts["origin"] = json.dumps(dict(origin.origin), separators=(",", ":"))
    match item:
        case Window():
            facts |= _window_facts(item, encoding)
            value = payload.encode(item.samples, item.sample_rate, encoding)
        case Quiet():
            facts |= _span_facts(item.span)
        case Unheard():
            facts |= {**_span_facts(item.span), "reason": item.reason}
        case Gap():
            facts |= _gap_facts(item)
        case BadRecord():
            facts |= {"reason": item.reason, "exception": item.exception, "time-ns": item.time_ns}
    return WindowRecord(item.stream.id.encode("utf-8", "surrogateescape"), value, write(facts))


def from_record(record: WindowRecord, shape: WindowShape, position: ReadPosition, ready_s: float) -> WindowItem:
    """What `to_record` was given, at `position` now. Raises AudioError: what was found, what was expected."""
    facts = Facts(record.headers)
    kind = _kind(facts)
    facts.flag("live")
    stream = Stream(record.key.decode("utf-8", "surrogateescape"), facts.text("session"))  # what was sent can wait
    match kind:
        case "window":
            return _window(stream, facts, record.value, shape, position, ready_s)
        case "quiet":
            return Quiet(_span(stream, facts, shape, position, ready_s))
        case "unheard":
            return Unheard(_span(stream, facts, shape, position, ready_s), facts.text("reason"))
        case "gap":
            return _gap(stream, facts, position)
        case "end":
            return StreamEnd(stream, position)
    return BadRecord(
        stream,
        facts.text("reason"),
        facts.text("exception"),
        time_ns=facts.integer("time-ns"),
        position=position,
        kept=True,
        origin=_origin(facts),
    )


def most_bytes(samples: int, encoding: payload.Encoding) -> int:
    """What a record with a window of so many samples takes, at most."""
    return payload.most_bytes(samples, encoding) + MOST_HEADER_BYTES


def _kind(facts: Facts) -> str:
    found = facts.text("schema")
    known = {SCHEMA.format(kind=kind, version=version): kind for kind in KINDS.values() for version in READABLE}
    if found not in known:
        raise AudioError(
            f"header schema: found {found[:60]!r}, expected pengi_stream.window (quiet, unheard, gap, end, bad) of "
            f"version {' or '.join(READABLE)}; workers must be as new as what they read"
        )
    return known[found]


def _window_facts(window: Window, encoding: payload.Encoding) -> Mapping[str, str | int]:
    return {
        "content-type": payload.content_type(encoding, window.sample_rate),
        "segment-sample": window.segment_sample,
        "first-sample": window.first_sample,
        "samples": len(window.samples),
        "valid-samples": window.valid_samples,
        "sample-rate": window.sample_rate,
        "start-ns": window.start_ns,
        "end-ns": window.end_ns,
    }


def _window(
    stream: Stream, facts: Facts, value: bytes, shape: WindowShape, position: ReadPosition, ready_s: float
) -> Window:
    found = WindowShape(facts.integer("sample-rate"), facts.integer("samples"))
    if found != shape:
        raise AudioError(
            f"found a window of {found.samples} samples at {found.sample_rate} Hz, expected {shape.samples} at "
            f"{shape.sample_rate} Hz; ingest and worker need the same model"
        )
    window = Window(
        stream=stream,
        segment_sample=facts.integer("segment-sample", 0),
        first_sample=facts.integer("first-sample", 0),
        samples=payload.decode(value, facts.text("content-type"), shape.sample_rate, shape.samples),
        valid_samples=facts.integer("valid-samples", 1),
        sample_rate=shape.sample_rate,
        start_ns=facts.integer("start-ns"),
        end_ns=facts.integer("end-ns"),
        ready_s=ready_s,
        position=position,
        origin=_origin(facts),
    )
    if window.valid_samples > shape.samples:
        raise AudioError(f"header valid-samples: found {window.valid_samples}, expected up to {shape.samples}")
    _check_order(window)
    return window


def _check_order(found: Window | Span) -> None:
    if found.segment_sample > found.first_sample:
        raise AudioError(f"header segment-sample: found {found.segment_sample}, behind first-sample")
    if found.start_ns >= found.end_ns:
        raise AudioError(f"header end-ns: found {found.end_ns}, expected more than start-ns, {found.start_ns}")


def _span_facts(span: Span) -> Mapping[str, str | int]:
    return {
        "segment-sample": span.segment_sample,
        "first-sample": span.first_sample,
        "end-sample": span.end_sample,
        "sample-rate": span.sample_rate,
        "start-ns": span.start_ns,
        "end-ns": span.end_ns,
    }


def _span(stream: Stream, facts: Facts, shape: WindowShape, position: ReadPosition, ready_s: float) -> Span:
    first_sample = facts.integer("first-sample", 0)
    rate = facts.integer("sample-rate", 1)
    if rate != shape.sample_rate:
        raise AudioError(
            f"found time counted at {rate} Hz, expected {shape.sample_rate} Hz; ingest and worker need the same model"
        )
    span = Span(
        stream,
        facts.integer("segment-sample", 0),
        first_sample,
        facts.integer("end-sample", first_sample + 1),
        rate,
        facts.integer("start-ns"),
        facts.integer("end-ns"),
        position,
        ready_s,
    )
    _check_order(span)
    return span


def _origin(facts: Facts) -> ReadPosition | None:
    if "origin" not in facts:
        return None
    text = facts.text("origin")
    found = _parsed(text) if text.startswith("{") else _of_version_2(text)
    offset = found.get("offset")
    if not isinstance(offset, int) or not fits(offset):
        raise AudioError(f"header origin: found {text[:60]!r}, expected an offset, and in what it counts")
    return Elsewhere(str(found.get("lane", "")), offset, facts=tuple(found.items()))


def _parsed(text: str) -> Mapping[str, str | int]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise AudioError(f"header origin: found {text[:60]!r}, expected JSON") from error
    if not all(isinstance(fact, str | int) for fact in found.values()):
        raise AudioError(f"header origin: found {text[:60]!r}, expected texts and numbers")
    return dict(found)


def _of_version_2(text: str) -> Mapping[str, str | int]:
    """`topic/partition offset`"""
    match = VERSION_2_ORIGIN.fullmatch(text)
    if match is None:
        raise AudioError(f"header origin: found {text[:60]!r}, expected a partition and an offset")
    return {"topic": match[1], "partition": int(match[2]), "offset": int(match[3])}


def _gap_facts(gap: Gap) -> Mapping[str, str | int | float]:
    return {
        "first-sample": gap.first_sample,
        "missing-samples": gap.missing_samples,
        "sample-rate": gap.sample_rate,
        "anchor-sample": gap.time.anchor_sample,
        "anchor-ns": gap.time.anchor_ns,
        "measured-rate": gap.time.rate,
        "reason": gap.reason,
    }


def _gap(stream: Stream, facts: Facts, position: ReadPosition) -> Gap:
    time = TimeMap(facts.integer("anchor-sample"), facts.integer("anchor-ns"), facts.rate("measured-rate"))
    gap = Gap(
        stream,
        facts.integer("first-sample", 0),
        facts.integer("missing-samples", 1),
        facts.integer("sample-rate", 1),
        time,
        facts.text("reason"),
        position,
    )
    if not (fits(time.at(gap.first_sample)) and fits(time.at(gap.end_sample))):
        raise AudioError(
            f"found a gap of {gap.missing_samples} samples from {gap.first_sample} at {time.rate} Hz, "
            "expected its times, in nanoseconds since 1970, in 64 bits"
        )
    return gap
