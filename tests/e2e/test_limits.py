"""Limits hold to the event, under any concurrency; keys and terms take effect within two seconds."""

from __future__ import annotations

import json
import os
import resource
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter
from typing import Any

import httpx
import pytest
import redis

from events.settings import TickSettings
from functions import tick
from functions.domain.key import EVERY_SCOPE, RANDOM_BYTES, READ, WRITE_EVENTS, Grant, digest, new_key
from functions.domain.plan import OwnEventType, Plan
from functions.local.postgres import as_login
from functions.service import event_types, keys, tenants
from functions.service.principal import OPERATOR
from functions.service.register import Register
from tests.e2e.conftest import Installation, Platform, event
from tests.servers import raw
from tests.servers.parts import PASSWORD, until

STRUCTURED = {"content-type": "application/cloudevents+json"}
#: What is promised, and what it takes to look.
TAKES_EFFECT_S = 2 + 0.5
#: Seconds a rotated key goes on working, long enough for two requests on a busy machine.
OVERLAP_S = 3


def plan(register: Register, tenant: str, **limits: Any) -> None:
    """Set the tenant's limits. Its key was not used yet, so they hold at once."""
    tenants.put_plan(register, OPERATOR, tenant, Plan.model_validate(limits))


def key(register: Register, tenant: str, *scopes: str, expires_at: datetime | None = None) -> str:
    made = new_key(os.urandom(RANDOM_BYTES))
    keys.issue(register, OPERATOR, made, Grant(tenant, frozenset(scopes), expires_at), "test")
    return made


def post_with(platform: Platform, key: str, **attributes: Any) -> httpx.Response:
    headers = {**STRUCTURED, "x-api-key": key}
    return platform.ingest.post("/v1/events", json=event(**attributes), headers=headers)


def test_a_thousand_requests_at_once_store_exactly_what_is_left_of_the_month(
    platform: Platform, register: Register, tenant: str
) -> None:
    plan(register, tenant, monthly={"hard": 10})
    assert platform.post_batch([event() for _ in range(9)]).status_code == 202
    url = platform.parts["ingest"].url
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(most, 4096)), most))
    with ExitStack() as stack:
        connections = [stack.enter_context(raw.connected(url, timeout_s=60)) for _ in range(1000)]
        requests = [raw.request(json.dumps(event()).encode(), key=platform.key) for _ in connections]
        for connection, request in zip(connections, requests, strict=True):
            connection.sendall(request)
        replies = [raw.reply(connection) for connection in connections]
    assert Counter(reply and reply.status for reply in replies) == {202: 1, 429: 999}
    until(lambda: _total(platform) == 10, within_s=10, what="exactly the limit is stored")


def test_a_batch_that_meets_the_months_limit_is_accepted_up_to_it(
    platform: Platform, register: Register, tenant: str
) -> None:
    plan(register, tenant, monthly={"hard": 3})
    answer = platform.post_batch([event() for _ in range(5)])
    assert answer.status_code == 207
    assert [result["status"] for result in answer.json()["results"]] == [202, 202, 202, 429, 429]
    assert (answer.json()["accepted"], answer.json()["rejected"]) == (3, 2)
    single = platform.post(event())
    assert single.status_code == 429
    assert single.headers["content-type"] == "application/problem+json"
    for refused in (answer, single):
        assert refused.headers["ratelimit-limit"] == "3"
        assert refused.headers["ratelimit-remaining"] == "0"
        assert 0 < int(refused.headers["retry-after"]) <= 31 * 86_400


def test_a_duplicate_counts_nowhere_and_is_answered_also_at_the_limit(
    platform: Platform, register: Register, tenant: str
) -> None:
    plan(register, tenant, monthly={"hard": 2}, rate={"perSecond": 0.01, "burst": 2})
    first, second = event(), event()
    assert platform.post(first).status_code == 202
    for _ in range(5):
        assert platform.post(first).json()["duplicate"] is True
    assert platform.post(second).status_code == 202
    assert platform.post(event()).status_code == 429
    assert platform.post(second).json()["duplicate"] is True


