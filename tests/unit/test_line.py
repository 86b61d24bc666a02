"""When the line stops: most tenants' events fail, not one tenant's."""

from __future__ import annotations

import pytest

from events.line import EACH, FORGOTTEN_S, LEAST, Line

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
def test_the_line_stops_when_most_tenants_mostly_fail(latest, stops):
    assert Line(0.5, Clock()).stopped_by(verdicts(**latest)) is stops


def test_a_batch_without_burials_stops_nothing():
    line = Line(0.5, Clock())
    assert line.stopped_by(verdicts(a=[BAD] * LEAST))
    assert not line.stopped_by(verdicts(a=[GOOD]))
    assert not line.stopped_by([])


def test_only_the_latest_verdicts_of_a_tenant_count():
    line = Line(0.5, Clock())
    line.stopped_by(verdicts(a=[GOOD] * 10_000))
    assert not line.stopped_by(verdicts(a=[BAD] * (EACH // 2)))
    assert line.stopped_by(verdicts(a=[BAD]))


def test_a_tenant_not_heard_of_for_long_says_nothing():
    clock = Clock()
    line = Line(0.5, clock)
    line.stopped_by(verdicts(good=[GOOD] * 50))
    assert not line.stopped_by(verdicts(bad=[BAD] * LEAST))
    clock.now_s += FORGOTTEN_S
    assert line.stopped_by(verdicts(bad=[BAD]))


def test_a_share_of_one_never_stops():
    assert not Line(1.0, Clock()).stopped_by(verdicts(a=[BAD] * 1000, b=[BAD] * 1000))
