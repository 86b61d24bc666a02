"""What the domain needs from outside, as Protocols. Adapters implement them; fakes and real ones pass one contract."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from functions.domain.explain import Contribution
from functions.domain.key import Grant
from functions.domain.plan import OwnEventType
from functions.domain.search import SearchAnswer, SearchQuery, SignalDocument
from functions.domain.signal import Signal


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came of a batch of signals, the same for every delivery of it.

    Args:
        contents: ``(tenant, signal)`` -> the hash of the content it was recorded with; None where that is not known.
        notices: ``(tenant, signal)`` -> the notices it led to.
    """

    contents: Mapping[tuple[str, str], bytes | None]
    notices: Mapping[tuple[str, str], Sequence[UUID]]

    def differs(self, signal: Signal) -> bool:
        """Whether the signal's identity was recorded with other content."""
        event = signal.event
        content = self.contents[event.tenant_id, event.id]
        return content is not None and content != event.content


class SignalStore(Protocol):
    """Signals, account scores, episodes and notices, changed together."""

    def own_event_types(self, tenants: Collection[str]) -> Mapping[str, Mapping[str, OwnEventType]]:
        """Give the event types that ``tenants`` have defined: tenant -> type -> definition.

        Raises:
            Unavailable: the store could not be reached.
        """

    def forgotten_notices(self, since: datetime, until: datetime) -> Sequence[tuple[str, UUID]]:
        """Give the notices of a stretch of time, by when they were wanted, that were not sent nor tried since its end.

        Not those that were refused for good or given up.

        Raises:
            Unavailable: the store could not be reached.
        """

    def record(self, signals: Sequence[Signal]) -> Recorded:
        """Store ``signals``, advance their accounts' scores, ask the rules and write notices: all or nothing.

        Of signals with one identity the first is stored; later ones change nothing, whatever their content.

        Raises:
            Unavailable: the store could not be reached; the same call again is safe.
        """

    def ping(self) -> None:
        """Raise :class:`Unavailable` unless the store answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSignal:
    """A signal as it is stored.

    Args:
        row: the signal as the API lists it (contract section 4), JSON types only, without its event.
        event: its event as it was sent; None where an earlier version did not keep it.
    """

    tenant_id: str
    timestamp: datetime
    row: Mapping[str, Any]
    event: Mapping[str, Any] | None


class RecordedSignals(Protocol):
    """The signals that are recorded, for those who copy them elsewhere."""

    def read(self, identities: Sequence[tuple[str, UUID]]) -> Iterator[Sequence[RecordedSignal]]:
        """Yield the signals of ``(tenant, id)``, in slices of bounded size. One that is not recorded is left out.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class DueNotice:
    """A notice that is to be sent, with all that its text needs.

    Args:
        id: also the message's identity, so that a mail system can tell a repeat.
        account: whom it is about, where it is about an account.
    """

    id: UUID
    title: str
    recipient: str
    at: datetime
    account: AccountThen | None


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

    def send(self, notice: DueNotice) -> SendAnswer:
        """Send ``notice``. Trouble with this message is an answer, not an exception.

        Raises:
            Unavailable: no message can be sent now; this one was not.
        """


class NoticeStore(Protocol):
    """Notices and what came of sending them."""

    def deliver(self, tenant_id: str, notice_id: UUID, sender: Sender) -> SendAnswer:
        """Send a notice unless it was sent before, and record the attempt.

        Two calls for one notice take turns; the second finds it sent.

        Raises:
            Refused: there is no such notice.
            Unavailable: the store could not be reached, and a message may be out already: its identity tells. Or
                the sender could not; then there was no attempt.
        """

    def ping(self) -> None:
        """Raise :class:`Unavailable` unless the store answers."""


class KeyDirectory(Protocol):
    """Which API key belongs to whom."""

    def find(self, digest: str) -> Grant | None:
        """Give whom the key with this digest belongs to, or None when it is unknown or revoked.

        Raises:
            Unavailable: the directory could not be reached, or is missing.
        """


class SearchIndex(Protocol):
    """A copy of the signals that can be searched, and rebuilt from PostgreSQL at any time."""

    def put(self, documents: Sequence[SignalDocument]) -> None:
        """Store ``documents``; one with the id of an earlier one replaces it, so a redelivery is harmless.

        They are found by the next :meth:`search`.

        Raises:
            Unavailable: some may be stored, the same call again makes it whole.
        """

    def get(self, tenant_id: str, document_id: str) -> dict[str, Any] | None:
        """Give the row of one document, or None when it is not indexed.

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
