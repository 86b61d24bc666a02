"""Lists of accounts, from the top of a ranking or by when they were last seen, and of an account's contacts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Any, Literal
from uuid import UUID

from functions.adapters.postgres.account_sums import FIRST_CONTACTS, known_of, sums_then
from functions.adapters.postgres.database import Row, Transaction
from functions.adapters.postgres.model_rows import model_of
from functions.adapters.postgres.pages import LOOKED_AT, Listed, Page, Place, Standing, before, counted
from functions.domain import attributes, ranking, score
from functions.domain.catalog import Side
from functions.domain.explain import Known
from functions.domain.model import Versioned
from functions.domain.ranking import FIRST, LAST, Item, Placed, Ranked
from functions.domain.rollup import People
from functions.domain.signal import instant
from functions.domain.timeline import ByContact

#: Signals that are walked first for each account that is looked for by when it was last seen.
SHORT_WALK = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which accounts of a ranking are asked for; what is None does not filter.

    Args:
        by: whose points they are ranked by; None: by when they were last seen.
        change: ranked by how their engagement has changed in a week instead: the largest rise or fall first.
        band: of their engagement.
        active: the side that has points left.
        prefix: how their ids begin, in any case.
        owner: the attribute.
        changed_since: when the newest event that changed them was received, at the earliest.
    """

    by: Side | None = "buyer"
    band: str | None = None
    active: Side | None = None
    prefix: str | None = None
    owner: str | None = None
    changed_since: datetime | None = None
    change: Literal["rise", "fall"] | None = None

    @property
    def filters(self) -> dict[str, object]:
        """The filters on stored columns, as parameters of the statements."""
        return {"prefix": self.prefix, "owner": self.owner, "changed_since": self.changed_since}

    @property
    def by_score(self) -> bool:
        """Whether accounts are chosen by their scores, which no index has."""
        return bool(self.band or self.active)

    def has(self, known: Known, at: datetime) -> bool:
        """Return whether an account's scores at ``at`` are such as are asked for."""
        if self.active and not known.shown(self.active, at):
            return False
        return not self.band or self.band == known.scoring.model.band(known.shown("buyer", at))


EVERYTHING = Choice()


def page(tx: Transaction, tenant_id: str, now: datetime, page: Page, choice: Choice) -> Listed:
    """Return one page of accounts: those with the most points first, or those that were seen last.

    Where accounts are chosen by their scores, no more are counted than one beyond this page.
    """
    tx.rows("walk_along_indexes")
    scoring = model_of(tx, tenant_id)
    if choice.by is None:
        listed = _by_last_seen(tx, tenant_id, now, page, choice, scoring)
    else:
        listed = _by_points(tx, tenant_id, now, page, choice, choice.by, scoring)
    if choice.by_score:
        return listed
    [count] = tx.rows("count_accounts", tenant_id=tenant_id, most=LOOKED_AT + 1, **choice.filters)
    total, exact = counted(count["total"])
    return replace(listed, total=total, exact=exact)


def _by_points(
    tx: Transaction, tenant_id: str, now: datetime, page: Page, choice: Choice, by: Side, scoring: Versioned
) -> Listed:
    at, after = standing(page, now)
    skipped = page.parameters["offset"]
    asked = skipped + page.limit + 1
    walks = [walk(tx, tenant_id, choice, by, scoring, slow=slow) for slow in (False, True)]
    found = ranking.first(
        walks, lambda known: known.points(by, at), at, asked, lambda placed: choice.has(placed.item, at), after
    )
    total = _before(page) + len(found)
    return listed(found[skipped:], page, at, total, exact=len(found) < asked, shown=shown)


def _by_last_seen(
    tx: Transaction, tenant_id: str, now: datetime, page: Page, choice: Choice, scoring: Versioned
) -> Listed:
    """Return a page of accounts by their newest event.

    It walks back over a bounded number of signals, so where few accounts have very many of them a page may have fewer
    rows than its limit, and not be the last.
    """
    after = page.after if isinstance(page.after, Place) else None
    skipped = page.parameters["offset"]
    asked = skipped + page.limit + 1
    most = LOOKED_AT if choice.by_score else asked
    met = _met(tx, tenant_id, after, choice, most)
    places = [Place(datetime.fromisoformat(row["at"]), UUID(row["id"])) for row in met]
    found = [
        (place, row["account_id"], known)
        for place, row in zip(places, met, strict=True)
        if row["account_id"] is not None
        and choice.has(known := known_of(tx, tenant_id, row["account_id"], row, scoring), now)
    ]
    following = None
    if len(found) >= asked:
        following = found[asked - 2][0]
    elif met and (met[-1]["account_id"] is None or len(met) == most):
        following = places[-1]
    return Listed(
        rows=[shown(account_id, known, now) for _, account_id, known in found[skipped : asked - 1]],
        total=_before(page) + min(len(found), asked),
        exact=following is None,
        next=following,
    )


def _met(tx: Transaction, tenant_id: str, after: Place | None, choice: Choice, most: int) -> list[Row]:
    """Return the next ``most`` accounts by their newest event, in rows of ``accounts_by_last_seen``.

    A short walk is tried first, as it meets enough of them nearly always.
    """
    for looked_at in (min(SHORT_WALK * most, LOOKED_AT), LOOKED_AT):
        met = tx.many_rows(
            "accounts_by_last_seen",
            tenant_id=tenant_id,
            **before(after),
            looked_at=looked_at,
            most=most,
            first=FIRST_CONTACTS + 1,
            **choice.filters,
        )
        if looked_at == LOOKED_AT or not met or met[-1]["account_id"] is not None:
            break
    return met


