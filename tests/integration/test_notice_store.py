from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from socketserver import StreamRequestHandler, TCPServer
from uuid import UUID, uuid4

import pytest

from events import cloudevent
from events.errors import Refused, Unavailable
from functions.adapters.postgres.database import Database, connect
from functions.adapters.postgres.notice_store import PostgresNoticeStore
from functions.adapters.postgres.reader import Page, Reader
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.postgres.tenants import PostgresTenants
from functions.adapters.senders.email import SmtpSender
from functions.domain.plan import Plan
from functions.notify.handler import notify
from functions.ports import DueNotice, SendAnswer
from functions.process.handler import due
from tests.integration.test_signal_store import rule, signal  # noqa: F401 - a fixture
from tests.servers import smtp

TENANT = "acme-inc"


class Recorder:
    """A sender that keeps what it was given and answers as told."""

    def __init__(self, answer: SendAnswer) -> None:
        self.answer = answer
        self.sent: list[DueNotice] = []
        self._lock = threading.Lock()

    def send(self, notice: DueNotice) -> SendAnswer:
        with self._lock:
            self.sent.append(notice)
        return self.answer


@pytest.fixture
def notice(database: Database, rule: UUID) -> UUID:  # noqa: F811 - it is that fixture
    recorded = PostgresSignalStore(database).record([signal(1)])
    return next(iter(recorded.notices.values()))[0]


def test_a_notice_is_sent_once_however_often_and_at_once_it_is_delivered(database: Database, notice: UUID) -> None:
    store, sender = PostgresNoticeStore(database), Recorder(SendAnswer(True, "250 OK"))
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: store.deliver(TENANT, notice, sender), range(12)))
    assert all(answer.delivered for answer in answers)
    assert len(sender.sent) == 1
    account = sender.sent[0].account
    assert account is not None
    assert account.contributions[0].points_now == pytest.approx(60)


def test_every_attempt_is_on_record(database: Database, notice: UUID) -> None:
    store = PostgresNoticeStore(database)
    store.deliver(TENANT, notice, Recorder(SendAnswer(False, "451 later")))
    store.deliver(TENANT, notice, Recorder(SendAnswer(True, "250 OK")))
    (row,), _ = Reader(database).notices(TENANT, Page(number=1, limit=10))
    assert [(line["attempt"], line["delivered"], line["answer"]) for line in row["deliveries"]] == [
        (1, False, "451 later"),
        (2, True, "250 OK"),
    ]
    assert row["sent_at"] is not None


def test_a_delivery_that_waited_for_another_to_fail_sends_once_and_is_on_record(
    database: Database, notice: UUID, until_one_waits: Callable[[], None]
) -> None:
    store, under_way, go_on = PostgresNoticeStore(database), threading.Event(), threading.Event()

    class Slow(Recorder):
        def send(self, notice: DueNotice) -> SendAnswer:
            under_way.set()
            assert go_on.wait(10)
            return super().send(notice)

    first, second = Slow(SendAnswer(False, "451 later")), Recorder(SendAnswer(True, "250 OK"))
    with ThreadPoolExecutor(2) as threads:
        failing = threads.submit(store.deliver, TENANT, notice, first)
        assert under_way.wait(10)
        waiting = threads.submit(store.deliver, TENANT, notice, second)
        until_one_waits()
        go_on.set()
        assert (failing.result(), waiting.result()) == (first.answer, second.answer)
    store.deliver(TENANT, notice, second)
    assert len(second.sent) == 1
    (row,), _ = Reader(database).notices(TENANT, Page(number=1, limit=10))
    assert [(line["attempt"], line["delivered"]) for line in row["deliveries"]] == [(1, False), (2, True)]


def test_what_is_sent_before_the_schema_is_migrated_is_on_record(
    database: Database, database_url: str, notice: UUID
) -> None:
    with closing(connect(database_url)) as connection:
        connection.run("ALTER TABLE notices DROP COLUMN refused_at")  # what migration 0006 adds
    store, sender = PostgresNoticeStore(database), Recorder(SendAnswer(True, "250 OK"))
    assert [store.deliver(TENANT, notice, sender).delivered for _ in range(2)] == [True, True]
    assert len(sender.sent) == 1
    (row,), _ = Reader(database).notices(TENANT, Page(number=1, limit=10))
    assert row["sent_at"] is not None


@pytest.mark.parametrize("tenant", [TENANT, "other"])
def test_a_notice_there_is_not_is_refused(database: Database, notice: UUID, tenant: str) -> None:
    unknown = uuid4() if tenant == TENANT else notice
    with pytest.raises(Refused):
        PostgresNoticeStore(database).deliver(tenant, unknown, Recorder(SendAnswer(True, "")))


