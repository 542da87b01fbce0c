"""A progress bar for commands that work through files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pengi_stream.audio.decode import duration_s
from pengi_stream.clock import Deadline, parse_rfc3339
from pengi_stream.runtime.outlets import NamedSink
from pengi_stream.types import NS_PER_S, Event
