from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace

import pytest
from rich.console import Console
from some_events import coverage_event, drop_event, gap_event, source_event, status_event, text_event

from pengi_stream.clock import Deadline, parse_rfc3339
from pengi_stream.errors import SinkError
from pengi_stream.events import Event
from pengi_stream.sinks.console import ConsoleSink, ConsoleSinkConfig
from pengi_stream.testing import check_sink

TEXT = text_event()


def shown(event: Event = TEXT, *, terminal: bool = False) -> str:
    """What one event looks like."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, soft_wrap=True, highlight=False, width=40, _environ={})
    ConsoleSink(console).write([event])
    return screen.getvalue()


def test_the_contract_of_sinks_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    check_sink(ConsoleSinkConfig.model_validate({"type": "console"}))


def test_a_line_tells_time_stream_prompt_text_and_confidence() -> None:
    assert shown() == "0:00:00.0  door  caption  a dog barks  0.87\n"


@pytest.mark.parametrize(
    ("moment", "time"),
    [
        ("1970-01-01T00:00:03.360Z", "0:00:03.3"),
        ("1970-01-01T10:01:02.999999999Z", "10:01:02.9"),
        ("1970-01-03T00:00:00Z", "48:00:00.0"),
        ("2026-01-31T12:00:05.678Z", "2026-01-31 12:00:05.6Z"),
        ("2026-01-31T12:00:05.678901234Z", "2026-01-31 12:00:05.6Z"),
    ],
)
def test_times_of_recordings_are_offsets_and_others_the_clock_in_utc(moment: str, time: str) -> None:
    assert shown(replace(TEXT, start_ns=parse_rfc3339(moment))).split("  ")[0] == time


def test_a_close_ended_prompt_shows_its_three_best_labels() -> None:
    scores = {"rain": 0.1, "dog": 0.6, "siren": 0.05, "cat": 0.25}
    assert shown(replace(TEXT, text="dog", scores=scores)).endswith("  0.87  (dog 0.60, cat 0.25, rain 0.10)\n")


def test_a_gap_tells_its_length_and_why() -> None:
    line = shown(gap_event(reason="overflow", missing_samples=20_320, sample_rate=8_000))
    assert line == "0:00:00.0  door  gap of 2.5 s: overflow\n"


@pytest.mark.parametrize(
    ("event", "kind"), [(drop_event(reason="too old"), "drop"), (source_event(reason="too old"), "source")]
)
def test_drops_and_troubles_tell_why(event: Event, kind: str) -> None:
    assert shown(event) == f"0:00:00.0  door  {kind}: too old\n"


def test_a_source_in_another_state_says_what_it_waits_for() -> None:
    assert shown(status_event()) == "0:00:00.0  door  yard is stalled: no samples for 10 s\n"
    assert shown(status_event(state="running", reason="")) == "0:00:00.0  door  yard is running\n"


def test_coverage_is_no_line_for_people() -> None:
    assert shown(coverage_event(kind="unheard", reason="waited too long")) == ""


def test_a_terminal_gets_colours_and_troubles_have_their_own() -> None:
    text, gap = shown(terminal=True), shown(gap_event(reason="x"), terminal=True)
    assert "\x1b[" in text
    assert "\x1b[33m" in gap  # yellow
    assert "\x1b[33m" not in text


def test_a_file_gets_no_colours_and_no_line_is_wrapped() -> None:
    line = shown(text_event("bark " * 100 + "[bold]loud[/bold] :dog:"))
    assert line.count("\n") == 1
    assert "\x1b" not in line
    assert "[bold]loud[/bold] :dog:" in line


def test_nothing_that_is_heard_or_named_can_drive_the_terminal() -> None:
    line = shown(text_event("two\nlines\r\x1b[2J", stream_id="caf\udce9\x07.wav"))
    assert line == "0:00:00.0  caf\\udce9\\x07.wav  caption  two\\nlines\\r\\x1b[2J  0.87\n"


def run(script: str, **environment: str) -> subprocess.Popen[str]:
    head = """
from pengi_stream.sinks.console import ConsoleSinkConfig
from pengi_stream.events import TextEvent
from pengi_stream.protocols import Context
sink = ConsoleSinkConfig(type="console").build(Context.alone("console"))
event = TextEvent(
    id="1", pipeline="p", stream_id="s", start_ns=0, end_ns=1, prompt_id="caption", prompt="x", text="Vögel \\u72ac",
    confidence=0.5, first_sample=0, sample_rate=16_000, model="m", processed_at_ns=0,
)
"""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", head + script], stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment
    )


def test_a_reader_that_goes_away_ends_the_sink_with_one_clear_line() -> None:
    process = run("""
from pengi_stream.errors import SinkError
from pengi_stream.events import Event
sink.write([event])
input()
try:
    sink.write([event])
except SinkError as error:
    raise SystemExit(f"{error}; retry: {error.retry_after_s}")
""")
    assert process.stdout is not None
    assert process.stdout.readline() == "0:00:00.0  s  caption  Vögel 犬  0.50\n"
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate("\n")
    assert errors == "stdout: nobody reads the output any more; retry: None\n"


def test_a_terminal_of_another_encoding_gets_what_it_can_show() -> None:
    out, errors = run("sink.write([event])", PYTHONIOENCODING="ascii").communicate()
    assert (out, errors) == ("0:00:00.0  s  caption  V\\xf6gel \\u72ac  0.50\n", "")


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_full_disk_under_stdout_is_named() -> None:
    sink = ConsoleSink(Console(file=Full(), soft_wrap=True))
    with pytest.raises(SinkError, match="disk is full"):
        sink.write([TEXT])
    sink.flush(Deadline(1))