@pytest.mark.parametrize("whose", ["rate", "keyRate"])
def test_a_burst_is_let_through_and_what_is_above_it_waits(
    platform: Platform, register: Register, tenant: str, whose: str
) -> None:
    plan(register, tenant, **{whose: {"perSecond": 2, "burst": 4}})
    answer = platform.post_batch([event() for _ in range(6)])
    assert [result["status"] for result in answer.json()["results"]] == [202] * 4 + [429] * 2
    assert (answer.headers["ratelimit-limit"], answer.headers["ratelimit-remaining"]) == ("4", "0")
    assert answer.headers["retry-after"] == "1"
    assert 1 <= int(answer.headers["ratelimit-reset"]) <= 2
    until(lambda: platform.post(event()).status_code == 202, within_s=3, what="one more fits after its time")


def test_each_key_has_a_rate_of_its_own_below_the_tenants(platform: Platform, register: Register, tenant: str) -> None:
    plan(register, tenant, keyRate={"perSecond": 0.01, "burst": 2}, rate={"perSecond": 0.01, "burst": 3})
    other = key(register, tenant, WRITE_EVENTS)
    assert [platform.post(event()).status_code for _ in range(3)] == [202, 202, 429]
    assert [post_with(platform, other).status_code for _ in range(2)] == [202, 429]


def test_above_the_soft_limit_every_answer_warns(platform: Platform, register: Register, tenant: str) -> None:
    plan(register, tenant, monthly={"soft": 2})
    answers = [platform.post(event()) for _ in range(4)]
    assert [answer.headers.get("x-quota-warning") for answer in answers] == [None, None, "soft-limit", "soft-limit"]
    assert {answer.status_code for answer in answers} == {202}


#: What is refused before Redis is asked, by a tenant above its soft limit: how, and the status.
REFUSED_UNASKED: list[tuple[str, bytes, int]] = [
    (STRUCTURED["content-type"], b"{", 400),
    (STRUCTURED["content-type"], b" " * 1_048_577, 413),
    ("text/plain", b"{}", 415),
    (STRUCTURED["content-type"], json.dumps(event(type="nobody.knows")).encode(), 422),
    ("application/cloudevents-batch+json", json.dumps([event(type="nobody.knows")]).encode(), 422),
]


def test_above_the_soft_limit_refusals_warn_too(platform: Platform, register: Register, tenant: str) -> None:
    plan(register, tenant, monthly={"soft": 1, "hard": 2}, rate={"perSecond": 0.01, "burst": 3})
    first = event()
    assert [platform.post(first if n == 0 else event()).status_code for n in range(3)] == [202, 202, 429]
    reader = key(register, tenant, READ)
    answers = [
        platform.post({**first, "subject": "another body"}),
        post_with(platform, reader),
        *(
            platform.ingest.post("/v1/events", content=body, headers={"content-type": content_type})
            for content_type, body, _ in REFUSED_UNASKED
        ),
    ]
    assert [answer.status_code for answer in answers] == [409, 403, *(status for *_, status in REFUSED_UNASKED)]
    assert [answer.headers.get("x-quota-warning") for answer in answers] == ["soft-limit"] * len(answers)
    stranger = platform.ingest.post("/v1/events", json=event(), headers={**STRUCTURED, "x-api-key": "sspp_no"})
    assert (stranger.status_code, stranger.headers.get("x-quota-warning")) == (401, None)


def test_the_first_answer_to_a_key_warns_of_the_soft_limit_also_where_it_refuses(
    platform: Platform, register: Register, tenant: str
) -> None:
    plan(register, tenant, monthly={"soft": 0})
    assert platform.post(event()).headers.get("x-quota-warning") == "soft-limit"
    tenants.suspend(register, OPERATOR, tenant, suspended=True)
    other = key(register, tenant, WRITE_EVENTS)  # first seen now: what is known of it was just looked up
    answer = post_with(platform, other)
    assert (answer.status_code, answer.headers.get("x-quota-warning")) == (403, "soft-limit")


