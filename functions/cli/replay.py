"""``sspp replay``: a tenant's past scored anew by another model."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from functions.cli import output
from functions.cli.arguments import Json, When, app, document, examples, when
from functions.cli.installation import installation

#: Earlier than any event.
_EVER = datetime(1970, 1, 1, tzinfo=UTC)
#: Accounts that are shown.
_MOST = 100

group = app("Score a tenant's past anew by another model.")


@group.command(
    epilog=examples(
        "sspp replay --tenant acme --model new.json",
        "sspp replay --tenant acme --model new.json --since 90d --switch",
    )
)
def replay(
    ctx: typer.Context,
    tenant: Annotated[str, typer.Option(metavar="ID", help="whose")],
    model: Annotated[str, typer.Option(metavar="FILE", help="the scoring model; - reads it from standard input")],
    since: Annotated[
        When | None,
        typer.Option(parser=when, metavar="WHEN", help="only events since then: 90d, or a moment (default: all)"),
    ] = None,
    switch: Annotated[
        bool, typer.Option("--switch", help="make it so (default: only show what would change)")
    ] = False,
    json: Json = False,
) -> None:
    """Show which accounts would change their band if a scoring model had always counted.

    With --switch it becomes the newest version, and all scores are by it: in one transaction, which the tenant's
    events wait for. Nobody is notified.
    """
    from functions.domain.model import ScoringModel
    from functions.service.principal import OPERATOR
    from functions.service.rescoring import rescore

    read, now = document(ScoringModel, model), datetime.now(UTC)
    with installation(ctx).rescoring() as stores:
        found = rescore(
            stores,
            OPERATOR,
            tenant,
            read,
            switch=switch,
            since=since.before(now) if since else _EVER,
            now=now,
            progress=(lambda _: None) if json else (lambda done: output.say(f"{done} accounts")),
        )
    if json:
        output.document(found)
        return
    rows = [each._asdict() for each in found.moves[:_MOST]]
    output.listing(rows, ("account_id", "before", "after", "band_before", "band_after"), as_json=False)
    does = "were" if switch else "would be"
    output.say(f"{found.signals} signals {does} worth something else")
    output.say(f"{found.moved} of {found.accounts} accounts {'changed' if switch else 'would change'} their band")
