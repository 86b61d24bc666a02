"""One tenant sends what is refused, as fast as it can: it is held up itself, and another tenant's senders are not."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
import redis

from functions.adapters.redis.keys import RedisKeyDirectory
from functions.domain.key import RANDOM_BYTES, WRITE_EVENTS, Grant, digest, new_key
from functions.domain.plan import Plan, Terms
from functions.web.asgi import HOLD_S, UNHELD_PER_S
from tests.servers import frontdoor, raw
from tests.servers.frontdoor import FrontDoor
from tests.servers.parts import until
from tests.servers.raw import Reply

CONNECTIONS = 16
#: Another tenant's requests in each phase, and the seconds between two of them.
REQUESTS, PACE_S = 120, 0.002
ROUNDS = 3
#: Percentile -> what a loaded machine's scheduler adds to it by itself, in seconds. Without limits the loud tenant
#: adds more than 0.05 to the first, and 0.1 to 0.65 to the second.
NOISE_S = {90: 0.02, 99: 0.15}
LIMITED = Plan.model_validate({"rate": {"perSecond": 1, "burst": 1}})


def event() -> bytes:
    metadata = {"subject": "x" * 800}
    whole = {"specversion": "1.0", "id": uuid4().hex, "source": "/loud", "type": "demo_completed"}
    return json.dumps({**whole, "data": {"accountId": "acme", "metadata": metadata}}).encode()


def batch(*events: bytes) -> bytes:
    return b"[" + b",".join(events) + b"]"


#: What is sent on and on -> its content type, the body, and what it is answered before it is too much.
LOUD = {
    "malformed batches": (raw.BATCH, batch(*[b'{"x":1}'] * 1000), {400}),
    "batches that break off at their end": (raw.BATCH, batch(*[b'{"x":1}'] * 999, b"{"), {400}),
    "valid batches above its rate": (raw.BATCH, batch(*(event() for _ in range(900))), {207, 429}),
    "large events that are none": (raw.STRUCTURED, json.dumps({"x": ["y" * 20] * 15_000}).encode(), {400}),
}


@dataclass
class Loud:
    """Senders who ask again as soon as they are answered, each on one connection; None is one that was cut off."""

    sent: bytes
    url: str
    replies: list[Reply | None] = field(default_factory=list)

    def statuses(self) -> Counter[int]:
        """How often it got which answer."""
        return Counter(reply.status for reply in self.replies if reply is not None)

    @contextmanager
    def sending(self) -> Iterator[None]:
        stop = threading.Event()
        threads = [threading.Thread(target=self._send, args=[stop]) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def _send(self, stop: threading.Event) -> None:
        with raw.connected(self.url) as connection:
            while not stop.is_set():
                connection.sendall(self.sent)
                self.replies.append(raw.reply(connection))


@pytest.fixture(scope="module")
def front_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    with frontdoor.running(tmp_path_factory.mktemp("loud"), env={"LOG_LEVEL": "info"}) as started:
        yield started


@pytest.fixture
def limited_key(front_door: FrontDoor) -> str:
    """The key of a new tenant that may store one event a second."""
    key, tenant = new_key(os.urandom(RANDOM_BYTES)), uuid4().hex
    with redis.Redis.from_url(front_door.redis_url) as client:
        grants = {digest(key): Grant(tenant, frozenset({WRITE_EVENTS}))}
        RedisKeyDirectory(client).put(grants, {tenant: Terms(plan=LIMITED)})
    return key


def latencies_s(front_door: FrontDoor) -> list[float]:
    """How long another tenant's single events take."""
    taken = []
    with raw.connected(front_door.part.url) as connection:
        for _ in range(REQUESTS):
            sent = raw.request(event(), key=front_door.key)
            started = time.perf_counter()
            connection.sendall(sent)
            answer = raw.reply(connection)
            taken.append(time.perf_counter() - started)
            assert answer is not None
            assert answer.status == 202
            time.sleep(PACE_S)
    return taken


@pytest.mark.alone
@pytest.mark.parametrize("what", LOUD)
def test_another_tenant_hardly_notices(front_door: FrontDoor, limited_key: str, what: str) -> None:
    content_type, body, statuses = LOUD[what]
    url = front_door.part.url
    loud = Loud(raw.request(body, content_type=content_type, key=limited_key), url)
    with loud.sending():
        until(lambda: 429 in loud.statuses(), within_s=60, what="it has used up what it may spend at once")
    alone: list[float] = []
    beside: list[float] = []
    loud_s, before = 0.0, loud.statuses()[429]
    for _ in range(ROUNDS):
        alone += latencies_s(front_door)
        started = time.monotonic()
        with loud.sending():
            beside += latencies_s(front_door)
        loud_s += time.monotonic() - started
    assert None not in loud.replies, "a connection was cut off"
    seen = loud.statuses()
    at_once = UNHELD_PER_S * (loud_s + 2 * ROUNDS)  # of each second that it sends in
    assert seen[429] - before <= CONNECTIONS * (loud_s / HOLD_S + ROUNDS) + at_once
    assert seen.keys() <= statuses | {429}
    for percentile, noise_s in NOISE_S.items():
        usual, now = (sorted(each)[len(each) * percentile // 100] for each in (alone, beside))
        assert now <= 2 * usual + noise_s, percentile
    last = [reply for reply in loud.replies if reply is not None and reply.status == 429][-1]
    assert {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"} <= last.headers.keys()
    assert last.json()["status"] == 429
    # What was under way at the last refusal may have cost more, so its wait is not the one to hold to.
    answer = raw.asked(url, raw.request(event(), key=limited_key))
    if answer is not None and answer.status == 429:
        time.sleep(int(answer.headers["retry-after"]))
        answer = raw.asked(url, raw.request(event(), key=limited_key))
    assert answer is not None
    assert answer.status == 202, "it waited as it was told"


def test_who_is_in_debt_is_refused_by_the_head_and_the_connection_goes_on_where_it_can(
    front_door: FrontDoor, limited_key: str
) -> None:
    content_type, body, _ = LOUD["malformed batches"]
    sent = raw.request(body, content_type=content_type, key=limited_key)
    large = raw.head("content-length: 900000", "expect: 100-continue", key=limited_key)
    url = front_door.part.url
    with raw.connected(url) as connection:

        def refused() -> bool:
            connection.sendall(sent)
            reply = raw.reply(connection)
            assert reply is not None, "a body that was not read was let by"
            if reply.status != 429 or (by_head := raw.asked(url, large)) is None:
                return False
            return by_head.status == 429 and by_head.headers["connection"] == "close"

        until(refused, within_s=60, what="its refused events are too many")