@pytest.mark.parametrize(
    ("said", "delivered", "permanent"),
    [("250 OK", True, False), ("451 try later", False, False), ("550 no such person", False, True)],
)
def test_what_the_mail_server_says_is_what_counts(
    database: Database, notice: UUID, said: str, delivered: bool, permanent: bool
) -> None:
    with smtp.running() as mailbox:
        mailbox.answer = said
        answer = PostgresNoticeStore(database).deliver(TENANT, notice, SmtpSender(mailbox.url, "s@sspp.example"))
        assert (answer.delivered, answer.permanent) == (delivered, permanent)
        assert len(mailbox.messages) == delivered


@pytest.mark.parametrize("farewell", ["421 4.7.0 too many connections", "nonsense", None])
def test_what_was_accepted_is_sent_however_the_mail_server_says_goodbye(
    database: Database, notice: UUID, farewell: str | None
) -> None:
    with smtp.running() as mailbox:
        mailbox.farewell = farewell
        store, sender = PostgresNoticeStore(database), SmtpSender(mailbox.url, "s@sspp.example")
        assert [store.deliver(TENANT, notice, sender).delivered for _ in range(2)] == [True, True]
        assert len(mailbox.messages) == 1


def test_what_was_refused_stays_refused_however_the_mail_server_says_goodbye(database: Database, notice: UUID) -> None:
    with smtp.running() as mailbox:
        mailbox.answer, mailbox.farewell = "550 no such person", None
        answer = PostgresNoticeStore(database).deliver(TENANT, notice, SmtpSender(mailbox.url, "s@sspp.example"))
    assert (answer.delivered, answer.permanent, answer.text) == (False, True, "550 no such person")


@contextmanager
def greeting(words: bytes) -> Iterator[str]:
    """The URL of a mail server that says ``words`` and hangs up."""

    class Greeter(StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(words)

    with TCPServer(("127.0.0.1", 0), Greeter) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield f"smtp://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("words", [None, b"", b"421 busy\r\n", b"554 no service\r\n", b"220 hello\r\n"])
def test_a_mail_server_that_is_away_costs_a_notice_no_attempt(
    database: Database, notice: UUID, words: bytes | None
) -> None:
    store = PostgresNoticeStore(database)
    somewhere = greeting(words) if words is not None else nullcontext("smtp://127.0.0.1:1")
    with somewhere as url, pytest.raises(Unavailable, match="mail server"):
        store.deliver(TENANT, notice, SmtpSender(url, "s@sspp.example"))
    (row,), _ = Reader(database).notices(TENANT, Page(number=1, limit=10))
    assert (row["deliveries"], row["sent_at"]) == ([], None)
    assert store.deliver(TENANT, notice, Recorder(SendAnswer(True, "250 OK"))).delivered


@pytest.mark.usefixtures("rule")
def test_a_batch_whose_mail_server_goes_away_half_way_is_sent_once_when_it_is_back(database: Database) -> None:
    recorded = PostgresSignalStore(database).record([signal(n, account_id=f"account-{n}") for n in range(4)])
    notices = [id_ for ids in recorded.notices.values() for id_ in ids]
    assert len(notices) == 4
    events = [cloudevent.parse(reply.event.encode()).event for reply in map(partial(due, TENANT), notices)]
    store = PostgresNoticeStore(database)
    with smtp.running() as mailbox:
        here, away = SmtpSender(mailbox.url, "s@sspp.example"), SmtpSender("smtp://127.0.0.1:1", "s@sspp.example")

        class Leaving:
            def send(self, notice: DueNotice) -> SendAnswer:
                return (here if len(mailbox.messages) < 2 else away).send(notice)

        with pytest.raises(Unavailable):
            notify(events, store, Leaving())
        assert len(mailbox.messages) == 2
        assert [result.status for result in notify(events, store, here)] == [200] * 4
        told = Counter(mail["Message-ID"].partition("@")[0].strip("<") for mail in mailbox.messages)
    assert told == Counter(map(str, notices))


@pytest.mark.parametrize("contact", ["owner@acme.example", None])
def test_a_quota_that_is_reached_is_told_of_once_where_somebody_is_to_be_told(
    database: Database, contact: str | None
) -> None:
    tenants = PostgresTenants(database)
    tenants.put(TENANT, "Acme", contact=contact)
    tenants.put_plan(TENANT, Plan.model_validate({"monthly": {"hard": 10}}))
    signals = PostgresSignalStore(database)
    first = signals.record([signal(number) for number in range(7)])
    assert not first.notices
    batch = [signal(number) for number in range(6, 8)]
    recorded = signals.record(batch)
    ((notice_id,),) = recorded.notices.values()
    assert signals.record(batch) == recorded, "a redelivery gives the same notice and counts nothing"
    sender = Recorder(SendAnswer(True, "250 OK"))
    assert PostgresNoticeStore(database).deliver(TENANT, notice_id, sender).delivered
    assert [sent.recipient for sent in sender.sent] == ([contact] if contact else [])
    (row,), _ = Reader(database).notices(TENANT, Page(number=1, limit=10))
    assert (row["kind"], row["title"]) == ("quota", "80 % of the 10 events of November 2026 are used")
