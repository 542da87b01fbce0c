"""What the keys of a Kafka source mean, and what is refused."""

from __future__ import annotations

import pytest
import yaml
from pydantic import ValidationError

from pengi_stream.kafka.audio.config import KafkaSourceConfig
from pengi_stream.kafka.audio.source import consumer_options

LEAST = "{type: kafka, bootstrap_servers: [127.0.0.1:9092], topics: [audio], group_id: g}"


def config(more: str = "") -> KafkaSourceConfig:
    return KafkaSourceConfig.model_validate(yaml.safe_load(LEAST) | yaml.safe_load(more or "{}"))


def test_servers_topics_and_a_group_are_enough() -> None:
    options = consumer_options(config())
    assert (options.servers, options.topics, options.group_id) == (("127.0.0.1:9092",), ("audio",), "g")
    assert options.start == "earliest"
    found = options.library_options()
    assert (found["isolation_level"], found["enable_auto_commit"]) == ("read_committed", False)


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("latest", "latest"),
        ("committed", "committed"),
        ("2026-01-31T12:00:00.5Z", 1_769_860_800_500),
        ("'2026-01-31T12:00:00+01:00'", 1_769_857_200_000),
    ],
)
def test_the_start_is_a_word_or_a_time(start: str, expected: object) -> None:
    assert consumer_options(config(f"start: {start}")).start == expected


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("start: yesterday", "earliest, latest, committed, or a time"),
        ("start: 2026-01-31T12:00:00", "no time zone|or a time"),
        ("{pattern: audio-.*}", "either `topics` or `pattern`"),
        ("topics: []", "either `topics` or `pattern`"),
        ("{topics: [], pattern: '('}", "no regular expression"),
        ("topics: [a/b]", "pattern"),
        ("live: true", "False"),
        ("group_id: ''", "at least 1 character"),
        ("bootstrap_servers: [nowhere]", "host:port"),
        ("idle_s: 0", "greater than 0"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        config(wrong)
