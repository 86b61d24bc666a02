"""The credential a request carries: an API key of a sender or reader, or the token of our own dispatcher."""

from __future__ import annotations

import hmac

_BEARER = "bearer "


def api_key(x_api_key: str | None, authorization: str | None) -> str:
    """Give the key in ``x-api-key`` or ``Authorization: Bearer``; empty when there is none."""
    return x_api_key or _bearer(authorization)


def is_dispatcher(authorization: str | None, token: str) -> bool:
    """Whether the request carries the delivery token; without a configured token everything local does."""
    return not token or hmac.compare_digest(_bearer(authorization).encode(), token.encode())


def _bearer(authorization: str | None) -> str:
    text = authorization or ""
    return text[len(_BEARER) :].strip() if text[: len(_BEARER)].lower() == _BEARER else ""
