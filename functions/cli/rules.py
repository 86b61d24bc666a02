"""``sspp rules``: when whom to tell."""

from __future__ import annotations

from argparse import Namespace
from uuid import UUID, uuid4

from functions.cli import arguments, output
from functions.cli.arguments import Commands, Parser
from functions.cli.installation import Installation
from functions.domain.rule import RuleDefinition
from functions.service import rules as service
from functions.service.principal import OPERATOR

_DOCUMENT = """\
The document says when (a CEL condition) whom to tell; after a notice the next waits cooldownHours:
  {
    "name": "hot",
    "when": "account.engagement >= 50",
    "then": [{"channel": "email", "to": "sales@acme.example"}],
    "cooldownHours": 24
  }"""
_COLUMNS = ("id", "name", "version", "enabled", "notices", "unanswered", "disabled_because")


def add(commands: Commands) -> None:
    """Add these commands."""
    rules = arguments.group(commands, "rules", "Add, change and list a tenant's rules")
    put = arguments.command(
        rules,
        "put",
        _put,
        "Add a rule, or with --id a new version of it, and write its id to standard output",
        more=_DOCUMENT,
        example="sspp rules put acme hot.json\n"
        "sspp rules put acme --id 0b9e1f6e-2c1d-4b7a-9a51-6f0f3c2f8d11 - < hot.json",
    )
    put.add_argument("tenant", metavar="TENANT", help="the tenant's id")
    put.add_argument("file", metavar="FILE", help="the document; - reads it from standard input")
    put.add_argument("--id", type=UUID, metavar="UUID", help="of the rule to change (default: a new rule)")
    listed = arguments.command(
        rules,
        "list",
        _list,
        "List a tenant's rules with their state",
        more="unanswered counts the events for which a condition had no answer; it counted as false.",
        example="sspp rules list acme",
    )
    listed.add_argument("tenant", metavar="TENANT", help="the tenant's id")
    listed.add_argument("--json", action="store_true", help="whole rules, as a JSON array")
    _one(arguments.command(rules, "show", _show, "Show one rule", example=_example("show"))).add_argument(
        "--json", action="store_true", help="as a JSON object"
    )
    _one(arguments.command(rules, "enable", _enable, "Switch a rule on again", example=_example("enable")))
    _one(arguments.command(rules, "disable", _disable, "Switch a rule off", example=_example("disable")))
    _one(
        arguments.command(
            rules,
            "delete",
            _delete,
            "Delete a rule; its notices stay, and name it",
            example=_example("delete"),
        )
    )


def _example(command: str) -> str:
    return f"sspp rules {command} acme 0b9e1f6e-2c1d-4b7a-9a51-6f0f3c2f8d11"


def _one(parser: Parser) -> Parser:
    parser.add_argument("tenant", metavar="TENANT", help="the tenant's id")
    parser.add_argument("id", type=UUID, metavar="UUID", help="the rule's id")
    return parser


def _put(options: Namespace, installation: Installation) -> None:
    definition = arguments.document(RuleDefinition, options.file)
    save, rule_id = (service.change, options.id) if options.id else (service.put, uuid4())
    with installation.register() as register:
        save(register, OPERATOR, options.tenant, rule_id, definition)
    output.result(str(rule_id))


def _list(options: Namespace, installation: Installation) -> None:
    with installation.register() as register:
        output.listing(service.listed(register, OPERATOR, options.tenant), _COLUMNS, as_json=options.json)


def _show(options: Namespace, installation: Installation) -> None:
    with installation.register() as register:
        output.record(service.found(register, OPERATOR, options.tenant, options.id), as_json=options.json)


def _enable(options: Namespace, installation: Installation) -> None:
    with installation.register() as register:
        row = service.enable(register, OPERATOR, options.tenant, options.id)
    output.remark(f"{row['name']} is evaluated from now on")


def _disable(options: Namespace, installation: Installation) -> None:
    with installation.register() as register:
        row = service.disable(register, OPERATOR, options.tenant, options.id)
    output.remark(f"{row['name']} is switched off")


def _delete(options: Namespace, installation: Installation) -> None:
    with installation.register() as register:
        row = service.delete(register, OPERATOR, options.tenant, options.id)
    output.remark(f"{row['name']} is deleted")
