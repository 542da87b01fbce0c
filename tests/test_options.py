"""Options of decoding say what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest

from pengi_stream.options import DecodingOptions


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"beams": 0}, "beams=0, expected a whole number from 1 to 64"),
        ({"beams": 65}, "beams=65, expected a whole number from 1 to 64"),
        ({"beams": 2.5}, "beams=2.5"),
        ({"max_new_tokens": "ten"}, "max_new_tokens='ten', expected a whole number above 0"),
        ({"temperature": 0}, "temperature=0, expected a number above 0"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"top_p": 1.5}, "top_p=1.5, expected a number above 0 and up to 1"),
        ({"top_p": 0.9, "beams": 2}, "top_p=0.9, expected a number above 0 and up to 1, and one beam"),
        ({"seed": None}, "seed=None, expected a whole number from 0"),
        ({"add_text": None}, "add_text=None, expected a text"),
        ({"stop": "a"}, "stop='a', expected a tuple of texts"),
        ({"stop": ("",)}, "expected a tuple of texts that are not empty"),
    ],
)
def test_what_makes_no_sense_is_named_with_what_was_expected(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match="decoding options: found") as error:
        DecodingOptions(**options)
    assert expected in str(error.value)
