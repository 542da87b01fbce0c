"""One thread that answers HTTP beside a pipeline."""

from __future__ import annotations

import os
import socket
import threading
from types import TracebackType

import structlog
import uvicorn

from pengi_stream.config import ServerConfig
from pengi_stream.errors import ServerError
from pengi_stream.server.app import Served, build_app

log = structlog.get_logger()

STOP_S = 2


class HttpServer:
    """Answers from `with` to its end, of the pipeline that `watch` names as soon as there is one."""

    def __init__(self, config: ServerConfig) -> None:
        """Listens at once. Raises ServerError where the address cannot be had."""
        self._socket = _listen(config)
        self._served: Served | None = None
        app = build_app(lambda: self._served)
        options = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            log_level="error",  # what clients send is no matter for our log
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOP_S,
        )
        self._server = uvicorn.Server(options)
        self._thread = threading.Thread(target=self._answer, name="server", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens; a free one where the config said 0."""
        return int(self._socket.getsockname()[1])

    def watch(self, pipeline: Served) -> None:
        """Answer of `pipeline` from now on."""
        self._served = pipeline

    def __enter__(self) -> HttpServer:
        self._thread.start()
        log.info("serving", host=self._socket.getsockname()[0], port=self.port)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(STOP_S + 1)
        self._socket.close()

    def _answer(self) -> None:
        self._server.run(sockets=[self._socket])


def _listen(config: ServerConfig) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family)
    except OSError as error:
        raise ServerError(
            f"server: cannot listen at {config.host}, port {config.port}: {_reason(error)}; "
            "choose another server.port, 0 for any free one"
        ) from error


def _reason(error: OSError) -> str | None:
    """Without the address, which `create_server` adds to the system's words."""
    return error.strerror if isinstance(error, socket.gaierror) or error.errno is None else os.strerror(error.errno)
