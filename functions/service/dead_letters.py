"""Dead letters: find, show, edit, redrive and purge them, each tenant its own and the operator everybody's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from events import cloudevent
from events.deadletter import DeadLetters, Letter, Place
from events.errors import Fault, Refused
from events.keyspace import CHANNELS
from events.log import Log
from functions.domain.catalog import EVENT_TYPES, PREFIX
from functions.domain.key import MANAGE, READ, READ_DEAD_LETTERS, WRITE_DEAD_LETTERS
from functions.service.dead_letter_event import readable, republished
from functions.service.principal import Principal
from functions.service.selection import Selection

log = Log("dead_letters")

#: The most dead letters that one call looks at, however few of them are selected.
LOOKED_AT = 10_000
#: The most dead letters that one call redrives or purges.
MOVED = 1_000
#: The most bytes that one call returns or moves, and looks at: they fit into memory, and into a request's time.
MOVED_BYTES, LOOKED_AT_BYTES = 16 * 1024 * 1024, 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Page:
    """Some dead letters.

    Args:
        next: where to go on, None at the end. A page may have fewer dead letters than were asked for, even none, and
            not be the last.
        remaining: a lower bound of the selected dead letters that the next call will find.
    """

    letters: list[Letter]
    next: str | None
    remaining: int = 0


@dataclass(frozen=True, slots=True)
class Moved:
    """What one call redrove or purged.

    Args:
        count: dead letters that were moved.
        skipped: dead letters that cannot be redriven, because their event cannot be read.
        remaining, next: see :class:`Page`.
    """

    count: int
    skipped: int
    remaining: int
    next: str | None


def page(letters: DeadLetters, by: Principal, selected: Selection, *, after: str | None = None, limit: int) -> Page:
    """Return up to ``limit`` dead letters, the latest first.

    Args:
        after: where an earlier page ended.
    Raises:
        Refused: 400, ``selected`` names another tenant, or no page ended at ``after``.
    """
    by.require_scope(READ_DEAD_LETTERS)
    return _look(letters, by, selected, after, limit, latest_first=True)


def count(letters: DeadLetters, by: Principal, selected: Selection) -> int:
    """Return how many dead letters are selected, however many that are."""
    by.require_scope(WRITE_DEAD_LETTERS)
    return sum(1 for _, fits in _scan(letters, by, selected, None, latest_first=False) if fits)


def found(letters: DeadLetters, by: Principal, id_: str, scope: str = READ_DEAD_LETTERS) -> Letter:
    """Return one dead letter.

    Args:
        scope: what the caller is about to do.
    Raises:
        Refused: 404, there is none that ``by`` may know of.
    """
    by.require_scope(scope)
    place = Place.read(id_)
    letter = place and letters.get(place)
    if not letter or not by.reaches(letter.tenant):
        raise Refused("Not found", status=404, detail="there is no such dead letter")
    return letter


def of_event(letters: DeadLetters, by: Principal, event_id: UUID) -> Letter | None:
    """Return the dead letter of an event that the principal's tenant sent; None where there is none."""
    by.require(READ, by.tenant)
    return letters.of_event(by.tenant, str(event_id))


def edit(letters: DeadLetters, by: Principal, id_: str, change: Callable[[Letter], bytes], *, max_bytes: int) -> None:
    """Replace the event of a dead letter.

    Args:
        change: writes the new event: ``with_data`` or ``with_event`` of :mod:`functions.service.dead_letter_event`.
        max_bytes: the largest event that the front door takes.
    Raises:
        Refused: 403, the platform published the event; 413, the new one is too large; 422, its type is the platform's.
    """
    letter = found(letters, by, id_, WRITE_DEAD_LETTERS)
    if not by.operator and letter.place.channel != "events":
        detail = "what the platform published itself can be redriven or purged, not edited"
        raise Refused("Forbidden", status=403, detail=detail)
    event = change(letter)
    if not by.operator:
        _require_a_senders_type(event)
    if len(event) > max_bytes:
        raise Refused("Event too large", status=413, detail=f"at most {max_bytes} bytes")
    letters.edit(letter, event)
    log.info("dead_letter_edited", letter=letter.id, by=by.who)


def redrive(letters: DeadLetters, by: Principal, ids: Sequence[str], nonce: Callable[[], str]) -> int:
    """Put dead letters back into their channels as if they had never been tried: all that are named, or none.

    Args:
        nonce: returns a text that was never used before.
    Returns:
        How many were moved: fewer than named when some were changed at the same time.
    Raises:
        Refused: 404, one is not there; 409, one's event cannot be read.
    """
    named = _named(letters, by, ids)
    for letter in named:
        readable(letter)
    return _logged(by, "redriven", letters.redrive(named, lambda letter: republished(letter, nonce())))


