"""How signals stand, in PostgreSQL: what a batch's events are compared with, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from functions.adapters.postgres.database import Row, Transaction
from functions.adapters.postgres.parameters import json_rows, json_tenants
from functions.domain import score, standing
from functions.domain.catalog import Side
from functions.domain.evidence import NO_MARKS, Marks
from functions.domain.judgement import GroupKey, Identity, Newest, Recorded, Stretch
from functions.domain.neighbours import Neighbours
from functions.domain.policy import Fact
from functions.domain.retraction import Retraction
from functions.domain.sales import SalesEvent
from functions.domain.score import Sums
from functions.domain.signal import Signal, instant
from functions.domain.state import Account, AccountKey, Changes, Lost

#: A moment before every event, for sums that have none.
_LONG_AGO_US = -(10**18)


def hold(tx: Transaction, signals: Iterable[Signal]) -> None:
    """Let no other batch record events of these signals' tenants meanwhile, if any of them takes another back."""
    tenants = {signal.event.tenant_id for signal in signals}
    if any(signal.event.retracts for signal in signals):
        tx.rows("hold_tenants", tenants=json_tenants(tenants))


def targets(tx: Transaction, signals: Sequence[Signal]) -> list[Recorded]:
    """Return the recorded signals that ``signals`` take back. None of ``signals`` is among them."""
    new = {(each.event.tenant_id, each.event.id) for each in signals}
    named = {(each.event.tenant_id, each.event.retracts.event_id) for each in signals if each.event.retracts} - new
    if not named:
        return []
    asked = json_rows({"tenant_id": tenant, "id": id_} for tenant, id_ in named)
    return [recorded(row) for row in tx.many_rows("recorded_facts", ids=asked)]


def retracted_before(tx: Transaction, accounts: Iterable[Row], signals: Iterable[Signal]) -> set[Identity]:
    """Return which of the new ``signals`` were taken back before they came.

    Args:
        accounts: rows that say whether their tenants ever took anything back.
    """
    tenants = {row["tenant_id"] for row in accounts if row["retracts"]}
    events = [each.event for each in signals if each.event.nobodys or each.event.tenant_id in tenants]
    if not events:
        return set()
    asked = json_rows({"tenant_id": event.tenant_id, "id": event.id} for event in events)
    return {(row["tenant_id"], row["id"]) for row in tx.many_rows("retracted_before", ids=asked)}


def learn(tx: Transaction, neighbours: Neighbours, accounts: Mapping[AccountKey, Account]) -> None:
    """Read what a batch's events are compared with. Their accounts are locked."""
    for stretches in neighbours.questions(newest(accounts)):
        neighbours.learn(map(recorded, tx.many_rows("stretches", **_asked(stretches))))


def newest(accounts: Mapping[AccountKey, Account]) -> Newest:
    """Return what says of each group of ``accounts`` when its newest events occurred, by its sums."""
    known: dict[GroupKey, tuple[dict[str, int], int]] = {}

    def newest_of(key: GroupKey) -> tuple[dict[str, int], int]:
        if key not in known:
            known[key] = _newest(_sums(accounts.get(key[:2]), key[2]))
        return known[key]

    return newest_of


def _sums(account: Account | None, contact_id: str | None) -> Sums:
    """Return the sums of a contact, or of the events of an account that name none."""
    if account is None:
        return {}
    if contact_id is None:
        return {slot: each for slot, each in account.sums.items() if not slot[4]}
    contact = account.people.known.get(contact_id)
    return contact.sums if contact else {}


def _newest(sums: Sums) -> tuple[dict[str, int], int]:
    by_type: dict[str, int] = {}
    for slot, (_, _, latest) in sums.items():
        by_type[slot[0]] = max(by_type.get(slot[0], latest), latest)
    return by_type, max(by_type.values(), default=_LONG_AGO_US)


def _asked(stretches: Iterable[Stretch]) -> dict[str, str]:
    """Return the parameters of ``stretches``: a list for each way of asking."""
    asked: dict[str, list[dict[str, object]]] = {"of_contacts": [], "of_nobody": [], "of_campaigns": []}
    for each in stretches:
        hidden = standing.UNVERIFIED if each.verified else standing.BY_ITSELF
        row = {**each._asdict(), "hidden": hidden | standing.RETRACTED}
        way = "of_campaigns" if each.campaign is not None else "of_contacts" if each.contact_id else "of_nobody"
        if each.since is not None and each.until is not None:
            row |= {"since": instant(score.moment(each.since)), "until": instant(score.moment(each.until))}
        asked[way].append(row)
    return {way: json_rows(rows) for way, rows in asked.items()}


def recorded(row: Row) -> Recorded:
    """Return a signal as others are compared with it."""
    side: Side = "rep" if row["side"] == "rep" else "buyer"
    fact = Fact(
        row["id"],
        row["event_type"],
        row["at"],
        side,
        row["points"],
        row["half_life_days"],
        NO_MARKS if row["marks"] is None else Marks(*row["marks"]),
        row["left_out"],
    )
    return Recorded((row["tenant_id"], row["account_id"], row["contact_id"]), fact)


def write(tx: Transaction, changes: Changes, signals: Iterable[Signal]) -> None:
    """Write how signals stand and what was taken back, and look up when the latest signals of some sums occurred."""
    if changes.moved:
        move(tx, ((tenant, each.fact) for (tenant, _), each in changes.moved.items()))
    events = [signal.event for signal in signals]
    taken_back = [_retraction(event, event.retracts) for event in events if event.retracts]
    if taken_back:
        tx.rows("put_retractions", retractions=json_rows(taken_back))
    lost = [each for each in changes.lost if each.slot in _sums_of(changes, each)]
    if lost:
        rows = [_lost(number, each, _sums_of(changes, each)) for number, each in enumerate(lost)]
        for row in tx.many_rows("latest_left", sums=json_rows(rows)):
            sums, slot = _sums_of(changes, lost[row["number"]]), lost[row["number"]].slot
            sums[slot] = (*sums[slot][:2], row["latest"])


def _sums_of(changes: Changes, lost: Lost) -> dict[score.Slot, score.Sum]:
    account = changes.accounts[lost.account]
    return account.people.known[lost.contact_id].sums if lost.contact_id else account.sums


def move(tx: Transaction, facts: Iterable[tuple[str, Fact]]) -> None:
    """Store how signals stand from now on, each with its tenant. Their accounts are locked."""
    tx.rows("move_signals", moved=json_rows(_moved(*each) for each in facts))


def _moved(tenant: str, fact: Fact) -> dict[str, object]:
    side = standing.adds(fact.side, fact.left_out)
    return {"tenant_id": tenant, "id": fact.id, "side": side, "left_out": fact.left_out}


def _retraction(event: SalesEvent, said: Retraction) -> dict[str, object]:
    return {
        "tenant_id": event.tenant_id,
        "id": said.event_id,
        "at": event.received_at,
        "by": said.by,
        "reason": said.reason,
        "event_id": event.id,
    }


def _lost(number: int, lost: Lost, sums: Sums) -> dict[str, object]:
    type_, side, half_life_days, era, named = lost.slot
    return {
        "number": number,
        "tenant_id": lost.account[0],
        "account_id": lost.account[1],
        "contact_id": lost.contact_id,
        "type": type_,
        "side": side,
        "half_life_days": half_life_days,
        "era": era,
        "named": named,
        "until": instant(score.moment(sums[lost.slot][2])),
    }
