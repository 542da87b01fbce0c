"""Pengi, an audio language model, as a service that listens to streams and writes timestamped text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pengi_stream.api import load_model
    from pengi_stream.options import DecodingOptions

    __version__: str

__all__ = ["DecodingOptions", "__version__", "load_model"]


def __getattr__(name: str) -> object:
    """Public names, imported when they are asked for: `import pengi_stream` alone stays light."""
    if name == "load_model":
        from pengi_stream.api import load_model

        return load_model
    if name == "DecodingOptions":
        from pengi_stream.options import DecodingOptions

        return DecodingOptions
    if name == "__version__":
        from importlib.metadata import version

        return version("pengi-stream")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
