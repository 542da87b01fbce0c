"""Log lines on stderr: an event and its facts."""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection

import structlog


def configure_logging(level: str = "warning", style: str = "console", without: Collection[str] = ()) -> None:
    """Send structlog's lines of at least `level` to stderr, as `console` text or `json`; those of the events `without`
    are dropped."""

    def drop(_: object, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if line["event"] in without:
            raise structlog.DropEvent
        return line

    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    structlog.configure(
        processors=[
            drop,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
