"""``sspp dead-letters``: the events that nobody could take, to be looked at, mended, redriven or purged."""

from __future__ import annotations

import secrets
from argparse import Namespace
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import RootModel
from pydantic_core import to_json

from events.deadletter import DeadLetters, Letter
from events.errors import Refused
from events.keyspace import CHANNELS
from functions.cli import arguments, output
from functions.cli.arguments import Commands, Parser
from functions.cli.installation import Installation, unless_away
from functions.service import dead_letter_event
from functions.service import dead_letters as service
from functions.service.dead_letter_event import in_full, in_short
from functions.service.dead_letters import Moved
from functions.service.principal import OPERATOR
from functions.service.selection import Selection

#: Letters `list` shows unless told otherwise.
SHOWN = 50
_AT_ONCE = 100
_COLUMNS = ("id", "tenant", "type", "status", "attempts", "last_at", "reason")
_SELECTING = ("tenant", "channel", "type", "source", "event_id", "reason", "status", "since", "until")
_AGAIN = "some may be done already: the same command again goes on"


class Document(RootModel[Any]):
    """Anything that is JSON."""


class Object(RootModel[dict[str, Any]]):
    """A JSON object."""


def add(commands: Commands) -> None:
    """Add these commands."""
    letters = arguments.group(commands, "dead-letters", "List, show, edit, redrive and purge dead letters")
    listed = arguments.command(
        letters,
        "list",
        _list,
        "List dead letters, the latest first",
        more="Of all tenants, unless some are selected; what is named must all fit.\nTimes are UTC.",
        example="sspp dead-letters list\nsspp dead-letters list --tenant acme --status 422 --from 24h",
    )
    _add_selection(listed)
    listed.add_argument(
        "--limit", type=arguments.rows, default=SHOWN, metavar="N", help=f"at most so many (default: {SHOWN})"
    )
    listed.add_argument("--json", action="store_true", help="everything but the events' data, as a JSON array")
    _add_show(letters)
    _add_edit(letters)
    _add_move(
        letters,
        "redrive",
        _redrive,
        "Put dead letters back into their channels, as if never tried",
        more="An event keeps its id: what was done with it before is not done twice.",
        example="sspp dead-letters redrive events:0:1767225600000-0\n"
        "sspp dead-letters redrive --tenant acme --type com.acme.webinar.joined --yes",
    )
    _add_move(
        letters,
        "purge",
        _purge,
        "Throw dead letters away for good",
        more="The events of what is purged are lost.",
        example="sspp dead-letters purge events:0:1767225600000-0 --yes\n"
        "sspp dead-letters purge --channel signals --to 30d --yes",
    )
    _add_allow(letters)


def _add_show(letters: Commands) -> None:
    show = arguments.command(
        letters,
        "show",
        _show,
        "Write one dead letter as JSON: the whole event, the error, attempts and times",
        example="sspp dead-letters show events:0:1767225600000-0\n"
        "sspp dead-letters show events:0:1767225600000-0 --event > event.json",
    )
    _add_id(show)
    show.add_argument("--event", action="store_true", help="the event alone, as `edit` takes it")


def _add_edit(letters: Commands) -> None:
    edit = arguments.command(
        letters,
        "edit",
        _edit,
        "Give a dead letter another event, or other data; its id stays",
        more="Whose and which event it is cannot be changed, nor what has happened to it: the attributes\n"
        "id, source, sspp... and knativeerror... may be left out, or be there as they are.",
        example="sspp dead-letters edit events:0:1767225600000-0 event.json\n"
        "sspp dead-letters edit events:0:1767225600000-0 --data - < data.json",
    )
    _add_id(edit)
    edit.add_argument("file", metavar="FILE", help="the event, a JSON object; - reads it from standard input")
    edit.add_argument("--data", action="store_true", help="FILE holds the event's data alone; all else stays")


def _add_move(
    letters: Commands,
    name: str,
    run: Callable[[Namespace, Installation], None],
    about: str,
    *,
    more: str,
    example: str,
) -> None:
    what = "Either of those that are named, or of all that fit what is selected.\n"
    parser = arguments.command(letters, name, run, about, more=what + more, example=example)
    parser.add_argument(
        "ids", metavar="ID", nargs="*", type=arguments.letter_id, help="as `sspp dead-letters list` shows it"
    )
    _add_selection(parser)
    parser.add_argument("--all", action="store_true", help="all there are")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _add_allow(letters: Commands) -> None:
    allow = arguments.command(
        letters,
        "allow",
        _allow,
        "Let whatever fails in a channel become a dead letter, for a while",
        more="Where most of what a channel carries would become dead letters, none does: the reason is\n"
        "taken to be a broken deploy, and the events wait. Where it is the events, allow it.",
        example="sspp dead-letters allow events --for 1h",
    )
    allow.add_argument("channel", choices=CHANNELS, help="where they fail")
    allow.add_argument(
        "--for", dest="length", type=arguments.duration, default="1h", metavar="TIME", help="how long (default: 1h)"
    )


def _add_id(parser: Parser) -> None:
    parser.add_argument("id", metavar="ID", type=arguments.letter_id, help="as `sspp dead-letters list` shows it")


def _add_selection(parser: Parser) -> None:
    parser.add_argument("--tenant", help="whose they are")
    parser.add_argument("--channel", choices=CHANNELS, help="where they failed")
    parser.add_argument("--type", help="the event's type")
    parser.add_argument("--source", help="the event's source")
    parser.add_argument("--event-id", metavar="ID", help="the event's id: the sender's, or the front door's")
    parser.add_argument("--reason", metavar="TEXT", help="part of the reason, in upper or lower case")
    parser.add_argument("--status", type=arguments.status, help="what the function answered; 0 for no answer")
    for name, dest, about in (("--from", "since", "not before"), ("--to", "until", "before")):
        parser.add_argument(
            name,
            dest=dest,
            type=arguments.end,
            metavar="WHEN",
            help=f"the last attempt was {about} 2030-01-31T00:00:00Z, or 24h ago (s, m, h, d, w)",
        )


