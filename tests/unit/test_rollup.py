"""Engagement over contacts: the highest one and the mean of the others, whatever the order of their events."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.domain import ranking, score
from functions.domain.catalog import EVENT_TYPES
from functions.domain.explain import Known, by_people
from functions.domain.model import DEFAULT, RollupWeights, ScoringModel, Versioned
from functions.domain.rollup import Contact, People
from functions.domain.state import Account

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)
KINDS = st.sampled_from(sorted(EVENT_TYPES)).map(EVENT_TYPES.__getitem__)
CONTACTS = st.sampled_from(["ann", "ben", "cleo", "dora", None])
EVENTS = st.lists(st.tuples(KINDS, CONTACTS, st.timedeltas(timedelta(0), 900 * DAY)), max_size=30)
WEIGHTS = st.sampled_from([(0.6, 0.4), (1.0, 0.5), (0.0, 1.0), None]).map(
    lambda each: each and RollupWeights(highest=each[0], rest=each[1])
)


def account_of(events) -> Account:
    account = Account()
    for kind, contact, age in events:
        account.add(contact, *score.contribution(kind, NOW - age, named=contact is not None))
    return account


def weighing(weights: RollupWeights | None) -> Versioned:
    return Versioned(model=ScoringModel(rollup=weights))


def plainly(events, weights: RollupWeights | None, at: datetime) -> float:
    """The raw engagement of ``events``, from each of them anew."""
    points = defaultdict[str | None, list[float]](list)
    for kind, contact, age in events:
        if kind.side == "buyer":
            points[contact].append(kind.points * 0.5 ** ((at - NOW + age) / (kind.half_life_days * DAY)))
    apart = math.fsum(points.pop(None, []))
    each = sorted((math.fsum(of) for of in points.values()), reverse=True)
    if weights is None or len(each) < 2:
        return apart + math.fsum(each)
    return apart + weights.highest * each[0] + weights.rest * math.fsum(each[1:]) / len(each[1:])


@given(EVENTS, WEIGHTS, st.timedeltas(timedelta(0), 200 * DAY))
def test_an_engagement_is_what_its_events_add_up_to_contact_by_contact(events, weights, later):
    account = account_of(events)
    found = Known(account.sums, account.people, weighing(weights)).points("buyer", NOW + later)
    assert found == pytest.approx(plainly(events, weights, NOW + later), abs=1e-4)


@given(EVENTS, st.randoms(use_true_random=False))
def test_the_order_of_events_makes_no_difference(events, random):
    account, shuffled = account_of(events), account_of(random.sample(events, len(events)))
    assert account == shuffled
    assert Known(*account.known) == Known(*shuffled.known)


@given(EVENTS.filter(len))
def test_without_its_last_event_an_account_is_what_it_was_before(events):
    kind, contact, age = events[-1]
    before = account_of(events[:-1])
    added = score.contribution(kind, NOW - age, named=contact is not None)
    found = account_of(events).without(contact, *added)
    assert found.points("buyer", NOW) == pytest.approx(before.known.points("buyer", NOW), abs=1e-6)
    assert found.people.engaged == before.people.engaged


@given(EVENTS, WEIGHTS)
def test_a_rank_bounds_an_engagement_over_contacts_whatever_the_weights(events, weights):
    account = account_of(events)
    ranks = ranking.ranks(account.sums)
    for later in (0, 1, 100, 1000):
        at = score.moment(score.newest(account.sums)) + later * DAY
        points = Known(account.sums, account.people, weighing(weights)).points("buyer", at)
        assert max(points, 0.0) <= ranking.most_points(ranks.engagement, at, slow=ranks.slow)


def test_one_busy_person_and_five_quiet_ones_are_told_from_a_committee():
    demo, page = EVENT_TYPES["demo_completed"], EVENT_TYPES["page_viewed"]
    quiet = [(page, f"quiet-{number}", timedelta(0)) for number in range(5)]
    one_busy = account_of([(demo, "busy", timedelta(0)), *quiet]).known
    committee = account_of([(demo, f"buyer-{number}", timedelta(0)) for number in range(6)]).known
    # 0.6 x 60 + 0.4 x 2 = 36.8 points, shown as 100 x (1 - e^(-36.8 / 60)); 0.6 x 60 + 0.4 x 60 = 60.
    assert (one_busy.shown("buyer", NOW), committee.shown("buyer", NOW)) == (45.8, 63.2)
    assert by_people(one_busy.rolled_up(NOW), DEFAULT.rollup) == [
        "busy has the most, 60.0 points: 60% of them count",
        "5 other contacts have 2.0 on average: 40% of that count",
    ]


@pytest.mark.parametrize("contact", ["jane", None])
def test_one_contact_alone_counts_whole_like_events_that_name_none(contact):
    known = account_of([(EVENT_TYPES["demo_completed"], contact, timedelta(0))]).known
    assert known.shown("buyer", NOW) == 63.2
    assert by_people(known.rolled_up(NOW), DEFAULT.rollup) == []


def test_our_own_mails_to_a_contact_make_it_no_other_contact():
    events = [(EVENT_TYPES["demo_completed"], "jane", timedelta(0)), (EVENT_TYPES["email_sent"], "kim", timedelta(0))]
    assert account_of(events).known.shown("buyer", NOW) == 63.2


@pytest.mark.parametrize(
    ("alias", "later", "leader", "reads"),
    [
        ("demo_completed", 0, "known", False),  # nobody of a rank like the other's can have as much
        ("email_clicked", 0, "known", True),  # 6.0 points against 5.95, which its rank does not tell
        ("email_clicked", 90, "other", True),
    ],
)
def test_contacts_that_were_not_read_are_when_one_of_them_may_be_the_highest(alias, later, leader, reads):
    known, other = (
        Contact(dict([score.contribution(EVENT_TYPES[name], NOW - age, named=True)])).ranked()
        for name, age in ((alias, timedelta(0)), ("demo_completed", 200 * DAY))
    )
    read: list[str] = []

    def others() -> dict[str, Contact]:
        read.append("others")
        return {"other": other}

    people = People(2, {"known": known}, other.rank, others)
    assert people.highest(NOW + later * DAY)[1] == leader
    assert read == ["others"] * reads
