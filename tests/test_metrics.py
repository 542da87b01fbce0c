"""The ledgers balance at every moment, whoever counts."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st
from ledgers import Ledger, ledgers_of
from prometheus_client import generate_latest

from pengi_stream.metrics import LEDGERS, Metrics

FATES = st.sampled_from([(ledger, fate) for ledger, fates in LEDGERS.items() for fate in fates])


@given(st.lists(st.tuples(FATES, st.integers(0, 5), st.integers(0, 5))))
def test_what_came_in_met_a_fate_or_is_on_its_way(steps: list[tuple[tuple[str, str], int, int]]) -> None:
    metrics, expected = Metrics(), {name: [0, 0] for name in LEDGERS}
    for (ledger, fate), came, left in steps:
        metrics.ledgers.enter(ledger, came)
        expected[ledger][0] += came
        gone = min(left, expected[ledger][0] - expected[ledger][1])
        metrics.ledgers.leave(ledger, fate, gone)
        expected[ledger][1] += gone
    for name, found in ledgers_of(generate_latest(metrics.registry).decode()).items():
        came, left = expected[name]
        assert (found.came_in, sum(found.fates.values()), found.in_flight) == (came, left, came - left)


def test_every_scrape_balances_while_many_threads_count() -> None:
    metrics, done = Metrics(), threading.Event()
    seen: list[dict[str, Ledger]] = []

    def count(ledger: str, fate: str) -> None:
        for _ in range(2_000):
            metrics.ledgers.enter(ledger)
            metrics.ledgers.leave(ledger, fate)

    def scrape() -> None:
        while not done.is_set():
            seen.append(ledgers_of(generate_latest(metrics.registry).decode()))

    scraper = threading.Thread(target=scrape)
    counters = [
        threading.Thread(target=count, args=(ledger, fate)) for ledger, fates in LEDGERS.items() for fate in fates
    ]
    scraper.start()
    for thread in counters:
        thread.start()
    for thread in counters:
        thread.join()
    done.set()
    scraper.join()
    assert seen
    for ledgers in seen:
        for ledger in ledgers.values():
            ledger.assert_balanced()
    assert metrics.ledgers.count("records", "in") == 2_000 * len(LEDGERS["records"])
