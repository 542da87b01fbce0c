"""Answers read well wherever they are shown."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from pengi_stream.api import Answer, Description, Found, Table
from pengi_stream.errors import PengiStreamError

CAPTION = Answer(0, 0.0, 6.72, "generate audio caption", "a dog <barks>", 0.5123)
RANKED = Answer(0, 0.0, 6.72, "this is a sound of", "dog", 0.9, {"dog": 0.9, "cat": 0.06, "rain": 0.03, "sea": 0.01})


def test_it_is_a_list() -> None:
    table = Table([CAPTION, RANKED])
    assert table == [CAPTION, RANKED]
    assert isinstance(table, list)


def test_lines_are_aligned() -> None:
    head, line = repr(Table([CAPTION])).splitlines()
    assert head.split() == ["audio", "start_s", "end_s", "prompt", "text", "confidence"]
    assert line.split("  ")[-1] == "0.51"
    assert head.index("text") == line.index("a dog")
    assert repr(Table([])) == "[]"
    assert repr(Table([CAPTION] * 30)).endswith("... and 10 more")
    assert "dog 0.90, cat 0.06, rain 0.03" in repr(Table([RANKED]))
    assert "a dog <barks>" in repr(Table([Description(CAPTION, CAPTION, RANKED)]))
    assert repr(Table([Found(1, "a dog", 2.5)])).splitlines()[1].split() == ["1", "a", "dog", "2.50"]


def test_lines_hold_answers_of_both_kinds() -> None:
    assert "dog 0.90" in repr(Table([RANKED, CAPTION]))
    assert "a dog" in repr(Table([CAPTION, RANKED]))


def test_a_notebook_gets_a_table_without_markup_of_others() -> None:
    html = Table([CAPTION])._repr_html_()
    assert "<th>text</th>" in html
    assert "<td>a dog &lt;barks&gt;</td>" in html
    assert Table([])._repr_html_().startswith("<table>")


def test_pandas_gets_a_column_for_each_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=list))
    assert Table([RANKED]).to_pandas()[0]["score: cat"] == 0.06
    assert Table([Description(CAPTION, CAPTION, RANKED)]).to_pandas()[0]["events"] == "dog"
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(PengiStreamError, match="pip install pandas"):
        Table([RANKED]).to_pandas()
