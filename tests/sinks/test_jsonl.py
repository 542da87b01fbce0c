from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from some_events import gap_event

from pengi_stream.clock import Deadline
from pengi_stream.errors import SinkError
from pengi_stream.events import GapEvent
from pengi_stream.sinks.jsonl import JsonlSinkConfig
from pengi_stream.testing import check_sink, context
from pengi_stream.wire import event_from_json


def gap(number: int) -> GapEvent:
    return gap_event(id=f"id-{number}", start_ns=number)


def config(path: Path | str, **keys: object) -> JsonlSinkConfig:
    return JsonlSinkConfig.model_validate({"type": "jsonl", "path": str(path), **keys})


def test_the_contract_of_sinks_is_kept(tmp_path: Path) -> None:
    check_sink(config(tmp_path / "events.jsonl"))


def test_each_event_is_one_line_that_reads_as_the_same_event(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    sink = config(path).build(context())
    sink.write([gap(1), gap(2)])
    sink.write([gap(3)])
    sink.flush(Deadline(1))
    sink.close()
    lines = path.read_bytes().splitlines(keepends=True)
    assert [event_from_json(line) for line in lines] == [gap(1), gap(2), gap(3)]


def test_rotate_mb_and_keep_bound_the_space_that_events_take(tmp_path: Path) -> None:
    sink = config(tmp_path / "events.jsonl", rotate_mb=0.001, keep=1).build(context())
    for number in range(20):
        sink.write([gap(number)])
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["events.jsonl", "events.jsonl.1"]
    assert all(file.stat().st_size <= 1_000 for file in files)
    newest = [event_from_json(line).start_ns for file in reversed(files) for line in file.open()]
    assert newest == list(range(20 - len(newest), 20))


def test_a_dash_is_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    sink = config("-").build(context())
    sink.write([gap(1)])
    sink.close()
    assert event_from_json(capfd.readouterr().out) == gap(1)


def test_a_full_disk_asks_for_another_try() -> None:
    sink = config("/dev/full").build(context())
    with pytest.raises(SinkError, match="disk is full") as caught:
        sink.write([gap(1)])
    assert caught.value.retry_after_s == 5.0


@pytest.mark.parametrize("keys", [{"rotate_mb": 0}, {"keep": 0}, {"fsync": "sometimes"}, {"rotate": 1}])
def test_a_config_that_makes_no_sense_is_refused(tmp_path: Path, keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        config(tmp_path / "a", **keys)


def test_an_empty_path_is_refused() -> None:
    with pytest.raises(ValidationError):
        config("")
