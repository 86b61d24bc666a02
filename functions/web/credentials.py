"""The credential a request carries: an API key of a sender or reader, or the token of our own dispatcher."""

from __future__ import annotations

import hmac
from collections.abc import Collection

from events.settings import LOOPBACK

_BEARER = "bearer "


def api_key(x_api_key: str | None, authorization: str | None) -> str:
    """Give the key in ``x-api-key`` or ``Authorization: Bearer``; empty when there is none."""
    return x_api_key or _bearer(authorization)


def is_dispatcher(authorization: str | None, tokens: Collection[str], peer: str | None) -> bool:
    """Whether a request may deliver.

    Args:
        tokens: the delivery tokens, any of which will do. Without one, who is on this machine may deliver.
        peer: the address the request comes from.
    """
    if not tokens:
        return peer in LOOPBACK
    given = _bearer(authorization).encode("utf-8", "replace")
    return any(hmac.compare_digest(given, token.encode()) for token in tokens)


def _bearer(authorization: str | None) -> str:
    text = authorization or ""
    return text[len(_BEARER) :].strip() if text[: len(_BEARER)].lower() == _BEARER else ""
