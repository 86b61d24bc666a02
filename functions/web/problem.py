"""Error answers: RFC 9457 problem+json. Never a stack trace, never an echo of what was sent."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pydantic_core import to_json

from events.errors import Refused, Unavailable

CONTENT_TYPE = "application/problem+json"


def fields(refusal: Refused) -> dict[str, Any]:
    """What a refusal says, as problem+json has it."""
    body: dict[str, Any] = {"type": "about:blank", "title": refusal.title, "status": refusal.status}
    if refusal.detail:
        body["detail"] = refusal.detail
    elif refusal.faults:
        body["detail"] = "; ".join(f"{fault.pointer or 'body'}: {fault.detail}" for fault in refusal.faults[:3])
    else:
        body["detail"] = HTTPStatus(refusal.status).description or refusal.title
    if refusal.faults:
        body["errors"] = [{"pointer": fault.pointer, "detail": fault.detail} for fault in refusal.faults]
    return body


def refused(refusal: Refused) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body for what can never succeed."""
    challenge = {"www-authenticate": "Bearer"} if refusal.status == 401 else {}
    return refusal.status, {"content-type": CONTENT_TYPE, **challenge, **refusal.headers}, to_json(fields(refusal))


def unavailable(error: Unavailable, known: str = "") -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body for "later".

    Args:
        known: what is certain about the request's effect, for requests that were to have one.
    """
    said = "; ".join(filter(None, (str(error), known, "try again")))
    refusal = Refused("Service unavailable", status=503, detail=said)
    return (
        503,
        {"content-type": CONTENT_TYPE, "retry-after": str(error.retry_after_s)},
        to_json(fields(refusal)),
    )


def failed() -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body for a bug of ours; its trace is in the log."""
    refusal = Refused("Internal server error", status=500, detail="the error was logged")
    return 500, {"content-type": CONTENT_TYPE}, to_json(fields(refusal))