def test_a_quota_is_told_of_by_mail_once_and_by_the_count_that_the_limit_goes_by(
    platform: Platform, installation: Installation, register: Register, tenant: str
) -> None:
    url = as_login(installation.database_url, "tick", PASSWORD)
    clock = TickSettings.read({"DATABASE_URL": url, "REDIS_URL": installation.redis_url})
    plan(register, tenant, monthly={"hard": 10})
    tenants.put(register, OPERATOR, tenant, "Acme", contact=platform.recipient)
    first = [event(type="email_opened") for _ in range(4)]
    platform.post_batch(first)
    assert platform.post_batch(first).json()["duplicates"] == 4, "counted nowhere"
    platform.post_batch([event(type="email_opened", time="2026-01-01T00:00:00Z") for _ in range(3)])
    tick.look(clock, datetime.now(UTC))
    with redis.Redis.from_url(installation.redis_url) as client:
        client.delete(*client.keys("sspp:{0}:ids*"))  # as after the window: accepted and counted, processed before
    platform.post_batch(first[:1])
    for _ in range(3):
        tick.look(clock, datetime.now(UTC))
    until(lambda: len(platform.mails) == 1, within_s=10, what="the owner is told of 80 %")
    assert platform.mails[0]["Subject"].startswith("80 % of the 10 events")
    answer = platform.post_batch([event(type="email_opened") for _ in range(3)]).json()
    assert (answer["accepted"], answer["rejected"]) == (2, 1), "the limit is where the mail says"
    for _ in range(2):
        tick.look(clock, datetime.now(UTC))
    until(lambda: len(platform.mails) == 2, within_s=10, what="the owner is told of 100 %")
    notices = platform.api.get("/api/v1/notifications").json()["data"]
    assert sorted((notice["kind"], notice["event_id"], notice["title"][:3]) for notice in notices) == [
        ("quota", None, "100"),
        ("quota", None, "80 "),
    ]


def test_a_suspended_tenant_is_refused_until_it_is_back(platform: Platform, register: Register, tenant: str) -> None:
    every = key(register, tenant, *EVERY_SCOPE)
    tenants.suspend(register, OPERATOR, tenant, suspended=True)
    answers = [platform.post(event())] + [
        platform.api.request(method, path, headers={"x-api-key": every})
        for method, path in (
            ("GET", "/api/v1/signals"),
            ("GET", "/api/v1/dead-letters"),
            ("PATCH", "/api/v1/dead-letters/events:0:1-0"),
            ("POST", "/api/v1/dead-letters/events:0:1-0/redrive"),
            ("POST", "/api/v1/dead-letters/redrive"),
        )
    ]
    assert [(answer.status_code, answer.json()["detail"]) for answer in answers] == [
        (403, "this tenant is suspended")
    ] * len(answers)
    tenants.suspend(register, OPERATOR, tenant, suspended=False)
    until(lambda: platform.post(event()).status_code == 202, within_s=TAKES_EFFECT_S, what="it is taken again")


def test_a_key_is_let_in_by_its_scopes_and_until_its_end(platform: Platform, register: Register, tenant: str) -> None:
    now = datetime.now(UTC)
    assert post_with(platform, key(register, tenant, READ)).status_code == 403
    assert post_with(platform, key(register, tenant, WRITE_EVENTS)).status_code == 202
    ended = key(register, tenant, WRITE_EVENTS, READ, expires_at=now - timedelta(seconds=1))
    assert post_with(platform, ended).status_code == 401
    assert platform.api.get("/api/v1/signals", headers={"x-api-key": ended}).status_code == 401
    writer = key(register, tenant, WRITE_EVENTS)
    assert platform.api.get("/api/v1/signals", headers={"x-api-key": writer}).status_code == 403


