"""Where the audio of a record lies in its stream: by `first-sample`, by time, or behind the last record."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pengi_stream.clock import rfc3339
from pengi_stream.kafka.audio.record import RecordAudio
from pengi_stream.types import NS_PER_S, Stream, TimeMap

NS_PER_MS = 1_000_000
CAPTURE_TOLERANCE_NS = NS_PER_S // 4  # `captured-at` is meant; a record's time stamp tells when it was sent
BELIEVED_NS = 3600 * NS_PER_S  # a header further from the record's time needs a second record that agrees
MOST_DRIFT = 500e-6  # faster than any crystal; a map that is wrong gets right at this pace
DRIFTING_NS = 60 * NS_PER_S  # beyond, the times tell when a recording was uploaded
NO_DOUBT = -1


@dataclass(frozen=True, slots=True)
class Count:
    """How far a stream was heard; all that a replay needs to count on."""

    stream: Stream
    sample: int
    """Index of the sample that comes next, at the source's rate"""
    segment_sample: int
    """Index of the first sample of its segment"""
    sample_rate: int
    """Hertz"""
    time: TimeMap
    heard_ms: int
    """The partition's time when it was heard last"""
    stamp_ms: int
    """Latest time stamp of its records"""
    doubt: int = NO_DOUBT
    """End of a record whose header was not believed: a record that begins there confirms it."""
    lost: bool = False
    """Records of its partition were lost since, perhaps some of it"""
    skew_ms: int = 0
    """Its producer's clock is so far ahead of the partition's time"""


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of a record's audio."""

    count: Count
    """Behind the record"""
    first_sample: int
    """Of what is new of it"""
    known_samples: int = 0
    """Samples that were heard before"""
    missing_samples: int = 0
    """Before it"""
    anew: bool = False
    """The old stream is over, another one begins with it."""
    lie: str = ""
    """Why it is not believed"""


def begin(stream_id: str, audio: RecordAudio, time_ns: int, stamp_ms: int, heard_ms: int, skew_ms: int = 0) -> Placed:
    """The first record of a stream; its time is the stream's session."""
    first, rate = audio.first_sample or 0, audio.sample_rate
    stream = Stream(stream_id, rfc3339(time_ns))
    time = TimeMap(first, time_ns, rate)
    count = Count(stream, first + len(audio.samples), first, rate, time, heard_ms, stamp_ms, skew_ms=skew_ms)
    return Placed(count, first)


def place(count: Count, audio: RecordAudio, stamp_ns: int, tolerance_ns: int, heard_ms: int) -> Placed:
    """A further record of the stream, sent at `stamp_ns`.

    By its header `first-sample` where it has one; else a time that is later than expected by more than the tolerance
    means that samples are missing, and a `captured-at` that is earlier means that they were heard before.
    """
    count = replace(_at_rate(count, audio.sample_rate), heard_ms=heard_ms)
    count = replace(count, stamp_ms=max(count.stamp_ms, stamp_ns // NS_PER_MS))
    time_ns = stamp_ns if audio.captured_ns is None else audio.captured_ns
    ahead_ns = time_ns - count.time.at(count.sample)
    jump = _jump(count, audio, ahead_ns, tolerance_ns)
    first = count.sample + jump
    confirmed = first == count.doubt
    if _samples(max(0, ahead_ns) + BELIEVED_NS, count) < jump and not confirmed:
        seconds = jump / count.sample_rate
        doubted = replace(count, doubt=first + len(audio.samples))
        return Placed(doubted, first, lie=f"first-sample {first} lies {seconds:.0f} s ahead of what was heard before")
    new_by_time = audio.first_sample is not None and ahead_ns > _ns(jump, count) // 2
    if jump < 0 and new_by_time and (first == 0 or confirmed):
        return replace(begin(count.stream.id, audio, time_ns, count.stamp_ms, heard_ms, count.skew_ms), anew=True)
    known = min(max(0, -jump), len(audio.samples))
    end = max(count.sample, first + len(audio.samples))
    moved = replace(
        count,
        sample=end,
        segment_sample=first if jump > 0 else count.segment_sample,
        time=_time(count, audio, first, time_ns, tolerance_ns),
        doubt=first + len(audio.samples) if jump < 0 and new_by_time else NO_DOUBT,
        lost=count.lost and known > 0,
    )
    return Placed(moved, first + known, known, max(0, jump))


def _at_rate(count: Count, sample_rate: int) -> Count:
    """A stream that goes on at another rate begins a segment; its time goes on."""
    if sample_rate == count.sample_rate:
        return count
    sample = round(count.sample * sample_rate / count.sample_rate)
    time = TimeMap(sample, count.time.at(count.sample), sample_rate)
    return replace(count, sample=sample, segment_sample=sample, sample_rate=sample_rate, time=time, doubt=NO_DOUBT)


def _jump(count: Count, audio: RecordAudio, ahead_ns: int, tolerance_ns: int) -> int:
    """How many samples lie between what was heard and the record; negative where it was heard before."""
    if audio.first_sample is not None:
        return audio.first_sample - count.sample
    if audio.captured_ns is not None:
        tolerance_ns = min(tolerance_ns, CAPTURE_TOLERANCE_NS)
    if count.lost:
        return max(1, _samples(ahead_ns, count))
    if ahead_ns > tolerance_ns:
        return max(1, _samples(ahead_ns, count))
    if audio.captured_ns is not None and ahead_ns < -tolerance_ns:
        back = _samples(ahead_ns, count)
        return back if count.sample + back >= 0 else 0  # a clock that was set back says nothing
    return 0


def _time(count: Count, audio: RecordAudio, first: int, time_ns: int, tolerance_ns: int) -> TimeMap:
    """The map from the record on: as it was, but a gap that time told of sets it, and a drift is followed slowly."""
    if first > count.sample and audio.first_sample is None:
        return TimeMap(first, time_ns, count.sample_rate)
    expected_ns = count.time.at(first)
    off_ns = time_ns - expected_ns
    beyond_ns = abs(off_ns) - tolerance_ns // 2
    if first < count.sample or beyond_ns <= 0 or beyond_ns > DRIFTING_NS:
        return count.time
    step_ns = min(beyond_ns, round(MOST_DRIFT * _ns(len(audio.samples), count)))
    return TimeMap(first, expected_ns + (step_ns if off_ns > 0 else -step_ns), count.sample_rate)


def _samples(ns: int, count: Count) -> int:
    return round(ns * count.sample_rate / NS_PER_S)


def _ns(samples: int, count: Count) -> int:
    return samples * NS_PER_S // count.sample_rate
