"""The outbox in PostgreSQL: notices and the outcome of sending them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from functions.adapters.postgres.account_sums import known_at
from functions.adapters.postgres.database import Database, Row, Transaction
from functions.adapters.postgres.parameters import json_rows
from functions.domain import outbox
from functions.domain.explain import contributions
from functions.domain.outbox import Addressee, Decisions, Key, Standing, Traffic
from functions.ports import AccountThen, DueNotice, SendAnswer, SummedUp

#: Lines a digest has; it says how many more there are.
DIGEST_LINES = 100


@dataclass(frozen=True, slots=True)
class Claim:
    """A notice that this caller alone may send, until the claim is recorded, released or runs out.

    Args:
        attempts: how often it was tried before.
    """

    key: Key
    notice: DueNotice
    attempts: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """What came of claiming a batch of notices. One that is nowhere in it does not exist.

    Args:
        targets: notice -> what is sent for it: itself, or the digest that sums it up.
        waits_s: notice -> seconds after which to ask again.
        ended: notice -> why nothing is to be done.
        claims: what is to be sent.
    """

    targets: Mapping[Key, Key]
    waits_s: Mapping[Key, float]
    ended: Mapping[Key, str]
    claims: Sequence[Claim]


class PostgresNoticeStore:
    """Claim notices, and record their attempts. Nothing is locked between its calls.

    Args:
        mails_per_hour: the most an addressee gets within an hour; further notices are summed up. 0: no limit.
        lease_s: how long a claim holds; longer than sending a batch may take.
    """

    def __init__(self, database: Database, *, mails_per_hour: int, lease_s: float) -> None:
        self._database = database
        self._mails_per_hour = mails_per_hour
        self._lease_s = lease_s

    def claim(self, keys: Sequence[Key]) -> Claimed:
        """Claim what of a batch is to be sent now, with a lease: nobody else gets it meanwhile.

        The messages' contents are read in a second transaction, after the claim: it may take long.

        Raises:
            Unavailable: PostgreSQL could not be reached; what was claimed becomes free when the lease ends.
        """
        if not keys:
            return Claimed({}, {}, {}, [])
        with self._database.transaction() as tx:
            standings, now, decisions = self._decide(tx, keys)
            _write(tx, decisions, self._mails_per_hour, self._lease_s)
        with self._database.transaction() as tx:
            claims = [Claim(key, _due(tx, key), standing.attempts) for key, standing in decisions.claimed.items()]
        return Claimed(
            targets={standing.notice: standing.target for standing in standings},
            waits_s={key: max(0.0, (at - now).total_seconds()) for key, at in decisions.waits.items()},
            ended=decisions.ended,
            claims=claims,
        )

    def record(self, claim: Claim, answer: SendAnswer, wait_s: float | None) -> None:
        """Record an attempt, and end its claim.

        Args:
            wait_s: seconds until the next attempt of one that was not delivered; None: there is none.

        Raises:
            Unavailable: PostgreSQL could not be reached. A message that was accepted is sent again once the lease
                has ended, under the same identity.
        """
        with self._database.transaction() as tx:
            tx.rows(
                "record_delivery",
                tenant_id=claim.key.tenant_id,
                id=claim.key.id,
                channel="email",
                recipient=claim.notice.recipient,
                delivered=answer.delivered,
                answer=answer.text,
                wait_s=wait_s,
            )

    def release(self, keys: Iterable[Key]) -> None:
        """End the claims of notices that were not tried.

        Raises:
            Unavailable: PostgreSQL could not be reached; they become free when the lease ends.
        """
        with self._database.transaction() as tx:
            tx.rows("release_notices", notices=_keys(keys))

    def ping(self) -> None:
        """Raise :class:`Unavailable` unless PostgreSQL answers."""
        self._database.ping()

    def _decide(self, tx: Transaction, keys: Sequence[Key]) -> tuple[list[Standing], datetime, Decisions]:
        notices = _keys(keys)
        addressees = [
            Addressee(row["tenant_id"], row["recipient"]) for row in tx.rows("lock_addressees", notices=notices)
        ]
        standings = [_standing(row) for row in tx.rows("notice_standings", notices=notices)]
        now, traffic = datetime.min.replace(tzinfo=UTC), {}
        for each in addressees:
            row = tx.rows("addressee_traffic", window_s=outbox.WINDOW.total_seconds(), **each._asdict())[0]
            now = row.pop("now")
            traffic[each] = Traffic(**row)
        return standings, now, outbox.decide(standings, traffic, now, self._mails_per_hour)


def _standing(row: Row) -> Standing:
    tenant = row.pop("tenant_id")
    return Standing(notice=Key(tenant, row.pop("notice_id")), target=Key(tenant, row.pop("target_id")), **row)


def _write(tx: Transaction, decisions: Decisions, mails_per_hour: int, lease_s: float) -> None:
    if decisions.digests:
        rows = [
            {**each.key._asdict(), "recipient": each.recipient, "event_id": each.event_id, "due_at": each.due_at}
            for each in decisions.digests
        ]
        title = f"Notices beyond {mails_per_hour} e-mails an hour"
        tx.rows("open_digests", digests=json_rows(rows), title=title)
    if decisions.summed_up:
        joined = [{**key._asdict(), "digest_id": digest.id} for key, digest in decisions.summed_up.items()]
        tx.rows("sum_up", notices=json_rows(joined))
    if decisions.claimed:
        tx.rows("claim_notices", notices=_keys(decisions.claimed), lease_s=lease_s)


def _due(tx: Transaction, key: Key) -> DueNotice:
    row = tx.rows("read_notice", **key._asdict())[0]
    account, summed_up = None, None
    if row["kind"] == "digest":
        summed_up = _summed_up(tx.rows("summed_up", most=DIGEST_LINES, **key._asdict()))
    elif row["account_id"] is not None:
        counts = tx.row("account_id", tenant_id=key.tenant_id, account_id=row["account_id"]) or row
        known = known_at(tx, key.tenant_id, counts["account_id"], row["created_at"])
        made_of = contributions(known.sums, "buyer", row["created_at"]) if known else []
        account = AccountThen(row["account_id"], float(row["engagement"]), made_of)
    return DueNotice(
        id=row["id"],
        title=row["title"],
        recipient=row["recipient"],
        at=row["created_at"],
        account=account,
        summed_up=summed_up,
    )


def _summed_up(rows: Sequence[Mapping[str, Any]]) -> SummedUp:
    return SummedUp([_line(row) for row in rows], int(rows[0]["total"]) if rows else 0)


def _line(row: Mapping[str, Any]) -> str:
    if row["account_id"] is None:
        return str(row["title"])
    return f"{row['account_id']}: {row['title']} (engagement {row['engagement']:.0f})"


def _keys(keys: Iterable[Key]) -> str:
    return json_rows(key._asdict() for key in keys)
