from __future__ import annotations

import csv
from pathlib import Path

from some_events import coverage_event, gap_event, text_event

from pengi_stream.sinks.csv import COLUMNS, CsvSinkConfig
from pengi_stream.testing import check_sink, context


def write(path: Path, *texts: str, **fields: object) -> list[dict[str, str]]:
    """The rows of the file after `texts` were written."""
    sink = CsvSinkConfig.model_validate({"type": "csv", "path": str(path)}).build(context())
    sink.write([text_event(text, **fields) for text in texts])
    sink.close()
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_contract_of_sinks_is_kept(tmp_path: Path) -> None:
    check_sink(CsvSinkConfig.model_validate({"type": "csv", "path": str(tmp_path / "a.csv")}))


def test_a_table_has_one_header_however_often_it_is_opened(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "a dog barks")
    rows = write(tmp_path / "a.csv", "rain, falling", 'a "bird"')
    assert [row["text"] for row in rows] == ["a dog barks", "rain, falling", 'a "bird"']
    assert tuple(rows[0]) == COLUMNS


def test_a_row_is_one_line_so_that_a_torn_one_can_be_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write(path, "two\nlines")
    with path.open("a") as file:
        file.write('1970-01-01T00:00:00.000Z,"torn')
    assert [row["text"] for row in write(path, "next")] == ["two lines", "next"]


def test_a_row_says_what_was_said_about_which_window(tmp_path: Path) -> None:
    [row] = write(tmp_path / "a.csv", "rain", start_ns=500_000_000, end_ns=1_500_000_000, first_sample=8_000)
    assert row == {
        "window_start": "1970-01-01T00:00:00.500Z",
        "window_end": "1970-01-01T00:00:01.500Z",
        "offset_s": "0.5",
        "stream_id": "door",
        "prompt_id": "caption",
        "prompt": "generate audio caption",
        "text": "rain",
        "confidence": "0.874",
        "scores": "",
    }


def test_scores_are_json_in_one_cell(tmp_path: Path) -> None:
    rows = write(tmp_path / "a.csv", "dog", scores={"dog": 0.75, "rain": 0.25})
    assert rows[0]["scores"] == '{"dog": 0.75, "rain": 0.25}'


def test_only_texts_are_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    sink = CsvSinkConfig.model_validate({"type": "csv", "path": str(path)}).build(context())
    sink.write([gap_event(), coverage_event()])
    sink.close()
    assert path.read_text().count("\n") == 1


def test_a_file_name_that_is_no_utf8_can_be_written(tmp_path: Path) -> None:
    name = b"caf\xe9.wav".decode("utf-8", "surrogateescape")
    assert write(tmp_path / "a.csv", "rain", stream_id=name)[0]["stream_id"] == "caf\\udce9.wav"
