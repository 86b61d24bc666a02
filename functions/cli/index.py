"""``sspp index``: the copy of the signals that Elasticsearch searches, where there is one."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated

import typer

from functions.cli import output
from functions.cli.arguments import Json, app, examples
from functions.cli.installation import installation, registered

group = app("Rebuild and check the copy of the signals in Elasticsearch.")

_COLUMNS = ("tenant", "day", "signals", "copied")


@group.command(epilog=examples("sspp index rebuild"))
def rebuild(
    ctx: typer.Context,
    again: Annotated[bool, typer.Option("--again", help="begin anew where another rebuild was interrupted")] = False,
    json: Json = False,
) -> None:
    """Copy all signals into a new index, which then takes the place of the old one.

    Searches go on meanwhile, and so does the copying of what is new.
    """
    from functions.adapters.elasticsearch.rebuilt import RebuiltIndex
    from functions.service import search_copy

    def tell(copied: int, about: int) -> None:
        if not json:
            output.say(f"{copied:,} of about {about:,}")

    here = installation(ctx)
    with closing(RebuiltIndex(here.elasticsearch_url)) as index, here.recorded_signals() as recorded:
        copied = search_copy.rebuild(recorded, index, lambda: datetime.now(UTC), tell, again=again)
    output.done({"copied": copied}, as_json=json, remark=f"{copied:,} signals are searched in a new index")


@group.command(epilog=examples("sspp index check"))
def check(ctx: typer.Context, json: Json = False) -> None:
    """List the days on which the copy and PostgreSQL differ; none: they agree. What is on its way differs."""
    from functions.adapters.elasticsearch.search import ElasticsearchIndex
    from functions.service import search_copy, tenants
    from functions.service.principal import OPERATOR

    here = installation(ctx)
    with closing(ElasticsearchIndex(here.elasticsearch_url)) as index, here.recorded_signals() as recorded:
        with registered(ctx) as register:
            names = [row["id"] for row in tenants.listed(register, OPERATOR)]
        output.listing(search_copy.drift(recorded, index, names), _COLUMNS, as_json=json)
