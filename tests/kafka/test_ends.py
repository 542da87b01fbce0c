"""Which ends of a pipeline fit together, and what dead letters take from its sources."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from pengi_stream.errors import ConfigError
from pengi_stream.kafka.audio.config import KafkaSourceConfig
from pengi_stream.kafka.dead_letters import KafkaDeadLettersConfig
from pengi_stream.kafka.ends import ends_of
from pengi_stream.kafka.events import KafkaSinkConfig
from pengi_stream.kafka.security import SecurityConfig
from pengi_stream.plugins import DeadLettersConfig, SinkConfig, SourceConfig

TLS = SecurityConfig(protocol="SSL")


def source(**keys: object) -> KafkaSourceConfig:
    whole = {"type": "kafka", "bootstrap_servers": "a:9092", "topics": ["audio"], "group_id": "g", **keys}
    return KafkaSourceConfig.model_validate(whole)


def sink(**keys: object) -> KafkaSinkConfig:
    return KafkaSinkConfig.model_validate({"type": "kafka", "bootstrap_servers": "a:9092", "topic": "events", **keys})


def letters(**keys: object) -> KafkaDeadLettersConfig:
    return KafkaDeadLettersConfig.model_validate({"type": "kafka", "topic": "dead", **keys})


@dataclass(frozen=True)
class Pipeline:
    sources: Sequence[SourceConfig]
    sinks: Sequence[SinkConfig]
    dead_letters: DeadLettersConfig | None = None
    exactly_once: bool = True
    forgetful_prompts: Sequence[str] = ()


CONSOLE = SinkConfig(type="console")
SAME = letters(bootstrap_servers="a:9092")


def test_kafka_to_kafka_can_be_exactly_once() -> None:
    pipeline = Pipeline([source()], [sink(), SinkConfig(type="console", required=False)], SAME)
    assert list(source().check(pipeline)) == []
    ends = ends_of([sink(create_topic={"partitions": 3})], SAME)
    assert (ends.topics, list(ends.creates), ends.max_record_bytes) == (["events", "dead"], ["events"], 64 << 20)


@pytest.mark.parametrize(
    ("pipeline", "words"),
    [
        (Pipeline([source()], [CONSOLE]), "wherever they are required; found console"),
        (Pipeline([source()], [sink()], DeadLettersConfig(type="jsonl")), "found jsonl"),
        (Pipeline([source()], [sink(), sink(topic="b")]), "one sink that is required .*; found 1 and 2"),
        (Pipeline([source()], [sink(bootstrap_servers="b:9092")]), "one cluster, .*; found a:9092; b:9092"),
        (Pipeline([source()], [sink()], letters(bootstrap_servers="a:9092", security=TLS)), "another `security`"),
        (Pipeline([source()], [sink()], forgetful_prompts=["steady"]), "novelty in steady.*leave one of the two out"),
    ],
)
def test_what_stands_in_the_way_of_exactly_once_is_told(pipeline: Pipeline, words: str) -> None:
    [line] = pipeline.sources[0].check(pipeline)
    assert line.startswith("delivery.guarantee: exactly_once")
    assert re.search(words, line)


def test_what_is_at_least_once_may_be_anything() -> None:
    pipeline = Pipeline([source()], [CONSOLE], exactly_once=False, forgetful_prompts=["steady"])
    assert list(pipeline.sources[0].check(pipeline)) == []


def test_of_two_sources_one_tells() -> None:
    pipeline = Pipeline([source(), source(group_id="h")], [sink()])
    assert [len(list(each.check(pipeline))) for each in pipeline.sources] == [1, 0]


def test_dead_letters_go_to_the_first_sources_cluster_unless_they_say_otherwise() -> None:
    pipeline = Pipeline(
        [SourceConfig(type="file"), source(security=TLS), source(bootstrap_servers="b:9092")], [CONSOLE]
    )
    completed = letters().completed(pipeline)
    assert (completed.bootstrap_servers, completed.security) == (("a:9092",), TLS)
    own = letters(security=SecurityConfig()).completed(pipeline)
    assert (own.bootstrap_servers, own.security) == (("a:9092",), SecurityConfig())
    elsewhere = letters(bootstrap_servers="c:9092")
    assert elsewhere.completed(pipeline) == elsewhere


def test_dead_letters_without_a_cluster_are_told() -> None:
    pipeline = Pipeline([SourceConfig(type="file")], [CONSOLE])
    assert list(letters().check(pipeline)) == [
        "dead_letters: `bootstrap_servers` is missing, and no Kafka source has any"
    ]


@pytest.mark.parametrize(
    ("sinks", "words"),
    [([CONSOLE], "of type 'console'"), ([], "found none"), ([sink(), sink(security=TLS)], "one cluster and one user")],
)
def test_ends_that_no_transaction_holds_are_refused(sinks: list[SinkConfig], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ends_of(sinks, None)
