"""Dead letters over HTTP: whose they are, what can be done with them, and that redriving doubles nothing."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import count
from typing import Any
from uuid import uuid4

import httpx
import pytest
import redis

from events.cloudevent import event_id
from events.keyspace import CHANNELS, LANES, buried_key, dead_key, stream_key
from functions.adapters.redis.identities import CONTENT_BYTES, Generations, generations_key, identity
from functions.domain.key import RANDOM_BYTES, READ, READ_DEAD_LETTERS, WRITE_DEAD_LETTERS, Grant, digest, new_key
from functions.domain.plan import OwnEventType
from functions.service import event_types, keys, tenants
from functions.service.principal import OPERATOR
from functions.service.register import Register, opened
from tests.e2e.conftest import OPERATOR_KEY, Installation, Platform, event
from tests.servers.lanes import waiting
from tests.servers.parts import until

PATH = "/api/v1/dead-letters"
WITHIN_S = 10


@dataclass
class World:
    """The platform, what lies behind it, and two tenants: the platform's own and another."""

    platform: Platform
    redis: Any
    register: Register
    tenant: str
    other: str
    ms: Iterator[int] = field(default_factory=count)

    @property
    def own(self) -> httpx.Client:
        return self.platform.api

    def key(self, tenant: str, *scopes: str) -> str:
        made = new_key(os.urandom(RANDOM_BYTES))
        keys.issue(self.register, OPERATOR, made, Grant(tenant, frozenset(scopes)), "test")
        return made

    def asks(self, key: str | bytes, method: str = "GET", path: str = PATH, **more: Any) -> httpx.Response:
        headers = {b"x-api-key": key if isinstance(key, bytes) else key.encode()}
        return httpx.request(method, f"{self.own.base_url}{path}", headers=headers, timeout=30, **more)

    def stamped(self, tenant: str, **attributes: Any) -> dict[str, Any]:
        return {**event(**attributes), "sspptenant": tenant, "ssppreceived": "2026-11-01T10:00:00Z"}

    def bury(self, tenant: str, channel: str = "events", body: dict[str, Any] | None = None, **fields: Any) -> str:
        """A dead letter as the dispatcher writes it, in a ms of its own; gives its id."""
        errors = {"knativeerrordest": "http://x/", "knativeerrorcode": 422, "knativeerrordata": "no"}
        written: dict[str, Any] = {
            "event": json.dumps({**(body or self.stamped(tenant)), **errors}),
            "reason": "no such account",
            "status": 422,
            "tenant": tenant,
            "attempts": 1,
            "first": 1_790_000_000_000,
            "last": 1_790_000_001_000,
            **fields,
        }
        ms = time.time_ns() // 1_000_000 + next(self.ms)
        entry = self.redis.xadd(dead_key(channel, 0), written, id=f"{ms}-0").decode()
        if known := written.get("event_id"):
            self.redis.zadd(buried_key(channel, 0), {f"{known}:{entry}": 0})
        return f"{channel}:0:{entry}"

    def settled(self) -> None:
        """Wait until every event there is has been settled."""
        until(
            lambda: not any(waiting(self.redis, name, 0, lane) for name in CHANNELS for lane in LANES),
            within_s=WITHIN_S,
            what="everything is settled",
        )


@pytest.fixture
def world(platform: Platform, installation: Installation) -> Iterator[World]:
    other = f"other-{uuid4().hex[:8]}"
    with (
        redis.Redis.from_url(installation.redis_url) as client,
        opened(installation.database_url, installation.redis_url) as register,
    ):
        tenants.put(register, OPERATOR, other, other)
        grant = register.record.find(digest(platform.key))
        assert grant is not None
        yield World(platform, client, register, grant.tenant_id, other)
        client.delete(*(dead_key(name, 0) for name in CHANNELS))


def listed(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["data"]]


def remember(client: Any, tenant: str, id_: str) -> None:
    """Write the identity of an event as the front door does when it accepts it."""
    client.hsetnx(generations_key(0), "generations", f"1:64:{int(time.time())}")
    known = identity(tenant, id_)
    bucket = Generations(0, client.hget(generations_key(0), "generations")).buckets_of(known)[0]
    client.hset(bucket, known.field, bytes(CONTENT_BYTES) + int(time.time()).to_bytes(4, "big"))


# --- whose they are


