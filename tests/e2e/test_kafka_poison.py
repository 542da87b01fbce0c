"""What cannot be read among what can: kept with its bytes, once each, and its neighbours are as without it."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import soundfile
from kafka_cluster import Kafka
from kafka_worker import RATE, Sent, by_id, cut, interleaved, send, sound, undisturbed, workers

SECONDS = 6.0
RECORD_BYTES = 8_000


def wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="WAV", subtype="FLOAT")
    return file.getvalue()


GOOD_WAV = wav(np.zeros(RATE, np.float32))
POISON: list[tuple[bytes, dict[str, str]]] = [
    (np.random.default_rng(1).bytes(3_000), {"content-type": "audio/flac"}),
    (GOOD_WAV[: len(GOOD_WAV) // 2], {"content-type": "audio/wav"}),
    (GOOD_WAV, {"content-type": "audio/ogg"}),
    (b"\x00" * 8_000, {"content-type": "audio/L16;rate=99999999"}),
    (b"\x00" * 8_000, {"first-sample": "1000000000000000"}),
    (b"\x00" * 8_000, {"first-sample": "the third"}),
    (b"\x00" * 8_000, {"captured-at": "noon"}),
    (wav(np.array([0.0, np.nan, np.inf], np.float32)), {"content-type": "audio/wav"}),
    (b"", {}),
    (b"\x01", {}),
    (b"\x00" * 20_000_000, {}),
    (b"\x00" * 8_000, {"content-type": "application/vnd.other+json;version=9"}),
]


def poisoned(clean: list[Sent]) -> list[Sent]:
    """Each kind of poison somewhere within the streams, with the key and the time of the record before."""
    records = list(clean)
    for number, (value, headers) in enumerate(POISON):
        place = 2 + 2 * number
        before = records[place - 1]
        named = tuple((name, text.encode()) for name, text in headers.items())
        records.insert(place, Sent(before.key, value, before.timestamp_ms, named))
    return records


def test_each_poison_is_a_dead_letter_once_and_the_events_are_those_of_the_good_records(
    kafka: Kafka, tmp_path: Path
) -> None:
    clean = interleaved([cut(name, sound(n, SECONDS), RECORD_BYTES) for n, name in enumerate(["a", "b"])])
    topic = kafka.new_topic(max_message_bytes="30000000")
    with workers(kafka, tmp_path, topic) as group:
        send(kafka, topic, poisoned(clean))
        group.start()
        group.until_done()
        letters = group.dead_letters()
        events = group.events()
    found = sorted(base64.b64decode(str(letter["value"])) for letter in letters)
    assert found == sorted(value for value, _ in POISON)
    for letter in letters:
        assert letter["topic"] == topic
        assert letter["reason"]
    assert len({(letter["partition"], letter["offset"]) for letter in letters}) == len(POISON)

    plain = kafka.new_topic()
    send(kafka, plain, clean)
    expected = undisturbed(kafka, tmp_path, plain)
    assert without_origin(texts(events)) == without_origin(texts(expected))
    assert len([event for event in events if event["type"] == "pengi_stream.source"]) == len(POISON)


def texts(events: list[dict[str, object]]) -> list[dict[str, object]]:
    return [event for event in events if event["type"] == "pengi_stream.text"]


def without_origin(events: list[dict[str, object]]) -> dict[object, dict[str, object]]:
    """Offsets differ where there is poison between."""
    for event in events:
        data = event["data"]
        assert isinstance(data, dict)
        data.pop("origin")
    return by_id(events)
