"""``sspp types``: the event types that are a tenant's own."""

from __future__ import annotations

import typer

from functions.cli import output
from functions.cli.arguments import File, Json, Tenant, app, document, examples
from functions.cli.installation import registered

group = app("Add and list a tenant's own event types.")

_DOCUMENT = """\
Add an event type, or a new version of it.

\b
The document says what an event of this type is worth (docs/scoring.md):
  {
    "type": "com.acme.webinar.joined",
    "signal": "engagement",
    "score": 0.4,
    "points": 10,
    "halfLifeDays": 14,
    "side": "buyer",
    "dataSchema": {"required": ["contactId"]}
  }
side (buyer or rep) and dataSchema (a JSON Schema for the event's data) may be left out."""


@group.command(
    help=_DOCUMENT, epilog=examples("sspp types put acme webinar.json", "sspp types put acme - < webinar.json")
)
def put(ctx: typer.Context, tenant: Tenant, file: File, json: Json = False) -> None:
    """Add an event type, or a new version of it."""
    from functions.domain.plan import OwnEventType
    from functions.service import event_types
    from functions.service.principal import OPERATOR

    own = document(OwnEventType, file)
    with registered(ctx) as register:
        event_types.put(register, OPERATOR, tenant, own)
    hint = f"{tenant} has {own.type}; every front door knows within two seconds"
    output.done(own.model_dump(), as_json=json, remark=hint)


@group.command("list", epilog=examples("sspp types list acme"))
def list_(ctx: typer.Context, tenant: Tenant, json: Json = False) -> None:
    """List a tenant's own event types."""
    from functions.service import event_types
    from functions.service.principal import OPERATOR

    with registered(ctx) as register:
        rows = [own.model_dump() for own in event_types.listed(register, OPERATOR, tenant)]
    if not json:
        rows = [{**row, "schema": row["dataSchema"] is not None} for row in rows]
    output.listing(rows, ("type", "signal", "score", "points", "halfLifeDays", "side", "schema"), as_json=json)
