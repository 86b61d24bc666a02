"""Lists of signals: pages in any order, totals and statistics. What they cost does not grow with what a tenant has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from functions.adapters.postgres.database import Row, Transaction
from functions.adapters.postgres.pages import LOOKED_AT, Page, Place, Rank
from functions.domain.words import asked as asked_terms
from functions.domain.words import hashes

#: So many of the newest signals are looked at first. What none of them has is asked of the index of words: of names
#: that are met more often it has long lists, and reading those takes the longer the more signals there are.
NEAR = 2_000

#: The filters that an index leads by, in the order of time: one a question, the first of these that it has.
_LEADING = ("contact_id", "account_id")
#: What the signals on the way are compared with.
_COMPARED = ("account_id", "user_id", "event_type", "signal_type")

_NEWEST, _OLDEST = '"timestamp" DESC, id DESC', '"timestamp" ASC, id ASC'
#: Without the id, which not all of these indexes have.
_LATEST = '"timestamp" DESC'
_LAST_ID = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalQuery:
    """Which signals of a tenant, in which order.

    Args:
        filters: column -> value; None does not filter.
        since: signals at or after it. ``until``: signals before it.
        sort: ``timestamp``, ``processed_at``, ``signal_score`` or ``points``.
    """

    tenant_id: str
    filters: Mapping[str, str | None]
    since: datetime | None = None
    until: datetime | None = None
    sort: str = "timestamp"
    descending: bool = True

    def walk(self, *, before: Place | None = None, after: Place | None = None) -> dict[str, object]:
        """Return the parameters of the statements' ``signals_walk`` and ``signals_fit``."""
        leading = next((name for name in _LEADING if self.filters.get(name) is not None), None)
        return {
            "tenant_id": self.tenant_id,
            **{f"by_{name}": self.filters[name] if name == leading else None for name in _LEADING},
            **{name: None if name == leading else self.filters.get(name) for name in _COMPARED},
            **self.times(before=before, after=after),
        }

    def words(self, *, before: Place | None = None, after: Place | None = None) -> dict[str, object]:
        """Return the parameters of ``rare_signals``. Signals that have a name have its words."""
        named = {name: self.filters.get(name) for name in (*_COMPARED, "contact_id")}
        sought = asked_terms(" ".join(filter(None, named.values())))
        hashed = ",".join(map(str, hashes(self.tenant_id, sought)))
        return {"hashes": f"{{{hashed}}}", **named, **self.times(before=before, after=after)}

    def times(self, *, before: Place | None, after: Place | None) -> dict[str, object]:
        """Return the parameters that are about time alone."""
        return {
            "since": self.since,
            "until": self.until,
            "before_at": before and before.at,
            "before_id": before and str(before.id),
            "after_at": after and after.at,
            "after_id": after and str(after.id),
        }


class Found(NamedTuple):
    """The signals of a page, where the next one begins, how many there are in all, and whether that is exact."""

    rows: list[Row]
    next: Place | Rank | None
    total: int
    exact: bool


def page(tx: Transaction, asked: SignalQuery, wanted: Page) -> Found:
    """Return a page of signals."""
    if asked.sort != "timestamp":
        return Found(*_ranked(tx, asked, wanted), *_count(tx, asked))
    if _far(tx, asked) and (found := _rare(tx, asked, wanted)):
        return found
    rows, following = _by_time(tx, asked, wanted)
    skipped = wanted.parameters["offset"]
    whole = len(rows) < wanted.limit and not wanted.after and bool(rows or not skipped)
    if whole and (asked.descending or not following):  # the page ends with the last one that a count would count
        return Found(rows, following, skipped + len(rows), following is None)
    return Found(rows, following, *_count(tx, asked))


def _far(tx: Transaction, asked: SignalQuery) -> bool:
    """Return whether none of the newest signals fits, and the index of words has all that do."""
    if not any(asked.walk()[name] for name in _COMPARED):
        return False
    [near] = tx.ordered_rows("count_signals", _LATEST, **asked.walk(), looked_at=NEAR)
    if near["looked_at"] < NEAR or near["total"]:
        return False
    [wordless] = tx.rows("has_wordless", tenant_id=asked.tenant_id)
    return not wordless["found"]


