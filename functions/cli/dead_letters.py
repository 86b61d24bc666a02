"""``sspp dead-letters``: the terminal's face of :mod:`functions.service.dead_letters`."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from events.errors import Refused
from functions.cli import output
from functions.cli.arguments import Channel, Json, app, document, duration, examples, letter_id, rows
from functions.cli.installation import installation, noted
from functions.cli.selecting import selecting, selection, selects

if TYPE_CHECKING:
    from events.deadletter import DeadLetters, Letter
    from functions.service.dead_letters import Moved
    from functions.service.selection import Selection

#: Dead letters that `list` shows where nothing else is asked for, and that one call reads.
SHOWN, _AT_ONCE = 50, 100
_COLUMNS = ("id", "tenant", "type", "status", "attempts", "last_at", "reason")
_AGAIN = "some may be done already: the same command again goes on"

group = app("List, show, edit, redrive and purge dead letters.")


LetterId = Annotated[str, typer.Argument(metavar="ID", parser=letter_id, help="as `sspp dead-letters list` shows it")]
LetterIds = Annotated[
    list[str] | None, typer.Argument(metavar="ID", parser=letter_id, help="as `sspp dead-letters list` shows it")
]
Limit = Annotated[
    int, typer.Option(parser=rows, metavar="N", help=f"at most so many (default: {SHOWN})", show_default=False)
]
All = Annotated[bool, typer.Option("--all", help="all there are")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]


@group.command(
    "list",
    epilog=examples("sspp dead-letters list", "sspp dead-letters list --tenant acme --status 422 --from 24h"),
)
@selecting
def list_(
    ctx: typer.Context,
    limit: Annotated[
        int, typer.Option(parser=rows, metavar="N", help=f"at most so many (default: {SHOWN})", show_default=False)
    ] = SHOWN,
    json: Json = False,
) -> None:
    """List dead letters, the latest first.

    Of all tenants, unless some are selected; what is named must all fit. Times are UTC.
    """
    from functions.service.dead_letter_event import in_short

    with installation(ctx).dead_letters() as letters:
        found, more = _first(letters, selection(ctx), limit)
    shown: list[dict[str, Any]] = [in_short(letter) for letter in found]
    if not json:
        shown = [{**row, "last_at": datetime.fromisoformat(row["last_at"])} for row in shown]
    output.listing(shown, _COLUMNS, as_json=json)
    if more:
        output.say(f"these are the latest {limit}; --limit shows more")


@group.command(
    epilog=examples(
        "sspp dead-letters show events:0:1767225600000-0",
        "sspp dead-letters show events:0:1767225600000-0 --event > event.json",
    )
)
def show(
    ctx: typer.Context,
    id_: LetterId,
    event: Annotated[bool, typer.Option("--event", help="the event alone, as `edit` takes it")] = False,
    json: Json = True,
) -> None:
    """Write one dead letter as JSON: the whole event, the error, attempts and times."""
    from functions.service import dead_letters
    from functions.service.dead_letter_event import in_full
    from functions.service.principal import OPERATOR

    del json  # it is JSON with and without --json
    with installation(ctx).dead_letters() as letters:
        found = in_full(dead_letters.found(letters, OPERATOR, id_))
    output.document(found["event"] if event else found)


@group.command(
    epilog=examples(
        "sspp dead-letters edit events:0:1767225600000-0 event.json",
        "sspp dead-letters edit events:0:1767225600000-0 --data - < data.json",
    )
)
def edit(
    ctx: typer.Context,
    id_: LetterId,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="the event, a JSON object; - reads it from standard input")
    ],
    data: Annotated[bool, typer.Option("--data", help="FILE holds the event's data alone; all else stays")] = False,
    json: Json = False,
) -> None:
    """Replace the event of a dead letter, or its data; the dead letter's id stays.

    Whose and which event it is cannot be changed, nor what has happened to it: the attributes id, source, sspp... and
    knativeerror... may be left out, or be there as they are.
    """
    from pydantic import RootModel

    from functions.service import dead_letters
    from functions.service.dead_letter_event import with_data, with_event
    from functions.service.principal import OPERATOR

    change: Callable[[Letter], bytes]
    if data:
        anything = document(RootModel[Any], file).root
        change = lambda letter: with_data(letter, anything)  # noqa: E731 - one of two
    else:
        given = document(RootModel[dict[str, Any]], file).root
        change = lambda letter: with_event(letter, given)  # noqa: E731 - one of two
    found = installation(ctx)
    with found.dead_letters() as letters:
        dead_letters.edit(letters, OPERATOR, id_, change, max_bytes=found.max_body_bytes)
    hint = f"{id_} is edited; `sspp dead-letters redrive {id_}` sends it on its way again"
    output.done({"id": id_, "edited": True}, as_json=json, remark=hint)


@group.command(
    epilog=examples(
        "sspp dead-letters redrive events:0:1767225600000-0",
        "sspp dead-letters redrive --tenant acme --type com.acme.webinar.joined --yes",
    )
)
@selecting
def redrive(
    ctx: typer.Context, ids: LetterIds = None, all_: All = False, yes: Yes = False, json: Json = False
) -> None:
    """Put dead letters back into their channels, as if never tried.

    Either those that are named, or all that fit what is selected. An event keeps its id: what was done with it before
    is not done twice.
    """
    from functions.service import dead_letters
    from functions.service.principal import OPERATOR

    _check(ctx, ids, everything=all_)
    with installation(ctx).dead_letters() as letters, noted(_AGAIN):
        if ids:
            _named("redriven", ids, dead_letters.redrive(letters, OPERATOR, ids, _nonce), json=json)
            return
        selected = _confirmed(letters, ctx, "redrive", agreed=yes)
        moved, skipped = _to_the_end(
            lambda after: dead_letters.redrive_selected(letters, OPERATOR, selected, _nonce, after=after)
        )
    unreadable = f"; cannot be read, only purged: {skipped}" if skipped else ""
    output.done({"redriven": moved, "skipped": skipped}, as_json=json, remark=f"redriven: {moved}{unreadable}")


@group.command(
    epilog=examples(
        "sspp dead-letters purge events:0:1767225600000-0 --yes",
        "sspp dead-letters purge --channel signals --to 30d --yes",
    )
)
@selecting
def purge(ctx: typer.Context, ids: LetterIds = None, all_: All = False, yes: Yes = False, json: Json = False) -> None:
    """Remove dead letters for good.

    Either those that are named, or all that fit what is selected. The events of what is purged are lost.
    """
    from functions.service import dead_letters
    from functions.service.principal import OPERATOR

    _check(ctx, ids, everything=all_)
    with installation(ctx).dead_letters() as letters, noted(_AGAIN):
        if ids:
            _ask("purge", len(set(ids)), agreed=yes)
            _named("purged", ids, dead_letters.purge(letters, OPERATOR, ids), json=json)
            return
        selected = _confirmed(letters, ctx, "purge", agreed=yes)
        moved, _ = _to_the_end(lambda after: dead_letters.purge_selected(letters, OPERATOR, selected, after=after))
    output.done({"purged": moved}, as_json=json, remark=f"purged: {moved}")


@group.command(epilog=examples("sspp dead-letters allow events --for 1h"))
def allow(
    ctx: typer.Context,
    channel: Annotated[Channel, typer.Argument(help="where they fail")],
    length: Annotated[timedelta, typer.Option("--for", parser=duration, metavar="TIME", help="how long")] = "1h",  # type: ignore[assignment] # the parser reads it
    json: Json = False,
) -> None:
    """Let whatever fails in a channel become a dead letter, for a while.

    Where most of what a channel carries would become dead letters, none does: the reason is taken to be a broken
    deploy, and the events wait. Where it is the events, allow it.
    """
    from functions.service import dead_letters
    from functions.service.principal import OPERATOR

    with installation(ctx).dead_letters() as letters:
        dead_letters.allow(letters, OPERATOR, channel, length)
    until = output.moment(datetime.now(UTC) + length)
    hint = f"whatever fails in {channel} becomes a dead letter until {until}"
    output.done({"channel": channel, "until": until}, as_json=json, remark=hint)


def _named(done: str, ids: list[str], count: int, *, json: bool) -> None:
    """Write how many of the named dead letters were moved."""
    left = len(set(ids)) - count
    changed = f"; changed at the same time, look again: {left}" if left else ""
    output.done({done: count, "changed": left}, as_json=json, remark=f"{done}: {count}{changed}")


def _check(ctx: typer.Context, ids: list[str] | None, *, everything: bool) -> None:
    """Fail unless dead letters are named, or selected, or all are asked for: one of the three."""
    if ids and (selects(ctx) or everything):
        ctx.fail("letters are either named or selected")
    if not ids and selects(ctx) == everything:
        ctx.fail("name letters, or select some (--tenant, --type, ...), or --all")


def _confirmed(letters: DeadLetters, ctx: typer.Context, doing: str, *, agreed: bool) -> Selection:
    """Return what is selected, once the operator has said yes to it.

    As of now: dead letters whose event fails again meanwhile are not taken again.
    """
    from functions.service import dead_letters
    from functions.service.principal import OPERATOR

    selected, now = selection(ctx), datetime.now(UTC)
    selected = selected.model_copy(update={"until": min(now, selected.until or now)})
    if not agreed:
        _ask(doing, dead_letters.count(letters, OPERATOR, selected), agreed=agreed)
    return selected


def _ask(doing: str, many: int, *, agreed: bool) -> None:
    """Raise Refused unless the operator agrees."""
    what = f"{doing} {many} dead letter{'s' if many > 1 else ''}"
    if not agreed and many and not output.agreed(f"{what}?"):
        raise Refused("Unconfirmed", detail=f"nothing was done; with --yes it would {what}")


def _to_the_end(move: Callable[[str | None], Moved]) -> tuple[int, int]:
    """Call ``move`` until it is through. Returns how many dead letters it moved and skipped."""
    moved = skipped = 0
    after = None
    while True:
        step = move(after)
        moved, skipped, after = moved + step.count, skipped + step.skipped, step.next
        if after is None:
            return moved, skipped


def _first(letters: DeadLetters, selected: Selection, limit: int) -> tuple[list[Letter], bool]:
    """Return the first ``limit`` dead letters, and whether there may be more."""
    from functions.service import dead_letters
    from functions.service.principal import OPERATOR

    found: list[Letter] = []
    after = None
    while True:
        most = min(_AT_ONCE, limit - len(found))
        page = dead_letters.page(letters, OPERATOR, selected, after=after, limit=most)
        found, after = found + page.letters, page.next
        if after is None or len(found) >= limit:
            return found, after is not None


def _nonce() -> str:
    return secrets.token_hex(16)
