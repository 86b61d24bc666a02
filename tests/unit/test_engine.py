"""The engine: the same events in the same order end in the same place, however they were batched."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.domain import engine, score
from functions.domain.catalog import EVENT_TYPES, EventType
from functions.domain.condition import Condition
from functions.domain.evaluation import Clocks
from functions.domain.model import DEFAULT
from functions.domain.notice import Notice, rule_notice_id
from functions.domain.rule import Rule, RuleDefinition
from functions.domain.sales import UNASSIGNED, SalesEvent
from functions.domain.score import Slot, Sum
from functions.domain.signal import Signal
from functions.domain.state import Account, AccountKey, State

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = 24 * HOUR


def rule(number: int, when: str, cooldown_hours: int = 24, tenant: str = "t1") -> Rule:
    definition = RuleDefinition.model_validate(
        {
            "name": f"Rule {number}",
            "when": when,
            "then": [{"channel": "email", "to": "rep@example.com"}],
            "cooldownHours": cooldown_hours,
        }
    )
    return Rule(tenant_id=tenant, id=str(number), version=1, definition=definition, condition=Condition.compile(when))


RULES = {
    "t1": [
        rule(1, "account.engagement >= 50"),
        rule(2, "signal.type == 'high_intent'", 0),
        rule(3, "account.effort > 10 && account.engagement < 10", 48),
        rule(4, "event.metadata.deal > 100 && event.user == 'u1'", 1),
        rule(5, "event.data.seats > 100 && event.attributes.region == 'eu'", 1),
    ],
    "t2": [rule(1, "account.engagement >= 50", tenant="t2")],
    "t3": [rule(1, "account.effort >= 10", tenant="t3")],
}


def signal(
    number: int,
    alias: str = "demo_completed",
    *,
    tenant: str = "t1",
    account: str = "acme",
    received: timedelta = timedelta(0),
    age: timedelta = timedelta(0),
    metadata: Mapping[str, object] | None = None,
    sent: dict[str, object] | None = None,
    data: dict[str, object] | None = None,
) -> Signal:
    """Event ``number``, received at noon and some, having occurred ``age`` before."""
    at = NOON + received
    return Signal.of(
        SalesEvent(
            id=str(number),
            tenant_id=tenant,
            source="/crm",
            source_id=str(number),
            kind=EVENT_TYPES[alias],
            account_id=account,
            contact_id=None,
            user_id="u1",
            occurred_at=at - age,
            received_at=at,
            sent=sent or {},
            data={**(data or {}), "metadata": metadata or {}},
            content=b"",
        )
    )


@dataclass
class Store:
    """What is written of each batch, and read before the next, as the database does it."""

    accounts: dict[AccountKey, Account] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)

    def advance(self, batch: Sequence[Signal]) -> None:
        changes = engine.advance(State(deepcopy(self.accounts), RULES), batch)
        self.accounts.update(changes.accounts)
        self.notices += changes.notices


def after(*batches: Sequence[Signal]) -> Store:
    store = Store()
    for batch in batches:
        store.advance(batch)
    return store


def sums(store: Store) -> dict[AccountKey, dict[Slot, Sum]]:
    return {key: account.sums for key, account in store.accounts.items()}


def told(store: Store) -> list[tuple[int, str, int]]:
    """Who was told of: rule, account, episode."""
    return [(int(notice.rule_id), notice.account_id, notice.episode) for notice in store.notices]


# --- the laws

EVENTS = st.builds(
    lambda alias, tenant, account, received, age, metadata: {
        "alias": alias,
        "tenant": tenant,
        "account": account,
        "received": received,
        "age": age,
        "metadata": metadata,
    },
    st.sampled_from(sorted({kind.alias for kind in EVENT_TYPES.values()})),
    st.sampled_from(["t1", "t1", "t2", "t3"]),
    st.sampled_from(["acme", "globex"]),
    st.timedeltas(timedelta(0), 20 * DAY),
    st.timedeltas(timedelta(0), 200 * DAY),
    st.sampled_from([{}, {"deal": 500}, {"deal": "many"}, {"responseTimeHours": 1}]),
)
SEQUENCES = st.lists(EVENTS, max_size=25).map(
    lambda events: [signal(number, **event) for number, event in enumerate(events)]
)


@given(SEQUENCES, st.lists(st.integers(0, 25), max_size=5))
def test_how_events_are_batched_makes_no_difference(signals, cuts):
    edges = [0, *sorted(cuts), len(signals)]
    split = after(*(signals[start:end] for start, end in pairwise(edges)))
    assert split == after(signals) == after(*([each] for each in signals))


@given(SEQUENCES, st.randoms(use_true_random=False))
def test_the_order_of_events_makes_no_difference_to_sums(signals, random):
    shuffled = after(random.sample(signals, len(signals)))
    assert sums(shuffled) == sums(after(signals))


@given(SEQUENCES)
def test_no_notice_is_wanted_twice_and_each_begins_an_episode(signals):
    store = after(signals)
    assert len({notice.id for notice in store.notices}) == len(store.notices)
    for notice in store.notices:
        account = store.accounts[notice.tenant_id, notice.account_id]
        assert 1 <= notice.episode <= account.episodes[notice.rule_id].number
        assert notice.id == rule_notice_id(
            notice.tenant_id, notice.rule_id, notice.rule_version, notice.account_id, notice.episode
        )
        assert any(each.event.id == notice.event_id and each.event.received_at <= notice.at for each in signals)


@given(SEQUENCES)
def test_tenants_and_accounts_are_strangers_to_each_other(signals):
    for tenant, account in {(each.event.tenant_id, each.event.account_id) for each in signals}:
        own = [e for e in signals if (e.event.tenant_id, e.event.account_id) == (tenant, account)]
        alone, together = after(own), after(signals)
        assert alone.accounts.get((tenant, account)) == together.accounts.get((tenant, account))
        assert alone.notices == [
            notice for notice in together.notices if (notice.tenant_id, notice.account_id) == (tenant, account)
        ]


# --- lateness

POSITIVE = sorted({kind.alias for kind in EVENT_TYPES.values() if kind.points > 0})
#: A rule about scores alone, one about events alone, and one about both.
ORDERLY = [
    rule(1, "account.engagement >= 50", 48),
    rule(2, "event.type == 'io.sspp.demo.completed'", 24),
    rule(3, "event.metadata.deal > 100", 0),
    rule(4, "account.engagement >= 20 && signal.type == 'engagement'", 1),
]
ARRIVALS = st.lists(
    st.tuples(
        st.sampled_from(POSITIVE),
        st.integers(0, 60 * 24),
        st.timedeltas(timedelta(0), 30 * DAY),
        st.sampled_from([{}, {"deal": 500}]),
    ),
    max_size=12,
    unique_by=lambda arrival: arrival[1],
).map(
    lambda arrivals: [
        signal(number, alias, received=hours * HOUR, age=age, metadata=metadata)
        for number, (alias, hours, age, metadata) in enumerate(sorted(arrivals, key=lambda each: each[1]))
    ]
)


def run(signals: Sequence[Signal]) -> tuple[list[Notice], list[float]]:
    """The notices of ``signals`` one by one, and what each one's account explains for the notice's moment."""
    accounts: dict[AccountKey, Account] = {}
    notices, explained = [], []
    for number, each in enumerate(signals, 1):
        changes = engine.advance(State(deepcopy(accounts), {"t1": ORDERLY}), [each])
        accounts.update(changes.accounts)
        for notice in changes.notices:
            notices.append(notice)
            explained.append(explanation(signals[:number], notice.at))
    return notices, explained


def explanation(signals: Sequence[Signal], at: datetime) -> float:
    """The engagement of those events at a moment, the way ``GET /accounts/{id}?at=`` adds it up."""
    happened = [each.event for each in signals if each.event.occurred_at <= at and each.event.kind.side == "buyer"]
    points = (e.kind.points * 0.5 ** ((at - e.occurred_at) / (e.kind.half_life_days * DAY)) for e in happened)
    return DEFAULT.shown(math.fsum(points))


@given(ARRIVALS, st.randoms(use_true_random=False))
def test_a_notice_states_the_score_that_the_account_explains_for_its_moment(signals, random):
    notices, explained = run(random.sample(signals, len(signals)))
    assert [notice.engagement for notice in notices] == pytest.approx(explained, abs=0.11)


@given(ARRIVALS, st.randoms(use_true_random=False))
def test_events_that_come_late_begin_nothing_that_they_would_not_have_begun_in_their_turn(signals, random):
    late, in_turn = run(random.sample(signals, len(signals)))[0], run(signals)[0]
    assert {notice.rule_id for notice in late} <= {notice.rule_id for notice in in_turn}
    for number in ("2", "3"):  # conditions about the event alone
        begun, due = ([n for n in found if n.rule_id == number] for found in (late, in_turn))
        assert len(begun) <= len(due)


@pytest.mark.parametrize(
    ("when", "begun"),
    [
        ("account.engagement >= 90", 0),
        ("account.engagement >= 40", 1),
        ("event.type == 'io.sspp.demo.completed'", 1),
        ("event.type == 'io.sspp.demo.completed' && account.engagement >= 40", 0),
    ],
)
def test_an_old_event_counts_with_what_is_left_of_it_where_others_overtook_it(when, begun):
    """A dead letter of 60 days ago is redriven: its 60 points are 30 by now, and the account had 6."""
    at = 60 * DAY
    signals = [signal(1, "email_clicked", received=at), signal(2, "demo_completed")]
    accounts: dict[AccountKey, Account] = {}
    changes = engine.advance(State(accounts, {"t1": [rule(1, when)]}), signals)
    assert [(notice.at, notice.engagement) for notice in changes.notices] == begun * [(NOON + at, 45.1)]


def test_a_late_event_neither_ends_an_episode_nor_begins_a_second_one():
    demo, page = "demo_completed", "page_viewed"
    signals = [
        signal(1, demo, received=DAY),
        signal(2, page, received=30 * DAY),
        signal(3, demo, received=20 * DAY),
        signal(4, page, received=10 * DAY),
    ]
    changes = engine.advance(State({}, {"t1": [rule(1, "event.type == 'io.sspp.demo.completed'", 0)]}), signals)
    assert [notice.event_id for notice in changes.notices] == ["1"]


# --- what rules may cost


def clocks(evaluation_s: float) -> Clocks:
    """Clocks by which every evaluation takes so long."""
    now = count()
    return Clocks(lambda: next(now) * evaluation_s, lambda: next(now) * evaluation_s)


DATA = "event.metadata.deal == 500"


@pytest.mark.parametrize(
    ("evaluation_s", "begun", "said"),
    [
        (0.001, ["1", "2"], None),
        (0.008, ["1", "2"], "for one batch"),
        (0.03, ["1", "2"], "for one event"),
    ],
)
def test_a_rule_that_exceeds_its_budget_is_switched_off_and_the_others_go_on(evaluation_s, begun, said):
    rules = {"t1": [rule(1, DATA), rule(2, "account.engagement >= 50")]}
    signals = [signal(n, account=f"account-{n}", metadata={"deal": 500}) for n in range(40)]
    changes = engine.advance(State({}, rules), signals, clocks(evaluation_s))
    trouble = changes.troubles.get(("t1", "1"))
    assert sorted({notice.rule_id for notice in changes.notices}) == begun
    assert len([notice for notice in changes.notices if notice.rule_id == "2"]) == 40
    if said is None:
        assert trouble is None
    else:
        assert said in str(trouble and trouble.stopped)
        assert len([notice for notice in changes.notices if notice.rule_id == "1"]) < 40


def test_a_tenant_whose_rules_have_used_up_their_time_has_no_answers_and_another_has():
    many = [rule(number, DATA) for number in range(10)]
    rules = {"t1": many, "t2": [rule(1, DATA, tenant="t2")]}
    signals = [signal(n, account=f"account-{n}", metadata={"deal": 500}) for n in range(10)]
    other = signal(99, tenant="t2", metadata={"deal": 500})
    changes = engine.advance(State({}, rules), [*signals, other], clocks(0.015))
    assert changes.troubles["t1", "9"].unanswered > 0
    assert "used up" in str(changes.troubles["t1", "9"].why)
    assert [notice.tenant_id for notice in changes.notices][-1] == "t2"


def test_what_cannot_be_answered_is_counted_and_says_why_and_the_event_counts():
    signals = [signal(1), signal(2, metadata={"deal": 500})]
    changes = engine.advance(State({}, {"t1": [rule(1, DATA)]}), signals)
    trouble = changes.troubles["t1", "1"]
    assert (trouble.unanswered, trouble.stopped) == (1, None)
    assert "deal" in str(trouble.why)
    assert [notice.event_id for notice in changes.notices] == ["2"]
    assert changes.accounts["t1", "acme"].sums


# --- examples


def test_one_completed_demo_is_a_hot_account_and_a_notice_for_each_rule_that_holds():
    store = after([signal(1)])
    assert told(store) == [(1, "acme", 1), (2, "acme", 1)]
    hot = store.notices[0]
    assert (hot.engagement, hot.event_id, hot.at) == (63.2, "1", NOON)


def test_rules_are_asked_after_the_event_counts():
    store = after([signal(1, "meeting_booked"), signal(2, "email_clicked")])
    assert [(int(notice.rule_id), int(notice.event_id)) for notice in store.notices] == [(1, 2)]


def test_an_account_that_stays_hot_is_told_of_once():
    store = after([signal(number, received=number * HOUR) for number in range(1, 30)])
    assert [each for each in told(store) if each[0] == 1] == [(1, "acme", 1)]


def test_an_account_that_cools_down_and_heats_up_again_is_told_of_again():
    store = after(
        [
            signal(1),
            signal(2, "email_sent", received=120 * DAY),
            signal(3, received=121 * DAY),
        ]
    )
    assert [each for each in told(store) if each[0] == 1] == [(1, "acme", 1), (1, "acme", 2)]


def test_an_account_that_cools_down_in_silence_and_heats_up_at_once_is_told_of_again():
    store = after([signal(1), signal(2, received=300 * DAY)])
    assert [each for each in told(store) if each[0] == 1] == [(1, "acme", 1), (1, "acme", 2)]


def test_so_is_one_that_nobody_worked_on_in_a_rule_about_effort_alone():
    store = after([signal(1, "call_made", tenant="t3"), signal(2, "call_made", tenant="t3", received=300 * DAY)])
    assert told(store) == [(1, "acme", 1), (1, "acme", 2)]


def test_an_event_of_the_other_side_begins_and_ends_nothing():
    store = after(
        [
            signal(1, "call_made", tenant="t3"),
            signal(2, tenant="t3", received=HOUR),
            signal(3, "call_made", tenant="t3", received=2 * DAY),
        ]
    )
    assert told(store) == [(1, "acme", 1)]


def test_an_event_that_adds_to_an_account_still_hot_tells_nobody():
    store = after([signal(1), signal(2, received=10 * DAY), signal(3, "email_opened", received=11 * DAY)])
    assert [each for each in told(store) if each[0] == 1] == [(1, "acme", 1)]


def test_an_old_event_counts_with_what_is_left_of_it():
    store = after([signal(1, age=60 * DAY)])
    assert DEFAULT.shown(score.points(store.accounts["t1", "acme"].sums, "buyer", NOON)) == 39.3
    assert [each for each in told(store) if each[0] == 1] == []


def test_a_rule_may_name_all_of_an_events_data_and_attributes():
    asked: dict[str, Any] = {"data": {"seats": 101}, "sent": {"region": "eu", "data": {"seats": 101}}}
    other: dict[str, Any] = {**asked, "sent": {**asked["sent"], "region": "us"}}
    store = after([signal(1, "page_viewed", **asked), signal(2, "page_viewed", account="globex", **other)])
    assert told(store) == [(5, "acme", 1)]


def test_what_a_rep_does_moves_effort_alone():
    found = after([signal(1, "call_made")]).accounts["t1", "acme"].sums
    assert score.points(found, "buyer", NOON) == 0
    assert DEFAULT.shown(score.points(found, "rep", NOON)) > 0


def test_a_tenant_without_rules_has_scores_and_no_notices():
    store = after([signal(1, tenant="t3")])
    assert (list(store.accounts), store.notices) == ([("t3", "acme")], [])


def test_no_events_change_nothing():
    assert after([]) == Store()


def test_a_batch_gives_what_an_account_has_now_with_all_it_had_before():
    slot, (amount, _, latest) = score.contribution(EVENT_TYPES["demo_completed"], NOON, named=False)
    other: tuple[Slot, Sum] = ("io.sspp.call.made", "rep", 14, 0, False), (5, 7, 1)
    before = dict([(slot, (1000, 3, latest - 1)), other])
    changes = engine.advance(State({("t1", "acme"): Account(before)}, {}), [signal(1), signal(2)])
    sums = dict([(slot, (1000 + 2 * amount, 5, latest)), other])
    [account] = changes.accounts.values()
    assert (account.sums, account.as_of) == (sums, NOON)


WORTHLESS = EventType("note.taken", "unscored", 0, 0, 1, prefix="")


@pytest.mark.parametrize(("when", "episodes"), [("event.user == 'u1'", ["1"]), ("event.user == 'u2'", [])])
def test_an_account_that_stays_as_it_is_needs_no_writing_but_one_with_a_new_episode_does(when, episodes):
    event = Signal.of(signal(1).event._replace(kind=WORTHLESS))
    assert engine.advance(State({}, {}), [event]).accounts == {}
    changes = engine.advance(State({}, {"t1": [rule(1, when)]}), [event])
    assert [list(account.episodes) for account in changes.accounts.values()] == [episodes] * len(episodes)


def test_a_rule_about_events_is_told_of_again_once_an_event_came_that_it_is_not_about():
    kinds = ["demo_completed", "demo_completed", "page_viewed", "demo_completed"]
    store = after([signal(number, alias, received=number * HOUR) for number, alias in enumerate(kinds)])
    assert [(int(n.event_id), n.episode) for n in store.notices if n.rule_id == "2"] == [(0, 1), (3, 2)]


def test_what_holds_again_within_the_cooldown_is_told_of_only_after_it():
    demo, page = "demo_completed", "page_viewed"
    moments = [
        (0, demo),
        (1, page),
        (23, demo),
        (24, page),
        (25, demo),
        (26, page),
        (48, demo),
        (49, page),
        (50, demo),
    ]
    signals = [signal(hours, alias, received=hours * HOUR) for hours, alias in moments]
    rules = {"t1": [rule(1, f"event.type == '{demo}'", 24)]}
    whole = engine.advance(State({}, rules), signals)
    assert [(int(notice.event_id), notice.at) for notice in whole.notices] == [
        (0, NOON),
        (25, NOON + 25 * HOUR),
        (50, NOON + 50 * HOUR),
    ]


def test_events_of_the_same_moment_do_not_overtake_each_other():
    rules = {"t1": [rule(1, "event.type == 'demo_completed' && account.engagement >= 50")]}
    changes = engine.advance(State({}, rules), [signal(1, "page_viewed"), signal(2)])
    assert [notice.event_id for notice in changes.notices] == ["2"]


def test_a_late_event_is_looked_at_by_the_rules_behind_one_that_may_not_tell():
    rules = [rule(1, "event.user == 'u1' && account.engagement >= 1"), rule(2, "account.engagement >= 70")]
    signals = [signal(1, "email_clicked", received=DAY), signal(2)]
    state = State({("t1", "acme"): Account(as_of=NOON)}, {"t1": rules})
    changes = engine.advance(state, [*signals, signal(3)])
    assert [(notice.rule_id, notice.event_id) for notice in changes.notices] == [("1", "1"), ("2", "3")]


def test_a_notice_says_whom_it_is_for_what_it_is_called_and_whether_it_is_quiet():
    for quiet in (True, False):
        event = signal(1, sent={"quiet": quiet})
        [notice] = engine.advance(State({}, {"t1": [rule(7, "account.engagement >= 50")]}), [event]).notices
        assert (notice.title, notice.recipient, notice.quiet) == ("Rule 7", "rep@example.com", quiet)


# --- events without an account


def nobodys(number: int, received: timedelta) -> Signal:
    worthless = replace(EVENT_TYPES["demo_completed"], points=0)
    event = signal(number, account=UNASSIGNED, received=received, metadata={"deal": 500}).event
    return Signal.of(event._replace(kind=worthless))


@given(st.lists(st.timedeltas(timedelta(0), 5 * DAY), max_size=12), st.randoms(use_true_random=False))
def test_events_without_an_account_lead_to_a_notice_each_cooldown_in_any_order_and_change_no_account(moments, random):
    rules = {"t1": [rule(1, "event.metadata.deal > 100", 24), rule(2, "signal.type == 'high_intent'", 0)]}
    signals = [nobodys(number, moment) for number, moment in enumerate(moments)]
    random.shuffle(signals)
    ids = set()
    for each in signals:  # as in batches that know nothing of each other
        changes = engine.advance(State({}, rules), [each])
        assert changes.accounts == {}
        ids |= {(notice.rule_id, notice.id) for notice in changes.notices}
        assert [notice.episode for notice in changes.notices if notice.rule_id == "2"] == [1]
    days = {(NOON + moment).date() for moment in moments}
    assert Counter(rule_id for rule_id, _ in ids) == Counter({"1": len(days), "2": len(moments)})


def test_an_account_that_a_sender_calls_unassigned_is_one_like_others():
    store = after([signal(1, account=UNASSIGNED)])
    assert sums(store).keys() == {("t1", UNASSIGNED)}
    assert {notice.episode for notice in store.notices} == {1}