def test_who_asks_where_a_dead_event_is_is_told_why(world: World) -> None:
    body, other = world.stamped(world.tenant), world.stamped(world.other)
    ids = [event_id(tenant, "/tests", told["id"]) for tenant, told in ((world.tenant, body), (world.other, other))]
    letter = world.bury(world.tenant, body=body, attempts=4, event_id=ids[0])
    for tenant, id_ in zip((world.tenant, world.other), ids, strict=True):
        remember(world.redis, tenant, id_)
    world.bury(world.other, body=other, event_id=ids[1])
    told = world.own.get(f"/api/v1/events/{ids[0]}").json()
    assert (told["status"], told["delivered"], told["attempts"], told["signal"]) == ("dead", False, 4, None)
    assert (told["source_id"], told["received_at"]) == (body["id"], "2026-11-01T10:00:00Z")
    assert told["dead_letter"] == {
        "id": letter,
        "reason": "no such account",
        "status": 422,
        "first_at": "2026-09-21T14:13:20Z",
        "last_at": "2026-09-21T14:13:21Z",
    }
    assert world.own.get(f"/api/v1/events/{ids[1]}").status_code == 404, "it is another's"
    assert world.own.post(f"{PATH}/{letter}/redrive").status_code == 200
    until(
        lambda: world.own.get(f"/api/v1/events/{ids[0]}").json()["status"] == "processed",
        within_s=WITHIN_S,
        what="what is redriven is processed",
    )
    assert world.own.get(f"/api/v1/events/{ids[0]}").json()["dead_letter"] is None


def test_a_filter_in_the_query_of_what_takes_none_is_refused_and_changes_nothing(world: World) -> None:
    own = world.bury(world.tenant)
    for method, path, body in (
        ("GET", f"{PATH}/{own}", None),
        ("PATCH", f"{PATH}/{own}", {"data": {}}),
        ("POST", f"{PATH}/{own}/redrive", None),
        ("DELETE", f"{PATH}/{own}", None),
        ("POST", f"{PATH}/redrive", {}),
        ("POST", f"{PATH}/purge", {}),
    ):
        answer = world.own.request(method, path, json=body, params={"type": "demo_completed"})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/type"), path
    assert listed(world.own.get(PATH, params={"to": "2027-01-01"})) == [own]
    assert listed(world.own.get(PATH, params={"from": "2027-01-01"})) == []


def test_a_tenant_sees_and_touches_its_own_letters_only(world: World) -> None:
    own, foreign, nobodys = world.bury(world.tenant), world.bury(world.other), world.bury("", body={"x": 1})
    assert listed(world.own.get(PATH)) == [own]
    assert listed(world.own.get(PATH, params={"tenant": world.tenant})) == [own]
    assert world.own.get(PATH, params={"tenant": world.other}).status_code == 400
    for id_ in (foreign, nobodys, "events:0:1-1", "x"):
        for method, path, body in (
            ("GET", f"{PATH}/{id_}", None),
            ("PATCH", f"{PATH}/{id_}", {"data": {}}),
            ("POST", f"{PATH}/{id_}/redrive", None),
            ("DELETE", f"{PATH}/{id_}", None),
        ):
            answer = world.own.request(method, path, json=body)
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
            assert answer.json()["detail"] == "there is no such dead letter"
    for action in ("redrive", "purge"):
        assert world.own.post(f"{PATH}/{action}", json={"tenant": world.other}).status_code == 400
    assert world.own.post(f"{PATH}/purge", json={}).json() == {
        "purged": 1,
        "skipped": 0,
        "remaining": 0,
        "next_cursor": None,
    }
    left = set(listed(world.asks(OPERATOR_KEY)))
    assert ({nobodys, foreign} <= left, own in left) == (True, False)
    another = world.bury(world.tenant)
    assert world.own.post(f"{PATH}/redrive", json={}).json()["redriven"] == 1
    left = set(listed(world.asks(OPERATOR_KEY)))
    assert ({nobodys, foreign} <= left, another in left) == (True, False)
    world.settled()


