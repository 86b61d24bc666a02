"""What a batch reads and changes: accounts with their sums and episodes, and how signals stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import NamedTuple

from functions.domain import attributes, score, standing
from functions.domain.attributes import NONE, Attributes
from functions.domain.evaluation import RuleKey, Trouble
from functions.domain.explain import Known
from functions.domain.following import Follower, Past
from functions.domain.judgement import Change, Identity
from functions.domain.model import UNCHANGED, Versioned
from functions.domain.neighbours import Neighbours
from functions.domain.notice import Notice
from functions.domain.policy import Fact
from functions.domain.rollup import People
from functions.domain.rule import Episode, Rule
from functions.domain.sales import SalesEvent
from functions.domain.score import Slot, Sum
from functions.domain.signal import Signal
from functions.domain.watch import Watch

#: (tenant, account)
AccountKey = tuple[str, str]

#: The moment of an account before its first event.
NEVER_MOVED = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Account:
    """What is known of an account: its score sums, and its episode with each rule that ever had one, by id.

    Args:
        people: its contacts; those that the batch's events name are among the known ones.
        scoring: its tenant's model.
        as_of: when the newest event that changed the account was received. For any moment before it the sums tell no
            score: they already hold what happened later.
        days_until: what happened before this day is added up by day and by contact: :mod:`functions.domain.history`.
        watch: what finding its insights remembers; None where an earlier version has written it.
        next_due: when silence alone may change an insight, in microseconds since the landmark.
    """

    sums: dict[Slot, Sum] = field(default_factory=dict)
    episodes: dict[str, Episode] = field(default_factory=dict)
    as_of: datetime = NEVER_MOVED
    days_until: date = date.min
    people: People = field(default_factory=People)
    scoring: Versioned = UNCHANGED
    watch: Watch | None = None
    next_due: int | None = None

    def blank(self) -> Account:
        """Return it as it was before its first event, to be run again."""
        return Account(scoring=self.scoring)

    @property
    def known(self) -> Known:
        """Its scores."""
        return Known(self.sums, self.people, self.scoring)

    def add(self, contact_id: str | None, slot: Slot, added: Sum) -> None:
        """Add what an event adds, to the account's sums and to those of the contact that it names."""
        score.add(self.sums, slot, added)
        self.people.made_of.clear()
        if contact_id:
            contact = self.people.known.get(contact_id)
            sums = dict(contact.sums) if contact else {}
            score.add(sums, slot, added)
            self.people.put(contact_id, sums)

    def move(self, contact_id: str | None, slot: Slot, to: Slot, added: Sum) -> None:
        """Let what an event added count elsewhere."""
        self.sums = score.move(self.sums, slot, to, added)
        self.people.made_of.clear()
        if contact_id:
            self.people.put(contact_id, score.move(self.people.known[contact_id].sums, slot, to, added))

    def copied(self) -> Known:
        """Return its scores as they are now, whatever comes."""
        return Known(dict(self.sums), self.people.copied(), self.scoring)

    def without(self, contact_id: str | None, slot: Slot, added: Sum) -> Known:
        """Return its scores as they would be without an event that added so much."""
        people = self.people.without(contact_id, slot, added) if contact_id else self.people.copied()
        return Known(score.without(self.sums, slot, added), people, self.scoring)


@dataclass(slots=True)
class State:
    """The state before a batch: its accounts, without the new ones, and the rules and scoring models of its tenants.

    Args:
        unusable: rules that were saved before their like was refused.
        neighbours: judges which of the batch's events count, and which others count on; None: all do.
        past_of: reads the past of an account, for its insights to be found again; None where it is too long.
    """

    accounts: dict[AccountKey, Account]
    rules: Mapping[str, Sequence[Rule]]
    unusable: Mapping[RuleKey, Trouble] = field(default_factory=dict)
    models: Mapping[str, Versioned] = field(default_factory=dict)
    neighbours: Neighbours | None = None
    past_of: Callable[[AccountKey], Past | None] | None = None

    def account(self, key: AccountKey) -> Account:
        """Return an account, a new one where there was none."""
        found = self.accounts.get(key)
        if found is None:
            found = self.accounts[key] = Account(scoring=self.models.get(key[0], UNCHANGED))
        return found


class Moved(NamedTuple):
    """A signal that stands in another way after a batch.

    Args:
        before: its ``left_out`` before the batch; None of one that is new.
    """

    account: AccountKey
    contact_id: str | None
    fact: Fact
    before: int | None


class Lost(NamedTuple):
    """A sum that lost its latest event, so that the moment of the latest one left has to be looked up.

    Args:
        contact_id: whose sum it is; None of the account's.
    """

    account: AccountKey
    contact_id: str | None
    slot: Slot


@dataclass(slots=True)
class Changes:
    """What a batch led to: accounts that have changed, notices that are due, and rules that had trouble.

    Args:
        contacts: those that have changed, of each account.
        attributes: what the batch's events say of accounts and contacts. The empty contact is the account itself.
        moved: signals that stand in another way than they did, or than new ones do.
        lost: sums whose latest event may be gone.
        followers: what began and ended of the insights of accounts.
        insights: the signals of insights that are new.
        causes: insight -> the event that it was found with; none of those that were found by the clock.
    """

    accounts: dict[AccountKey, Account] = field(default_factory=dict)
    contacts: dict[AccountKey, set[str]] = field(default_factory=dict)
    attributes: dict[tuple[str, str, str], Attributes] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    troubles: dict[RuleKey, Trouble] = field(default_factory=dict)
    moved: dict[Identity, Moved] = field(default_factory=dict)
    lost: set[Lost] = field(default_factory=set)
    followers: dict[AccountKey, Follower] = field(default_factory=dict)
    insights: list[Signal] = field(default_factory=list)
    causes: dict[str, str] = field(default_factory=dict)

    def note(self, event: SalesEvent) -> None:
        """Keep what an event says of its account and of its contact."""
        for said, contact in ((event.account_says, ""), (event.contact_says, event.contact_id or "")):
            if said:
                key = (event.tenant_id, event.account_id, contact)
                written = attributes.written(said, score.since_landmark(event.occurred_at), event.id)
                self.attributes[key] = attributes.merged(self.attributes.get(key, NONE), written)

    def touch(self, key: AccountKey, contact_id: str | None) -> None:
        """Note that a contact of an account has changed."""
        if contact_id:
            self.contacts.setdefault(key, set()).add(contact_id)

    def judged(self, change: Change, accounts: Mapping[AccountKey, Account]) -> None:
        """Apply that an event stands in another way to the sums of its account and its contact."""
        (tenant_id, account_id, contact_id), fact = change.group, change.fact
        key = (tenant_id, account_id)
        known = self.moved.get(change.identity)
        self.moved[change.identity] = Moved(key, contact_id, fact, known.before if known else change.before)
        account = accounts.get(key)
        if account is None or not fact.points:  # nobody's
            return
        (slot, added), (to, _) = (_part(fact, left_out, contact_id) for left_out in (change.before, fact.left_out))
        if slot == to:
            return
        account.move(contact_id, slot, to, added)
        self.accounts[key] = account
        self.touch(key, contact_id)
        self.lost |= {Lost(key, whose, slot) for whose in (None, contact_id)}


def _part(fact: Fact, left_out: int, contact_id: str | None) -> tuple[Slot, Sum]:
    side = standing.adds(fact.side, left_out)
    return score.part(fact.type, side, fact.points, fact.half_life_days, fact.at, named=contact_id is not None)
