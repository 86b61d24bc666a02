"""Which thresholds of its month a tenant is told of."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.domain.plan import Monthly
from functions.domain.quota import THRESHOLDS, QuotaNotice, reached

NOW = datetime(2026, 11, 22, tzinfo=UTC)
MONTH = date(2026, 11, 1)


def notices(used: int, *, tenant: str = "acme", month: date = MONTH, **monthly: int) -> list[QuotaNotice]:
    given = Monthly.model_validate(monthly)
    return reached(tenant, given, "owner@acme.example", used=used, month=month, now=NOW)


@pytest.mark.parametrize(
    ("used", "monthly", "shares"),
    [
        (79, {"hard": 100}, []),
        (80, {"hard": 100}, [80]),
        (99, {"hard": 100}, [80]),
        (100, {"hard": 100}, [80, 100]),
        (500, {"hard": 100}, [80, 100]),
        (8, {"soft": 10}, [80]),
        (8, {"soft": 10, "hard": 100}, []),
        (1000, {}, []),
        (0, {"hard": 0}, []),
    ],
)
def test_a_threshold_that_is_reached_is_told_of(used, monthly, shares):
    limit = monthly.get("hard", monthly.get("soft"))
    titles = [f"{share} % of the {limit} events of November 2026 are used" for share in shares]
    assert [notice.title for notice in notices(used, **monthly)] == titles


@given(st.lists(st.integers(0, 300), min_size=1), st.integers(1, 300))
def test_however_often_a_month_is_looked_at_each_threshold_has_one_notice(looks, hard):
    ids = {notice.id for used in looks for notice in notices(used, hard=hard)}
    assert ids == {notice.id for notice in notices(max(looks), hard=hard)}
    assert len(ids) <= len(THRESHOLDS)


def test_another_tenant_or_month_is_another_notice():
    ids = {notice.id for notice in notices(100, hard=100)}
    assert ids.isdisjoint(notice.id for notice in notices(100, hard=100, tenant="other"))
    assert ids.isdisjoint(notice.id for notice in notices(100, hard=100, month=date(2026, 12, 1)))
