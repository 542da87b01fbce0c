"""The routes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pengi_stream.metrics import Metrics
from pengi_stream.server.health import Answer, liveness, readiness
from pengi_stream.status import Health


class Served(Protocol):
    """What is looked at: a pipeline."""

    @property
    def metrics(self) -> Metrics: ...

    def health(self) -> Health:
        """How it is now. Any thread; does not block."""
        ...


def build_app(served: Callable[[], Served | None]) -> Starlette:
    """The routes of what `served` gives; None: it is being built."""

    def now() -> Health | None:
        pipeline = served()
        return pipeline.health() if pipeline else None

    async def livez(_: Request) -> Response:
        return _json(liveness(now()))

    async def readyz(_: Request) -> Response:
        return _json(readiness(now()))

    async def metrics(request: Request) -> Response:
        pipeline = served()
        encode, content_type = _format(", ".join(request.headers.getlist("accept")))
        body = encode(pipeline.metrics.registry if pipeline else CollectorRegistry())
        return Response(body, headers={"content-type": content_type})

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)])


def _format(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    try:
        return choose_encoder(accept)
    except TypeError:  # the library's, for a version that is no number
        return choose_encoder("")


def _json(answer: Answer) -> Response:
    return JSONResponse(dict(answer.body), answer.status, headers={"cache-control": "no-store"})
