"""What becomes of one delivered event, and what is kept of one that is given up."""

from __future__ import annotations

import pytest

from events import cloudevent
from events.delivery import Delivered
from events.entry import Bury, Done, Entry, Outcome, Park
from events.outcome import OutcomePolicy
from events.retry import LONGEST_S, RetryPolicy, Verdict
from events.subscription import Subscription

NOW_MS = 1_767_268_800_000
PLAIN = b'{"specversion":"1.0","id":"7","source":"/crm","type":"t"}'
EVENT = cloudevent.stamp(PLAIN, sspptenant="acme")
REFUSED = Verdict(422, "no such account")


def entry(event: bytes = EVENT, *, attempts: int = 0, first_ms: int = 0) -> Entry:
    return Entry("1-0", event, attempts, first_ms)


def outcome(verdict: Verdict, entry: Entry, channel: str = "events") -> Outcome:
    subscription = Subscription(channel=channel, function="f", retry=RetryPolicy(jitter=0))
    return OutcomePolicy(subscription, "http://f/").outcome(entry, Delivered(verdict), NOW_MS, lambda: 0.0)


@pytest.mark.parametrize(
    ("verdict", "before", "becomes"),
    [
        (Verdict(200), entry(), Done(())),
        (Verdict(202, again_s=0.25), entry(attempts=2, first_ms=5), Park(250, 2, 5)),
        (Verdict(200, again_s=60), entry(), Park(60_000, 0, NOW_MS)),
        (Verdict(202, again_s=10**9), entry(), Park(int(LONGEST_S * 1000), 0, NOW_MS)),
        (Verdict(503), entry(), Park(5_000, 1, NOW_MS)),
        (Verdict(503), entry(attempts=2, first_ms=5), Park(125_000, 3, 5)),
    ],
)
def test_an_event_is_done_or_parked(verdict: Verdict, before: Entry, becomes: Outcome) -> None:
    assert outcome(verdict, before) == becomes


@pytest.mark.parametrize(
    ("event", "channel", "tenant", "event_id"),
    [
        (EVENT, "events", "acme", cloudevent.event_id("acme", "/crm", "7")),
        (EVENT, "notices", "acme", ""),  # the platform published it
        (PLAIN, "events", "", ""),
        (cloudevent.stamp(b'{"specversion":"1.0"}', sspptenant="acme"), "events", "acme", ""),
    ],
)
def test_a_dead_letter_names_the_event_by_the_id_that_its_sender_was_given(
    event: bytes, channel: str, tenant: str, event_id: str
) -> None:
    buried = outcome(REFUSED, entry(event, attempts=1, first_ms=5), channel)
    assert isinstance(buried, Bury)
    assert (buried.tenant, buried.event_id) == (tenant, event_id)
    assert (buried.reason, buried.status, buried.attempts) == ("no such account", 422, 2)
    assert (buried.first_ms, buried.last_ms) == (5, NOW_MS)
