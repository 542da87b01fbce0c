"""What kafka-python logs: kept off the user's screen, and never with a secret."""

from __future__ import annotations

import logging

import structlog

log = structlog.get_logger()


class _ToStructlog(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        log.debug("kafka_python", logger=record.name, level=record.levelname, message=record.getMessage())


def tame_library_log() -> None:
    """Send kafka-python's lines to our log at debug. Any number of times.

    Below INFO the library writes passwords and tokens, so there it stays silent."""
    library = logging.getLogger("kafka")
    library.setLevel(max(library.level, logging.INFO))
    if not any(isinstance(handler, _ToStructlog) for handler in library.handlers):
        library.addHandler(_ToStructlog())
