"""``sspp rules``: when whom to notify."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated
from uuid import UUID, uuid4

import typer

from functions.cli import output
from functions.cli.arguments import File, Json, Tenant, app, document, examples
from functions.cli.installation import registered

if TYPE_CHECKING:
    from functions.adapters.postgres.database import Row

group = app("Add, change and list a tenant's rules.")

_DOCUMENT = """\
Add a rule, or with --id a new version of it, and write its id to standard output.

\b
The document says when (a CEL condition) to notify whom; the next notice waits cooldownHours:
  {
    "name": "hot",
    "when": "account.engagement >= 50",
    "then": [{"channel": "email", "to": "sales@acme.example"}],
    "cooldownHours": 24
  }"""
_COLUMNS = ("id", "name", "version", "enabled", "notices", "unanswered", "disabled_because")

Rule = Annotated[UUID, typer.Argument(metavar="UUID", help="the rule's id")]


def _example(command: str) -> str:
    return examples(f"sspp rules {command} acme 0b9e1f6e-2c1d-4b7a-9a51-6f0f3c2f8d11")


@group.command(
    help=_DOCUMENT,
    epilog=examples(
        "sspp rules put acme hot.json",
        "sspp rules put acme --id 0b9e1f6e-2c1d-4b7a-9a51-6f0f3c2f8d11 - < hot.json",
    ),
)
def put(
    ctx: typer.Context,
    tenant: Tenant,
    file: File,
    id_: Annotated[
        UUID | None, typer.Option("--id", metavar="UUID", help="of the rule to change (default: a new rule)")
    ] = None,
    json: Json = False,
) -> None:
    """Add a rule, or with --id a new version of it."""
    from functions.domain.rule import RuleDefinition
    from functions.service import rules
    from functions.service.principal import OPERATOR

    definition = document(RuleDefinition, file)
    save, rule_id = (rules.change, id_) if id_ else (rules.put, uuid4())
    with registered(ctx) as register:
        save(register, OPERATOR, tenant, rule_id, definition)
    output.done({"id": rule_id, "name": definition.name}, as_json=json, text=str(rule_id))


@group.command("list", epilog=examples("sspp rules list acme"))
def list_(ctx: typer.Context, tenant: Tenant, json: Json = False) -> None:
    """List a tenant's rules with their state.

    unanswered counts the events for which a condition had no answer; it counted as false.
    """
    from functions.service import rules
    from functions.service.principal import OPERATOR

    with registered(ctx) as register:
        output.listing(rules.listed(register, OPERATOR, tenant), _COLUMNS, as_json=json)


@group.command(epilog=_example("show"))
def show(ctx: typer.Context, tenant: Tenant, rule: Rule, json: Json = False) -> None:
    """Show one rule."""
    from functions.service import rules
    from functions.service.principal import OPERATOR

    with registered(ctx) as register:
        output.record(rules.found(register, OPERATOR, tenant, rule), as_json=json)


@group.command(epilog=_example("enable"))
def enable(ctx: typer.Context, tenant: Tenant, rule: Rule, json: Json = False) -> None:
    """Switch a rule on again."""
    from functions.service import rules

    _change(ctx, tenant, rule, rules.enable, {"enabled": True}, "is evaluated from now on", json=json)


@group.command(epilog=_example("disable"))
def disable(ctx: typer.Context, tenant: Tenant, rule: Rule, json: Json = False) -> None:
    """Switch a rule off."""
    from functions.service import rules

    _change(ctx, tenant, rule, rules.disable, {"enabled": False}, "is switched off", json=json)


@group.command(epilog=_example("delete"))
def delete(ctx: typer.Context, tenant: Tenant, rule: Rule, json: Json = False) -> None:
    """Delete a rule; its notices stay, and name it."""
    from functions.service import rules

    _change(ctx, tenant, rule, rules.delete, {"deleted": True}, "is deleted", json=json)


def _change(
    ctx: typer.Context,
    tenant: str,
    rule: UUID,
    change: Callable[..., Row],
    now: dict[str, bool],
    says: str,
    *,
    json: bool,
) -> None:
    from functions.service.principal import OPERATOR

    with registered(ctx) as register:
        row = change(register, OPERATOR, tenant, rule)
    output.done({"id": rule, "name": row["name"], **now}, as_json=json, remark=f"{row['name']} {says}")
