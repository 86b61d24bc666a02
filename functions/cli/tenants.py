"""``sspp tenants``: who may send, and how much."""

from __future__ import annotations

from argparse import Namespace

from functions.cli import arguments, output
from functions.cli.arguments import Commands, plan_option
from functions.cli.installation import Installation
from functions.domain.plan import READ_RATE, Monthly, Plan, Rate
from functions.service import tenants as service
from functions.service.principal import OPERATOR

_LIMITS = ("rate", "key_rate", "read_rate", "soft", "hard")


def add(commands: Commands) -> None:
    """Add these commands."""
    tenants = arguments.group(commands, "tenants", "Create, limit, suspend and list tenants")
    put = arguments.command(
        tenants, "put", _put, "Create a tenant, or rename it", example='sspp tenants put acme --name "Acme Inc."'
    )
    put.add_argument("tenant", metavar="ID", type=arguments.tenant_id, help="its id; it stays the same for ever")
    put.add_argument("--name", required=True, type=arguments.words, help="what people call it")
    put.add_argument("--contact", type=arguments.email, metavar="E-MAIL", help="whom to tell that a limit comes near")
    listed = arguments.command(
        tenants, "list", _list, "List tenants, their limits and how many keys work", example="sspp tenants list"
    )
    listed.add_argument("--json", action="store_true", help="everything, as a JSON array")
    for name, about, suspended in (
        ("suspend", "Refuse a tenant's events and keys (403) until it is resumed", True),
        ("resume", "Take a suspended tenant back", False),
    ):
        parser = arguments.command(tenants, name, _suspend, about, example=f"sspp tenants {name} acme")
        parser.add_argument("tenant", metavar="ID", help="the tenant's id")
        parser.set_defaults(suspended=suspended)
    _add_plan(tenants)


def _add_plan(tenants: Commands) -> None:
    plan = arguments.command(
        tenants,
        "plan",
        _plan,
        "Set all of a tenant's limits, or show them",
        more="What is not named is not limited any more. Without any option it only shows the limits.\n"
        "New limits hold within two seconds.",
        example="sspp tenants plan acme --rate 100/s:200 --soft 80000 --hard 100000\n"
        "sspp tenants plan acme --unlimited\n"
        "sspp tenants plan acme",
    )
    plan.add_argument("tenant", metavar="ID", help="the tenant's id")
    for name, what in (
        ("--rate", "events a second (/m, /h) for the tenant"),
        ("--key-rate", "events a second (/m, /h) for each of its keys"),
        ("--read-rate", f"requests a second (/m, /h) to each API process; without it, {plan_option(READ_RATE)}"),
    ):
        plan.add_argument(
            name,
            type=arguments.rate,
            metavar="N/s[:BURST]",
            help=f"{what}; BURST (default: one second's) at once",
        )
    plan.add_argument("--soft", type=arguments.count, metavar="N", help="warn senders above N events a month (UTC)")
    plan.add_argument("--hard", type=arguments.count, metavar="N", help="refuse events above N a month (UTC)")
    plan.add_argument("--unlimited", action="store_true", help="take every limit away")


def _put(options: Namespace, installation: Installation) -> None:
    with installation.register() as register:
        service.put(register, OPERATOR, options.tenant, options.name, contact=options.contact)
    output.remark(f"tenant {options.tenant} is there; `sspp keys issue {options.tenant} --label ...` gives it a key")


def _list(options: Namespace, installation: Installation) -> None:
    with installation.register() as register:
        rows = service.listed(register, OPERATOR)
    if not options.json:
        rows = [{**row, "plan": _in_short(Plan.model_validate(row["plan"]))} for row in rows]
    output.listing(rows, ("id", "name", "plan", "suspended", "keys"), as_json=options.json)


def _suspend(options: Namespace, installation: Installation) -> None:
    with installation.register() as register:
        service.suspend(register, OPERATOR, options.tenant, suspended=options.suspended)
    state = "suspended" if options.suspended else "not suspended"
    output.remark(f"{options.tenant} is {state}; every front door knows within two seconds")


def _plan(options: Namespace, installation: Installation) -> None:
    given = any(getattr(options, limit) is not None for limit in _LIMITS)
    if given and options.unlimited:
        options.mistake("--unlimited goes without other limits")
    if None not in (options.soft, options.hard) and options.soft > options.hard:
        options.mistake("--soft is above --hard: senders would be refused before they are warned")
    with installation.register() as register:
        if given or options.unlimited:
            monthly = Monthly(soft=options.soft, hard=options.hard)
            rates = {"rate": options.rate, "keyRate": options.key_rate, "readRate": options.read_rate}
            service.put_plan(register, OPERATOR, options.tenant, Plan(**rates, monthly=monthly))
        plan = service.plan(register, OPERATOR, options.tenant)
    for name, value in _limits(plan):
        output.result(f"{name:<11}{_said(name, value)}")


def _said(name: str, value: Rate | int | None) -> str:
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
