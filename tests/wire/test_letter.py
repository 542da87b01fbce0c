"""A dead letter says where its record came from, whatever the source."""

from __future__ import annotations

from pengi_stream.positions import ReadPosition
from pengi_stream.types import BadRecord, Stream
from pengi_stream.wire.letter import from_headers, from_json, letter_of, to_headers, to_json


class InKafka(ReadPosition):
    @property
    def origin(self) -> dict[str, str | int]:
        return {"topic": "audio", "partition": 3, "offset": self.offset}


def test_a_record_of_kafka_is_named_by_its_place() -> None:
    letter = letter_of(BadRecord(Stream("a"), "is no audio", value=b"x", position=InKafka("audio/3", 17)))
    assert (letter.id, letter.topic, letter.partition, letter.offset) == ("audio-3-17", "audio", 3, 17)
    assert from_headers(letter.key, letter.value, to_headers(letter)) == letter
    assert from_json(to_json(letter, 0)) == letter


def test_a_record_of_another_source_has_no_topic_and_no_partition() -> None:
    letter = letter_of(BadRecord(Stream("a"), "is no audio", value=b"x", position=ReadPosition("d/a.wav", 17)))
    assert (letter.id, letter.topic, letter.partition, letter.offset) == ("d/a.wav-17", None, None, 17)
    assert from_json(to_json(letter, 0)) == letter


def test_what_has_no_place_is_named_by_its_stream_and_time() -> None:
    assert letter_of(BadRecord(Stream("a"), "is no audio")).id == "a@1970-01-01T00:00:00.000Z"
