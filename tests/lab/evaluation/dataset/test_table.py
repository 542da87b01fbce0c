"""Tables of recordings: what is read, and what is said of those that cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pengi_stream.errors import ConfigError
from pengi_stream.lab.evaluation.dataset.table import DataSet, read_dataset, read_labels


def table(folder: Path, text: str, files: Sequence[str] = ("a.wav", "b.wav", "c.wav")) -> Path:
    for name in files:
        (folder / name).touch()
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def truths(data: DataSet) -> dict[str, tuple[str, ...]]:
    return {item.name: item.truths for item in data.items}


def test_a_label_a_recording(tmp_path: Path) -> None:
    data = read_dataset(table(tmp_path, "path,label\na.wav,rain\nb.wav,glass_breaking \n"), tmp_path)
    assert data.kind == "label"
    assert truths(data) == {"a.wav": ("rain",), "b.wav": ("glass breaking",)}
    assert data.labels == ("glass breaking", "rain")
    assert data.items[0].path == tmp_path / "a.wav"


def test_several_labels_or_none(tmp_path: Path) -> None:
    data = read_dataset(table(tmp_path, 'path,labels\na.wav,rain; dog;rain\nb.wav,\nc.wav,"dog, far;rain"\n'), tmp_path)
    assert data.kind == "labels"
    assert truths(data) == {"a.wav": ("rain", "dog"), "b.wav": (), "c.wav": ("dog, far", "rain")}


@pytest.mark.parametrize(
    "text",
    [
        "path,caption_1,caption_2\na.wav,Rain falls.,It rains.\nb.wav,A dog barks.,\n",
        "path,caption\na.wav,Rain falls.\nb.wav,A dog barks.\na.wav,It rains.\n",
    ],
    ids=["columns", "rows"],
)
def test_captions_in_columns_or_in_rows(tmp_path: Path, text: str) -> None:
    data = read_dataset(table(tmp_path, text), tmp_path)
    assert data.kind == "captions"
    assert truths(data) == {"a.wav": ("Rain falls.", "It rains."), "b.wav": ("A dog barks.",)}


def test_a_question_for_each_recording(tmp_path: Path) -> None:
    data = read_dataset(table(tmp_path, "path,question,label\na.wav,Is it wet?,yes\n"), tmp_path)
    assert [(item.question, item.truths) for item in data.items] == [("Is it wet?", ("yes",))]


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    path = table(tmp_path, "\ufefffilename,fold,category\na.wav,1,sea_waves\n")
    data = read_dataset(path, tmp_path, {"path": "filename", "label": "category"})
    assert truths(data) == {"a.wav": ("sea waves",)}


def test_files_that_are_missing_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    path = table(tmp_path, "path,label\na.wav,rain\n" + "".join(f"{n}.wav,dog\n" for n in range(20)))
    with pytest.raises(ConfigError, match=r"20 of 21 files are not in .*: 0\.wav, 1\.wav.*check --audio") as caught:
        read_dataset(path, tmp_path)
    assert "19.wav" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na.wav,rain\n", "found the columns file, label; expected path and one of label, labels, caption"),
        ("path,tag\na.wav,rain\n", "found the columns path, tag; expected path"),
        (
            "path,label,caption\na.wav,rain,It rains.\n",
            "found the columns path, label, caption; expected path and one of",
        ),
        ("path,label\na.wav,\nb.wav,rain\nc.wav,\n", "'a.wav' has no label, and 1 more"),
        ("path,caption_1,caption_2\na.wav,,\n", "'a.wav' has no caption, and 0 more"),
        ("path,question,label\na.wav, ,yes\n", "a.wav has an empty question"),
        ("path,label\n", "found no rows"),
        ("", "found no rows"),
    ],
)
def test_a_table_that_is_none_is_refused_with_what_was_found(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read_dataset(table(tmp_path, text), tmp_path)
    assert "\n" not in str(caught.value)
    assert "table.csv" in str(caught.value)


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no column 'category'; found path, label"):
        read_dataset(table(tmp_path, "path,label\na.wav,rain\n"), tmp_path, {"label": "category"})


def test_a_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes(b"path,label\n\xff\xfe\n")
    for name in ("table.csv", "nowhere.csv"):
        with pytest.raises(ConfigError, match=f"{name}: cannot be read as a CSV file"):
            read_dataset(tmp_path / name, tmp_path)


def test_labels_to_choose_among_are_lines(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("rain\nglass_breaking\n\n")
    assert read_labels(path) == ("rain", "glass breaking")
    for text, message in (("\n", "no label"), ("rain\nrain\n", "a label twice")):
        path.write_text(text)
        with pytest.raises(ConfigError, match=message):
            read_labels(path)
    with pytest.raises(ConfigError, match="nowhere"):
        read_labels(tmp_path / "nowhere")
