"""`pengi-stream bench pipeline`: what all that is not the model costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pengi_stream.clock import SystemClock
from pengi_stream.config import BatchConfig
from pengi_stream.engine.segment import WindowSpec
from pengi_stream.lab.bench.machine import Machine, peak_memory_mb, this_machine
from pengi_stream.lab.bench.paired import Percentiles, Spread, Trial, take_turns
from pengi_stream.lab.bench.pipelines.feeding import Feed, FeedSource, random_feeds
from pengi_stream.lab.bench.pipelines.piped import Asked, Piped, run
from pengi_stream.lab.bench.sound import Sound, load_sound
from pengi_stream.models.fake import FakeModelConfig
from pengi_stream.options import Prompt
from pengi_stream.protocols import AudioLanguageModel, Context
from pengi_stream.types import NS_PER_S, Batch, Request, Window

QUIET_FEEDS = 4
QUIET_WINDOW_S, QUIET_HOP_S = 1.0, 0.5  # whole frames, so that a window ends when a frame does
QUIET_MODEL = FakeModelConfig(type="fake", window_s=QUIET_WINDOW_S)


@dataclass(frozen=True, slots=True)
class Load:
    """Windows for a throughput: of as many streams as a batch has requests."""

    direct: AudioLanguageModel
    """Asked without a pipeline"""
    asked: Asked
    """A pipeline around a model of its own, so that neither hears what the other has heard"""
    sound: Sound
    windows: int
    repeats: int

    @property
    def streams(self) -> int:
        return self.asked.batch.max_batch_size

    @property
    def each(self) -> int:
        """Windows of a stream, rounded up"""
        return -(-self.windows // self.streams)

    @property
    def samples(self) -> int:
        """Of a stream"""
        spec = self.asked.windows
        return spec.window_samples + (self.each - 1) * spec.hop_samples


@dataclass(frozen=True, slots=True)
class Quiet:
    """Latency at low load, with a model that takes no time."""

    max_wait_s: float
    """For which a request waits for others to share its batch"""
    windows: int
    since_end: Percentiles
    """From a window's end to its event being durable"""
    since_ready: Percentiles
    """From its last frame's arrival in the pipeline"""


@dataclass(frozen=True, slots=True)
class PipelineFigures:
    """All that was measured."""

    machine: Machine
    model: str
    windows: int
    """Of each run"""
    direct_windows_a_second: Spread
    piped_windows_a_second: Spread
    lost_percent: Spread
    """Of throughput, in the same repeat"""
    cpu_share: Spread
    """Of all cores, while the pipeline runs"""
    batch_sizes: dict[str, int]
    quiet: tuple[Quiet, ...]
    peak_memory_mb: float


@dataclass(frozen=True, slots=True)
class _Took:
    wall_s: float
    windows: int
    piped: Piped | None = None

    @property
    def window_s(self) -> float:
        return self.wall_s / self.windows


def measure(load: Load, quiet_s: float, told: Callable[[int], None] = lambda _: None) -> PipelineFigures:
    """Both throughputs by turns, then latency for `quiet_s` at each waiting time. `told` hears the number of each
    repeat that is done. Blocks. Raises PengiStreamError."""
    directly: Trial[_Took] = Trial(lambda repeat: _direct(load, _feeds(load, repeat)))
    piped: Trial[_Took] = Trial(lambda repeat: _piped(load, _feeds(load, repeat)))
    take_turns([directly, piped], load.repeats, told=told)
    pairs = zip(directly.runs, piped.runs, strict=True)
    runs = [took.piped for took in piped.runs if took.piped is not None]
    machine = this_machine()
    return PipelineFigures(
        machine,
        load.direct.identity,
        load.each * load.streams,
        directly.spread(lambda took: 1 / took.window_s),
        piped.spread(lambda took: 1 / took.window_s),
        Spread.of([100 * (1 - alone.window_s / inside.window_s) for alone, inside in pairs]),
        Spread.of([ran.cpu_s / ran.wall_s / machine.cores for ran in runs]),
        _sum(ran.batch_sizes for ran in runs),
        tuple(_quiet(quiet_s, max_wait_s) for max_wait_s in dict.fromkeys((load.asked.batch.max_wait_s, 0.0))),
        peak_memory_mb(),
    )


def _feeds(load: Load, repeat: int) -> list[Feed]:
    return random_feeds(load.streams, load.sound, (repeat,))


def _direct(load: Load, feeds: Sequence[Feed]) -> _Took:
    """The windows that the pipeline makes, in the order in which streams take turns."""
    spec, (prompt, *_) = load.asked.windows, load.asked.prompts
    batches = [
        Batch(tuple(Request(_window(load.sound, feed, spec, number), prompt) for feed in feeds))
        for number in range(load.each)
    ]
    with ThreadPoolExecutor(max_workers=1) as thread:  # as in a pipeline: torch's own threads wait otherwise in another
        return _Took(thread.submit(_generate, load.direct, batches).result(), load.each * len(feeds))


def _generate(model: AudioLanguageModel, batches: Sequence[Batch]) -> float:
    clock = SystemClock()
    began_s = clock.monotonic_s()
    for batch in batches:
        model.generate(batch)
    return clock.monotonic_s() - began_s


def _window(sound: Sound, feed: Feed, spec: WindowSpec, number: int) -> Window:
    first, size, rate = number * spec.hop_samples, spec.window_samples, spec.sample_rate
    samples = feed.piece(sound, first, size)
    start_ns, end_ns = (sample * NS_PER_S // rate for sample in (first, first + size))
    return Window(feed.stream, 0, first, samples, size, rate, start_ns, end_ns, 0.0)


def _piped(load: Load, feeds: Sequence[Feed]) -> _Took:
    ran = run(load.asked, FeedSource(load.sound, feeds, load.samples, realtime=False))
    return _Took(ran.wall_s, len(ran.answered), ran)


def _quiet(seconds: float, max_wait_s: float) -> Quiet:
    model = QUIET_MODEL.build(Context.alone("model"))
    hop_samples = round(QUIET_HOP_S * model.sample_rate)
    windows = WindowSpec(model.sample_rate, model.window_samples, hop_samples, "drop")
    asked = Asked(model, windows, (Prompt("caption", "generate audio caption"),), BatchConfig(max_wait_s=max_wait_s))
    sound = load_sound(None, model.sample_rate)
    feeds = random_feeds(QUIET_FEEDS, sound, (0,), within_s=QUIET_HOP_S, live=True)
    source = FeedSource(sound, feeds, round(seconds * model.sample_rate), realtime=True)
    answered = run(asked, source).answered
    return Quiet(
        max_wait_s,
        len(answered),
        Percentiles.of([each.since_end_s for each in answered]),
        Percentiles.of([each.since_ready_s for each in answered]),
    )


def _sum(histograms: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in histograms:
        total.update(each)
    return {size: total[size] for size in sorted(total, key=float)}