def _before(page: Page) -> int:
    """Return how many rows are on the pages before one that a cursor names."""
    return (page.number - 1) * page.limit if page.after else 0


def contacts(tx: Transaction, tenant_id: str, account_id: str, at: datetime, page: Page, account: Known) -> Listed:
    """Return one page of an account's contacts at a moment, those with the most engagement first."""
    at, after = standing(page, at)
    skipped = page.parameters["offset"]
    walks = [_contacts(tx, tenant_id, account_id, account.scoring, slow=slow) for slow in (False, True)]
    if score.newest(account.sums) > score.since_landmark(at):
        then = _contacts_then(chain(*walks), sums_then(tx, tenant_id, account_id, at))
        walks, (total, exact) = [iter(then)], (len(then), True)
    else:
        [count] = tx.rows("count_contacts", tenant_id=tenant_id, account_id=account_id, most=LOOKED_AT + 1)
        total, exact = counted(count["total"])
    asked = skipped + page.limit + 1
    found = ranking.first(walks, lambda known: known.points("buyer", at), at, asked, lambda _: True, after)
    return listed(found[skipped:], page, at, total, exact=exact, shown=_contact)


def _contacts_then(now: Iterable[Ranked[Known]], then: ByContact) -> list[Ranked[Known]]:
    """Return contacts as they were at a moment before their account's newest event: those that had events by then.

    No rank bounds what one had before its own newest event. Attributes are those of now, as the account's are.
    """
    found = (each for each in now if each.id in then)
    ranked = (Ranked(each.id, FIRST, False, each.item.then(then[each.id], People())) for each in found)
    return sorted(ranked, key=lambda each: each.id)


def standing(page: Page, now: datetime) -> tuple[datetime, tuple[float, str]]:
    """Return the moment that a page shows the scores of, and the place it begins after."""
    after = page.after
    return (after.at, after.place) if isinstance(after, Standing) else (now, ranking.BEFORE_ALL)


def listed(
    found: Sequence[Placed[Item]],
    page: Page,
    at: datetime,
    total: int,
    *,
    exact: bool,
    shown: Callable[[str, Item, datetime], dict[str, Any]],
) -> Listed:
    """Return a page of a ranking.

    Args:
        found: its rows, and one more if there is a next page.
        shown: what is shown of a row, by its id and what is known of it.
    """
    last = found[page.limit - 1] if len(found) > page.limit else None
    return Listed(
        rows=[shown(each.id, each.item, at) for each in found[: page.limit]],
        total=total,
        exact=exact,
        next=Standing(last.points, last.id, at) if last else None,
    )


def walk(
    tx: Transaction, tenant_id: str, choice: Choice, by: Side, scoring: Versioned, *, slow: bool
) -> Iterator[Ranked[Known]]:
    """Yield a tenant's accounts by their ranks."""
    asked = {"tenant_id": tenant_id, "slow": slow, "first": FIRST_CONTACTS + 1, **choice.filters}

    def read(**place: Any) -> list[Row]:
        if by == "buyer":
            return tx.many_rows("accounts_by_engagement", **asked, **place)
        return tx.many_rows("accounts_by_effort", **asked, **place)

    for row in _blocks(read, "account_id"):
        yield Ranked(row["account_id"], row["rank"], slow, known_of(tx, tenant_id, row["account_id"], row, scoring))


def _contacts(
    tx: Transaction, tenant_id: str, account_id: str, scoring: Versioned, *, slow: bool
) -> Iterator[Ranked[Known]]:
    """Yield an account's contacts by their ranks."""

    def read(**place: Any) -> list[Row]:
        return tx.many_rows("contacts_by_rank", tenant_id=tenant_id, account_id=account_id, slow=slow, **place)

    for row in _blocks(read, "contact_id"):
        said = attributes.from_json(row["attributes"])
        known = Known(score.from_rows(row["slots"]), People(), scoring, said)
        yield Ranked(row["contact_id"], row["rank"], slow, known)


def _blocks(read: Callable[..., list[Row]], name: str) -> Iterator[Row]:
    """Yield rows of a walk by rank, read in blocks: few are asked for, mostly."""
    rank, id_, limit = -LAST - 1, "", 100
    while True:
        rows = read(after_rank=rank, after_id=id_, limit=limit)
        yield from rows
        if len(rows) < limit:
            return
        rank, id_, limit = rows[-1]["rank"], rows[-1][name], min(2 * limit, 5_000)


def shown(account_id: str, known: Known, at: datetime) -> dict[str, Any]:
    """Return the row of an account in a list, with its scores at ``at``."""
    scores = _scores(known, at)
    fit: Any = scores["attributes"].get("fit")
    return {"account_id": account_id, **scores, "grade": known.scoring.model.grade(fit, scores["engagement"])}


def _contact(contact_id: str, known: Known, at: datetime) -> dict[str, Any]:
    return {
        "contact_id": contact_id,
        **_scores(known, at),
        "events": sum(events for _, events, _ in known.sums.values()),
    }


def _scores(known: Known, at: datetime) -> dict[str, Any]:
    engagement = known.shown("buyer", at)
    return {
        "engagement": engagement,
        "effort": known.shown("rep", at),
        "band": known.scoring.model.band(engagement),
        "model_version": known.scoring.version,
        "last_seen": instant(score.moment(score.newest(known.sums))) if known.sums else None,
        "attributes": attributes.values(known.attributes),
    }
