"""Signals: what each event means, and how metadata raises its score."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.domain.catalog import EVENT_TYPES
from functions.domain.sales import SalesEvent
from functions.domain.signal import Signal, instant

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
METADATA = st.dictionaries(
    st.sampled_from(["responseTimeHours", "interactionCount", "other"]),
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3)
    | st.lists(st.integers(), max_size=2),
)


def event(alias: str, metadata: dict[str, object] | None = None) -> SalesEvent:
    return SalesEvent(
        id=str(UUID(int=7)),
        tenant_id="tenant",
        source="/crm",
        source_id="1",
        kind=EVENT_TYPES[alias],
        account_id="acme",
        contact_id=None,
        user_id="u1",
        occurred_at=NOON,
        received_at=NOON,
        sent={},
        data={"metadata": metadata or {}},
        content=b"",
    )


@pytest.mark.parametrize(
    ("alias", "signal_type", "score"),
    [
        ("email_sent", "outreach", 0.1),
        ("email_opened", "engagement", 0.3),
        ("email_clicked", "high_engagement", 0.6),
        ("call_made", "outreach", 0.5),
        ("meeting_booked", "intent", 0.8),
        ("demo_completed", "high_intent", 0.9),
    ],
)
def test_an_event_is_scored_by_its_type(alias, signal_type, score):
    signal = Signal.of(event(alias))
    assert (signal.event.kind.signal, signal.score) == (signal_type, score)
    assert signal.reasons == (f"{alias} is worth {score:.2f}",)


@pytest.mark.parametrize(
    ("metadata", "score"),
    [
        ({}, 0.3),
        ({"responseTimeHours": 23.99}, 0.4),
        ({"responseTimeHours": 0}, 0.4),
        ({"responseTimeHours": 24}, 0.3),
        ({"responseTimeHours": 25}, 0.3),
        ({"interactionCount": 3}, 0.3),
        ({"interactionCount": 3.5}, 0.45),
        ({"interactionCount": 4}, 0.45),
        ({"interactionCount": 10**400}, 0.45),
        ({"responseTimeHours": 1, "interactionCount": 4}, 0.55),
        ({"other": 4}, 0.3),
    ],
)
def test_a_fast_answer_and_many_interactions_raise_the_score(metadata, score):
    signal = Signal.of(event("email_opened", metadata))
    assert signal.score == score
    assert len(signal.reasons) == 1 + sum([score in (0.4, 0.55), score in (0.45, 0.55)])


@pytest.mark.parametrize("wrong", [None, True, False, "1", "", [1], {"hours": 1}])
@pytest.mark.parametrize("name", ["responseTimeHours", "interactionCount"])
def test_metadata_of_the_wrong_kind_is_ignored(name, wrong):
    assert Signal.of(event("email_opened", {name: wrong})).score == 0.3


@pytest.mark.parametrize(
    ("alias", "metadata", "score", "capped"),
    [
        ("demo_completed", {"responseTimeHours": 1}, 1.0, False),
        ("demo_completed", {"interactionCount": 4}, 1.0, True),
        ("demo_completed", {"interactionCount": 4, "responseTimeHours": 1}, 1.0, True),
        ("meeting_booked", {"interactionCount": 4}, 0.95, False),
        ("meeting_booked", {"interactionCount": 4, "responseTimeHours": 1}, 1.0, True),
    ],
)
def test_a_score_is_one_at_most_and_says_when_it_was_cut(alias, metadata, score, capped):
    signal = Signal.of(event(alias, metadata))
    assert (signal.score, "at most 1.00" in signal.reasons) == (score, capped)


@given(st.sampled_from(sorted(EVENT_TYPES)), METADATA)
def test_every_signal_has_a_score_of_two_decimals_between_nothing_and_one_and_a_reason(name, metadata):
    signal = Signal.of(event(name, metadata))
    assert 0 <= signal.score <= 1
    assert signal.score == round(signal.score, 2)
    assert signal.reasons
    assert signal.hundredths >= signal.event.kind.hundredths


@pytest.mark.parametrize(
    ("at", "written"),
    [
        (NOON, "2026-03-04T12:00:00Z"),
        (NOON + timedelta(microseconds=5), "2026-03-04T12:00:00.000005Z"),
        (NOON.astimezone(timezone(timedelta(hours=-5))), "2026-03-04T12:00:00Z"),
    ],
)
def test_a_moment_is_written_in_utc(at, written):
    assert instant(at) == written