def purge(letters: DeadLetters, by: Principal, ids: Sequence[str]) -> int:
    """Remove dead letters for good: all that are named, or none.

    Returns:
        How many were removed: fewer than named when some were changed at the same time.
    Raises:
        Refused: 404, one is not there.
    """
    named = _named(letters, by, ids)
    return _logged(by, "purged", letters.purge(named))


def redrive_selected(
    letters: DeadLetters, by: Principal, selected: Selection, nonce: Callable[[], str], *, after: str | None = None
) -> Moved:
    """Redrive up to :data:`MOVED` dead letters, the oldest first; see :func:`redrive` and :func:`page`."""
    by.require_scope(WRITE_DEAD_LETTERS)
    some = _look(letters, by, selected, after, MOVED, latest_first=False)
    sound = [letter for letter in some.letters if letter.event() is not None]
    moved = _logged(by, "redriven", letters.redrive(sound, lambda letter: republished(letter, nonce())))
    return Moved(moved, len(some.letters) - len(sound), some.remaining, some.next)


def purge_selected(letters: DeadLetters, by: Principal, selected: Selection, *, after: str | None = None) -> Moved:
    """Purge up to :data:`MOVED` dead letters, the oldest first; see :func:`purge` and :func:`page`."""
    by.require_scope(WRITE_DEAD_LETTERS)
    some = _look(letters, by, selected, after, MOVED, latest_first=False)
    return Moved(_logged(by, "purged", letters.purge(some.letters)), 0, some.remaining, some.next)


def allow(letters: DeadLetters, by: Principal, channel: str, length: timedelta) -> None:
    """Override the circuit breaker of a channel for so long: every failure may become a dead letter."""
    by.require_scope(MANAGE)
    letters.allow(channel, max(1, int(length.total_seconds())))


def _named(letters: DeadLetters, by: Principal, ids: Sequence[str]) -> list[Letter]:
    by.require_scope(WRITE_DEAD_LETTERS)
    return [found(letters, by, id_, WRITE_DEAD_LETTERS) for id_ in dict.fromkeys(ids)]


def _logged(by: Principal, done: str, count: int) -> int:
    log.info(f"dead_letters_{done}", count=count, by=by.who)
    return count


def _require_a_senders_type(event: bytes) -> None:
    """Raise Refused (422) for a type that begins as the platform's types do and that senders may not use."""
    type_ = cloudevent.parse(event).event.type
    if type_.startswith(PREFIX) and type_ not in EVENT_TYPES:
        fault = Fault("/event/type", "is not an event type this tenant has")
        raise Refused("Unacceptable event", status=422, faults=(fault,))


def _scan(
    letters: DeadLetters, by: Principal, selected: Selection, after: Place | None, *, latest_first: bool
) -> Iterator[tuple[Letter, bool]]:
    """Yield every dead letter that may be selected, in order, and whether it is."""
    if not by.operator and selected.tenant not in {None, by.tenant}:
        raise Refused("Bad request", faults=(Fault("/tenant", "is not this key's tenant"),))
    tenant = selected.tenant if by.operator else by.tenant
    channels = CHANNELS if selected.channel is None else (selected.channel,)
    for letter in letters.scan(channels, tenant=tenant, after=after, latest_first=latest_first):
        yield letter, by.reaches(letter.tenant) and selected.fits(letter)


def _look(
    letters: DeadLetters, by: Principal, selected: Selection, after: str | None, most: int, *, latest_first: bool
) -> Page:
    """Look at dead letters from ``after`` on: as many as one call may, or until a list has what it wants."""
    found: list[Letter] = []
    last, beyond, size, looked_at = _cursor(after), 0, 0, 0
    for seen, (letter, fits) in enumerate(_scan(letters, by, selected, last, latest_first=latest_first)):
        if seen == LOOKED_AT or looked_at >= LOOKED_AT_BYTES:
            return Page(found, str(last) if not beyond else found[-1].id, beyond)
        last = letter.place
        looked_at += len(letter.raw)
        if not fits:
            continue
        if not beyond and len(found) < most and size < MOVED_BYTES:
            found.append(letter)
            size += len(letter.raw)
        else:
            beyond += 1
            if latest_first:
                break
    return Page(found, found[-1].id if beyond else None, beyond)


def _cursor(after: str | None) -> Place | None:
    place = None if after is None else Place.read(after)
    if after is not None and place is None:
        raise Refused("Bad request", faults=(Fault("/cursor", "is not one that was given"),))
    return place
