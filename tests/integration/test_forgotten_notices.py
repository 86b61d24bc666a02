"""The clock's tick at process: notices that nobody has tried to send are due again, once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from events import cloudevent
from events.answer import Result
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.notice_store import PostgresNoticeStore
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.postgres.tenants import PostgresTenants
from functions.domain.rule import RuleDefinition
from functions.domain.signal import instant
from functions.ports import DueNotice, SendAnswer
from functions.process.handler import TICK, process

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Refusing:
    """A mail server that takes nothing."""

    def send(self, notice: DueNotice) -> SendAnswer:
        return SendAnswer(delivered=False, text="550 no")


@pytest.fixture
def store(database: Database) -> PostgresSignalStore:
    PostgresTenants(database).put("acme", "Acme")
    rule = {"name": "hot", "when": "true", "then": [{"channel": "email", "to": "a@example.com"}]}
    PostgresTenants(database).put_rule("acme", uuid4(), RuleDefinition.model_validate(rule))
    return PostgresSignalStore(database)


def deliver(store: PostgresSignalStore, type_: str, at: datetime, **stamps: str) -> Result:
    event = {
        "specversion": "1.0",
        "id": uuid4().hex,
        "source": "/tests",
        "type": type_,
        "time": instant(at),
        "data": {"accountId": "globex"},
        **stamps,
    }
    (result,) = process([cloudevent.parse(json.dumps(event).encode()).event], store)
    return result


def noticed(store: PostgresSignalStore, at: datetime) -> UUID:
    """Let a rule fire at ``at``; its notice."""
    result = deliver(store, "demo_completed", at, sspptenant="acme", sspptime=instant(at), ssppreceived=instant(at))
    (notice,) = [reply for reply in result.replies if reply.channel == "notices"]
    return UUID(json.loads(notice.event)["data"]["noticeId"])


def due(store: PostgresSignalStore, at: datetime) -> list[UUID]:
    """The notices a tick at ``at`` brings back."""
    result = deliver(store, TICK, at)
    assert (result.status, {reply.channel for reply in result.replies} <= {"notices"}) == (200, True)
    events = [json.loads(reply.event) for reply in result.replies]
    assert all(event["sspptenant"] == "acme" for event in events)
    return [UUID(event["data"]["noticeId"]) for event in events]


def test_a_notice_nobody_tried_to_send_is_due_again_once_an_hour_has_passed(store):
    notice = noticed(store, NOON)
    ticks = [due(store, NOON + minutes * timedelta(minutes=1)) for minutes in (0, 59, 61, 121, 181)]
    assert ticks == [[], [], [notice], [], []]


def test_hourly_ticks_bring_every_forgotten_notice_back_exactly_once(store):
    notice = noticed(store, NOON)
    ticks = [due(store, NOON + hours * HOUR) for hours in range(6)]
    assert ticks.count([notice]) == 1
    assert sum(map(len, ticks)) == 1


def test_a_notice_that_was_tried_is_left_to_its_retries(store, database):
    notice = noticed(store, NOON)
    PostgresNoticeStore(database).deliver("acme", notice, Refusing())
    assert due(store, NOON + 1.5 * HOUR) == []


@pytest.mark.parametrize("stamps", [{"sspptenant": "acme", "ssppreceived": instant(NOON)}])
def test_a_tick_that_a_sender_made_up_is_an_event_like_any_other(store, stamps):
    notice = noticed(store, NOON)
    result = deliver(store, TICK, NOON + 1.5 * HOUR, **stamps)
    assert str(notice) not in str(result)
    assert result.status == 422


def test_the_same_tick_again_gives_the_same_answer(store):
    notice = noticed(store, NOON)
    assert due(store, NOON + 1.5 * HOUR) == due(store, NOON + 1.5 * HOUR) == [notice]
