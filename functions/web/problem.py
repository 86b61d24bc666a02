"""Error answers: RFC 9457 problem+json. Never a stack trace, never an echo of what was sent."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pydantic_core import to_json

from events.errors import Refused, Unavailable
from functions.web.answer import PROBLEM, Answer


def fields(refusal: Refused) -> dict[str, Any]:
    """Return the members of a refusal's problem document."""
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


def refused(refusal: Refused) -> Answer:
    """Return the answer to a request that can never succeed."""
    challenge = {"www-authenticate": "Bearer"} if refusal.status == 401 else {}
    return Answer(refusal.status, to_json(fields(refusal)), PROBLEM, {**challenge, **refusal.headers})


def unavailable(error: Unavailable, known: str = "") -> Answer:
    """Return the answer to a request that may succeed later.

    Args:
        known: what is certain about the request's effect, for requests that were to have one.
    """
    said = "; ".join(filter(None, (str(error), known, "try again")))
    headers = {"retry-after": str(error.retry_after_s)}
    return refused(Refused("Service unavailable", status=503, detail=said, headers=headers))


def failed() -> Answer:
    """Return the answer to a request that met a bug of ours; its trace is in the log."""
    return refused(Refused("Internal server error", status=500, detail="the error was logged"))
