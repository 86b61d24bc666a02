"""``sspp tenants``: who may send, and how much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from functions.cli import output
from functions.cli.arguments import Json, Tenant, app, count, email, examples, plan_option, rate, tenant_id, words
from functions.cli.installation import registered

if TYPE_CHECKING:
    from functions.domain.plan import Plan, Rate

group = app("Create, limit, suspend and list tenants.")

NewTenant = Annotated[str, typer.Argument(metavar="ID", parser=tenant_id, help="its id; it stays the same for ever")]


def _rate(name: str, what: str) -> Any:
    return typer.Option(
        name, parser=rate, metavar="N/s[:BURST]", help=f"{what}; BURST (default: one second's) at once"
    )


def _events(name: str, what: str) -> Any:
    return typer.Option(name, parser=count, metavar="N", help=f"{what} N events a month (UTC)")


@group.command(epilog=examples('sspp tenants put acme --name "Acme Inc."'))
def put(
    ctx: typer.Context,
    tenant: NewTenant,
    name: Annotated[str, typer.Option(parser=words, metavar="NAME", help="what people call it")],
    contact: Annotated[
        str | None, typer.Option(parser=email, metavar="E-MAIL", help="the address for quota warnings")
    ] = None,
    json: Json = False,
) -> None:
    """Create a tenant, or rename it."""
    from functions.service import tenants
    from functions.service.principal import OPERATOR

    with registered(ctx) as register:
        tenants.put(register, OPERATOR, tenant, name, contact=contact)
    hint = f"tenant {tenant} is there; `sspp keys issue {tenant} --label ...` gives it a key"
    output.done({"id": tenant, "name": name, "contact": contact}, as_json=json, remark=hint)


@group.command("list", epilog=examples("sspp tenants list"))
def list_(ctx: typer.Context, json: Json = False) -> None:
    """List tenants, their limits and how many keys work."""
    from functions.domain.plan import Plan
    from functions.service import tenants
    from functions.service.principal import OPERATOR

    with registered(ctx) as register:
        rows = tenants.listed(register, OPERATOR)
    if not json:
        rows = [{**row, "plan": _in_short(Plan.model_validate(row["plan"]))} for row in rows]
    output.listing(rows, ("id", "name", "plan", "suspended", "keys"), as_json=json)


@group.command(epilog=examples("sspp tenants suspend acme"))
def suspend(ctx: typer.Context, tenant: Tenant, json: Json = False) -> None:
    """Refuse a tenant's events and keys (403) until it is resumed."""
    _suspend(ctx, tenant, json=json, suspended=True)


@group.command(epilog=examples("sspp tenants resume acme"))
def resume(ctx: typer.Context, tenant: Tenant, json: Json = False) -> None:
    """Take a suspended tenant back."""
    _suspend(ctx, tenant, json=json, suspended=False)


def _suspend(ctx: typer.Context, tenant: str, *, json: bool, suspended: bool) -> None:
    from functions.service import tenants
    from functions.service.principal import OPERATOR

    with registered(ctx) as register:
        tenants.suspend(register, OPERATOR, tenant, suspended=suspended)
    state = "suspended" if suspended else "not suspended"
    hint = f"{tenant} is {state}; every front door knows within two seconds"
    output.done({"id": tenant, "suspended": suspended}, as_json=json, remark=hint)


@group.command(
    epilog=examples(
        "sspp tenants plan acme --rate 100/s:200 --soft 80000 --hard 100000",
        "sspp tenants plan acme --unlimited",
        "sspp tenants plan acme",
    )
)
def plan(
    ctx: typer.Context,
    tenant: Tenant,
    send: Annotated[Any, _rate("--rate", "events a second (/m, /h) for the tenant")] = None,
    key: Annotated[Any, _rate("--key-rate", "events a second (/m, /h) for each of its keys")] = None,
    read: Annotated[
        Any, _rate("--read-rate", "requests a second (/m, /h) to each API process; without it, 500/s:5000")
    ] = None,
    soft: Annotated[int | None, _events("--soft", "warn senders above")] = None,
    hard: Annotated[int | None, _events("--hard", "refuse events above")] = None,
    unlimited: Annotated[bool, typer.Option("--unlimited", help="take every limit away")] = False,
    json: Json = False,
) -> None:
    """Set all of a tenant's limits, or show them.

    What is not named is not limited any more. Without any option it only shows the limits. New limits hold within
    two seconds.
    """
    from functions.domain.plan import Monthly, Plan
    from functions.service import tenants
    from functions.service.principal import OPERATOR

    given = any(limit is not None for limit in (send, key, read, soft, hard))
    if given and unlimited:
        ctx.fail("--unlimited goes without other limits")
    if soft is not None and hard is not None and soft > hard:
        ctx.fail("--soft is above --hard: senders would be refused before they are warned")
    with registered(ctx) as register:
        if given or unlimited:
            limits = Plan(rate=send, keyRate=key, readRate=read, monthly=Monthly(soft=soft, hard=hard))
            tenants.put_plan(register, OPERATOR, tenant, limits)
        found = tenants.plan(register, OPERATOR, tenant)
    lines = "\n".join(f"{name:<11}{_shown(name, value)}" for name, value in _limits(found))
    output.done({"id": tenant, "plan": found.model_dump(exclude_none=True)}, as_json=json, text=lines)


def _shown(name: str, value: Rate | int | None) -> str:
    from functions.domain.plan import READ_RATE

    if value is not None:
        return plan_option(value)
    return f"{plan_option(READ_RATE)}, as where a plan names none" if name == "read-rate" else "not limited"


def _in_short(plan: Plan) -> str:
    return "  ".join(f"{name} {plan_option(value)}" for name, value in _limits(plan) if value is not None) or "-"


def _limits(plan: Plan) -> list[tuple[str, Rate | int | None]]:
    return [
        ("rate", plan.rate),
        ("key-rate", plan.keyRate),
        ("read-rate", plan.readRate),
        ("soft", plan.monthly.soft),
        ("hard", plan.monthly.hard),
    ]