def _rare(tx: Transaction, asked: SignalQuery, wanted: Page) -> Found | None:
    """Return a page of all signals that fit; None where they are too many to be looked at."""
    order, begin = _order(asked, wanted)
    words = asked.words(**begin)
    if words["hashes"] == "{}":
        return None
    [hits] = tx.ordered_rows("rare_signals", order, **words, **wanted.one_more, most=LOOKED_AT + 1)
    if hits["total"] > LOOKED_AT:
        return None
    ids = [str(id_) for id_ in hits["ids"]]
    rows = tx.ordered_rows("signals_of", order, tenant_id=asked.tenant_id, ids=ids[: wanted.limit])
    return Found(rows, _place(rows[-1]) if len(ids) > wanted.limit else None, hits["total"], True)


def _count(tx: Transaction, asked: SignalQuery) -> tuple[int, bool]:
    """Return how many of the newest :data:`LOOKED_AT` signals fit, and whether there are no others."""
    [found] = tx.ordered_rows("count_signals", _LATEST, **asked.walk(), looked_at=LOOKED_AT + 1)
    return min(found["total"], LOOKED_AT), found["looked_at"] <= LOOKED_AT


def statistics(tx: Transaction, asked: SignalQuery) -> tuple[Row, bool]:
    """Return what ``signal_stats`` counts in the newest :data:`LOOKED_AT` signals, and whether there are no others."""
    [found] = tx.ordered_rows("signal_stats", _LATEST, **asked.walk(), looked_at=LOOKED_AT)
    return found, found["looked_at"] < LOOKED_AT or _moment(tx, asked, LOOKED_AT) is None


def _by_time(tx: Transaction, asked: SignalQuery, wanted: Page) -> tuple[list[Row], Place | None]:
    order, begin = _order(asked, wanted)
    walk = asked.walk(**begin)
    rows = tx.ordered_rows("list_signals", order, **walk, **wanted.one_more, looked_at=LOOKED_AT)
    if len(rows) > wanted.limit:
        return rows[: wanted.limit], _place(rows[wanted.limit - 1])
    # All that were looked at are on this page or before it. The walk goes on where it was cut.
    cut = tx.ordered_rows("place_in_walk", order, **walk, looked_at=LOOKED_AT, offset=LOOKED_AT - 1)
    return rows, Place(**cut[0]) if cut else None


def _order(asked: SignalQuery, wanted: Page) -> tuple[str, dict[str, Place | None]]:
    """Return the order of a list by time, and where in it the page begins."""
    place = wanted.after if isinstance(wanted.after, Place) else None
    return (_NEWEST, {"before": place}) if asked.descending else (_OLDEST, {"after": place})


def _place(row: Row) -> Place:
    return Place(row["timestamp"], row["id"])


def _ranked(tx: Transaction, asked: SignalQuery, wanted: Page) -> tuple[list[Row], Rank | None]:
    """Sort the newest :data:`LOOKED_AT` signals; those of the first page's time on the pages after it."""
    after = wanted.after if isinstance(wanted.after, Rank) else None
    until = after.until if after else _moment(tx, asked, 0)
    if until is None:
        return [], None
    since = after.since if after else _moment(tx, asked, LOOKED_AT - 1)
    rows = tx.ordered_rows(
        "rank_signals",
        _NEWEST,
        **replace(asked, since=since or asked.since).walk(before=Place(until, _LAST_ID)),
        **wanted.one_more,
        looked_at=2 * LOOKED_AT,  # room for those that came since
        sort=asked.sort,
        sign=1 if asked.descending else -1,
        below=after and after.rank,
        below_id=after and str(after.id),
    )
    ranks = [row.pop("rank") for row in rows][: wanted.limit]
    if len(rows) <= wanted.limit:
        return rows, None
    return rows[: wanted.limit], Rank(ranks[-1], rows[wanted.limit - 1]["id"], since, until)


def _moment(tx: Transaction, asked: SignalQuery, skipped: int) -> datetime | None:
    """Return when the signal was that has ``skipped`` newer ones; None where there are not so many."""
    found = tx.ordered_rows("moment_in_walk", _LATEST, **asked.walk(), looked_at=skipped + 1, offset=skipped)
    return found[0]["at"] if found else None
