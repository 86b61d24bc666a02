"""The real parts wake what is needed next: the function before its dispatcher can deliver, all from the front door."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from events import channel
from events.channel import Channel
from events.wake import wake
from functions.domain.key import RANDOM_BYTES, new_key
from functions.local import demo_tenant, ports
from tests.servers import parts
from tests.servers.loopback import served
from tests.servers.parts import until

KEY = new_key(bytes(RANDOM_BYTES))


@contextmanager
def function() -> Iterator[tuple[str, list[str]]]:
    """A function that takes everything; yields its URL and what it was asked, in order."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(202)
            self.send_header("content-length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield f"http://127.0.0.1:{port}/", asked


@pytest.mark.parametrize("host", ["127.0.0.1", "nobody.invalid"])
def test_a_function_that_cannot_be_reached_is_nobodys_trouble(host: str) -> None:
    thread = wake(f"http://{host}:{ports.free(1)[0]}/")
    thread.join(20)
    assert not thread.is_alive()


def test_a_dispatcher_wakes_its_function_before_it_reads(redis_url: str, tmp_path: Path) -> None:
    with closing(channel.connect(redis_url)) as client, function() as (url, asked):
        waiting = Channel(client, "events", 0, "test")
        waiting.publish(b'{"specversion":"1.0","id":"1","source":"/test","type":"demo"}')
        env = {"REDIS_URL": redis_url, "SSPP_TARGET_URL": url}
        with parts.running(tmp_path, env=env, names=("events",)):
            until(lambda: waiting.depth() == 0, within_s=20, what="the event is delivered")
    assert asked == ["GET /live", "POST /"]


def event(number: int) -> dict[str, object]:
    identity = {"specversion": "1.0", "id": f"{number}", "source": "/test"}
    return {**identity, "type": "demo_completed", "data": {"accountId": "acme"}}


def test_the_front_door_wakes_what_an_event_needs_when_one_is_stored(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    demo_tenant.ensure_demo(database_url=database_url, redis_url=redis_url, api_key=KEY)
    with function() as (process, process_asked), function() as (index, index_asked):
        env = {"REDIS_URL": redis_url, "SSPP_WAKE_URLS": f"{process} {index}"}
        with parts.running(tmp_path, env=env, names=("ingest",)) as started, httpx.Client(timeout=20) as sender:

            def post(key: str, number: int, **more: object) -> int:
                headers = {"x-api-key": key, "content-type": "application/cloudevents+json"}
                url = f"{started['ingest'].url}/v1/events"
                return sender.post(url, json=event(number) | more, headers=headers).status_code

            assert [post("nobody's", 1), post(KEY, 1, type="nobody.knows.it")] == [401, 422]
            assert process_asked + index_asked == []
            assert [post(KEY, 1), post(KEY, 1), post(KEY, 2)] == [202, 202, 202]
            until(lambda: bool(process_asked and index_asked), within_s=10, what="both are asked")
    assert (process_asked, index_asked) == (["GET /live"], ["GET /live"])
