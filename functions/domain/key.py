"""API keys: what they look like and what is kept of them."""

from __future__ import annotations

import hmac
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from events.errors import Refused
from functions.domain.plan import Rate

#: Tells a leaked key apart from other secrets; scanners look for it.
PREFIX = "sspp_"
RANDOM_BYTES = 32
#: Seconds for which a key is remembered, so how long a revoked one may still work: a promise to operators.
REMEMBERED_S = 2.0

#: What a key may be allowed to do.
WRITE_EVENTS = "events:write"
READ = "read"
READ_DEAD_LETTERS = "dead-letters:read"
WRITE_DEAD_LETTERS = "dead-letters:write"
WRITE_MODEL = "model:write"
EVERY_SCOPE = frozenset({WRITE_EVENTS, READ, READ_DEAD_LETTERS, WRITE_DEAD_LETTERS, WRITE_MODEL})
#: Tenants, their keys, event types and rules. No key can have it: they are the operator's.
MANAGE = "manage"

#: Characters of a digest that people are shown: 48 bits tell a million keys apart.
SHOWN = 12


@dataclass(frozen=True, slots=True)
class Grant:
    """Whom a key belongs to, what it may do and until when; and of that tenant, whether it is suspended and may read.

    Args:
        read_rate: of its tenant's plan; None where that names none, or is not known.
    """

    tenant_id: str
    scopes: frozenset[str]
    expires_at: datetime | None = None
    suspended: bool = False
    read_rate: Rate | None = None


def permitted(grant: Grant | None, scope: str, now: datetime) -> Grant:
    """Return the grant of a key that may do ``scope`` at ``now``. Nothing else decides on it, at any endpoint.

    Args:
        grant: of the key that was given; None for one that is unknown or revoked.

    Raises:
        Refused: 401 with the same words for every key that does not work; 403 where the tenant is suspended or the
            key lacks the scope.
    """
    grant = working(grant, now)
    if grant.suspended:
        raise Refused("Forbidden", status=403, detail="this tenant is suspended")
    if scope not in grant.scopes:
        raise lacks(scope)
    return grant


def lacks(scope: str) -> Refused:
    """Return the refusal of a key that works and lacks ``scope``."""
    return Refused("Forbidden", status=403, detail=f"this key lacks the scope {scope}")


def working(grant: Grant | None, now: datetime) -> Grant:
    """Return the grant of a key that is known and has not expired; see :func:`permitted`, which asks for more.

    Raises:
        Refused: 401.
    """
    if grant is None or (grant.expires_at is not None and now >= grant.expires_at):
        raise unknown_key()
    return grant


def unknown_key() -> Refused:
    """Return the refusal of every key that does not work, whatever is wrong with it.

    Made anew each time: an exception that is raised again keeps the frames of every time before.
    """
    return Refused("Unauthorized", status=401, detail="a valid API key is needed in x-api-key or Authorization")


def new_key(random_bytes: bytes) -> str:
    """Write a key: prefix, 256 random bits in base64url, CRC-32 of them in hex.

    The checksum tells a mistyped key from an unknown one without a lookup.
    """
    if len(random_bytes) != RANDOM_BYTES:
        raise ValueError(f"a key takes {RANDOM_BYTES} random bytes")
    body = urlsafe_b64encode(random_bytes).decode().rstrip("=")
    return f"{PREFIX}{body}{_checksum(body)}"


def well_formed(key: str) -> bool:
    """Whether this was written by :func:`new_key`."""
    body, checksum = key[len(PREFIX) : -8], key[-8:]
    return key.startswith(PREFIX) and len(body) == 43 and checksum == _checksum(body)


def digest(key: str) -> str:
    """What is stored of a key: its SHA-256 in hex. 256 random bits need no slow hash."""
    return sha256(key.encode("utf-8", "replace")).hexdigest()


def short(digest: str) -> str:
    """Return the first characters of a digest, as people are shown it."""
    return digest[:SHOWN]


def is_operators(key: str, operator_keys: Collection[str]) -> bool:
    """Whether ``key`` is one of the operator's; where there is none, no key is."""
    given = key.encode("utf-8", "replace")
    return any(hmac.compare_digest(given, known.encode()) for known in operator_keys)


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode('utf-8', 'replace')):08x}"
