"""The credential a request carries: an API key of a sender or reader, or the token of our own dispatcher."""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode
from collections.abc import Collection

from events.settings import LOOPBACK


def api_key(x_api_key: str | None, authorization: str | None) -> str:
    """Return the key in ``x-api-key``, ``Authorization: Bearer`` or the password of HTTP Basic; else empty text."""
    return x_api_key or _credentials(authorization, "bearer") or _password(authorization)


def is_dispatcher(authorization: str | None, tokens: Collection[str], peer: str | None) -> bool:
    """Return whether a request may deliver.

    Args:
        tokens: the delivery tokens, any of which will do. Without one, who is on this machine may deliver.
        peer: the address the request comes from.
    """
    if not tokens:
        return peer in LOOPBACK
    given = _credentials(authorization, "bearer").encode("utf-8", "replace")
    return any(hmac.compare_digest(given, token.encode()) for token in tokens)


def _credentials(authorization: str | None, scheme: str) -> str:
    """Return what follows the name of the scheme; empty for another scheme."""
    named, _, credentials = (authorization or "").partition(" ")
    return credentials.strip() if named.lower() == scheme else ""


def _password(authorization: str | None) -> str:
    """Return the password of HTTP Basic (RFC 7617); the user may be anybody."""
    try:
        pair = b64decode(_credentials(authorization, "basic"), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return pair.partition(":")[2]
