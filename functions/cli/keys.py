"""``sspp keys``: issue, list, rotate and revoke API keys. A key is shown once, when it is made."""

from __future__ import annotations

import os
from argparse import Namespace
from datetime import UTC, datetime, timedelta

from events.errors import Refused
from functions.adapters.postgres.database import Row
from functions.cli import arguments, output
from functions.cli.arguments import Commands, Parser
from functions.cli.installation import Installation
from functions.domain.key import EVERY_SCOPE, RANDOM_BYTES, WRITE_EVENTS, Grant, digest, new_key, short
from functions.service import keys as service
from functions.service.principal import OPERATOR

_ONCE = "this is the only time it is shown; it works within two seconds"


def add(commands: Commands) -> None:
    """Add these commands."""
    keys = arguments.group(commands, "keys", "Issue, list, rotate and revoke API keys")
    _add_issue(keys)
    listed = arguments.command(
        keys,
        "list",
        _list,
        "List a tenant's keys, the newest first",
        more="The keys themselves are not kept; what is shown is the beginning of each one's digest.\nTimes are UTC.",
        example="sspp keys list acme",
    )
    listed.add_argument("tenant", metavar="TENANT", help="the tenant's id")
    listed.add_argument("--json", action="store_true", help="everything, as a JSON array")
    _add_rotate(keys)
    revoke = arguments.command(
        keys,
        "revoke",
        _revoke,
        "End a key; it is refused everywhere within two seconds",
        example="sspp keys revoke 3f9a27c41b0e",
    )
    _add_digest(revoke)


def _add_issue(keys: Commands) -> None:
    issue = arguments.command(
        keys,
        "issue",
        _issue,
        "Make a key and write it, alone, to standard output, this once",
        example="sspp keys issue acme --label crm --expires 90d > crm.key\n"
        "sspp keys issue acme --label dashboard --scope read",
    )
    issue.add_argument("tenant", metavar="TENANT", help="the tenant's id")
    issue.add_argument("--label", required=True, type=arguments.words, help="what it is for")
    issue.add_argument(
        "--scope",
        action="append",
        choices=sorted(EVERY_SCOPE),
        help=f"what it may do; once for each (default: {WRITE_EVENTS})",
    )
    issue.add_argument(
        "--expires",
        type=arguments.end,
        metavar="WHEN",
        help="in 90d (s, m, h, d, w), or at 2030-01-31T00:00:00Z (default: never)",
    )


def _add_rotate(keys: Commands) -> None:
    rotate = arguments.command(
        keys,
        "rotate",
        _rotate,
        "Make a key that replaces another, and write it to standard output, this once",
        more="It has the other's label, scopes and end. The other ends after the overlap.",
        example="sspp keys rotate 3f9a27c41b0e --overlap 24h > new.key\n"
        "sspp keys rotate - --overlap 24h < crm.key > new.key",
    )
    _add_digest(rotate)
    rotate.add_argument(
        "--overlap",
        required=True,
        type=arguments.duration,
        metavar="24h",
        help="how long the other still works; 0s for not at all",
    )


def _add_digest(parser: Parser) -> None:
    parser.add_argument(
        "digest",
        metavar="DIGEST_PREFIX",
        type=arguments.digest_prefix,
        help="the beginning of its digest, as `sspp keys list` shows it; or the key itself, - for standard input",
    )


def _issue(options: Namespace, installation: Installation) -> None:
    scopes, ends = frozenset(options.scope or [WRITE_EVENTS]), _ends(options.expires, datetime.now(UTC))
    key = new_key(os.urandom(RANDOM_BYTES))
    with installation.register() as register:
        service.issue(register, OPERATOR, key, Grant(options.tenant, scopes, ends), options.label)
    output.result(key)
    until = f", until {output.moment(ends)}" if ends else ""
    output.remark(f"key {short(digest(key))} of {options.tenant} may {' and '.join(sorted(scopes))}{until}; {_ONCE}")


def _list(options: Namespace, installation: Installation) -> None:
    with installation.register() as register:
        rows = [_named(row) for row in service.listed(register, OPERATOR, options.tenant)]
    columns = ("digest", "label", "scopes", "created", "expires", "revoked")
    output.listing(rows, columns, as_json=options.json)


def _rotate(options: Namespace, installation: Installation) -> None:
    ends = datetime.now(UTC) + options.overlap
    key = new_key(os.urandom(RANDOM_BYTES))
    with installation.register() as register:
        old, ends = service.rotate(register, OPERATOR, options.digest, key, ends)
    output.result(key)
    output.remark(
        f"key {short(digest(key))} replaces {short(old['digest'])}, which ends at {output.moment(ends)}; {_ONCE}"
    )


def _revoke(options: Namespace, installation: Installation) -> None:
    with installation.register() as register:
        found = service.revoke(register, OPERATOR, options.digest)
    output.remark(f"key {short(found['digest'])} ({found['label']}) of {found['tenant_id']} is revoked")


def _named(row: Row) -> Row:
    return {
        "digest": short(row["digest"]),
        "label": row["label"],
        "scopes": row["scopes"],
        "created": row["created_at"],
        "expires": row["expires_at"],
        "revoked": row["revoked_at"],
    }


def _ends(expires: timedelta | datetime | None, now: datetime) -> datetime | None:
    ends = now + expires if isinstance(expires, timedelta) else expires
    if ends is not None and ends <= now:
        raise Refused("Too late", detail="--expires: this moment has passed")
    return ends
