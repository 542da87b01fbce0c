"""Facts as headers of a record: plain text, so that any Kafka tool shows them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pengi_stream.errors import AudioError

Headers = tuple[tuple[str, bytes], ...]

MOST_DIGITS = 19  # of a number that 64 bits hold


def fits(number: int) -> bool:
    """Whether 64 bits hold `number`."""
    return -(2**63) <= number < 2**63


def write(facts: Mapping[str, str | int | float]) -> Headers:
    """One header a fact; numbers in full."""
    return tuple((name, str(fact).encode("utf-8", "surrogateescape")) for name, fact in facts.items())


class Facts:
    """The headers of a record, by name; the last of each name counts. All raise AudioError: what was found instead."""

    def __init__(self, headers: Sequence[tuple[str, bytes]]) -> None:
        self._values = dict(headers)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str:
        if name not in self._values:
            raise AudioError(f"header {name} is missing")
        return self._values[name].decode("utf-8", "surrogateescape")

    def integer(self, name: str, least: int | None = None) -> int:
        """A whole number that 64 bits hold."""
        found = self.text(name)
        digits = found.removeprefix("-")
        whole = digits.isascii() and digits.isdigit() and len(digits) <= MOST_DIGITS
        if not (whole and fits(int(found))):
            raise AudioError(f"header {name}: found {found[:40]!r}, expected a whole number of 64 bits")
        if least is not None and int(found) < least:
            raise AudioError(f"header {name}: found {found}, expected {least} or more")
        return int(found)

    def rate(self, name: str) -> float:
        """Hertz, not necessarily whole"""
        found = self.text(name)
        try:
            rate = float(found)
        except ValueError:
            rate = math.nan
        if not 0 < rate < math.inf:
            raise AudioError(f"header {name}: found {found[:40]!r}, expected a number above 0")
        return rate

    def flag(self, name: str) -> bool:
        found = self.text(name)
        if found not in {"0", "1"}:
            raise AudioError(f"header {name}: found {found[:40]!r}, expected 0 or 1")
        return found == "1"