def test_the_operator_sees_and_touches_everybodys(world: World) -> None:
    own, foreign = world.bury(world.tenant), world.bury(world.other)
    assert listed(world.asks(OPERATOR_KEY)) == [foreign, own]
    assert listed(world.asks(OPERATOR_KEY, params={"tenant": world.other})) == [foreign]
    assert world.asks(OPERATOR_KEY, path=f"{PATH}/{own}").json()["tenant"] == world.tenant
    addressed = [ask(f"{PATH}/{own}") for ask in (world.own.get, lambda path: world.asks(OPERATOR_KEY, path=path))]
    assert ["knativeerrordest" in answer.json()["event"] for answer in addressed] == [False, True]
    purged = world.asks(OPERATOR_KEY, "POST", f"{PATH}/purge", json={"tenant": world.other})
    assert purged.json()["purged"] == 1
    assert world.asks(OPERATOR_KEY, "DELETE", f"{PATH}/{own}").json() == {"purged": 1}
    assert listed(world.asks(OPERATOR_KEY)) == []


@pytest.mark.parametrize("key", [b"", b"operator-key-of-the-test", b"operator-key-of-the-tests-", b"\xff\xe9"])
def test_a_key_that_is_nobodys_is_refused(world: World, key: bytes) -> None:
    assert world.asks(key).status_code == 401


def test_the_operators_key_is_no_tenants(world: World) -> None:
    assert world.asks(OPERATOR_KEY, path="/api/v1/signals").status_code == 401


@pytest.mark.parametrize(
    ("scopes", "reads", "writes"),
    [
        ([READ], 403, 403),
        ([READ_DEAD_LETTERS], 200, 403),
        ([WRITE_DEAD_LETTERS], 403, 200),
    ],
)
def test_reading_and_writing_take_a_scope_each(world: World, scopes: list[str], reads: int, writes: int) -> None:
    id_, key = world.bury(world.tenant), world.key(world.tenant, *scopes)
    assert world.asks(key).status_code == reads
    assert world.asks(key, path=f"{PATH}/{id_}").status_code == reads
    answers = [
        world.asks(key, "PATCH", f"{PATH}/{id_}", json={"data": {"accountId": "secret"}}),
        world.asks(key, "POST", f"{PATH}/redrive", json={"status": 1}),
        world.asks(key, "POST", f"{PATH}/purge", json={"status": 1}),
        world.asks(key, "POST", f"{PATH}/{id_}/redrive"),
        world.asks(key, "DELETE", f"{PATH}/{world.bury(world.tenant)}"),
    ]
    assert [answer.status_code for answer in answers] == [writes] * 5
    assert not any("secret" in answer.text or "accountId" in answer.text for answer in answers)
    world.settled()


# --- finding them


def test_a_list_says_what_each_is_about_and_where_to_go_on(world: World) -> None:
    first = world.bury(world.tenant, body=world.stamped(world.tenant, id="1", source="/a", type="demo_completed"))
    second, third = world.bury(world.tenant), world.bury(world.tenant, "notices")
    (row,) = [row for row in world.own.get(PATH).json()["data"] if row["id"] == first]
    assert (row["source_id"], row["reason"], row["status"], row["attempts"], row["edited"]) == (
        "1",
        "no such account",
        422,
        1,
        False,
    )
    assert (row["first_at"], row["last_at"]) == ("2026-09-21T14:13:20Z", "2026-09-21T14:13:21Z")
    assert "accountId" not in json.dumps(row)
    page = world.own.get(PATH, params={"limit": 2}).json()
    assert [row["id"] for row in page["data"]] == [third, second]
    rest = world.own.get(PATH, params={"limit": 2, "cursor": page["next_cursor"]}).json()
    assert ([row["id"] for row in rest["data"]], rest["next_cursor"]) == ([first], None)


@pytest.mark.parametrize(
    "asked",
    [
        {"limit": "101"},
        {"limit": "0"},
        {"colour": "red"},
        {"channel": "x"},
        {"status": "x"},
        {"from": "soon"},
        {"cursor": "x"},
        {"reason": "a\0b"},
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_pointer(world: World, asked: dict[str, str]) -> None:
    answer = world.own.get(PATH, params=asked)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [f"/{name}" for name in asked]


@pytest.mark.parametrize("action", ["redrive", "purge"])
@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'{"colour":"red"}', b'{"limit":1}', b'{"status":"x"}'])
def test_a_body_that_selects_nothing_sensible_moves_nothing(world: World, action: str, body: bytes) -> None:
    id_ = world.bury(world.tenant)
    answer = world.own.post(f"{PATH}/{action}", content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert listed(world.own.get(PATH)) == [id_]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", PATH, 405), ("PUT", f"{PATH}/x", 405), ("DELETE", PATH, 405), ("GET", f"{PATH}/x/y", 404)],
)
def test_there_are_no_other_ways(world: World, method: str, path: str, status: int) -> None:
    assert world.own.request(method, path).status_code == status


