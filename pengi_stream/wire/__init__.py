"""What leaves the process as bytes: events, and the windows between the halves of a split deployment."""

from pengi_stream.wire.events import CONTENT_TYPE, TYPES, event_from_json, event_to_json

__all__ = ["CONTENT_TYPE", "TYPES", "event_from_json", "event_to_json"]
