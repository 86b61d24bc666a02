"""Rankings: the first accounts, exactly, without reading the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.domain import ranking, score
from functions.domain.catalog import EVENT_TYPES, EventType, Side
from functions.domain.ranking import LAST, Placed, Ranked
from functions.domain.score import Slot, Sum, Sums

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SLOW = replace(EVENT_TYPES["demo_completed"], name="contract.signed", half_life_days=3650, prefix="")
KINDS = st.sampled_from([*(EVENT_TYPES[name] for name in sorted(EVENT_TYPES)), SLOW])
AGES = st.timedeltas(timedelta(0), timedelta(days=1200))
SUMS = st.lists(st.tuples(KINDS, AGES), max_size=8).map(
    lambda history: sums_of([(kind, NOW - age) for kind, age in history])
)
SIDES = st.sampled_from(["buyer", "rep"])


def sums_of(history: Sequence[tuple[EventType, datetime]]) -> Sums:
    sums: dict[Slot, Sum] = {}
    for kind, at in history:
        score.add(sums, *score.contribution(kind, at, named=False))
    return sums


def stored(account_id: str, sums: Sums, side: Side) -> Ranked[Sums]:
    ranks = ranking.ranks(sums)
    return Ranked(account_id, ranks.engagement if side == "buyer" else ranks.effort, ranks.slow, sums)


def walks(accounts: dict[str, Sums], side: Side) -> list[list[Ranked[Sums]]]:
    """The accounts as an index has them."""
    found = sorted((stored(*each, side) for each in accounts.items()), key=lambda each: (each.rank, each.id))
    return [[each for each in found if each.slow == slow] for slow in (False, True)]


def points_of(side: Side, at: datetime) -> Callable[[Sums], float]:
    return lambda sums: score.points(sums, side, at)


@given(SUMS, SIDES, st.timedeltas(timedelta(0), timedelta(days=3000)))
def test_an_account_never_has_more_points_than_its_rank_allows(sums, side, later):
    _, rank, slow, _ = stored("acme", sums, side)
    newest = score.moment(score.newest(sums))
    for at in (newest, newest + later):
        points = max(score.points(sums, side, at), 0.0)
        assert points <= ranking.most_points(rank, at, slow=slow)
    assert (rank == LAST) == (not any(slot[1] == side and each[0] > 0 for slot, each in sums.items()))


@given(
    st.dictionaries(st.text("abc/é", min_size=1, max_size=3), SUMS, max_size=25),
    SIDES,
    st.integers(1, 30),
    st.timedeltas(timedelta(0), timedelta(days=500)),
    st.floats(0, 30),
)
def test_the_first_ones_are_those_of_a_sort_of_them_all(accounts, side, count, later, least):
    at = NOW + later
    points = {name: max(score.points(sums, side, at), 0.0) for name, sums in accounts.items()}
    expected = sorted((-points[name], name) for name in accounts if points[name] >= least)[:count]
    found = ranking.first(walks(accounts, side), points_of(side, at), at, count, lambda each: each.points >= least)
    assert [each.place for each in found] == expected


def test_few_accounts_are_read_for_the_first_ones():
    kinds = [EVENT_TYPES[name] for name in ("demo_completed", "email_clicked", "page_viewed", "email_opened")]
    accounts = {
        f"account-{number:05}": sums_of([(kinds[number % 4], NOW - timedelta(days=number % 300))] * (1 + number % 7))
        for number in range(5_000)
    }
    read: list[str] = []

    def reading(walk: list[Ranked[Sums]]) -> Iterator[Ranked[Sums]]:
        for each in walk:
            read.append(each.id)
            yield each

    by = points_of("buyer", NOW)
    found = ranking.first([reading(walk) for walk in walks(accounts, "buyer")], by, NOW, 20, lambda _: True)
    assert len(found) == 20
    assert len(read) < 250


def test_accounts_without_points_come_last_by_name_and_all_of_them_can_be_had():
    accounts: dict[str, Sums] = {name: {} for name in "cab"}
    accounts["bounced"] = sums_of([(EVENT_TYPES["email_bounced"], NOW)])
    accounts["opened"] = sums_of([(EVENT_TYPES["email_opened"], NOW - timedelta(days=300))])
    found = ranking.first(walks(accounts, "buyer"), points_of("buyer", NOW), NOW, 10, lambda _: True)
    assert [each.id for each in found] == ["opened", "a", "b", "bounced", "c"]
    assert [each.points for each in found][1:] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("events", "rank"),
    [
        ([], LAST),
        ([(EVENT_TYPES["email_bounced"], score.LANDMARK)], LAST),
        ([(EVENT_TYPES["demo_completed"], score.LANDMARK)], -6),
        ([(EVENT_TYPES["demo_completed"], score.LANDMARK + timedelta(days=90))], -7),
        ([(EVENT_TYPES["demo_completed"], score.LANDMARK)] * 3, -8),
    ],
)
def test_a_rank_grows_with_the_logarithm_of_points_and_with_the_time_of_the_newest_event(events, rank):
    assert ranking.ranks(sums_of(events)).engagement == rank


def test_a_place_is_by_points_then_by_name():
    assert Placed("b", 2.0, {}).place < Placed("a", 1.0, {}).place < Placed("b", 1.0, {}).place
