"""What the descriptions of several functions share: limits in headers, problems, and the pages for probes.

Imported with the first request for a document, as :mod:`functions.web.openapi` is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from events.errors import Refused
from functions.domain.key import unknown_key
from functions.web.answer import PROBLEM
from functions.web.openapi import Content, Operation, Parameter, Reply
from functions.web.problem import fields

JSON = "application/json"


class Described(BaseModel):
    """An answer whose members are all listed."""

    model_config = ConfigDict(extra="forbid")


class Fault(Described):
    """One mistake in a request."""

    pointer: Annotated[str, Field(description="RFC 6901, into the body; empty for all of it.")]
    detail: Annotated[str, Field(min_length=1)]


class Problem(Described):
    """RFC 9457."""

    type: Literal["about:blank"]
    title: Annotated[str, Field(min_length=1)]
    status: Annotated[int, Field(ge=400, le=599)]
    detail: Annotated[str, Field(min_length=1)]
    errors: Annotated[list[Fault], Field(min_length=1, default_factory=list)]


class Health(Described):
    """Up or down, and when."""

    status: Literal["ok", "unavailable"]
    timestamp: Annotated[str, Field(json_schema_extra={"format": "date-time"})]


def _count(name: str, description: str, *, least: int = 0, required: bool = False) -> Parameter:
    schema = {"type": "integer", "minimum": least}
    return Parameter(name=name, description=description, schema=schema, required=required)


_SECONDS = "Seconds after which another try may succeed."
RETRY_AFTER = _count("retry-after", _SECONDS, least=1, required=True)
MAY_RETRY_AFTER = _count("retry-after", _SECONDS, least=1)
#: How a tenant stands with its rate; on every answer where it has one.
RATE = (
    _count("ratelimit-limit", "What may come at once: the burst of the rate, or the limit that has refused."),
    _count("ratelimit-remaining", "What may come now."),
    _count("ratelimit-reset", "Seconds until all of the limit is there again."),
)
_CHALLENGE = Parameter(
    name="www-authenticate", description="How to authenticate.", required=True, schema={"const": "Bearer"}
)
_CLOSED = Parameter(
    name="connection", description="`close` where the server hangs up after this answer.", schema={"type": "string"}
)


def problem(
    name: str,
    description: str,
    example: Refused,
    headers: Sequence[Parameter] = (),
    also: Mapping[str, Content] | None = None,
) -> dict[int, Reply]:
    """Return the answer of a request that failed, by its status.

    Args:
        name: of the component.
        example: one that is answered so.
        also: what may be answered in place of a problem, by content type.
    """
    status = {"properties": {"status": {"const": example.status}}}
    content = Content(type=Problem, narrowed=status, examples={"problem": fields(example)})
    said = Reply(name=name, description=description, headers=headers, content={PROBLEM: content, **(also or {})})
    return {example.status: said}


def _closing(name: str, description: str, status: int, title: str, detail: str = "") -> dict[int, Reply]:
    said = f"{description} The connection is closed."
    return problem(name, said, Refused(title, status=status, detail=detail), (_CLOSED,))


#: What the server answers, whatever the request is for.
SERVER: Mapping[int, Reply] = {
    **_closing("LineTooLong", "The request line is longer than 8190 bytes.", 414, "URL too long"),
    **_closing("HeadersTooLarge", "More than 100 headers, or one longer than 16380 bytes.", 431, "Headers too large"),
    **problem(
        "Failed",
        "A bug of ours; what the request did is not known.",
        Refused("Internal server error", status=500, detail="the error was logged"),
    ),
}
#: What it answers where a request has a body.
BODY: Mapping[int, Reply] = {
    **_closing(
        "Timeout",
        "The body did not come in whole within 20 s.",
        408,
        "Request timeout",
        "the body did not come in whole",
    ),
    **_closing(
        "TooLarge",
        "The body is longer, or has more events, than is allowed.",
        413,
        "Body too large",
        "at most 1048576 bytes",
    ),
    **problem(
        "UnsupportedMediaType",
        "The body is not JSON in UTF-8, plain or packed with gzip.",
        Refused("Unsupported charset", status=415, detail="JSON is read as UTF-8"),
    ),
    **_closing("UnknownCoding", "The transfer coding is not `chunked`.", 501, "Unknown transfer coding"),
}
#: What is answered to a key that does not work, or may not do what it is used for.
KEY: Mapping[int, Reply] = {
    **problem(
        "Unauthorized",
        "A key that does not work, in the same words whatever is wrong with it.",
        unknown_key(),
        (_CHALLENGE,),
    ),
    **problem(
        "Forbidden",
        "The key lacks the scope, its tenant is suspended, or may not change this.",
        Refused("Forbidden", status=403, detail="this tenant is suspended"),
    ),
}


def _probe(path: str, name: str, summary: str, *, may_fail: bool) -> Operation:
    at = "2026-11-27T12:00:00.000+00:00"
    up = Content(type=Health, examples={"up": {"status": "ok", "timestamp": at}})
    down = Content(type=Health, examples={"down": {"status": "unavailable", "timestamp": at}})
    answers = {200: Reply(description="Up.", content={JSON: up})}
    if may_fail:
        answers[503] = Reply(description="What it depends on does not answer.", content={JSON: down})
    return Operation(method="GET", path=path, name=name, summary=summary, tag="operation", answers=answers)


#: A document; clients need to know no more of it.
_DOCUMENT: Any = dict[str, Any]
PAGES = (
    _probe("/health", "health", "Up or down", may_fail=True),
    _probe("/ready", "ready", "Whether it can work now", may_fail=True),
    _probe("/live", "live", "Whether the process works, whatever it depends on", may_fail=False),
    Operation(
        method="GET",
        path="/openapi.json",
        name="openapi",
        summary="This document",
        tag="operation",
        answers={200: Reply(description="OpenAPI 3.1.", content={JSON: Content(type=_DOCUMENT)})},
    ),
)
