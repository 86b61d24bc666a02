"""The made-up week: repeatable, believable, and its stories show in the scores that the platform would give."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from cloudevents.conversion import to_json

from events import cloudevent
from functions.domain import score
from functions.domain.catalog import EVENT_TYPES, Side
from functions.domain.model import DEFAULT
from functions.domain.sales import sales_data
from functions.local import demo, story
from functions.local.story import Happening, week
from tests.unit.test_score import fade

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
#: The week before a Monday is not the one before a Saturday.
DAYS = [NOON + timedelta(days=days) for days in range(7)]
WEEK = timedelta(days=7)


def scores(events: list[Happening], side: Side, at: datetime) -> dict[str, float]:
    """Account -> shown score, as of ``at``."""
    points: dict[str, float] = defaultdict(float)
    for event in events:
        kind = EVENT_TYPES[event.type]
        if kind.side == side and event.time <= at:
            points[event.account_id] += fade(kind.points, kind.half_life_days, at - event.time)
    return {event.account_id: DEFAULT.shown(points[event.account_id]) for event in events}


def trend(events: list[Happening], account_id: str, at: datetime) -> str:
    now, before = (scores(events, "buyer", moment)[account_id] for moment in (at, at - WEEK))
    return score.trend(now, before)


def test_the_same_seed_and_day_tell_the_same_week_at_any_hour() -> None:
    assert week(1, NOON) == week(1, NOON.replace(hour=0)) == week(1, NOON.replace(hour=23))


@pytest.mark.parametrize(("seed", "now"), [(2, NOON), (1, NOON + timedelta(days=1))])
def test_another_seed_or_day_tells_another_week(seed: int, now: datetime) -> None:
    first, second = week(1, NOON), week(seed, now)
    assert not {event.id for event in first} & {event.id for event in second}


@pytest.mark.parametrize("now", DAYS)
def test_a_week_is_some_thousands_of_events_in_order_and_in_the_past(now: datetime) -> None:
    events = week(1, now)
    assert 3000 <= len(events) <= 4000
    assert len({event.id for event in events}) == len(events)
    assert all(first.time <= second.time for first, second in pairwise(events))
    assert events[-1].time < now
    first_day = (now - WEEK).date()
    within = [event for event in events if event.time.date() >= first_day]
    assert len(within) > 0.99 * len(events), "only what the stories remember is older than a week"


def test_work_is_done_in_office_hours_on_working_days() -> None:
    ours = [event.time for event in week(1, NOON) if EVENT_TYPES[event.type].side == "rep"]
    assert {at.weekday() for at in ours} == {0, 1, 2, 3, 4}
    assert all(8 <= at.hour < 18 for at in ours)
    assert Counter(event.rep for event in week(1, NOON) if event.type.endswith("email.sent")).keys() == set(story.REPS)


def test_every_event_is_one_the_front_door_takes() -> None:
    for event in week(1, NOON):
        message = cloudevent.parse(to_json(demo._cloudevent(event)))
        kind, account_id, data = sales_data(message.event, EVENT_TYPES.get, any_type=False)
        assert (kind.type, account_id) == (event.type, event.account_id)
        assert data.contactId == (event.person.email if event.person else None)
        assert message.event.occurred_at() == event.time


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("now", DAYS)
def test_the_stories_show_in_the_scores(seed: int, now: datetime) -> None:
    events = week(seed, now)
    engagement, effort = scores(events, "buyer", now), scores(events, "rep", now)
    ranking = sorted(engagement, key=lambda account: -engagement[account])
    told = {account.id for account in story.ACCOUNTS}

    assert ranking[0] == "northwind-freight", "heating up"
    assert 85 < engagement["northwind-freight"] < 99, "a score that is full says nothing"
    assert trend(events, "northwind-freight", now) == "rising"
    assert trend(events, "atlas-retail", now) == "falling", "cooling"
    assert trend(events, "kestrel-energy", now) == "steady"
    assert (engagement["granite-insurance"], effort["granite-insurance"] > 90) == (0.0, True), "only our reps"
    assert 0 < engagement["vertex-media"] < 50, "the no-show"
    assert {event.person for event in events if event.account_id == "harbor-foods"} == {
        story.Person("Sam Whitfield", "sam.whitfield@harbor-foods.example")
    }, "a single busy contact"
    assert max(engagement[account] for account in engagement.keys() - told) < 50, "the quiet ones"
    hot = [engagement[account] for account in ranking[:7]]
    assert hot == sorted(set(hot), reverse=True)
    assert hot[0] - hot[-1] > 30, "differentiated"


def test_an_unsubscribed_account_gets_no_more_mail() -> None:
    events = [event for event in week(1, NOON) if event.account_id == "atlas-retail"]
    unsubscribed = next(event.time for event in events if event.type.endswith("unsubscribed"))
    assert all(event.time < unsubscribed for event in events if event.type.endswith("email.sent"))


def test_every_address_is_one_that_nobody_has() -> None:
    events = week(1, NOON)
    addresses = {event.person.email for event in events if event.person} | {event.rep for event in events if event.rep}
    assert all(address.endswith(".example") for address in addresses)