def _allow(options: Namespace, installation: Installation) -> None:
    with installation.dead_letters() as letters:
        service.allow(letters, OPERATOR, options.channel, options.length)
    ends = datetime.now(UTC) + options.length
    output.remark(f"whatever fails in {options.channel} becomes a dead letter until {output.moment(ends)}")


def _list(options: Namespace, installation: Installation) -> None:
    with installation.dead_letters() as letters:
        found, more = _first(letters, _selection(options), options.limit)
    rows: list[dict[str, Any]] = [in_short(letter) for letter in found]
    if not options.json:
        rows = [{**row, "last_at": datetime.fromisoformat(row["last_at"])} for row in rows]
    output.listing(rows, _COLUMNS, as_json=options.json)
    if more:
        output.remark(f"these are the latest {options.limit}; --limit shows more")


def _show(options: Namespace, installation: Installation) -> None:
    with installation.dead_letters() as letters:
        found = in_full(service.found(letters, OPERATOR, options.id))
    output.result(to_json(found["event"] if options.event else found, indent=2).decode())


def _edit(options: Namespace, installation: Installation) -> None:
    given = arguments.document(Document if options.data else Object, options.file).root
    with installation.dead_letters() as letters:
        written = dead_letter_event.with_data if options.data else dead_letter_event.with_event
        most = installation.max_body_bytes
        service.edit(letters, OPERATOR, options.id, lambda letter: written(letter, given), max_bytes=most)
    output.remark(f"{options.id} is edited; `sspp dead-letters redrive {options.id}` sends it on its way again")


def _redrive(options: Namespace, installation: Installation) -> None:
    with installation.dead_letters() as letters, unless_away(_AGAIN):
        if options.ids:
            ids = _named(options)
            _moved("redriven", service.redrive(letters, OPERATOR, ids, _nonce), ids)
            return
        selected = _confirmed(letters, options, "redrive")
        moved, skipped = _all(lambda after: service.redrive_selected(letters, OPERATOR, selected, _nonce, after=after))
    output.remark(f"redriven: {moved}" + (f"; cannot be read, only purged: {skipped}" if skipped else ""))


def _purge(options: Namespace, installation: Installation) -> None:
    with installation.dead_letters() as letters, unless_away(_AGAIN):
        if options.ids:
            ids = _named(options)
            _ask(options, "purge", len(ids))
            _moved("purged", service.purge(letters, OPERATOR, ids), ids)
            return
        selected = _confirmed(letters, options, "purge")
        moved, _ = _all(lambda after: service.purge_selected(letters, OPERATOR, selected, after=after))
    output.remark(f"purged: {moved}")


def _moved(done: str, count: int, named: Sequence[str]) -> None:
    left = len(named) - count
    output.remark(f"{done}: {count}" + (f"; changed at the same time, look again: {left}" if left else ""))


def _named(options: Namespace) -> list[str]:
    """Return the ids that are named, each once."""
    if options.all or _selects(options):
        options.mistake("letters are either named or selected")
    return list(dict.fromkeys(options.ids))


def _confirmed(letters: DeadLetters, options: Namespace, doing: str) -> Selection:
    """Return what is selected, once the operator has said yes to it.

    As of now: dead letters whose event fails again meanwhile are not taken again.
    """
    if options.all == _selects(options):
        options.mistake("name letters, or select some (--tenant, --type, ...), or --all")
    selected, now = _selection(options), datetime.now(UTC)
    selected = selected.model_copy(update={"until": min(now, selected.until or now)})
    if not options.yes:
        _ask(options, doing, service.count(letters, OPERATOR, selected))
    return selected


def _ask(options: Namespace, doing: str, many: int) -> None:
    """Go on only when somebody wants it."""
    what = f"{doing} {many} dead letter{'s' if many > 1 else ''}"
    if not options.yes and many and not output.agreed(f"{what}?"):
        raise Refused("Unconfirmed", detail=f"nothing was done; with --yes it would {what}")


def _all(move: Callable[[str | None], Moved]) -> tuple[int, int]:
    """Call ``move`` until it is through; gives how many letters it moved and skipped."""
    moved = skipped = 0
    after = None
    while True:
        step = move(after)
        moved, skipped, after = moved + step.count, skipped + step.skipped, step.next
        if after is None:
            return moved, skipped


def _first(letters: DeadLetters, selected: Selection, limit: int) -> tuple[list[Letter], bool]:
    """Return the first ``limit`` letters, and whether there may be more."""
    found: list[Letter] = []
    after = None
    while True:
        most = min(_AT_ONCE, limit - len(found))
        page = service.page(letters, OPERATOR, selected, after=after, limit=most)
        found, after = found + page.letters, page.next
        if after is None or len(found) >= limit:
            return found, after is not None


def _selects(options: Namespace) -> bool:
    return any(getattr(options, name) is not None for name in _SELECTING)


def _selection(options: Namespace) -> Selection:
    now = datetime.now(UTC)
    return Selection(
        tenant=options.tenant,
        channel=options.channel,
        type=options.type,
        source=options.source,
        event_id=options.event_id,
        reason=options.reason,
        status=options.status,
        since=None if options.since is None else _moment(options.since, now),
        until=None if options.until is None else _moment(options.until, now),
    )


def _moment(when: timedelta | datetime, now: datetime) -> datetime:
    return now - when if isinstance(when, timedelta) else when


def _nonce() -> str:
    return secrets.token_hex(16)
