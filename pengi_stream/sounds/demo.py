"""The recording that demonstrations and benchmarks hear; demo.CREDITS.md says what it is made of."""

from __future__ import annotations

from pathlib import Path

NAME = "demo"
RECORDING = Path(__file__).with_name("demo.flac")


def or_demo(path: str) -> str:
    """`path`; where it is `demo` and nothing has that name, that of the recording in the package."""
    return str(RECORDING) if path == NAME and not Path(path).exists() else path


def stream_of(path: str) -> str:
    """The stream that the file at `path` is: its path, but for the recording in the package, wherever that lies."""
    return NAME if path == str(RECORDING) else path
