"""Sums by day and by contact: an account's past is what its signals say, however many of them are added up."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta

import pytest

from functions.adapters.postgres.account_sums import all_contacts, known_at, known_with_trend
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.pages import Page
from functions.adapters.postgres.reader import Reader
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.domain import history, score
from functions.domain.catalog import EVENT_TYPES, SIDES
from functions.domain.explain import TREND_SPAN as WEEK
from functions.domain.explain import Known
from functions.domain.rollup import Contact, of_contacts
from functions.domain.score import Slot, Sum, Sums
from functions.domain.signal import Signal, instant
from tests.integration.test_signal_store import NOW, PAGE, signal
from tests.servers.recording import record

KINDS = [EVENT_TYPES[name] for name in sorted({kind.type for kind in EVENT_TYPES.values() if kind.points})]
TENANT = "acme-inc"


def happened(chance: random.Random, count: int, days: float) -> list[Signal]:
    """Signals of three accounts, received in order, some of them long after they occurred."""
    found = []
    for number in range(count):
        received = NOW - timedelta(days=days * (1 - number / count))
        late = timedelta(days=chance.random() ** 6 * 60)
        found.append(
            signal(
                number,
                kind=chance.choice(KINDS),
                account_id=chance.choice(["loud", "loud", "loud", "other", "quiet"]),
                contact_id=chance.choice(["jo", "kim", None]),
                occurred_at=received - late,
                received_at=received,
            )
        )
    return found


def sums_of(signals: Iterable[Signal]) -> Sums:
    sums: dict[Slot, Sum] = {}
    for each in signals:
        score.add(
            sums, *score.contribution(each.event.kind, each.event.occurred_at, named=each.event.contact_id is not None)
        )
    return sums


def then(signals: Iterable[Signal]) -> Known:
    """What is known of an account by these signals of its, added up the plain way."""
    by_contact = defaultdict[str, list[Signal]](list)
    for each in signals:
        by_contact[each.event.contact_id or ""].append(each)
    return Known(*of_contacts({name: sums_of(of) for name, of in by_contact.items()}))


@pytest.fixture(params=[1, 20, 10_000], ids=lambda fewest: f"from {fewest} events on")
def fewest(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """From how many events of an account on they are added up by day."""
    fold = history.fold
    most = 3 * request.param
    monkeypatch.setattr(
        history, "fold", lambda accounts, signals, moved: fold(accounts, signals, moved, request.param, most)
    )
    return int(request.param)


def test_an_account_was_at_any_moment_what_its_signals_until_then_add_up_to(database: Database, fewest: int) -> None:
    chance = random.Random(fewest)
    store, signals = PostgresSignalStore(database), happened(chance, 400, 90)
    start = 0
    while start < len(signals):
        size = chance.randint(1, 40)
        record(store, signals[start : start + size])
        record(store, signals[max(0, start - 5) : start + size])  # comes again
        start += size
    with database.transaction() as tx:
        folded = tx._connection.run("SELECT count(*) FROM contact_days")[0][0]
        assert (folded > 0) == (fewest < 1_000)
        for account in ("loud", "other", "quiet"):
            own = [each for each in signals if each.event.account_id == account]
            assert known_at(tx, TENANT, account, NOW) == then(own)
            midnights = [NOW.replace(hour=0) - timedelta(days=days) for days in range(0, 150, 7)]
            for at in [*midnights, *(each.event.occurred_at for each in chance.sample(own, 20))]:
                assert known_at(tx, TENANT, account, at) == then(
                    each for each in own if each.event.occurred_at <= at
                ), at
            for at in (NOW, NOW + WEEK - timedelta(hours=2), midnights[1]):
                found = known_with_trend(tx, TENANT, account, at)
                assert found is not None
                _, before = found
                for side in SIDES:
                    assert before.shown(side, at - WEEK) == then(
                        each for each in own if each.event.occurred_at <= at - WEEK
                    ).shown(side, at - WEEK)
            contacts = {each.event.contact_id for each in own} - {None}
            assert all_contacts(tx, TENANT, account) == {
                name: Contact(dict(sums_of(each for each in own if each.event.contact_id == name)))
                for name in contacts
            }


def test_the_highest_of_very_many_contacts_is_found_whenever_it_is_asked_for(database: Database) -> None:
    """The first by rank have clicked just now, and soon have less than one who saw a demo long ago."""
    kinds = [EVENT_TYPES["email_clicked"]] * 40 + [EVENT_TYPES["demo_completed"]]
    ages = [timedelta(0)] * 40 + [timedelta(days=200)]
    signals = [
        signal(number, contact_id=f"contact-{number}", kind=kind, occurred_at=NOW - age)
        for number, (kind, age) in enumerate(zip(kinds, ages, strict=True))
    ]
    record(PostgresSignalStore(database), signals)
    for days, leader in ((0, "contact-9"), (90, "contact-40")):
        at = NOW + timedelta(days=days)
        with database.transaction() as tx:
            known = known_at(tx, TENANT, "globex", at)
            assert known is not None
            assert known.rolled_up(at) == then(signals).rolled_up(at)
            assert known.rolled_up(at).leader == leader


def test_a_timeline_shows_what_happened_each_day_and_the_scores_it_ended_with(database: Database, fewest: int) -> None:
    chance = random.Random(fewest)
    signals = happened(chance, 300, 60)
    for start in range(0, len(signals), 30):
        record(PostgresSignalStore(database), signals[start : start + 30])
    reader = Reader(database)
    first, last = date(2026, 10, 1), date(2026, 11, 22)
    days = reader.days(TENANT, "loud", first, last, NOW)
    assert days is not None
    assert [each.day for each in days] == [first + timedelta(days=n) for n in range((last - first).days + 1)]
    own = [each for each in signals if each.event.account_id == "loud"]
    for day in days:
        of = [each for each in own if each.event.occurred_at.date() == day.day]
        assert sum(each.events for each in day.events) == len(of)
        at = min(NOW, NOW.replace(hour=0) + (day.day - last + timedelta(days=1)))
        explained = reader.explained(TENANT, "loud", at - timedelta(microseconds=1))
        assert explained is not None
        assert day.engagement == pytest.approx(explained["buyer"].score, abs=0.11)
        assert day.effort == pytest.approx(explained["rep"].score, abs=0.11)
    assert reader.days(TENANT, "nobody", first, last, NOW) is None


def test_contacts_are_listed_by_their_own_engagement_page_by_page(database: Database) -> None:
    kinds = {"hot": "demo_completed", "warm": "proposal_viewed", "a-cool": "email_clicked", "b-cool": "email_clicked"}
    record(
        PostgresSignalStore(database),
        [
            signal(number, contact_id=contact, kind=EVENT_TYPES[alias])
            for number, (contact, alias) in enumerate([*kinds.items(), (None, "demo_completed")])
        ],
    )
    reader = Reader(database)
    listed = reader.contacts(TENANT, "globex", NOW, PAGE)
    assert listed is not None
    assert [row["contact_id"] for row in listed.rows] == ["hot", "warm", "a-cool", "b-cool"]
    hot = {
        "contact_id": "hot",
        "engagement": 63.2,
        "effort": 0.0,
        "band": "hot",
        "events": 1,
        "model_version": 1,
        "attributes": {},
    }
    assert listed.rows[0] == {**hot, "last_seen": instant(NOW)}
    assert (listed.total, listed.exact, listed.next) == (4, True, None)
    first = reader.contacts(TENANT, "globex", NOW, Page(number=1, limit=3))
    assert first is not None
    second = reader.contacts(TENANT, "globex", NOW, Page(number=2, limit=3, after=first.next))
    assert second is not None
    assert [row["contact_id"] for row in [*first.rows, *second.rows]] == ["hot", "warm", "a-cool", "b-cool"]
    assert reader.contacts(TENANT, "nobody", NOW, PAGE) is None
    assert reader.contacts("other", "globex", NOW, PAGE) is None
