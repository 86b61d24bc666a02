"""The course of an account: the same events lead to the same insights, whatever their order and whoever looks when."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.domain.catalog import EVENT_TYPES
from functions.domain.course import Opened, episodes
from functions.domain.insights import KINDS
from functions.domain.score import DAY_US
from functions.domain.watch import Happening, Watch
from tests.unit.course_log import HOUR_US, LIMITS, MINUTE_US, Live, Log, happening, in_order, run, spans

DAYS = 160
END = DAYS * DAY_US
CONTACTS = ("ann", "bob", "cy", "dee", "ed", "flo")
ALIASES = sorted({kind.alias for kind in EVENT_TYPES.values()})


def moments(unit: int) -> st.SearchStrategy[int]:
    """Whole units; many in one week, so that something comes of them, and some far away."""
    dense = st.builds(lambda week, n: week * 7 * DAY_US + n, st.integers(0, 3), st.integers(0, 7 * DAY_US))
    wide = st.integers(0, 130 * DAY_US)
    return st.one_of(dense, wide).map(lambda at: at // unit * unit)


def events(unit: int, most: int = 40) -> st.SearchStrategy[list[Happening]]:
    contact = st.sampled_from([None, *CONTACTS])
    alias = st.one_of(st.sampled_from(ALIASES), st.sampled_from(["email_sent", "call_made", "page_viewed"]))
    role = st.sampled_from([None, None, None, "", "user", "champion"])
    drawn = st.tuples(moments(unit), alias, contact, role, st.integers(0, 999))
    return st.lists(drawn, max_size=most, unique_by=lambda each: each[4]).map(
        lambda rows: [happening(at, f"{n:03}", alias, who, role if who else None) for at, alias, who, role, n in rows]
    )


@settings(max_examples=100)
@given(events(MINUTE_US).flatmap(lambda given: st.tuples(st.just(given), st.permutations(given))), st.data())
def test_any_order_of_arrival_and_any_ticks_lead_to_the_episodes_of_the_ordered_run(
    given_: tuple[list[Happening], list[Happening]], data: st.DataObject
) -> None:
    ordered, arriving = given_
    expected, watch = run(ordered, END)
    live = Live()
    seen = 0
    for event in arriving:
        live.take(event)
        seen = max(seen, event.at)
        if data.draw(st.booleans()):
            live.tick(min(seen + data.draw(st.sampled_from([0, MINUTE_US, DAY_US, 40 * DAY_US])), END))
    live.tick(END)
    live.tick(END)
    assert spans(live.changes) == spans(expected)
    assert live.watch == watch


@settings(max_examples=100)
@given(events(MINUTE_US), st.lists(st.integers(0, END), max_size=5))
def test_a_tick_that_is_late_or_comes_twice_or_never_changes_nothing_after_the_next_one(
    given_: list[Happening], ticks: list[int]
) -> None:
    live = Live()
    for event in in_order(given_):
        for tick in sorted(each for each in ticks if each <= event.at):
            live.tick(tick)
        live.take(event)
    for tick in sorted(ticks):
        live.tick(tick)
    live.tick(END)
    expected, watch = run(given_, END)
    assert spans(live.changes) == spans(expected)
    assert live.watch == watch


@given(events(MINUTE_US))
def test_every_opening_has_a_moment_of_its_own_or_its_event_and_says_why(given_: list[Happening]) -> None:
    changes, watch = run(given_, END)
    at = {event.id: event.at for event in given_}
    for change in changes:
        if isinstance(change, Opened):
            assert all(reason.strip() for reason in change.reasons)
            assert change.event is None or at[change.event.id] == change.at
            assert change.until is None or change.until == change.at + (change.kind.days or 0) * DAY_US
    assert [change.at for change in changes] == sorted(change.at for change in changes)
    assert {each.opened.kind.name for each in episodes(changes) if each.closed_at is None} == {
        name for name, until in watch.open.items() if not until
    }


@given(events(MINUTE_US, most=60))
def test_what_is_remembered_is_small_and_survives_being_stored(given_: list[Happening]) -> None:
    _, watch = run(given_, 140 * DAY_US)
    stored = json.dumps(watch.stored(), separators=(",", ":"))
    assert Watch.read(json.loads(stored)) == watch
    assert len(stored) < 700


# The definitions once more, from all events at every hour.


@dataclass
class Naive:
    """Which of five kinds are open, by reading all events so far at each hour."""

    log: Log = field(default_factory=Log)
    open: dict[str, int] = field(default_factory=dict)
    found: list[tuple[str, int, int | None]] = field(default_factory=list)

    def put(self, kind: str, holds: bool, at: int) -> None:
        if holds and kind not in self.open:
            self.open[kind] = at
        elif not holds and kind in self.open:
            self.found.append((kind, self.open.pop(kind), at))

    def silence(self, at: int) -> None:
        self.look(at)
        if at % DAY_US == 0 and "hot" in self.open:
            self.put("hot", self.log.engagement(at) >= 45, at)

    def take(self, event: Happening) -> None:
        self.log.events.append(event)
        shown = self.log.engagement(event.at)
        self.put("hot", shown >= (45 if "hot" in self.open else 60), event.at)
        self.look(event.at, event)

    def look(self, at: int, event: Happening | None = None) -> None:
        inbound = [each for each in self.log.events if each.buyer and each.points > 0]
        if inbound:
            latest = inbound[-1]
            then = Log([each for each in self.log.events if (each.at, each.id) <= (latest.at, latest.id)])
            was = then.engagement(latest.at)
            days = sorted({each.at // DAY_US for each in inbound})
            gaps = [later - earlier for earlier, later in pairwise(days)][-8:]
            quiet = (at - latest.at) / DAY_US
            dark = quiet >= max(14, 3 * (median(gaps) if gaps else 0)) and was >= 40
            self.put("going_dark", dark and quiet < 90, at)
            self.put("dormant", quiet >= 90 and was >= 10, at)
        self.put("effort_without_reply", self.effort(at), at)
        self.put("committee", self.committee(at, event), at)

    def effort(self, at: int) -> bool:
        run_: list[int] = []
        for each in self.log.events:
            if each.type.removeprefix("io.sspp.") in {
                "email.replied",
                "call.connected",
                "meeting.booked",
                "demo.requested",
                "demo.completed",
                "form.submitted",
                "trial.started",
            }:
                run_ = []
            elif not each.buyer:
                run_ = [*run_, each.at] if run_ and each.at - run_[-1] < 30 * DAY_US else [each.at]
        return len(run_) >= 5 and at < run_[-1] + 30 * DAY_US

    def committee(self, at: int, event: Happening | None) -> bool:
        today = at // DAY_US
        latest = {e.contact: e for e in self.log.events if e.buyer and e.points >= 2 and e.contact}
        said = {e.contact: e.role for e in self.log.events if e.contact and e.role is not None}
        by_time = sorted(latest.values(), key=lambda each: (each.at, each.id))[-5:]
        engaged = [each for each in by_time if today - each.at // DAY_US < 30]
        if "committee" in self.open or len(engaged) < 3:
            return len(engaged) >= 3
        roles = {said.get(str(each.contact)) or None for each in engaged}
        telling = event is not None and bool((event.buyer and event.points > 0) or event.role)
        return telling and (len(roles) >= 2 or roles == {None})


@settings(max_examples=60)
@given(events(HOUR_US))
def test_the_definitions_read_from_all_events_at_every_hour_find_the_same(given_: list[Happening]) -> None:
    naive = Naive()
    waiting = in_order(given_)
    for hour in range(DAYS * 24 + 1):
        naive.silence(hour * HOUR_US)
        while waiting and waiting[0].at == hour * HOUR_US:
            naive.take(waiting.pop(0))
    expected = [*naive.found, *((kind, at, None) for kind, at in naive.open.items())]
    changes, _ = run(given_, END)
    names = {"hot", "going_dark", "dormant", "effort_without_reply", "committee"}
    assert sorted((each for each in spans(changes) if each[0] in names), key=str) == sorted(expected, key=str)


def test_every_kind_has_a_name_of_its_own() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS) == 15


@pytest.mark.parametrize("enabled", [True, False])
def test_a_kind_that_is_switched_off_is_not_found(enabled: bool) -> None:
    limits = LIMITS.model_copy(update={"hot": LIMITS.hot.model_copy(update={"enabled": enabled})})
    changes, _ = run([happening(0, "1", "demo_completed")], DAY_US, limits)
    assert ("hot" in {name for name, _, _ in spans(changes)}) == enabled
