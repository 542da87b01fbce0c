"""A worker that is killed anywhere and begun again gives what an undisturbed one gives, and nothing twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pengi_stream.audio.pcm import AudioFormat
from pengi_stream.engine.segment import WindowSpec
from pengi_stream.engine.watermark import Watermark, Work
from pengi_stream.engine.windower import Windower
from pengi_stream.kafka.audio.doubt import Doubter
from pengi_stream.kafka.audio.partition import Counts, PartitionStreams, StreamRules
from pengi_stream.kafka.audio.state import PartitionState, StateWriter, read_state
from pengi_stream.kafka.lane import Lane
from pengi_stream.kafka.reading.inbox import RawRecord
from pengi_stream.kafka.reading.kept import Kept
from pengi_stream.outcomes import WindowItem
from pengi_stream.types import Gap, Resumed, SourceItem, Window

RATE, MODEL_RATE = 11_025, 16_000
RULES = StreamRules(
    AudioFormat(encoding="s16le", sample_rate=RATE), gap_tolerance_s=0.05, idle_s=1.0, max_streams=3, max_record_s=1
)
SPEC = WindowSpec(MODEL_RATE, 3200, 1500, "repeat")
NOISE = np.random.default_rng(3).integers(-9000, 9000, RATE * 2).astype("<i2")


@dataclass(frozen=True)
class Step:
    """What a producer does next."""

    key: bytes
    samples: int
    kind: str
    pause_ms: int


KINDS = ["counted", "again", "bad", "end", "fast", "reboot", "lie", "early", "late"]
STEPS = st.lists(
    st.builds(
        Step,
        key=st.sampled_from([b"a", b"a", b"a", b"b", b"b", b"c", b"d"]),
        samples=st.integers(1, 5_000),
        kind=st.sampled_from(
            ["audio"] * 8 + ["counted", "again", "bad", "end", "fast", "reboot", "lie", "early", "late"]
        ),
        pause_ms=st.sampled_from([0] * 6 + [70, 400, 1500]),
    ),
    max_size=30,
)


def log_of(steps: Sequence[Step]) -> list[RawRecord]:
    """Records as producers of several streams write them; offsets have holes."""
    records: list[RawRecord] = []
    heard: dict[bytes, int] = {}
    now_ms = 1_790_000_000_000
    for number, step in enumerate(steps):
        now_ms += step.pause_ms
        first = heard.get(step.key, 0)
        value: bytes | None = np.resize(np.roll(NOISE, -first), step.samples).tobytes()
        headers: tuple[tuple[str, bytes], ...] = ()
        match step.kind:
            case "counted":
                headers = (("first-sample", str(first + step.pause_ms).encode()),)
            case "again":
                headers = (("first-sample", str(max(0, first - step.samples)).encode()),)
            case "reboot":
                headers = (("first-sample", b"0"),)
            case "lie":
                headers = (("first-sample", b"123456789012345"),)
            case "bad":
                value = b"odd"
            case "end":
                value = None
        lie_ms = {"early": 100_000, "late": -100_000}.get(step.kind, 0)
        records.append(RawRecord(2 * number, now_ms + lie_ms, step.key, value, headers))
        heard[step.key] = first + step.samples
        now_ms += 0 if step.kind == "fast" else step.samples * 1000 // RATE
    return records + [
        RawRecord(2 * len(steps) + end, now_ms, key, None) for end, key in enumerate([b"a", b"b", b"c", b"d"])
    ]


@dataclass(frozen=True)
class Committed:
    """What a broker keeps."""

    offset: int
    kept: Kept


class Worker:
    """All pure parts between Kafka and the model."""

    def __init__(self, committed: Committed | None, assignment: int) -> None:
        self.offset = committed.offset if committed else 0
        lane = Lane("p", 0, assignment)
        state = read_state(committed.kept) if committed else PartitionState(Counts())
        self.streams = PartitionStreams(lane, RULES, state.counts)
        self.doubter = Doubter(lane, RULES, self.streams)
        self.writer = StateWriter()
        self.windower = Windower(SPEC)
        self.watermark = Watermark()
        self.works: dict[int, Work] = {}
        for done in state.done:
            place = lane.position(self.offset)
            self.watermark.resumed(done, place)
            list(self.windower.push(Resumed(done.stream, done, place), 0.0))

    def take(self, record: RawRecord) -> Iterator[WindowItem]:
        for item in self.doubter.take(record):
            for out in self.windower.push(item, 0.0):
                assert out.position is not None
                first = out.first_sample if isinstance(out, Window) else None
                self.works[id(out)] = work = Work(len(self.works), 0, out.stream, out.position, first)
                self.watermark.opened(work)
                yield out
            self._read(item)

    def commit(self) -> Committed | None:
        for position in self.watermark.positions():
            state = PartitionState(self.streams.counts_before(position.offset), position.states)
            kept = self.writer.kept(state, position.offset)
            assert read_state(kept).counts == state.counts
            return Committed(position.offset, kept)
        return None

    def _read(self, item: SourceItem) -> None:
        assert item.position is not None
        self.watermark.read(item.stream, item.position, self.windower.replay_from(item))


def facts(out: WindowItem) -> tuple[object, ...]:
    assert out.position is not None
    offset = out.position.offset
    common = (type(out).__name__, out.stream, offset)
    match out:
        case Window():
            return *common, out.first_sample, out.segment_sample, out.start_ns, out.end_ns, out.valid_samples
        case Gap():
            return *common, out.first_sample, out.missing_samples, out.time.at(out.first_sample), out.reason
    return common


@settings(max_examples=300, deadline=None)
@given(steps=STEPS, kills=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 99)), max_size=4))
def test_kills_change_nothing_and_what_is_done_is_not_done_again(
    steps: list[Step], kills: list[tuple[int, int]]
) -> None:
    records = log_of(steps)
    undisturbed = Worker(None, 0)
    expected = [out for record in records for out in undisturbed.take(record)]

    durable: list[WindowItem] = []
    committed: Committed | None = None
    for assignment, (length, share) in enumerate([*kills, (len(records), 100)]):
        worker = Worker(committed, assignment)
        pending: list[WindowItem] = []
        for record in [record for record in records if record.offset >= worker.offset][:length]:
            pending += worker.take(record)
        chosen = in_order(pending, share)
        for out in chosen:
            worker.watermark.done(worker.works[id(out)])
        durable += chosen
        committed = worker.commit() or committed
    by_facts = {facts(out): out for out in durable}
    assert sorted(map(repr, map(facts, durable))) == sorted(map(repr, map(facts, expected)))
    for out in expected:
        if isinstance(out, Window):
            again = by_facts[facts(out)]
            assert isinstance(again, Window)
            assert np.abs(again.samples - out.samples).max() < 1e-6


def in_order(pending: list[WindowItem], share: int) -> list[WindowItem]:
    """What is done of each stream: some of the first of it, as a transaction holds."""
    streams = dict.fromkeys(out.stream.id for out in pending)
    chosen = []
    for number, name in enumerate(streams):
        outs = [out for out in pending if out.stream.id == name]
        chosen += outs[: len(outs) * min(100, share + 17 * number) // 100]
    return chosen
