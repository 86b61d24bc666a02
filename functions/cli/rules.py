"""``sspp rules``: when whom to tell."""

from __future__ import annotations

from argparse import Namespace
from uuid import UUID, uuid4

from functions.cli import arguments, output
from functions.cli.arguments import Commands
from functions.cli.installation import Installation, require_tenant
from functions.domain.rule import RuleDefinition

_DOCUMENT = """\
The document says when (a CEL condition) whom to tell; after a notice the next waits cooldownHours:
  {
    "name": "hot",
    "when": "account.engagement >= 50",
    "then": [{"channel": "email", "to": "sales@acme.example"}],
    "cooldownHours": 24
  }"""


def add(commands: Commands) -> None:
    """Add these commands."""
    rules = arguments.group(commands, "rules", "Add and change a tenant's rules")
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


def _put(options: Namespace, installation: Installation) -> None:
    definition, rule_id = arguments.document(RuleDefinition, options.file), options.id or uuid4()
    with installation.tenants() as known:
        require_tenant(known, options.tenant)
        known.put_rule(options.tenant, rule_id, definition)
    output.result(str(rule_id))
