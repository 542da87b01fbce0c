"""What `check` finds that is not wrong, and should be known."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from pengi_stream.clock import SystemClock, rfc3339
from pengi_stream.config import PipelineConfig, ServerConfig
from pengi_stream.errors import AudioError
from pengi_stream.sources.file import FileSourceConfig
from pengi_stream.sources.found import find_files

LOCAL_NAME = "localhost"
SHOWN_FILES = 5


def open_to_all(server: ServerConfig | None) -> str | None:
    """A warning where `server` can be reached from elsewhere."""
    if server is None or server.host == LOCAL_NAME or _is_loopback(server.host):
        return None
    return (
        f"server.host is {server.host}: whoever can reach port {server.port} sees /metrics and /readyz, "
        "there is no access control; 127.0.0.1 keeps it to this machine"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def warnings(config: PipelineConfig) -> Iterator[str]:
    """What may be meant otherwise."""
    for source in config.sources:
        if isinstance(source, FileSourceConfig):
            missing = [path for path in find_files(source.given).paths if not Path(path).exists()]
            yield from (f"{path}: there is no such file" for path in missing[:SHOWN_FILES])
            if len(missing) > SHOWN_FILES:
                yield f"and {len(missing) - SHOWN_FILES} more files that are not there"
    if warning := open_to_all(config.server):
        yield warning


def files(source: FileSourceConfig) -> Iterator[str]:
    """How many files there are, which are left out, and when the first of them begin."""
    found = find_files(source.given)
    there = [Path(path) for path in found.paths if Path(path).is_file()]
    left = f"; {len(found.left_out)} left out ({', '.join(found.kinds_left_out)})" if found.left_out else ""
    yield f"{len(there)} file(s){left}; times: {source.starts_at}{f' in {source.zone}' if source.zone else ''}"
    for path in there[:SHOWN_FILES]:
        try:
            yield f"{path} begins at {rfc3339(source.start.of_file(path, SystemClock()))}"
        except (AudioError, OSError) as error:
            yield f"{error}"
    if len(there) > SHOWN_FILES:
        yield "..."
