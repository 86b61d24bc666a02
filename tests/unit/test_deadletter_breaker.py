"""When the breaker stops: most tenants' events fail, not one tenant's."""

from __future__ import annotations

import pytest

from events import deadletter_breaker
from events.deadletter_breaker import EACH, FORGOTTEN_S, LEAST, DeadLetterBreaker
from events.errors import Unavailable

BAD, GOOD = True, False


class Clock:
    """Stands still unless it is moved."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def verdicts(**tenants: list[bool]) -> list[tuple[str, bool]]:
    return [(tenant, buried) for tenant, each in tenants.items() for buried in each]


@pytest.mark.parametrize(
    ("latest", "stops"),
    [
        ({"a": [BAD] * LEAST}, True),
        ({"a": [BAD] * (LEAST - 1)}, False),
        ({"a": [BAD] * LEAST + [GOOD] * LEAST}, False),
        ({"a": [BAD] * LEAST + [GOOD] * (LEAST - 1)}, True),
        ({"a": [BAD] * 500, "b": [GOOD]}, False),
        ({"a": [BAD] * 10, "b": [BAD] * 10}, True),
        ({"a": [BAD] * 10, "b": [BAD] * 10, "c": [GOOD]}, True),
        ({"a": [BAD] * 10, "b": [BAD] * 10, "c": [GOOD], "d": [GOOD]}, False),
    ],
)
def test_the_breaker_opens_when_most_tenants_mostly_fail(latest, stops):
    assert DeadLetterBreaker(0.5, Clock()).opened_by(verdicts(**latest)) is stops


def test_a_batch_without_burials_stops_nothing():
    breaker = DeadLetterBreaker(0.5, Clock())
    assert breaker.opened_by(verdicts(a=[BAD] * LEAST))
    assert not breaker.opened_by(verdicts(a=[GOOD]))
    assert not breaker.opened_by([])


def test_only_the_latest_verdicts_of_a_tenant_count():
    breaker = DeadLetterBreaker(0.5, Clock())
    breaker.opened_by(verdicts(a=[GOOD] * 10_000))
    assert not breaker.opened_by(verdicts(a=[BAD] * (EACH // 2)))
    assert breaker.opened_by(verdicts(a=[BAD]))


def test_a_tenant_not_heard_of_for_long_says_nothing():
    clock = Clock()
    breaker = DeadLetterBreaker(0.5, clock)
    breaker.opened_by(verdicts(good=[GOOD] * 50))
    assert not breaker.opened_by(verdicts(bad=[BAD] * LEAST))
    clock.now_s += FORGOTTEN_S
    assert breaker.opened_by(verdicts(bad=[BAD]))


def test_a_share_of_one_never_stops():
    assert not DeadLetterBreaker(1.0, Clock()).opened_by(verdicts(a=[BAD] * 1000, b=[BAD] * 1000))


def buried_before(**tenants: int) -> list[tuple[str, float]]:
    return [(tenant, 1.0) for tenant, times in tenants.items() for _ in range(times)]


@pytest.mark.parametrize(
    ("before", "heard", "latest", "stops"),
    [
        ({"a": LEAST - 1}, {}, {"a": [BAD]}, True),
        ({"a": LEAST - 2}, {}, {"a": [BAD]}, False),
        ({"a": 10, "b": 9}, {}, {"c": [BAD]}, True),
        ({"a": 500}, {"a": [GOOD] * EACH}, {"a": [BAD] * (EACH // 2)}, False),
        ({"a": 500}, {"a": [GOOD] * (EACH // 2 - 1)}, {"a": [BAD]}, True),
        ({"a": LEAST}, {"b": [GOOD]}, {"a": [BAD]}, False),
    ],
)
def test_what_was_buried_before_a_dispatcher_began_counts_before_what_it_has_heard(before, heard, latest, stops):
    breaker = DeadLetterBreaker(0.5, Clock(), lambda: buried_before(**before))
    assert not breaker.opened_by(verdicts(**heard))
    assert breaker.opened_by(verdicts(**latest)) is stops


def test_what_was_buried_before_is_asked_for_once_and_only_where_something_is_to_be_buried():
    asked: list[int] = []

    def before() -> list[tuple[str, float]]:
        asked.append(1)
        return []

    breaker = DeadLetterBreaker(0.5, Clock(), before)
    breaker.opened_by(verdicts(a=[GOOD]))
    assert asked == []
    for _ in range(3):
        breaker.opened_by(verdicts(a=[BAD]))
    assert asked == [1]


def test_where_what_was_buried_before_cannot_be_asked_for_nothing_is_decided():
    def away() -> list[tuple[str, float]]:
        if not back:
            raise Unavailable("Redis")
        return buried_before(a=LEAST - 1)

    back: list[bool] = []
    breaker = DeadLetterBreaker(0.5, Clock(), away)
    with pytest.raises(Unavailable):
        breaker.opened_by(verdicts(a=[BAD]))
    back.append(True)
    assert breaker.opened_by(verdicts(a=[BAD]))


def test_what_was_buried_before_is_as_old_as_it_is():
    clock = Clock()
    breaker = DeadLetterBreaker(0.5, clock, lambda: [("a", FORGOTTEN_S - 1.0)] * LEAST)
    assert breaker.opened_by(verdicts(b=[BAD]))
    clock.now_s += 1.0
    assert not breaker.opened_by(verdicts(b=[BAD]))


def test_tenants_are_forgotten_where_nothing_is_ever_buried_too_and_never_more_than_so_many(monkeypatch):
    monkeypatch.setattr(deadletter_breaker, "TENANTS", 100)
    clock = Clock()
    breaker = DeadLetterBreaker(0.5, clock)
    for batch in range(5):
        breaker.opened_by([(f"t{batch}-{n}", GOOD) for n in range(50)])
    assert len(breaker._tenants) == 100
    clock.now_s += FORGOTTEN_S
    breaker.opened_by([("t0-0", GOOD)])
    assert list(breaker._tenants) == ["t0-0"]
