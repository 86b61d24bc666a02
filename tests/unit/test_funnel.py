"""The made-up funnel has the shape that was published, and its truth is in its scores."""

from __future__ import annotations

from collections import Counter
from statistics import median

import pytest

from functions.domain import score
from functions.domain.calibration import Case, Cases, calibrated
from functions.domain.catalog import EVENT_TYPES
from functions.domain.model import DEFAULT, UNCHANGED
from functions.domain.score import Slot, Sum
from tests.servers.funnel import DEALS, LEADS, MEDIAN_DAYS, MONTHS, NOW, ORIGINS, PLANTED, Lead, funnel

FUNNEL = funnel(1)


def case(lead: Lead) -> Case:
    """A lead just before its outcome, by the plain sum of what it did."""
    last = lead.happened[-1]
    decided = last.kind.startswith("deal_")
    sums: dict[Slot, Sum] = {}
    for each in lead.happened:
        if (kind := EVENT_TYPES[each.kind]).points:
            score.add(sums, *score.contribution(kind, each.at, named=True))
    shown = DEFAULT.shown(score.points(sums, "buyer", last.at if decided else NOW))
    return Case(lead.account_id, shown, lead.won if decided else None, {slot[0] for slot in sums})


def test_it_has_as_many_leads_and_deals_from_the_same_origins_in_the_same_months() -> None:
    assert (len(FUNNEL), sum(lead.won for lead in FUNNEL)) == (LEADS, DEALS)
    assert (sum(count for count, _ in ORIGINS.values()), sum(MONTHS)) == (LEADS, LEADS)
    origins = Counter(lead.origin for lead in FUNNEL)
    for origin, (count, _) in ORIGINS.items():
        assert origins[origin] == pytest.approx(count, abs=5 * count**0.5)
    won = Counter(lead.origin for lead in FUNNEL if lead.won)
    assert won["paid_search"] / origins["paid_search"] > 1.5 * won["social"] / origins["social"]
    assert all(lead.happened[-1].at <= NOW for lead in FUNNEL)


def test_deals_take_as_long() -> None:
    days = sorted((lead.happened[-1].at - lead.happened[0].at).days for lead in FUNNEL if lead.won)
    assert MEDIAN_DAYS / 2 < median(days) < 1.5 * MEDIAN_DAYS
    assert days[-len(days) // 20] > 60, "and some of them much longer"


@pytest.mark.parametrize("seed", range(3))
def test_scores_find_the_deals_and_calibration_the_planted_order(seed: int) -> None:
    leads = funnel(seed)
    found = calibrated(Cases([case(lead) for lead in leads]), UNCHANGED, {})
    assert found.deciles[0].share.lift >= 3
    assert found.hot.lift >= 3
    assert [EVENT_TYPES[each.event_type].alias for each in found.types] == list(PLANTED)
    likeliest = sorted(leads, key=lambda lead: -lead.truth)[: LEADS // 10]
    assert sum(lead.won for lead in likeliest) >= 3 * DEALS / 10, "the truth itself has a lift"
