"""What one tenant reads, however much and with however many keys, makes no other wait: through a real API server."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest

from functions.domain.key import RANDOM_BYTES, READ, WRITE_EVENTS, Grant, new_key
from functions.domain.plan import READ_RATE, Plan
from functions.server import THREADS
from functions.service import keys, tenants
from functions.service.principal import OPERATOR
from functions.service.register import Register
from tests.e2e.conftest import OPERATOR_KEY, Installation, Platform, event
from tests.servers import raw
from tests.servers.parts import until

#: What is promised, and what it takes to look.
TAKES_EFFECT_S = 2 + 0.5
CONNECTIONS, KEYS, TIMES = 20, 10, 60
#: A tenant's rows, and characters in each: a page of them is a megabyte and takes a tenth of a second.
ROWS, LENGTH = 100, 5_000
#: As many of the loud ones' requests may be answered while another one waits, however slow the machine.
AHEAD = 2 * THREADS


def key(register: Register, tenant: str, *scopes: str) -> str:
    made = new_key(os.urandom(RANDOM_BYTES))
    keys.issue(register, OPERATOR, made, Grant(tenant, frozenset(scopes)), "test")
    return made


@dataclass
class Loud:
    """Requests that were answered while others were measured, by status."""

    answered: int = 0
    refused: int = 0


@contextmanager
def loud(url: str, keys: list[str], path: str) -> Iterator[Loud]:
    """Ask over :data:`CONNECTIONS` connections, each with one of ``keys``, as fast as they are answered."""
    seen, stop = Loud(), threading.Event()

    def ask(key: str) -> None:
        with raw.connected(url) as connection:
            while not stop.is_set():
                connection.sendall(raw.head(method="GET", path=path, key=key))
                reply = raw.reply(connection)
                assert reply is not None
                if reply.status == 200:
                    seen.answered += 1
                else:
                    assert reply.status == 429, reply
                    seen.refused += 1
                    stop.wait(0.05)

    threads = [threading.Thread(target=ask, args=(keys[number % len(keys)],)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: seen.answered > CONNECTIONS, within_s=20, what="the loud ones are answered")
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def taken_s(ask: Callable[[], httpx.Response], status: int) -> list[float]:
    """How long each of :data:`TIMES` requests took, the shortest first."""
    taken = []
    for _ in range(TIMES):
        started = time.perf_counter()
        assert ask().status_code == status
        taken.append(time.perf_counter() - started)
    return sorted(taken)


@pytest.mark.alone
def test_reads_of_one_tenant_with_many_keys_make_no_others_read_probe_or_event_wait(
    platform: Platform, installation: Installation, register: Register, tenant: str
) -> None:
    generous = {"perSecond": 100_000, "burst": 100_000}  # so that turns alone keep the others from waiting
    other = f"loud-{uuid4().hex[:8]}"
    tenants.put(register, OPERATOR, other, other)
    tenants.put_plan(register, OPERATOR, other, Plan.model_validate({"readRate": generous}))
    tenants.put_plan(register, OPERATOR, tenant, Plan.model_validate({"readRate": generous}))
    keys = [key(register, other, READ, WRITE_EVENTS) for _ in range(KEYS)]
    data = {"accountId": "acme", "metadata": {"note": "x" * LENGTH}}
    batch = [event(type="email_opened", data=data) for _ in range(ROWS)]
    sent = {"x-api-key": keys[0], "content-type": "application/cloudevents-batch+json"}
    assert platform.ingest.post("/v1/events", json=batch, headers=sent).status_code == 202
    reader = {"x-api-key": keys[0]}
    until(
        lambda: platform.api.get("/api/v1/signals", headers=reader).json()["pagination"]["total"] == ROWS,
        within_s=20,
        what="the loud tenant has its rows",
    )
    others: dict[str, tuple[Callable[[], httpx.Response], int]] = {
        "read": (lambda: platform.api.get("/api/v1/signals"), 200),
        "probe": (lambda: platform.api.get("/live"), 200),
        "door": (
            lambda: platform.api.post(
                "/v1/events", json=event(), headers={"content-type": "application/cloudevents+json"}
            ),
            202,
        ),
    }
    heavy = "/api/v1/signals?limit=100"
    longest = {name: taken_s(*asked)[-1] for name, asked in others.items()}
    page = taken_s(lambda: platform.api.get(heavy, headers=reader), 200)[-1]
    with loud(str(platform.api.base_url), keys, heavy) as seen:
        for name, asked in others.items():
            before = seen.answered
            median = taken_s(*asked)[TIMES // 2]
            overtook = (seen.answered - before) / TIMES
            assert overtook <= AHEAD, name
            assert median <= 2 * longest[name] + AHEAD * page, name


def test_a_read_rate_holds_for_all_keys_of_a_tenant_and_for_no_other(
    platform: Platform, register: Register, tenant: str
) -> None:
    tenants.put_plan(register, OPERATOR, tenant, Plan.model_validate({"readRate": {"perSecond": 0.05, "burst": 4}}))
    keys = [key(register, tenant, READ) for _ in range(2)]
    clients = [{"x-api-key": each} for each in keys]
    for headers in clients:  # the first request with a key finds out whose it is
        assert platform.api.get("/api/v1/signals", headers=headers).status_code == 200
    answers = [platform.api.get("/api/v1/signals", headers=clients[n % 2]) for n in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429] * 2
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["3", "2", "1", "0", "0", "0"]
    refused = answers[-1]
    assert (refused.headers["ratelimit-limit"], refused.headers["content-type"]) == ("4", "application/problem+json")
    assert 10 <= int(refused.headers["retry-after"]) <= 20
    assert 70 <= int(refused.headers["ratelimit-reset"]) <= 80
    assert platform.api.get("/api/v1/dead-letters", headers=clients[0]).status_code == 429
    stranger = f"other-{uuid4().hex[:8]}"
    tenants.put(register, OPERATOR, stranger, stranger)
    others = {"x-api-key": key(register, stranger, READ)}
    for _ in range(3):
        answer = platform.api.get("/api/v1/signals", headers=others)
    assert (answer.status_code, answer.headers["ratelimit-limit"]) == (200, str(READ_RATE.burst))
    assert platform.api.get("/live").status_code == 200
    operators = platform.api.get("/api/v1/dead-letters", headers={"x-api-key": OPERATOR_KEY})
    assert (operators.status_code, "ratelimit-limit" in operators.headers) == (200, False)
    tenants.put_plan(register, OPERATOR, tenant, Plan())
    until(
        lambda: platform.api.get("/api/v1/signals", headers=clients[0]).status_code == 200,
        within_s=2 * TAKES_EFFECT_S,
        what="the new plan holds",
    )
