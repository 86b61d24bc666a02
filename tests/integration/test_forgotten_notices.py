"""The clock's tick at process: notices that were not sent, and that nobody tries to send, are due again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from events import cloudevent
from events.answer import Result
from functions.adapters.postgres import signal_store
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.merges import PostgresMerges
from functions.adapters.postgres.notice_store import PostgresNoticeStore
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.postgres.tenants import PostgresTenants
from functions.domain.evaluation import STOPPED_CLOCKS
from functions.domain.outbox import Key
from functions.domain.platform_events import TICK
from functions.domain.rule import RuleDefinition
from functions.domain.signal import instant
from functions.ports import SendAnswer
from functions.process.handler import process

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


TAKEN = SendAnswer(delivered=True, text="250 OK")
LATER = SendAnswer(delivered=False, text="451 later")
NEVER = SendAnswer(delivered=False, text="550 no such person", permanent=True)
#: The wait until the next attempt.
WAIT = 0.5 * HOUR


def outbox(database: Database, mails_per_hour: int = 0) -> PostgresNoticeStore:
    return PostgresNoticeStore(database, mails_per_hour=mails_per_hour, lease_s=30)


def attempt(database: Database, notice: UUID, *answers: SendAnswer, wait_s: float | None = None) -> None:
    """Record attempts, whatever waits there would be between them."""
    store = outbox(database)
    (claim,) = store.claim([Key("acme", str(notice))]).claims
    for answer in answers:
        store.record(claim, answer, None if answer is not LATER else wait_s)


@pytest.fixture
def store(database: Database) -> PostgresSignalStore:
    PostgresTenants(database).put("acme", "Acme")
    rule = {"name": "hot", "when": "true", "then": [{"channel": "email", "to": "a@example.com"}]}
    PostgresTenants(database).put_rule("acme", uuid4(), RuleDefinition.model_validate(rule))
    return PostgresSignalStore(database)


def deliver(store: PostgresSignalStore, type_: str, at: datetime, account: str = "globex", **stamps: str) -> Result:
    event = {
        "specversion": "1.0",
        "id": uuid4().hex,
        "source": "/tests",
        "type": type_,
        "time": instant(at),
        "data": {"accountId": account},
        **stamps,
    }
    read = [cloudevent.parse(json.dumps(event).encode()).event]
    (result,) = process(read, store, STOPPED_CLOCKS, PostgresMerges(store).apply)
    return result


def noticed(store: PostgresSignalStore, at: datetime, account: str = "globex") -> UUID:
    """Let a rule fire at ``at``; its notice."""
    stamps = {"sspptenant": "acme", "sspptime": instant(at), "ssppreceived": instant(at)}
    result = deliver(store, "demo_completed", at, account, **stamps)
    (notice,) = [reply for reply in result.replies if reply.channel == "notices"]
    return UUID(json.loads(notice.event)["data"]["noticeId"])


def due(store: PostgresSignalStore, at: datetime) -> list[UUID]:
    """The notices a tick at ``at`` brings back."""
    result = deliver(store, TICK, at)
    assert (result.status, {reply.channel for reply in result.replies} <= {"notices"}) == (200, True)
    events = [json.loads(reply.event) for reply in result.replies]
    assert all(event["sspptenant"] == "acme" for event in events)
    return [UUID(event["data"]["noticeId"]) for event in events]


@pytest.mark.parametrize(
    ("age", "is_due"),
    [(timedelta(0), False), (0.99 * HOUR, False), (1.01 * HOUR, True), (30 * HOUR, True), (7.01 * 24 * HOUR, False)],
)
def test_a_notice_nobody_tried_to_send_is_due_again_from_an_hour_to_a_week_after_it_was_wanted(store, age, is_due):
    notice = noticed(store, NOON)
    assert due(store, NOON + age) == [notice] * is_due


def test_every_tick_tells_of_it_until_it_is_sent_so_that_one_may_be_missed(store, database):
    notice = noticed(store, NOON)
    assert [due(store, NOON + hours * HOUR) for hours in (2, 3, 7)] == [[notice]] * 3
    attempt(database, notice, TAKEN)
    assert due(store, NOON + 8 * HOUR) == []


@pytest.mark.parametrize(
    ("said", "overdue", "is_due"),
    [
        ([LATER], -0.1 * HOUR, False),
        ([LATER], 0.9 * HOUR, False),
        ([LATER], 1.1 * HOUR, True),
        ([LATER] * 3, 1.1 * HOUR, True),
        ([NEVER], 1.1 * HOUR, False),
        ([LATER, NEVER], 1.1 * HOUR, False),
        ([LATER, TAKEN], 1.1 * HOUR, False),
    ],
)
def test_a_notice_that_was_tried_is_due_again_when_its_retry_is_overdue_and_it_was_not_given_up(
    store, database, said, overdue, is_due
):
    now = datetime.now(UTC)
    notice = noticed(store, now - 5 * HOUR)
    attempt(database, notice, *said, wait_s=WAIT.total_seconds())
    assert due(store, now + WAIT + overdue) == [notice] * is_due


def test_a_notice_whose_last_attempt_failed_is_given_up(store, database):
    notice = noticed(store, datetime.now(UTC) - 5 * HOUR)
    attempt(database, notice, LATER, wait_s=None)
    assert due(store, datetime.now(UTC) + 30 * HOUR) == []


def test_a_notice_that_a_worker_claimed_and_never_sent_is_due_again(store, database):
    now = datetime.now(UTC)
    notice = noticed(store, now - 5 * HOUR)
    outbox(database).claim([Key("acme", str(notice))])
    assert [due(store, now + after) for after in (0.5 * HOUR, 1.1 * HOUR)] == [[], [notice]]


def test_what_was_summed_up_comes_back_as_its_digest_alone(store, database):
    now = datetime.now(UTC)
    notices = [noticed(store, now - 2 * HOUR, account) for account in ("globex", "initech", "hooli")]
    capped = outbox(database, mails_per_hour=1)
    claimed = capped.claim([Key("acme", str(notice)) for notice in notices])
    (carrier,) = claimed.waits_s
    (sent,) = (claim.key.id for claim in claimed.claims)
    digest = capped.claim([carrier]).targets[carrier].id
    assert set(due(store, now + 2 * HOUR)) == {UUID(sent), UUID(digest)}


def test_nobody_is_told_later_of_what_was_to_be_quiet(store):
    stamps = {"sspptenant": "acme", "ssppreceived": instant(NOON), "quiet": "true"}
    deliver(store, "demo_completed", NOON, **stamps)
    assert due(store, NOON + 2 * HOUR) == []


def test_the_latest_come_first_where_there_are_more_than_a_tick_brings_back(store, monkeypatch):
    monkeypatch.setattr(signal_store, "MOST_FORGOTTEN", 1)
    noticed(store, NOON, "globex")
    latest = noticed(store, NOON + HOUR, "initech")
    assert due(store, NOON + 3 * HOUR) == [latest]


@pytest.mark.parametrize("stamps", [{"sspptenant": "acme", "ssppreceived": instant(NOON)}])
def test_a_tick_that_a_sender_made_up_is_an_event_like_any_other(store, stamps):
    notice = noticed(store, NOON)
    result = deliver(store, TICK, NOON + 1.5 * HOUR, **stamps)
    assert str(notice) not in str(result)
    assert result.status == 422


def test_the_same_tick_again_gives_the_same_answer(store):
    notice = noticed(store, NOON)
    assert due(store, NOON + 1.5 * HOUR) == due(store, NOON + 1.5 * HOUR) == [notice]
