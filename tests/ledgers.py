"""Reads the three ledgers as Prometheus would."""

from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

NAMES = ("records", "windows", "requests")


@dataclass
class Ledger:
    """What one scrape says of one ledger."""

    came_in: float = -1
    in_flight: float = -1
    fates: dict[str, float] = field(default_factory=dict)

    def assert_balanced(self) -> None:
        """All that came in met a fate or is on its way."""
        assert self.came_in == sum(self.fates.values()) + self.in_flight
        assert self.in_flight >= 0


def ledgers_of(scrape: str) -> dict[str, Ledger]:
    """The ledgers in the text that `/metrics` gave."""
    ledgers = {name: Ledger() for name in NAMES}
    for family in text_string_to_metric_families(scrape):
        for sample in family.samples:
            for name, ledger in ledgers.items():
                if sample.name == f"pengi_stream_{name}_in_total":
                    ledger.came_in = sample.value
                elif sample.name == f"pengi_stream_{name}_in_flight":
                    ledger.in_flight = sample.value
                elif sample.name == f"pengi_stream_{name}_total":
                    ledger.fates[sample.labels["fate"]] = sample.value
    return ledgers
