"""A real client against the server of a pipeline that runs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import httpx2
import pytest
from ledgers import ledgers_of

from pengi_stream.clock import Deadline
from pengi_stream.config import ServerConfig, parse_config
from pengi_stream.errors import ServerError, SinkError
from pengi_stream.events import Event
from pengi_stream.runtime.build import build_pipeline
from pengi_stream.runtime.pipeline import Pipeline
from pengi_stream.runtime.sink_writers import NamedSink
from pengi_stream.server.http import HttpServer
from pengi_stream.testing import ListSink

PORT_0 = ServerConfig(port=0)


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer(PORT_0) as server:
        yield server


@pytest.fixture
def client(server: HttpServer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=10) as client:
        yield client


def pipeline(source: dict[str, object], sinks: Sequence[NamedSink] = (), **parts: object) -> Pipeline:
    data = {
        "model": {"type": "fake", "window_s": 0.5},
        "sources": [{"type": "synthetic", **source}],
        "sinks": [{"type": "jsonl", "path": "/dev/null", "required": False}],
        "batch": {"max_wait_s": 0.01},
        **parts,
    }
    return build_pipeline(parse_config(data, name="test", origin="test", environment={}), sinks)


@contextmanager
def running(pipeline: Pipeline, server: HttpServer) -> Iterator[threading.Thread]:
    """Runs `pipeline`, which `server` watches, until it ends or the test does."""
    server.watch(pipeline)
    thread = threading.Thread(target=pipeline.run)
    thread.start()
    try:
        yield thread
    finally:
        pipeline.stop()
        thread.join()


def until(client: httpx2.Client, path: str, wanted: Callable[[httpx2.Response], bool]) -> httpx2.Response:
    """What `path` answers as soon as it is `wanted`."""
    deadline = Deadline(20)
    while not wanted(answer := client.get(path)):
        assert not deadline.expired, answer.text
    return answer


def test_a_pipeline_that_is_being_built_is_alive_and_says_that_it_waits_for_its_model(client: httpx2.Client) -> None:
    assert client.get("/livez").status_code == 200
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/json"
    assert "model" in answer.json()["waits_for"][0]
    assert client.get("/metrics").status_code == 200


def test_a_running_pipeline_is_ready_and_its_sources_have_a_state(server: HttpServer, client: httpx2.Client) -> None:
    with running(pipeline({"realtime": True}), server):
        answer = until(client, "/readyz", lambda answer: answer.status_code == 200)
        assert answer.json()["sources"] == {"synthetic": {"state": "running", "waits_for": ""}}
        assert client.get("/livez").json()["stages"]["model-0"] == "running"


def test_every_scrape_of_a_busy_pipeline_balances_and_the_last_one_has_nothing_on_its_way(
    server: HttpServer, client: httpx2.Client
) -> None:
    prompts = [{"id": "a", "task": "caption"}, {"id": "b", "task": "tags"}]
    with running(pipeline({"streams": 4, "duration_s": 100}, prompts=prompts), server) as thread:
        scrapes = 0
        while thread.is_alive():
            for ledger in ledgers_of(client.get("/metrics").text).values():
                ledger.assert_balanced()
            scrapes += 1
    assert scrapes > 3
    last = ledgers_of(client.get("/metrics").text)
    windows = 4 * 399  # one each 0.25 s, 0.5 s long
    assert {name: ledger.came_in for name, ledger in last.items()} == {
        "records": 4 * 1_000,
        "windows": windows,
        "requests": 2 * windows,
    }
    assert all(ledger.in_flight == 0 for ledger in last.values())
    assert last["requests"].fates["generated"] == 2 * windows


def test_a_scrape_gets_the_format_that_it_asks_for(server: HttpServer, client: httpx2.Client) -> None:
    server.watch(pipeline({}))
    plain = client.get("/metrics", headers={"accept": "*/*"})
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    asked = "application/openmetrics-text; version=1.0.0, text/plain; version=0.0.4; q=0.5"
    open_metrics = client.get("/metrics", headers={"accept": asked})
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert open_metrics.text.endswith("# EOF\n")


def test_nonsense_from_a_client_is_answered_and_logs_nothing(
    server: HttpServer, client: httpx2.Client, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.get("/metrics", headers={"accept": "text/plain; version=x.y"}).status_code == 200
    assert client.get("/nowhere").status_code == 404
    assert client.post("/livez").status_code == 405
    with socket.create_connection(("127.0.0.1", server.port)) as wire:
        wire.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        assert wire.recv(1000).startswith(b"HTTP/1.1 400")
    assert client.get("/livez").status_code == 200
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


def test_no_stream_is_named_in_the_metrics(server: HttpServer, client: httpx2.Client) -> None:
    with running(pipeline({"duration_s": 5}, [NamedSink("list", ListSink(), required=True)]), server) as thread:
        thread.join()
    scrape = client.get("/metrics").text
    assert 'pengi_stream_events_total{outcome="durable",sink="list"} 20.0' in scrape
    assert "synthetic-0" not in scrape


class Refusing(ListSink):
    """Takes nothing before it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = threading.Event()

    def write(self, items: Sequence[Event]) -> None:
        if not self.opened.is_set():
            raise SinkError("topic events does not exist", retry_after_s=0.05)
        super().write(items)


def test_a_refusing_sink_is_what_a_pipeline_waits_for_until_it_gives_in(
    server: HttpServer, client: httpx2.Client
) -> None:
    sink = Refusing()
    with running(pipeline({"realtime": True}, [NamedSink("list", sink, required=True)]), server):
        answer = until(client, "/readyz", lambda answer: "list: topic events does not exist" in answer.text)
        assert answer.status_code == 503
        sink.opened.set()
        until(client, "/readyz", lambda answer: answer.status_code == 200)


class Broken(ListSink):
    """Fails in a way that nobody expects."""

    def write(self, items: Sequence[Event]) -> None:
        raise RuntimeError("out of paper")


class Slow(ListSink):
    """Blocks in its first write."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go_on = threading.Event()

    def write(self, items: Sequence[Event]) -> None:
        self.may_go_on.wait(20)


def test_a_dead_stage_is_named_while_the_others_drain(server: HttpServer, client: httpx2.Client) -> None:
    slow = Slow()
    sinks = [NamedSink("broken", Broken(), required=True), NamedSink("slow", slow, required=True)]
    with running(pipeline({"realtime": True}, sinks), server):
        answer = until(client, "/livez", lambda answer: answer.status_code == 503)
        assert answer.json()["dead"] == ["sink-broken"]
        slow.may_go_on.set()


def test_a_port_that_is_taken_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            ServerError, match=rf"cannot listen at 127\.0\.0\.1, port {port}: .*in use; .*server\.port"
        ) as taken:
            HttpServer(ServerConfig(port=port))
        assert str(taken.value).count("127.0.0.1") == 1


def test_a_host_that_does_not_exist_is_one_clear_line() -> None:
    with pytest.raises(ServerError, match=r"cannot listen at 192\.0\.2\.1"):
        HttpServer(ServerConfig(host="192.0.2.1", port=0))


def test_nobody_but_this_machine_can_ask_by_default() -> None:
    assert ServerConfig().host == "127.0.0.1"


def test_the_port_is_free_again_at_the_end() -> None:
    with HttpServer(PORT_0) as server:
        port = server.port
    with HttpServer(ServerConfig(port=port)) as again:
        assert httpx2.get(f"http://127.0.0.1:{again.port}/livez").status_code == 200