# --- mending and redriving


def test_an_event_of_a_type_that_was_missing_is_buried_and_redriven_once_there_is_one(world: World) -> None:
    poison = world.stamped(world.tenant, type="com.acme.webinar")
    world.redis.xadd(stream_key("events", 0), {"event": json.dumps(poison)})

    def buried() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = world.asks(OPERATOR_KEY, params={"eventId": poison["id"]}).json()["data"]
        return rows

    until(lambda: len(buried()) == 1, within_s=WITHIN_S, what="it is buried")
    (row,) = buried()
    assert (row["channel"], row["type"], row["attempts"]) == ("events", "com.acme.webinar", 1)
    assert "is not an event type this tenant has" in row["reason"]
    shown = world.asks(OPERATOR_KEY, path=f"{PATH}/{row['id']}").json()["event"]
    assert {**shown, **poison} == shown
    assert (shown["knativeerrorcode"], shown["knativeerrordata"]) == (422, row["reason"])
    event_types.put(
        world.register,
        OPERATOR,
        world.tenant,
        OwnEventType(type="com.acme.webinar", signal="engagement", score=0.4, points=10, halfLifeDays=14),
    )
    redriven = world.asks(OPERATOR_KEY, "POST", f"{PATH}/{row['id']}/redrive")
    assert redriven.json() == {"redriven": 1}
    until(lambda: len(signals(world)) == 1, within_s=WITHIN_S, what="it is a signal")
    assert signals(world)[0]["event_type"] == "com.acme.webinar"
    assert buried() == []


