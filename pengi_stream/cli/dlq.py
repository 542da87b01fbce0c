"""`pengi-stream dlq`"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from pengi_stream.cli.common import Overrides, PipelineFile, log_as
from pengi_stream.clock import Deadline, rfc3339
from pengi_stream.config import PipelineConfig, load_config
from pengi_stream.errors import ConfigError, PengiStreamError
from pengi_stream.kafka.config import BootstrapServers
from pengi_stream.kafka.dead_letters import KafkaDeadLettersConfig
from pengi_stream.kafka.security import SecurityConfig
from pengi_stream.sinks.dead_letters import JsonlDeadLettersConfig
from pengi_stream.wire.letter import Letter, from_headers, from_json

REPLAY_S = 60.0
EACH_FLUSH = 100  # letters between two looks at what was acknowledged
Cluster = tuple[BootstrapServers, SecurityConfig]

dlq = typer.Typer(name="dlq", help="Look at what could not be processed, and send it again.", no_args_is_help=True)
Ids = Annotated[list[str] | None, typer.Option("--id", help="Only this one; may be given more than once.")]


@dlq.command("list")
def list_letters(pipeline: PipelineFile, overrides: Overrides = None) -> None:
    """One line for each dead letter of a pipeline: id, stream, time, size, reason."""
    config = load_config(pipeline, overrides=overrides or ())
    log_as(config)
    count = 0
    for letter in _once_each(_letters(config)):
        size = "no bytes" if letter.value is None else f"{len(letter.value)} bytes"
        reason = " ".join(letter.reason.split())
        typer.echo("\t".join(map(_shown, [letter.id, letter.stream_id, rfc3339(letter.time_ns), size, reason])))
        count += 1
    typer.echo(f"{count} dead letter(s)", err=True)


@dlq.command("replay")
def replay(
    pipeline: PipelineFile,
    ids: Ids = None,
    to: Annotated[str | None, typer.Option("--to", help="Another topic than the one each came from.")] = None,
    overrides: Overrides = None,
) -> None:
    """Send the original key, bytes and headers of dead letters to the topic that each came from."""
    config = load_config(pipeline, overrides=overrides or ())
    log_as(config)
    chosen, unsendable = [], 0
    for letter in _once_each(_letters(config)):
        if ids and letter.id not in ids:
            continue
        if letter.value is None or (letter.topic is None and to is None):
            unsendable += 1
        else:
            chosen.append(letter)
    if missing := set(ids or ()) - {letter.id for letter in chosen}:
        raise PengiStreamError(f"no dead letter with bytes has the id {', '.join(sorted(missing))}; see `dlq list`")
    _send(chosen, to, *_cluster(config))
    left = f"; {unsendable} have no bytes or no topic and stay" if unsendable else ""
    typer.echo(f"{len(chosen)} record(s) sent again{left}")


def _shown(text: str) -> str:
    """`text` as one column: a tab, the end of a line and what a terminal obeys are escaped."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _letters(config: PipelineConfig) -> Iterator[Letter]:
    place = config.dead_letters
    match place:
        case JsonlDeadLettersConfig():
            return _from_file(Path(place.path))
        case KafkaDeadLettersConfig():
            return _from_topic(place)
        case None:
            raise ConfigError("the pipeline keeps no dead letters; add `dead_letters`")
    raise ConfigError(f"dead letters of type {place.type!r} cannot be read; expected jsonl or kafka")


def _from_file(path: Path) -> Iterator[Letter]:
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    yield from_json(line)
                except ValueError as error:
                    raise PengiStreamError(f"{path}, line {number}: {error}") from error
    except FileNotFoundError:
        return
    except OSError as error:
        raise PengiStreamError(f"{path}: cannot be read: {error.strerror}") from error


def _from_topic(place: KafkaDeadLettersConfig) -> Iterator[Letter]:
    from pengi_stream.kafka.client.connect import NoTopicError
    from pengi_stream.kafka.client.reader import read_topic

    try:
        for record in read_topic(place.bootstrap_servers or (), place.security, place.topic):
            try:
                yield from_headers(record.key, record.value, record.headers)
            except ValueError as error:
                raise PengiStreamError(f"topic {place.topic!r}: {error}") from error
    except NoTopicError:
        if place.create_topic is None:
            raise


def _once_each(letters: Iterable[Letter]) -> Iterator[Letter]:
    """A letter may be kept twice, where a worker died between keeping it and committing its place."""
    seen: set[str] = set()
    for letter in letters:
        if letter.id not in seen:
            seen.add(letter.id)
            yield letter


def _cluster(config: PipelineConfig) -> Cluster:
    """Where the letters came from: the cluster of the pipeline's Kafka source, or else of what it writes to Kafka."""
    for end in (*config.sources, config.dead_letters, *config.sinks):
        servers, security = getattr(end, "bootstrap_servers", None), getattr(end, "security", None)
        if servers is not None and isinstance(security, SecurityConfig):
            return servers, security
    raise ConfigError("the pipeline names no Kafka cluster to send the records to")


def _send(letters: list[Letter], to: str | None, servers: BootstrapServers, security: SecurityConfig) -> None:
    from pengi_stream.kafka.client.producer import Producer, ProducerOptions, Record
    from pengi_stream.kafka.dead_letters import LARGEST

    topics = sorted({to or letter.topic or "" for letter in letters})
    producer = Producer(ProducerOptions(servers, security, topics=topics, max_record_bytes=LARGEST))
    try:
        for number, letter in enumerate(letters, start=1):
            producer.send(Record(to or letter.topic or "", letter.key, letter.value, letter.headers))
            if number % EACH_FLUSH == 0:
                producer.flush(Deadline(REPLAY_S))
        producer.flush(Deadline(REPLAY_S))
    finally:
        producer.close()
