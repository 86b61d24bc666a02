"""What the domain needs from outside, as Protocols. Adapters implement them; fakes and real ones pass one contract."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol
from uuid import UUID

from events.errors import Unavailable
from functions.domain.explain import Contribution
from functions.domain.key import Grant
from functions.domain.plan import OwnEventType
from functions.domain.search import SearchAnswer, SearchQuery, SignalDocument
from functions.domain.signal import Signal

if TYPE_CHECKING:  # the engine brings the library of conditions, which only process needs
    from functions.domain.state import Changes, State


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came of a batch of signals, the same for every delivery of it.

    Args:
        contents: ``(tenant, signal)`` -> the hash of the content it was recorded with; None where that is not known.
        notices: ``(tenant, signal)`` -> the notices it led to that somebody is to get.
        insights: ``(tenant, signal)`` -> the insights that were found with it.
        moved: ``(tenant, signal)`` -> the signals that count for another account since, because of it.
    """

    contents: dict[tuple[str, str], bytes | None]
    notices: dict[tuple[str, str], list[UUID]]
    insights: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    moved: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def differs(self, signal: Signal) -> bool:
        """Whether the signal's identity was recorded with other content."""
        event = signal.event
        content = self.contents[event.tenant_id, event.id]
        return content is not None and content != event.content


class AccountsMoved(Unavailable):
    """Accounts of a batch were merged, or are on their own again, since it began: it can be begun anew at once."""

    def __init__(self) -> None:
        super().__init__("postgresql", reason="accounts were merged meanwhile")


class Inserted(NamedTuple):
    """What came of inserting a batch's signals.

    Args:
        new: those that were not there yet, each once, in the order they came.
        recorded: what is on record for the whole batch so far: of the new ones their contents alone.
    """

    new: Sequence[Signal]
    recorded: Recorded


class Batch(Protocol):
    """One transaction that records a batch: all of it is written, or nothing if an error leaves the ``with``.

    Every method raises :class:`Unavailable` when the store cannot be reached; the whole batch again is safe.
    """

    def insert(self, signals: Sequence[Signal]) -> Inserted:
        """Store ``signals``, each with the points and half-life of its tenant's scoring model.

        Of those with one identity the first is stored; later ones change nothing.
        """

    def lock(self, signals: Sequence[Signal]) -> State:
        """Return the accounts, rules and scoring models of new signals.

        Others wait for these accounts until the batch ends.

        Raises:
            AccountsMoved: they are not the accounts that count for these signals.
        """

    def lock_due(self, until: datetime, most: int) -> State:
        """Return accounts at whose insights silence is to be looked at by a moment, and the rules of their tenants.

        Others wait for these accounts until the batch ends; one that others have locked is left to them.
        """

    def write(self, changes: Changes, signals: Sequence[Signal]) -> Collection[UUID]:
        """Write what new signals have changed, and count them against their tenants' months.

        Returns:
            The notices that were not on record before.
        """


class SignalStore(Protocol):
    """Signals, account scores, episodes and notices, changed together."""

    def batch(self) -> AbstractContextManager[Batch]:
        """Begin a batch."""

    def own_event_types(self, tenants: Collection[str]) -> Mapping[str, Mapping[str, OwnEventType]]:
        """Return the event types that ``tenants`` have defined: tenant -> type -> definition.

        Raises:
            Unavailable: the store could not be reached.
        """

    def forgotten_notices(self, since: datetime, until: datetime) -> Sequence[tuple[str, UUID]]:
        """Return the notices of a stretch of time, by when they were wanted, that nobody has sent or waits to send.

        Not those that were refused for good, given up or summed up.

        Raises:
            Unavailable: the store could not be reached.
        """

    def ping(self) -> None:
        """Raise :class:`Unavailable` unless the store answers."""


@dataclass(frozen=True, slots=True)
class AccountThen:
    """An account when a rule fired: its engagement, 0-100, and what that was made of."""

    id: str
    engagement: float
    contributions: Sequence[Contribution]


@dataclass(frozen=True, slots=True)
class SummedUp:
    """What a digest tells of: a line for each of the first notices, and how many there are in all."""

    lines: Sequence[str]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DueNotice:
    """A notice that is to be sent, with all that its text needs.

    Args:
        id: also the message's identity, so that a mail system can tell a repeat.
        account: whom it is about, where it is about an account.
        summed_up: the notices it tells of, where it is a digest.
    """

    id: UUID
    title: str
    recipient: str
    at: datetime
    account: AccountThen | None
    summed_up: SummedUp | None = None


@dataclass(frozen=True, slots=True)
class SendAnswer:
    """What the other side said.

    Args:
        delivered: it has taken the message.
        text: its own words, for the delivery record.
        permanent: it will never take this message; not worth another try.
    """

    delivered: bool
    text: str
    permanent: bool = False


class Sender(Protocol):
    """One way to reach people."""

    def send(self, notices: Sequence[DueNotice], within_s: float) -> Generator[SendAnswer]:
        """Send ``notices`` in their order, and yield one answer each. Trouble with a message is an answer.

        It ends early when ``within_s`` is over, or the other side takes no more for now: the rest were not tried. The
        first is always tried.

        Raises:
            Unavailable: no message can be sent now; the rest were not tried.
        """


class KeyDirectory(Protocol):
    """Which API key belongs to whom."""

    def find(self, digest: str) -> Grant | None:
        """Return whom the key with this digest belongs to, or None when it is unknown or revoked.

        Raises:
            Unavailable: the directory could not be reached, or is missing.
        """


class SearchIndex(Protocol):
    """The signals, as far as they can be searched."""

    def has(self, tenant_id: str, signal_id: UUID) -> bool:
        """Return whether a signal can be found.

        Raises:
            Unavailable: the index could not be reached.
        """

    def search(self, query: SearchQuery) -> SearchAnswer:
        """Answer ``query``, newest first.

        Raises:
            Unavailable: the index could not be reached.
        """

    def ping(self) -> None:
        """Raise :class:`Unavailable` unless the index answers."""


class SearchCopy(SearchIndex, Protocol):
    """A search index that is a copy of the signals, and can be rebuilt from PostgreSQL at any time."""

    def put(self, documents: Sequence[SignalDocument]) -> None:
        """Store ``documents``; one with the id of an earlier one replaces it, so a redelivery is harmless.

        They are found by the next :meth:`search`.

        Raises:
            Unavailable: some may be stored, the same call again makes it whole.
        """