def test_an_event_is_mended_by_editing_and_redriven(world: World) -> None:
    id_ = world.bury(world.tenant, body=world.stamped(world.tenant, type="demo_complete", data={"accountId": ""}))
    path = f"{PATH}/{id_}"
    assert world.own.patch(path, json={"data": {"accountId": "mended"}}).json() == {"id": id_, "edited": True}
    shown = world.own.get(path).json()
    assert (shown["edited"], shown["event"]["data"]) == (True, {"accountId": "mended"})
    whole = {**shown["event"], "type": "demo_completed"}
    assert world.own.patch(path, json={"event": whole}).status_code == 200
    assert world.own.get(path).json()["event"] == whole
    assert world.own.post(f"{path}/redrive").json() == {"redriven": 1}
    until(lambda: len(signals(world)) == 1, within_s=WITHIN_S, what="it is a signal")
    (signal,) = signals(world)
    assert (signal["id"], signal["account_id"]) == (shown["event_id"], "mended")
    assert world.own.get(path).status_code == 404
    assert world.own.post(f"{path}/redrive").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "pointers"),
    [
        ({}, 400, [""]),
        ({"data": {}, "event": {}}, 400, [""]),
        ({"event": None}, 400, ["/event"]),
        ({"dada": {}}, 400, ["/dada"]),
        ({"event": {"specversion": "1.0"}}, 400, ["/event/type"]),
        ({"event": {"specversion": "1.0", "type": "io.sspp.tick"}}, 422, ["/event/type"]),
        ({"event": {"specversion": "1.0", "type": "t", "id": "other"}}, 422, ["/event/id"]),
        ({"event": {"specversion": "1.0", "type": "t", "sspptenant": "other"}}, 422, ["/event/sspptenant"]),
        ({"data": {"a": "\0"}}, 400, ["/data/a"]),
        ({"data": {"a": "x" * 1_048_576}}, 413, []),
    ],
)
def test_an_edit_that_makes_no_event_changes_nothing(
    world: World, body: dict[str, Any], status: int, pointers: list[str]
) -> None:
    path = f"{PATH}/{world.bury(world.tenant)}"
    before = world.own.get(path).json()
    answer = world.own.patch(path, json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert [fault["pointer"] for fault in answer.json().get("errors", [])] == pointers
    assert world.own.get(path).json() == before


@pytest.mark.parametrize("body", [b"", b"{", b'{"data":NaN}', b'{"data":1e999}', b"\xff"])
def test_an_edit_that_is_no_json_changes_nothing(world: World, body: bytes) -> None:
    path = f"{PATH}/{world.bury(world.tenant)}"
    assert world.own.patch(path, content=body).status_code == 400
    assert world.own.get(path).json()["edited"] is False


def test_what_the_platform_published_is_not_a_tenants_to_edit(world: World) -> None:
    id_ = world.bury(world.tenant, "signals")
    assert world.own.patch(f"{PATH}/{id_}", json={"data": {}}).status_code == 403
    assert world.asks(OPERATOR_KEY, "PATCH", f"{PATH}/{id_}", json={"data": {}}).status_code == 200


def test_an_event_that_cannot_be_read_can_only_be_purged(world: World) -> None:
    path = f"{PATH}/{world.bury('', event=b'{broken')}"
    assert world.asks(OPERATOR_KEY, path=path).json()["event"] == "{broken"
    for answer in (
        world.asks(OPERATOR_KEY, "POST", f"{path}/redrive"),
        world.asks(OPERATOR_KEY, "PATCH", path, json={"data": {}}),
    ):
        assert answer.status_code == 409
    assert world.asks(OPERATOR_KEY, "POST", f"{PATH}/redrive", json={}).json()["skipped"] == 1
    assert world.asks(OPERATOR_KEY, "DELETE", path).status_code == 200


# --- nothing swallowed, nothing doubled


def test_a_notice_that_was_given_up_is_sent_once_it_is_redriven_and_only_once(world: World) -> None:
    world.platform.mailbox.answer = "550 no such person"
    try:
        world.platform.post(event())
        until(lambda: len(attempts(world)) == 1, within_s=WITHIN_S, what="an attempt is on record")
        notice = notices(world)[0]["id"]

        def buried() -> list[str]:
            return listed(world.asks(OPERATOR_KEY, params={"channel": "notices", "eventId": notice}))

        until(lambda: len(buried()) == 1, within_s=WITHIN_S, what="the notice is buried")
    finally:
        world.platform.mailbox.answer = "250 OK"
    (id_,) = buried()
    again = world.asks(OPERATOR_KEY, path=f"{PATH}/{id_}").json()["event"]
    assert world.asks(OPERATOR_KEY, "POST", f"{PATH}/{id_}/redrive").json() == {"redriven": 1}
    until(lambda: len(world.platform.mails) == 1, within_s=WITHIN_S, what="it is sent")
    world.settled()
    world.own.post(f"{PATH}/{world.bury(world.tenant, 'notices', body=again)}/redrive")
    world.settled()
    assert [attempt["delivered"] for attempt in attempts(world)] == [False, True]
    assert len(world.platform.mails) == 1
    assert buried() == []


def test_redriving_what_was_processed_after_all_doubles_nothing(world: World) -> None:
    sent = event()
    world.platform.post(sent)
    until(lambda: len(world.platform.mails) == 1, within_s=WITHIN_S, what="the mail came")
    world.settled()
    before = standing(world)
    changed = world.stamped(world.tenant, **{**sent, "data": {**sent["data"], "metadata": {"note": "another"}}})
    letters = [
        world.bury(world.tenant, body=world.stamped(world.tenant, **sent)),
        world.bury(world.tenant, body=changed),
    ]
    world.own.post(f"{PATH}/{letters[0]}/redrive")
    assert world.own.post(f"{PATH}/redrive", json={"channel": "events"}).json()["redriven"] == 1
    world.settled()
    (again,) = world.own.get(PATH).json()["data"]
    assert "other content, was processed before" in again["reason"], "its content is another: it is dead again"
    assert standing(world) == before
    assert len(world.platform.mails) == 1


def signals(world: World) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = world.own.get("/api/v1/signals").json()["data"]
    return rows


def notices(world: World) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = world.own.get("/api/v1/notifications").json()["data"]
    return rows


def attempts(world: World) -> list[dict[str, Any]]:
    return [attempt for notice in notices(world) for attempt in notice["deliveries"] or []]


def standing(world: World) -> tuple[Any, ...]:
    """All that an event leaves behind, but for what fades."""
    accounts = [row["account_id"] for row in world.own.get("/api/v1/accounts").json()["data"]]
    found = world.own.get("/api/v1/signals/search").json()
    month = datetime.now(UTC).date().replace(day=1)
    counted = [world.register.record.events_in(of).get(world.tenant) for of in (month, date(2026, 11, 1))]
    return signals(world), notices(world), accounts, found["total"], found["facets"], counted
