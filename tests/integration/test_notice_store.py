"""The outbox on a real PostgreSQL and a real mail server: claim, send, record."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from email.header import decode_header, make_header
from socketserver import StreamRequestHandler, TCPServer
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events import cloudevent
from events.answer import Result
from events.errors import Unavailable
from functions.adapters.postgres.database import Database, connect
from functions.adapters.postgres.notice_store import DIGEST_LINES, PostgresNoticeStore
from functions.adapters.postgres.pages import Page
from functions.adapters.postgres.reader import Reader
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.senders.email import SmtpSender
from functions.domain.outbox import COLLECT, Key
from functions.domain.platform_events import due
from functions.notify.handler import SOON_S, notify
from functions.ports import DueNotice, SendAnswer, Sender
from tests.contract.memory_sender import MemorySender
from tests.integration.test_signal_store import rule, signal  # noqa: F401 - a fixture
from tests.servers import smtp
from tests.servers.loopback import served
from tests.servers.recording import record
from tests.unit.test_email import anything
from tests.unit.test_email import due as message_due

TENANT = "acme-inc"
FROM = "s@sspp.example"
DELAYS_S = (60.0, 300.0)
TAKEN = SendAnswer(True, "250 OK")
LATER = SendAnswer(False, "451 later")
NEVER = SendAnswer(False, "550 no such person", permanent=True)


def outbox(database: Database, *, mails_per_hour: int = 0, lease_s: float = 30.0) -> PostgresNoticeStore:
    return PostgresNoticeStore(database, mails_per_hour=mails_per_hour, lease_s=lease_s)


def deliver(
    store: PostgresNoticeStore,
    notices: Iterable[UUID],
    sender: Sender,
    *,
    tenant: str = TENANT,
    within_s: float = 15.0,
) -> list[Result]:
    events = [cloudevent.parse(due(tenant, notice).event.encode()).event for notice in notices]
    return notify(events, store, sender, delays_s=DELAYS_S, within_s=within_s)


def listed(database: Database) -> Sequence[dict[str, Any]]:
    return Reader(database).notices(TENANT, Page(number=1, limit=1000)).rows


def due_now(database_url: str) -> None:
    """Let as much time pass as every wait and every claim takes."""
    with closing(connect(database_url)) as connection:
        connection.run("UPDATE notices SET claimed_until = claimed_until - interval '30 days'")
        connection.run("UPDATE notices SET next_attempt_at = next_attempt_at - interval '30 days'")


@pytest.fixture
def notice(database: Database, rule: UUID) -> UUID:  # noqa: F811 - it is that fixture
    return noticed(database, 1)[0]


def noticed(database: Database, number: int, **more: Any) -> list[UUID]:
    """Let as many accounts cross at once; their notices."""
    batch = [signal(n, account_id=f"account-{n}", **more) for n in range(number)]
    recorded = record(PostgresSignalStore(database), batch)
    return [id_ for ids in recorded.notices.values() for id_ in ids]


def test_a_notice_is_sent_once_however_often_and_at_once_it_is_delivered(database: Database, notice: UUID) -> None:
    store, sender = outbox(database), MemorySender(TAKEN)
    with ThreadPoolExecutor(4) as threads:
        results = [result for (result,) in threads.map(lambda _: deliver(store, [notice], sender), range(12))]
    assert {result.status for result in results} <= {200, 202}
    assert deliver(store, [notice, notice], sender) == [Result(status=200)] * 2
    assert len(sender.sent) == 1
    account = sender.sent[0].account
    assert account is not None
    assert account.contributions[0].points_now == pytest.approx(60)
    assert listed(database)[0]["state"] == "sent"


def test_every_attempt_is_on_record_and_a_retry_waits_for_its_time(
    database: Database, database_url: str, notice: UUID
) -> None:
    store = outbox(database)
    assert deliver(store, [notice], MemorySender(LATER)) == [Result(status=202, again_s=60.0)]
    (early,) = deliver(store, [notice], MemorySender(TAKEN))
    assert early.status == 202
    assert 50 < early.again_s <= 60, "whoever asks too early is told how long to wait"
    (row,) = listed(database)
    assert (row["state"], row["next_attempt_at"] is not None) == ("pending", True)
    due_now(database_url)
    assert deliver(store, [notice], MemorySender(TAKEN)) == [Result(status=200)]
    (row,) = listed(database)
    assert [(line["attempt"], line["delivered"], line["answer"]) for line in row["deliveries"]] == [
        (1, False, "451 later"),
        (2, True, "250 OK"),
    ]
    assert (row["state"], row["sent_at"] is not None) == ("sent", True)


def test_a_notice_that_is_not_taken_is_given_up_when_its_schedule_ends_and_a_redrive_tries_it_again(
    database: Database, database_url: str, notice: UUID
) -> None:
    store, results = outbox(database), []
    for _ in range(3):
        results += deliver(store, [notice], MemorySender(LATER))
        due_now(database_url)
    assert results == [
        Result(status=202, again_s=60),
        Result(status=202, again_s=300),
        Result(status=422, detail="451 later"),
    ]
    assert listed(database)[0]["state"] == "failed"
    assert deliver(store, [notice], MemorySender(TAKEN)) == [Result(status=200)]


def test_a_refusal_ends_it_at_once(database: Database, notice: UUID) -> None:
    assert deliver(outbox(database), [notice], MemorySender(NEVER)) == [
        Result(status=422, detail="550 no such person")
    ]
    assert listed(database)[0]["state"] == "failed"


def test_nothing_is_locked_and_no_connection_is_held_while_the_mail_server_talks(
    database: Database, database_url: str, notice: UUID
) -> None:
    seen: list[Any] = []

    class Looking(MemorySender):
        def send(self, notices: Sequence[DueNotice], within_s: float) -> Generator[SendAnswer]:
            with closing(connect(database_url)) as connection:
                seen.extend(
                    connection.run(
                        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                        "AND pid <> pg_backend_pid() AND state <> 'idle'"
                    )
                )
                connection.run("SELECT FROM notices FOR UPDATE NOWAIT")
                seen.append(listed(database)[0]["state"])
            yield from super().send(notices, within_s)

    assert deliver(outbox(database), [notice], Looking(TAKEN)) == [Result(status=200)]
    assert seen == [[0], "sending"]


def test_a_worker_that_dies_after_the_server_accepted_sends_again_under_the_same_identity_once_its_claim_ends(
    database: Database, database_url: str, notice: UUID
) -> None:
    store, sender = outbox(database), MemorySender(TAKEN)
    store.claim([Key(TENANT, str(notice))])  # and never came back
    (result,) = deliver(store, [notice], sender)
    assert (result.status, len(sender.sent)) == (202, 0)
    assert 20 < result.again_s <= 30, "nobody else sends while the claim lasts"
    due_now(database_url)
    assert deliver(store, [notice], sender) == [Result(status=200)]
    assert [sent.id for sent in sender.sent] == [notice]


@pytest.mark.usefixtures("rule")
def test_the_attempts_of_one_notice_are_not_those_of_another(database: Database, database_url: str) -> None:
    store, (first, second) = outbox(database), noticed(database, 2)
    assert deliver(store, [first], MemorySender(LATER)) == [Result(status=202, again_s=60.0)]
    assert deliver(store, [second], MemorySender(LATER)) == [Result(status=202, again_s=60.0)]
    due_now(database_url)
    assert deliver(store, [second], MemorySender(LATER)) == [Result(status=202, again_s=300.0)]


def test_on_the_schema_before_nothing_is_sent_and_the_notices_wait(
    database: Database, database_url: str, notice: UUID
) -> None:
    with closing(connect(database_url)) as connection:
        connection.run("ALTER TABLE notices DROP COLUMN digest_id")  # what migration 0010 adds
    sender = MemorySender(TAKEN)
    with pytest.raises(Unavailable):
        deliver(outbox(database), [notice], sender)
    assert not sender.sent


@pytest.mark.parametrize("tenant", [TENANT, "other"])
def test_a_notice_there_is_not_is_refused_and_the_rest_of_its_batch_is_sent(
    database: Database, notice: UUID, tenant: str
) -> None:
    unknown = uuid4() if tenant == TENANT else notice
    (result,) = deliver(outbox(database), [unknown], MemorySender(TAKEN), tenant=tenant)
    assert result.status == 422
    assert [result.status for result in deliver(outbox(database), [uuid4(), notice], MemorySender(TAKEN))] == [
        422,
        200,
    ]


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ({}, Result(status=200)),
        ({"answer": "451 try later"}, Result(status=202, again_s=60)),
        ({"answer": "550 no such person"}, Result(status=422, detail="550 no such person")),
        ({"recipient_answer": "450 4.2.0 greylisted"}, Result(status=202, again_s=60)),
        ({"recipient_answer": "550 5.1.1 nobody"}, Result(status=422, detail="550 5.1.1 nobody")),
        ({"sender_answer": "451 slow down"}, Result(status=202, again_s=60)),
        ({"answer": None}, Result(status=202, again_s=60)),
    ],
)
def test_what_the_mail_server_says_is_what_counts(
    database: Database, notice: UUID, says: dict[str, Any], expected: Result
) -> None:
    with smtp.running() as mailbox:
        vars(mailbox).update(says)
        assert deliver(outbox(database), [notice], SmtpSender(mailbox.url, FROM)) == [expected]
        assert len(mailbox.messages) == (expected.status == 200)


@pytest.fixture
def mailbox() -> Iterator[smtp.Mailbox]:
    with smtp.running() as mailbox:
        yield mailbox


@settings(max_examples=50, suppress_health_check=list(HealthCheck))
@given(anything, st.none() | anything)
def test_any_text_in_any_name_arrives_as_one_mail_at_one_recipient(
    mailbox: smtp.Mailbox, title: str, account: str | None
) -> None:
    mailbox.messages.clear()
    mailbox.recipients.clear()
    [answer] = SmtpSender(mailbox.url, FROM).send([message_due(title, account)], within_s=60)
    assert answer.delivered
    assert mailbox.recipients == [["jo@example.com"]]
    [mail] = mailbox.messages
    assert (mail.get_all("To"), mail.get_all("Bcc"), mail.get_content_type()) == (
        ["jo@example.com"],
        None,
        "text/plain",
    )


@pytest.mark.parametrize("farewell", ["421 4.7.0 too many connections", "nonsense", None])
def test_what_was_accepted_is_sent_however_the_mail_server_says_goodbye(
    database: Database, notice: UUID, farewell: str | None
) -> None:
    with smtp.running() as mailbox:
        mailbox.farewell = farewell
        store, sender = outbox(database), SmtpSender(mailbox.url, FROM)
        assert [deliver(store, [notice], sender)[0].status for _ in range(2)] == [200, 200]
        assert len(mailbox.messages) == 1


@contextmanager
def greeting(words: bytes) -> Iterator[str]:
    """The URL of a mail server that says ``words`` and hangs up."""

    class Greeter(StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(words)

    with served(TCPServer(("127.0.0.1", 0), Greeter)) as port:
        yield f"smtp://127.0.0.1:{port}"


@pytest.mark.parametrize("words", [None, b"", b"421 busy\r\n", b"554 no service\r\n", b"220 hello\r\n"])
def test_a_mail_server_that_is_away_costs_a_notice_no_attempt(
    database: Database, notice: UUID, words: bytes | None
) -> None:
    store = outbox(database)
    somewhere = greeting(words) if words is not None else nullcontext("smtp://127.0.0.1:1")
    with somewhere as url, pytest.raises(Unavailable, match="mail server"):
        deliver(store, [notice], SmtpSender(url, FROM))
    (row,) = listed(database)
    assert (row["deliveries"], row["state"]) == ([], "pending")
    assert deliver(store, [notice], MemorySender(TAKEN)) == [Result(status=200)]


def test_a_mail_server_that_does_not_take_us_as_a_sender_costs_a_notice_no_attempt(
    database: Database, notice: UUID
) -> None:
    with smtp.running() as mailbox:
        mailbox.sender_answer = "530 5.7.0 log in first"
        with pytest.raises(Unavailable) as error:
            deliver(outbox(database), [notice], SmtpSender(mailbox.url, FROM))
    assert error.value.reason == "530 5.7.0 log in first"
    assert listed(database)[0]["deliveries"] == []


@pytest.mark.usefixtures("rule")
def test_a_batch_goes_through_one_session_and_a_message_that_is_refused_costs_the_others_nothing(
    database: Database,
) -> None:
    notices = noticed(database, 20)
    with smtp.running() as mailbox:
        assert deliver(outbox(database), notices, SmtpSender(mailbox.url, FROM)) == [Result(status=200)] * 20
        assert (mailbox.sessions, len(mailbox.messages)) == (1, 20)


@pytest.mark.usefixtures("rule")
def test_one_session_is_left_when_the_server_ends_it_and_the_rest_is_asked_for_again_at_no_cost(
    database: Database,
) -> None:
    notices = noticed(database, 3)
    with smtp.running() as mailbox:
        mailbox.answer = None
        results = deliver(outbox(database), notices, SmtpSender(mailbox.url, FROM))
        assert Counter(result.again_s for result in results) == {60.0: 1, SOON_S: 2}
        mailbox.answer = "250 OK"
        results = deliver(outbox(database), notices, SmtpSender(mailbox.url, FROM))
    assert Counter(result.status for result in results) == {200: 2, 202: 1}
    assert sorted(len(row["deliveries"]) for row in listed(database)) == [1, 1, 1]


@pytest.mark.alone
@pytest.mark.usefixtures("rule")
def test_a_slow_mail_server_does_not_hold_a_batch_beyond_its_deadline(database: Database) -> None:
    notices = noticed(database, 8)
    with smtp.running() as mailbox:
        mailbox.slow_s = 0.6
        sender, began = SmtpSender(mailbox.url, FROM), time.monotonic()
        results = deliver(outbox(database), notices, sender, within_s=2.0)
        assert time.monotonic() - began < 3.0
        sent = [result for result in results if result.status == 200]
        assert 1 <= len(sent) < 8
        assert {result.again_s for result in results if result.status != 200} == {SOON_S}
        mailbox.slow_s = 30.0
        began = time.monotonic()
        results = deliver(outbox(database), notices, sender, within_s=1.0)
        assert time.monotonic() - began < 3.0, "one message alone is ended too"
    assert Counter(result.again_s for result in results if result.status != 200)[60.0] == 1


@pytest.mark.usefixtures("rule")
def test_a_batch_whose_mail_server_goes_away_half_way_is_sent_once_when_it_is_back(database: Database) -> None:
    notices = noticed(database, 4)
    with smtp.running() as mailbox:
        here = SmtpSender(mailbox.url, FROM)

        class Leaving:
            def send(self, notices: Sequence[DueNotice], within_s: float) -> Generator[SendAnswer]:
                yield from here.send(notices[:2], within_s)
                raise Unavailable("mail server")

        with pytest.raises(Unavailable):
            deliver(outbox(database), notices, Leaving())
        assert len(mailbox.messages) == 2
        assert [result.status for result in deliver(outbox(database), notices, here)] == [200] * 4
        told = Counter(mail["Message-ID"].partition("@")[0].strip("<") for mail in mailbox.messages)
    assert told == Counter(map(str, notices))


@pytest.mark.usefixtures("rule")
@pytest.mark.parametrize(
    "account",
    ["=?utf-8?q?x=0aBcc=3A_evil=40evil=2Eexample?=", "=?utf-8?q?=0A=0A=3Chtml=3E?=", "Acme\u2028Bcc: a@b", "Åkər ü"],
)
def test_any_account_is_told_of_in_one_mail_to_one_recipient(database: Database, account: str) -> None:
    recorded = record(PostgresSignalStore(database), [signal(1, account_id=account)])
    ((notice,),) = recorded.notices.values()
    with smtp.running() as mailbox:
        assert deliver(outbox(database), [notice], SmtpSender(mailbox.url, FROM)) == [Result(status=200)]
        assert [len(recipients) for recipients in mailbox.recipients] == [1]
        (mail,) = mailbox.messages
    assert mail["Bcc"] is None
    assert str(make_header(decode_header(mail["Subject"]))).startswith(account.replace("\u2028", " ") + ": ")


@pytest.mark.usefixtures("rule")
def test_a_notice_that_cannot_be_written_fails_alone_with_its_reason(database: Database, database_url: str) -> None:
    notices = noticed(database, 3)
    with closing(connect(database_url)) as connection:
        connection.run("UPDATE notices SET recipient = 'a,b@y.example' WHERE id = :id", id=notices[1])
    with smtp.running() as mailbox:
        results = deliver(outbox(database), notices, SmtpSender(mailbox.url, FROM))
    assert [result.status for result in results] == [200, 422, 200]
    (row,) = [row for row in listed(database) if row["state"] == "failed"]
    assert row["deliveries"][0]["answer"].startswith("cannot be written: the recipient must be one e-mail address")


@pytest.mark.usefixtures("rule")
def test_a_storm_is_a_few_mails_and_one_digest_that_lists_the_rest(database: Database, database_url: str) -> None:
    notices = noticed(database, 300)
    store = outbox(database, mails_per_hour=20)
    with smtp.running() as mailbox:
        sender = SmtpSender(mailbox.url, FROM)
        batches = [notices[first : first + 20] for first in range(0, 300, 20)]
        with ThreadPoolExecutor(3) as threads:  # as many requests as the dispatcher has in flight
            results = [
                result for answered in threads.map(lambda b: deliver(store, b, sender), batches) for result in answered
            ]
        assert len(mailbox.messages) == 20
        waiting = [notice for notice, result in zip(notices, results, strict=True) if result.again_s]
        assert len(waiting) == 1, "one event comes back, for the digest"
        due_now(database_url)
        assert deliver(store, waiting, sender) == [Result(status=200)]
        assert len(mailbox.messages) == 21
        digest = mailbox.messages[-1]
        assert deliver(store, notices[-20:], sender) == [Result(status=200)] * 20
        assert len(mailbox.messages) == 21
    assert digest["Subject"] == "280 notices summed up"
    text = bytes(digest.get_payload(decode=True)).decode()
    assert text.count("  - account-") == DIGEST_LINES
    assert f"and {280 - DIGEST_LINES} more" in text
    assert Counter(row["state"] for row in listed(database)) == {"sent": 21, "summed up": 280}


@pytest.mark.usefixtures("rule")
def test_the_next_digest_comes_an_hour_after_the_last(database: Database, database_url: str) -> None:
    store = outbox(database, mails_per_hour=1)
    notices = noticed(database, 2)
    sent, waits = sorted(deliver(store, notices, MemorySender(TAKEN)), key=lambda result: result.again_s)
    assert sent == Result(status=200)
    assert 0 < waits.again_s <= COLLECT.total_seconds()
    due_now(database_url)
    assert deliver(store, notices, MemorySender(TAKEN)) == [Result(status=200)] * 2
    recorded = record(PostgresSignalStore(database), [signal(77, account_id="late")])
    ((late,),) = recorded.notices.values()
    (waits,) = deliver(store, [late], MemorySender(TAKEN))
    assert 3500 < waits.again_s <= 3600


@pytest.mark.usefixtures("rule")
def test_what_a_backfill_marked_quiet_is_scored_and_on_record_and_nobody_is_told(database: Database) -> None:
    event = signal(1)
    quiet = event._replace(event=event.event._replace(sent={**event.event.sent, "quiet": True}))
    store = PostgresSignalStore(database)
    assert not record(store, [quiet]).notices
    assert not record(store, [quiet]).notices, "a redelivery answers the same"
    (row,) = listed(database)
    assert (row["state"], row["engagement"] > 50) == ("suppressed", True)
    sender = MemorySender(TAKEN)
    assert deliver(outbox(database), [UUID(row["id"])], sender) == [Result(status=200)]
    assert not sender.sent
