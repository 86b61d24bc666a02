"""``sspp keys``: issue, list, rotate and revoke API keys. A key is shown once, when it is made."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from events.errors import Refused
from functions.cli import output
from functions.cli.arguments import Digest, Json, Scope, Tenant, When, app, duration, examples, when, words
from functions.cli.installation import registered

if TYPE_CHECKING:
    from functions.adapters.postgres.database import Row

group = app("Issue, list, rotate and revoke API keys.")

_ONCE = "this is the only time it is shown; it works within two seconds"
_COLUMNS = ("digest", "label", "scopes", "created", "expires", "revoked")


@group.command(
    epilog=examples(
        "sspp keys issue acme --label crm --expires 90d > crm.key",
        "sspp keys issue acme --label dashboard --scope read",
    )
)
def issue(
    ctx: typer.Context,
    tenant: Tenant,
    label: Annotated[str, typer.Option(parser=words, metavar="LABEL", help="what it is for")],
    scope: Annotated[
        list[Scope] | None, typer.Option(help="what it may do; once for each (default: events:write)")
    ] = None,
    expires: Annotated[
        When | None,
        typer.Option(
            parser=when, metavar="WHEN", help="in 90d (s, m, h, d, w), or at 2030-01-31T00:00:00Z (default: never)"
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Make a key and write it, alone, to standard output, this once."""
    from functions.domain.key import RANDOM_BYTES, Grant, digest, new_key, short
    from functions.service import keys
    from functions.service.principal import OPERATOR

    scopes = frozenset(each.value for each in scope or [Scope.WRITE_EVENTS])
    ends = _ends(expires, datetime.now(UTC))
    key = new_key(os.urandom(RANDOM_BYTES))
    with registered(ctx) as register:
        keys.issue(register, OPERATOR, key, Grant(tenant, scopes, ends), label)
    named = short(digest(key))
    until = f", until {output.moment(ends)}" if ends else ""
    row = {"key": key, "digest": named, "tenant": tenant, "label": label, "scopes": sorted(scopes), "expires": ends}
    hint = f"key {named} of {tenant} may {' and '.join(sorted(scopes))}{until}; {_ONCE}"
    output.done(row, as_json=json, text=key, remark=hint)


@group.command("list", epilog=examples("sspp keys list acme"))
def list_(ctx: typer.Context, tenant: Tenant, json: Json = False) -> None:
    """List a tenant's keys, the newest first.

    The keys themselves are not kept; what is shown is the beginning of each one's digest. Times are UTC.
    """
    from functions.service import keys
    from functions.service.principal import OPERATOR

    with registered(ctx) as register:
        rows = [_shown(row) for row in keys.listed(register, OPERATOR, tenant)]
    output.listing(rows, _COLUMNS, as_json=json)


@group.command(
    epilog=examples(
        "sspp keys rotate 3f9a27c41b0e --overlap 24h > new.key",
        "sspp keys rotate - --overlap 24h < crm.key > new.key",
    )
)
def rotate(
    ctx: typer.Context,
    digest: Digest,
    overlap: Annotated[
        timedelta,
        typer.Option(parser=duration, metavar="24h", help="how long the other still works; 0s for not at all"),
    ],
    json: Json = False,
) -> None:
    """Make a key that replaces another, and write it to standard output, this once.

    It has the other's label, scopes and end. The other ends after the overlap.
    """
    from functions.domain import key as domain
    from functions.service import keys
    from functions.service.principal import OPERATOR

    key = domain.new_key(os.urandom(domain.RANDOM_BYTES))
    with registered(ctx) as register:
        old, ends = keys.rotate(register, OPERATOR, digest, key, datetime.now(UTC) + overlap)
    named, replaced = domain.short(domain.digest(key)), domain.short(old["digest"])
    row = {"key": key, "digest": named, "tenant": old["tenant_id"], "replaces": replaced, "replaced_ends": ends}
    hint = f"key {named} replaces {replaced}, which ends at {output.moment(ends)}; {_ONCE}"
    output.done(row, as_json=json, text=key, remark=hint)


@group.command(epilog=examples("sspp keys revoke 3f9a27c41b0e"))
def revoke(ctx: typer.Context, digest: Digest, json: Json = False) -> None:
    """End a key; it is refused everywhere within two seconds."""
    from functions.domain.key import short
    from functions.service import keys
    from functions.service.principal import OPERATOR

    with registered(ctx) as register:
        found = keys.revoke(register, OPERATOR, digest)
    row = {"digest": short(found["digest"]), "tenant": found["tenant_id"], "label": found["label"], "revoked": True}
    hint = f"key {short(found['digest'])} ({found['label']}) of {found['tenant_id']} is revoked"
    output.done(row, as_json=json, remark=hint)


def _shown(row: Row) -> Row:
    from functions.domain.key import short

    return {
        "digest": short(row["digest"]),
        "label": row["label"],
        "scopes": row["scopes"],
        "created": row["created_at"],
        "expires": row["expires_at"],
        "revoked": row["revoked_at"],
    }


def _ends(expires: When | None, now: datetime) -> datetime | None:
    if expires is None:
        return None
    ends = expires.after(now)
    if ends <= now:
        raise Refused("Too late", detail="--expires: this moment has passed")
    return ends
