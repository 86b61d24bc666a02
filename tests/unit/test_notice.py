from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.domain.notice import QUOTA_THRESHOLDS, Notice, quota_notices
from functions.domain.plan import Plan

EVENT = (str(UUID(int=1)), datetime(2026, 11, 22, tzinfo=UTC))
MONTH = date(2026, 11, 1)


def notices(before: int, after: int, *, tenant: str = "acme", month: date = MONTH, **monthly: int) -> list[Notice]:
    plan = Plan.model_validate({"monthly": monthly})
    return quota_notices(tenant, plan, "owner@acme.example", month, (before, after), EVENT)


@pytest.mark.parametrize(
    ("before", "after", "monthly", "titles"),
    [
        (0, 79, {"hard": 100}, []),
        (79, 80, {"hard": 100}, ["80 % of the 100 events of November 2026 are used"]),
        (80, 99, {"hard": 100}, []),
        (99, 100, {"hard": 100}, ["100 % of the 100 events of November 2026 are used"]),
        (0, 500, {"hard": 100}, [f"{share} % of the 100 events of November 2026 are used" for share in (80, 100)]),
        (100, 200, {"hard": 100}, []),
        (0, 8, {"soft": 10}, ["80 % of the 10 events of November 2026 are used"]),
        (0, 8, {"soft": 10, "hard": 100}, []),
        (0, 1000, {}, []),
    ],
)
def test_a_threshold_that_is_reached_is_told_of(before, after, monthly, titles):
    assert [notice.title for notice in notices(before, after, **monthly)] == titles


@given(st.lists(st.integers(1, 40), min_size=1), st.integers(1, 300))
def test_however_a_month_is_batched_each_threshold_is_told_of_once(batches, hard):
    told, used = [], 0
    for batch in batches:
        told += [notice.id for notice in notices(used, used + batch, hard=hard)]
        used += batch
    assert told == [notice.id for notice in notices(0, used, hard=hard)]
    assert len(set(told)) == len(told) <= len(QUOTA_THRESHOLDS)


def test_another_tenant_or_month_is_another_notice():
    ids = {notice.id for notice in notices(0, 100, hard=100)}
    assert ids.isdisjoint(notice.id for notice in notices(0, 100, tenant="other", hard=100))
    assert ids.isdisjoint(notice.id for notice in notices(0, 100, month=date(2026, 12, 1), hard=100))
