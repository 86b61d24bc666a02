"""The copy of the signals that Elasticsearch searches: rebuilt from PostgreSQL, and compared with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from functions.adapters.elasticsearch.rebuilt import RebuiltIndex
from functions.adapters.postgres.recorded_signals import PostgresRecordedSignals
from functions.domain.search import SearchQuery
from functions.ports import SearchCopy, SearchIndex

#: Signals copied at a time, and the stretch of time in which those that are new are looked for.
AT_ONCE, SLICE = 1_000, timedelta(minutes=10)
#: How far the clocks of this machine and PostgreSQL may be apart, and how long a batch may take to be committed.
MARGIN = timedelta(minutes=5)


def rebuild(
    recorded: PostgresRecordedSignals,
    index: RebuiltIndex,
    now: Callable[[], datetime],
    tell: Callable[[int, int], None],
    *,
    again: bool = False,
) -> int:
    """Fill a new index and put it in place of the one that is searched, which goes on being searched until then.

    Args:
        now: the clock, with zone.
        tell: is called now and then with how many signals were copied, of about how many.
        again: begin anew where another rebuild was interrupted.

    Returns:
        How many signals were copied.
    Raises:
        Refused: 409, another rebuild is there.
        Unavailable: a store could not be reached; the index that is searched is as it was.
    """
    index.begin(again=again)
    begun, copied, about = now(), 0, recorded.about()
    last: tuple[str, UUID] | None = None
    while identities := recorded.after(last, AT_ONCE):
        _copy(recorded, index, identities)
        copied, last = copied + len(identities), identities[-1]
        tell(copied, max(about, copied))
    # What was recorded meanwhile was copied to the index that was searched then, until this one takes its place.
    caught_up = now()
    _copy_processed(recorded, index, begun - MARGIN, caught_up)
    index.take_over()
    _copy_processed(recorded, index, caught_up - MARGIN, now() + MARGIN)
    return copied


def drift(recorded: PostgresRecordedSignals, index: SearchIndex, tenants: Iterable[str]) -> list[dict[str, Any]]:
    """Return the days on which the copy has more or fewer signals than PostgreSQL: tenant, day, signals, copied.

    Raises:
        Unavailable: a store could not be reached.
    """
    found = []
    for tenant in tenants:
        signals, copied = recorded.days(tenant), index.search(SearchQuery(tenant_id=tenant, limit=1)).counts.days
        found += [
            {"tenant": tenant, "day": day, "signals": signals.get(day, 0), "copied": copied.get(day, 0)}
            for day in sorted(signals.keys() | copied.keys())
            if signals.get(day, 0) != copied.get(day, 0)
        ]
    return found


def _copy(recorded: PostgresRecordedSignals, copy: SearchCopy, identities: Sequence[tuple[str, UUID]]) -> None:
    for signals in recorded.read(identities):
        copy.put([signal.document for signal in signals])


def _copy_processed(recorded: PostgresRecordedSignals, copy: SearchCopy, at: datetime, until: datetime) -> None:
    """Copy the signals that were processed in a stretch of time."""
    while at < until:
        end = min(at + SLICE, until)
        rows = recorded.processed(at, end, AT_ONCE)
        _copy(recorded, copy, [(tenant, id_) for tenant, id_, _ in rows])
        at = rows[-1][2] if len(rows) >= AT_ONCE else end
