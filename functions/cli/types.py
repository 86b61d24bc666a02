"""``sspp types``: the event types that are a tenant's own."""

from __future__ import annotations

from argparse import Namespace

from functions.cli import arguments, output
from functions.cli.arguments import Commands
from functions.cli.installation import Installation
from functions.domain.plan import OwnEventType
from functions.service import event_types
from functions.service.principal import OPERATOR

_DOCUMENT = """\
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


def add(commands: Commands) -> None:
    """Add these commands."""
    types = arguments.group(commands, "types", "Add and list a tenant's own event types")
    put = arguments.command(
        types,
        "put",
        _put,
        "Add an event type, or a new version of it",
        more=_DOCUMENT,
        example="sspp types put acme webinar.json\nsspp types put acme - < webinar.json",
    )
    put.add_argument("tenant", metavar="TENANT", help="the tenant's id")
    put.add_argument("file", metavar="FILE", help="the document; - reads it from standard input")
    listed = arguments.command(types, "list", _list, "List a tenant's own event types", example="sspp types list acme")
    listed.add_argument("tenant", metavar="TENANT", help="the tenant's id")
    listed.add_argument("--json", action="store_true", help="whole definitions, as a JSON array")


def _put(options: Namespace, installation: Installation) -> None:
    own = arguments.document(OwnEventType, options.file)
    with installation.register() as register:
        event_types.put(register, OPERATOR, options.tenant, own)
    output.remark(f"{options.tenant} has {own.type}; every front door knows within two seconds")


def _list(options: Namespace, installation: Installation) -> None:
    with installation.register() as register:
        rows = [own.model_dump() for own in event_types.listed(register, OPERATOR, options.tenant)]
    if not options.json:
        rows = [{**row, "schema": row["dataSchema"] is not None} for row in rows]
    columns = ("type", "signal", "score", "points", "halfLifeDays", "side", "schema")
    output.listing(rows, columns, as_json=options.json)
