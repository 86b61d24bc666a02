"""What has changed about an account, in words that a person reads at a glance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from functions.domain import score
from functions.domain.catalog import EVENT_TYPES
from functions.domain.changes import change
from functions.domain.explain import Known
from functions.domain.rollup import of_contacts
from functions.domain.score import Slot, Sum

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)
WEEK_AGO = NOW - 7 * DAY


def known(*events: tuple[str, str, float]) -> Known:
    """An account by (event type, contact, days before now)."""
    by_contact: dict[str, dict[Slot, Sum]] = {}
    for alias, contact, days in events:
        sums = by_contact.setdefault(contact, {})
        score.add(sums, *score.contribution(EVENT_TYPES[alias], NOW - days * DAY, named=bool(contact)))
    return Known(*of_contacts(by_contact))


@pytest.mark.parametrize(
    ("before", "since", "sentences"),
    [
        ([], [], []),
        # 60 x 0.5^(14/60) = 51.0 points a week ago are 57.3, and today 47.1 are 54.4 (warm).
        (
            [("demo_completed", "jo", 21)],
            [],
            [
                "engagement fell from 57.3 to 54.4",
                "what there was of engagement faded by 4.0 points",
            ],
        ),
        (
            [],
            [("demo_completed", "jo", 0), ("page_viewed", "kim", 0), ("email_sent", "jo", 0)],
            [
                "engagement rose from 0.0 to 45.8: cold became warm",  # 0.6 x 60 + 0.4 x 2 = 36.8 points
                "effort rose from 0.0 to 8.0",
                "2 new contacts: jo, kim",
                "1 x demo_completed: +60.0 points, the latest just now",
                "1 x page_viewed: +2.0 points, the latest just now",
                "1 x email_sent: +5.0 points, the latest just now",
            ],
        ),
        (
            [("call_made", "", 14)],
            [],
            [
                "effort fell from 16.2 to 11.8",  # 15 x 0.5^(7/14) = 10.6 points, then 7.5
                "what there was of effort faded by 3.1 points",
            ],
        ),
    ],
)
def test_changes_name_scores_then_contacts_then_what_happened_and_what_faded(before, since, sentences):
    found = change(known(*before), known(*before, *since), WEEK_AGO, NOW)
    assert found.sentences == sentences


def test_of_many_new_contacts_five_are_named():
    found = change(known(), known(*(("page_viewed", f"c{number}", 0) for number in range(7))), WEEK_AGO, NOW)
    assert "7 new contacts: c0, c1, c2, c3, c4 and others" in found.sentences
