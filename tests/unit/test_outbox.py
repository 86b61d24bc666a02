"""Which due notices are sent, wait or are summed up: laws over decisions alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.domain.outbox import COLLECT, WINDOW, Addressee, Key, Standing, Traffic, decide, next_attempt_s

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
JO = Addressee("acme", "jo@example.com")


def standing(number: int, **more: object) -> Standing:
    key = Key("acme", str(number))
    given = Standing(notice=key, target=key, recipient=JO.recipient, event_id="e")
    return replace(given, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("more", "outcome"),
    [
        ({}, "claimed"),
        ({"attempts": 3}, "claimed"),
        ({"sent": True}, "ended"),
        ({"quiet": True}, "ended"),
        ({"recipient": None}, "ended"),
        ({"busy_until": NOW + timedelta(seconds=1)}, "waits"),
        ({"busy_until": NOW - timedelta(seconds=1)}, "claimed"),
        ({"busy_until": NOW + timedelta(seconds=1), "sent": True}, "ended"),
    ],
)
def test_a_notice_is_claimed_waits_or_is_done_with(more, outcome):
    decisions = decide([standing(1, **more)], {}, NOW, 20)
    assert [name for name in ("claimed", "waits", "ended") if getattr(decisions, name)] == [outcome]


@given(st.integers(0, 60), st.integers(0, 40), st.integers(0, 30))
def test_beyond_the_cap_every_notice_is_in_one_digest_and_none_is_forgotten(notices, mails, cap):
    batch = [standing(number) for number in range(notices)]
    decisions = decide(batch, {JO: Traffic(mails=mails)}, NOW, cap)
    room = notices if cap == 0 else min(notices, max(0, cap - mails))
    assert len(decisions.claimed) == room
    assert len(decisions.summed_up) == notices - room
    assert decisions.claimed.keys().isdisjoint(decisions.summed_up)
    assert len(decisions.digests) == (1 if notices > room else 0)
    assert len(decisions.waits) == len(decisions.digests), "one event comes back for the digest"
    assert set(decisions.summed_up.values()) == {digest.key for digest in decisions.digests}


def test_the_cap_is_each_addressees_own():
    others = standing(2, recipient="mo@example.com")
    elsewhere = Standing(notice=Key("zeta", "3"), target=Key("zeta", "3"), recipient=JO.recipient, event_id="e")
    decisions = decide([standing(1), others, elsewhere], {JO: Traffic(mails=20)}, NOW, 20)
    assert list(decisions.claimed) == [others.notice, elsewhere.notice]


@pytest.mark.parametrize(
    ("last", "due_at"),
    [
        (None, NOW + COLLECT),
        (NOW - 2 * WINDOW, NOW + COLLECT),
        (NOW - timedelta(minutes=10), NOW - timedelta(minutes=10) + WINDOW),
    ],
)
def test_a_digest_collects_and_comes_once_an_hour_at_most(last, due_at):
    decisions = decide([standing(1)], {JO: Traffic(mails=20, last_digest=last)}, NOW, 20)
    assert decisions.digests[0].due_at == due_at
    again = decide([standing(1)], {JO: Traffic(mails=20, last_digest=last)}, NOW, 20)
    assert again.digests == decisions.digests, "its id is derived, so a retry opens no other"


def test_a_digest_that_collects_takes_what_comes_and_its_event_need_not_come_back():
    decisions = decide([standing(1)], {JO: Traffic(mails=20, open_digest="d")}, NOW, 20)
    assert decisions.summed_up == {Key("acme", "1"): Key("acme", "d")}
    assert (decisions.digests, decisions.waits) == ([], {})
    assert decisions.ended == {Key("acme", "1"): "summed up"}


def test_a_digest_is_sent_whatever_the_cap_and_claimed_once_for_all_in_it():
    digest = Key("acme", "d")
    batch = [standing(number, target=digest, is_digest=True) for number in range(3)]
    decisions = decide(batch, {JO: Traffic(mails=99)}, NOW, 20)
    assert list(decisions.claimed) == [digest]
    assert not decisions.summed_up


def test_the_retries_of_the_default_schedule_pass_greylisting_and_end_within_two_days():
    from events.retry import schedule
    from events.settings import NotifySettings

    delays = schedule(NotifySettings().mail_retry_schedule)
    tries, attempts, at = [0.0], 1, 0.0
    while (wait := next_attempt_s(attempts, delays)) is not None:
        at += wait
        attempts += 1
        tries.append(at)
    assert any(300 <= at <= 900 for at in tries), "greylisting of 300 s passes within a quarter of an hour"
    assert 47 * 3600 <= tries[-1] <= 48 * 3600
    assert attempts == len(delays) + 1
