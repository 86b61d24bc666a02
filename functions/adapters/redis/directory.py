"""The key directory in Redis: all that the front door knows of keys and tenants, without ever asking PostgreSQL."""

from __future__ import annotations

import json
from datetime import datetime

from events.errors import Unavailable
from functions.domain.key import Grant
from functions.domain.plan import Terms

#: Present once the directory was written: about how many bytes it takes. Without it an unknown key may be one that
#: Redis has lost.
COMPLETE = "sspp:{keys}:complete"
#: Present once Redis was filled from PostgreSQL. Redis has lost its data where it is missing, even if somebody has
#: written the directory since.
FILLED = "sspp:{keys}:filled"
#: When Redis was filled; kept until index and notify were sent the last recorded ids (functions/service/restore.py).
FOLLOW_UP = "sspp:{keys}:follow-up"
#: Why no key can be judged while :data:`COMPLETE` is missing.
MISSING = (
    "Redis has lost the key directory, as one that came back empty has: the clock (functions.tick) restores it"
    " within a minute, python -m functions.migrate at once"
)


def key_of(digest: str) -> str:
    """Return the key of the grant of the API key with this digest."""
    return f"sspp:{{keys}}:key:{digest}"


def terms_of(tenant_id: str) -> str:
    """Return the key of a tenant's policy."""
    return f"sspp:{{keys}}:tenant:{tenant_id}"


def encode(grant: Grant) -> str:
    """Write a grant as the directory keeps it."""
    expires = grant.expires_at.isoformat() if grant.expires_at else None
    return json.dumps({"tenant": grant.tenant_id, "scopes": sorted(grant.scopes), "expires": expires})


def decode(found: bytes | None, complete: bytes | None) -> Grant | None:
    """Read what was found at :func:`key_of` and at :data:`COMPLETE`.

    Raises:
        Unavailable: the directory is missing, so that nothing can be said about any key.
    """
    if found is not None:
        known = json.loads(found)
        expires = known.get("expires")
        return Grant(known["tenant"], frozenset(known["scopes"]), datetime.fromisoformat(expires) if expires else None)
    if complete is None:
        raise Unavailable("key directory", reason=MISSING)
    return None


def decode_terms(found: bytes | None) -> Terms:
    """Read what was found at :func:`terms_of`.

    Raises:
        Unavailable: a key's tenant is missing, so the directory is broken.
    """
    if found is None:
        raise Unavailable("key directory")
    return Terms.model_validate_json(found)
