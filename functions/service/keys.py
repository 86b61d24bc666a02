"""API keys: issue, list, rotate and revoke them. Only the digest of a key is kept."""

from __future__ import annotations

from datetime import datetime

from events.errors import Refused
from functions.adapters.postgres.database import Row
from functions.domain.key import MANAGE, Grant, digest, short
from functions.service.principal import Principal
from functions.service.register import Register

_LOST = "a new key that nobody was given may be on record: list the tenant's keys and revoke it"
#: Keys that an error names when a prefix fits several.
_NAMED = 5


def issue(register: Register, by: Principal, key: str, grant: Grant, label: str) -> None:
    """Record ``key`` with what ``grant`` allows it.

    Raises:
        Refused: 404, there is no such tenant.
    """
    by.require(MANAGE, grant.tenant_id)
    register.require_tenant(grant.tenant_id)
    with register.change(_LOST) as record:
        record.put_key(digest(key), grant, label)


def listed(register: Register, by: Principal, tenant_id: str) -> list[Row]:
    """Return a tenant's keys, the newest first: digest, label, scopes, created_at, expires_at, revoked_at.

    Raises:
        Refused: 404, there is no such tenant.
    """
    by.require(MANAGE, tenant_id)
    register.require_tenant(tenant_id)
    return register.record.keys(tenant_id)


def found(register: Register, by: Principal, prefix: str) -> Row:
    """Return the one key whose digest begins with ``prefix``: tenant_id, digest, label, expires_at, revoked_at.

    Raises:
        Refused: 404, there is none; 409, there are several.
    """
    by.require_scope(MANAGE)
    rows = [row for row in register.record.keys_like(prefix) if by.reaches(row["tenant_id"])]
    if not rows:
        raise Refused("Not found", status=404, detail=f"no key's digest begins with {short(prefix)}")
    if len(rows) > 1:
        named = ", ".join(f"{short(row['digest'])} ({row['tenant_id']})" for row in rows[:_NAMED])
        detail = f"{len(rows)} keys begin with {prefix}: {named}{', ...' if len(rows) > _NAMED else ''}"
        raise Refused("Ambiguous", status=409, detail=detail)
    return rows[0]


def rotate(register: Register, by: Principal, prefix: str, new: str, old_ends: datetime) -> tuple[Row, datetime]:
    """Record ``new`` with the label, scopes and end of another key, which ends at ``old_ends``: both or neither.

    Args:
        prefix: the beginning of the other key's digest.
    Returns:
        The other key as :func:`found` returns it, and when it ends: ``old_ends``, or its own end if that is sooner.
    Raises:
        Refused: 404, there is no such key; 409, there are several, or it is revoked.
    """
    old = found(register, by, prefix)
    if old["revoked_at"] is not None:
        raise Refused("Revoked", status=409, detail=f"key {short(old['digest'])} is revoked; issue a new one")
    with register.change(_LOST) as record:
        record.rotate_key(old["digest"], digest(new), old_ends)
    return old, min(old_ends, old["expires_at"] or old_ends)


def revoke(register: Register, by: Principal, prefix: str) -> Row:
    """End the key whose digest begins with ``prefix``; every endpoint refuses it within two seconds.

    Returns:
        The key as :func:`found` returns it.
    Raises:
        Refused: 404, there is no such key; 409, there are several.
    """
    key = found(register, by, prefix)
    with register.change("the key may still work: revoke it again") as record:
        record.revoke_key(key["digest"])
    return key