def test_a_revoked_key_is_refused_everywhere_within_two_seconds(
    platform: Platform, register: Register, tenant: str
) -> None:
    assert platform.post(event()).status_code == 202
    assert platform.api.get("/api/v1/signals").status_code == 200
    keys.revoke(register, OPERATOR, digest(platform.key))
    until(
        lambda: platform.api.get("/api/v1/signals").status_code == 401,
        within_s=TAKES_EFFECT_S,
        what="the key reads nothing",
    )
    doors = (platform.ingest, platform.api)
    until(
        lambda: {door.post("/", json=event(), headers=STRUCTURED).status_code for door in doors} == {401},
        within_s=TAKES_EFFECT_S,
        what="the key is refused",
    )


def test_while_a_key_is_rotated_both_work_and_then_only_the_new_one(
    platform: Platform, register: Register, tenant: str
) -> None:
    new = new_key(os.urandom(RANDOM_BYTES))
    keys.rotate(register, OPERATOR, digest(platform.key), new, datetime.now(UTC) + timedelta(seconds=OVERLAP_S))
    assert platform.post(event()).status_code == 202
    assert post_with(platform, new).status_code == 202
    until(
        lambda: platform.post(event()).status_code == 401,
        within_s=OVERLAP_S + TAKES_EFFECT_S,
        what="the old one ended",
    )
    assert post_with(platform, new).status_code == 202


@pytest.mark.alone
def test_keys_that_do_not_work_are_answered_alike_and_take_alike(
    platform: Platform, register: Register, tenant: str
) -> None:
    revoked = key(register, tenant, WRITE_EVENTS)
    keys.revoke(register, OPERATOR, digest(revoked))
    kinds: dict[str, Callable[[], str]] = {
        "unknown": lambda: new_key(os.urandom(RANDOM_BYTES)),
        "malformed": lambda: os.urandom(20).hex(),
        "revoked": lambda: revoked,
    }
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    texts = set()
    for _ in range(60):  # in turn: what slows the machine down for a while slows all of them
        for name, made in kinds.items():
            wrong, started = made(), perf_counter()
            answer = post_with(platform, wrong)
            seconds[name].append(perf_counter() - started)
            assert answer.status_code == 401
            texts.add(answer.text)
    assert len(texts) == 1
    takes = {name: median(each) for name, each in seconds.items()}
    assert max(takes.values()) < 3 * min(takes.values()), takes


def test_a_tenants_own_event_type_is_checked_and_scored_as_it_says(
    platform: Platform, register: Register, tenant: str
) -> None:
    schema = {
        "type": "object",
        "required": ["accountId"],
        "properties": {"metadata": {"properties": {"seats": {"type": "integer", "minimum": 1}}}},
    }
    own = OwnEventType(
        type="acme.seat.added", signal="expansion", score=0.4, points=12, halfLifeDays=30, dataSchema=schema
    )
    event_types.put(register, OPERATOR, tenant, own)
    data = {"accountId": "globex", "metadata": {"seats": 3}}
    id_ = platform.post(event(type=own.type, data=data)).json()["id"]
    path = f"/api/v1/signals/{id_}"
    until(lambda: platform.api.get(path).status_code == 200, within_s=5, what="it is a signal")
    row = platform.api.get(path).json()
    assert (row["signal_type"], row["signal_score"], row["points"]) == ("expansion", 0.4, 12)
    wrong = platform.post(event(type=own.type, data={"accountId": "globex", "metadata": {"seats": "canary"}}))
    assert wrong.status_code == 422
    assert [error["pointer"] for error in wrong.json()["errors"]] == ["/data/metadata/seats"]
    assert "canary" not in wrong.text


def _total(platform: Platform) -> int:
    return int(platform.api.get("/api/v1/signals").json()["pagination"]["total"])
