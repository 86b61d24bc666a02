"""The API's operations, as OpenAPI describes them: those that its resources declare, and the front door's.

Imported with the first request for the document.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from events.deadletter import changed
from events.errors import Fault, Refused
from functions.api import docs
from functions.api.parameters import missing
from functions.api.routes import Resource, Route
from functions.ingest import description as ingest
from functions.web import described
from functions.web.described import JSON, RATE, RETRY_AFTER, problem
from functions.web.openapi import Content, Operation, Parameter, Reply, document, query

DESCRIPTION = f"""Signals, accounts and their reasons, events, notices and dead letters of the key's tenant; and the
front door, so that one base URL is enough.

- Times are RFC 3339 with a zone. Those you give may be Unix times, too, and are UTC where they name no zone.
- A parameter that is not known is refused.
{ingest.DESCRIPTION.lstrip()}"""

#: What every operation of the API may answer.
_ALWAYS: Mapping[int, Reply] = {
    **described.SERVER,
    **described.KEY,
    **problem(
        "BadRequest",
        "A parameter or member is unknown or wrong. `errors` says where.",
        Refused("Bad request", faults=(Fault("/limit", "Input should be less than or equal to 100"),)),
    ),
    **problem(
        "TooManyReads",
        "The tenant's rate of requests is reached.",
        Refused("Too many requests", status=429, detail="the rate limit of reads is reached; try again"),
        (RETRY_AFTER, *RATE),
    ),
    **problem(
        "Unavailable",
        "A store is away.",
        Refused("Service unavailable", status=503, detail="postgresql is unavailable; try again"),
        (RETRY_AFTER,),
    ),
}
#: What some operations may answer.
_SOME: Mapping[int, Reply] = {
    **described.BODY,
    **problem("NotFound", "The key's tenant has no such thing.", missing("account")),
    **problem("Changed", "It cannot be read, or was changed at the same moment.", changed()),
    **problem(
        "Refused",
        "What the body says cannot be: what it would change, or what it would make. `errors` says where.",
        Refused("Unacceptable event", status=422, faults=(Fault("/event/source", "cannot be changed"),)),
    ),
}


def openapi(resources: Iterable[Resource]) -> bytes:
    """Return the document as JSON."""
    tags = {resource.name: resource.description for resource in resources}
    return document(
        (*_operations(resources), *ingest.DOORS, *described.PAGES, *_DOCS),
        title="SSPP API",
        description=DESCRIPTION,
        tags={**tags, **ingest.TAGS},
    )


def _operations(resources: Iterable[Resource]) -> Iterator[Operation]:
    return (_operation(resource, route) for resource in resources for route in resource.routes)


def _operation(resource: Resource, route: Route) -> Operation:
    summary, _, more = (inspect.getdoc(route.operation) or "").partition("\n\n")
    example, takes = route.example, route.takes
    answer = Content(type=takes["return"], examples={"example": example.answer})
    asked = query(takes["query"], example.query) if "query" in takes else []
    body = {JSON: Content(type=takes["body"], examples={"example": example.body})} if "body" in takes else {}
    operators = "The operator's key may do so for every tenant." if route.operator else ""
    return Operation(
        method=route.method,
        path=route.path,
        name=_camel(route.operation.__name__),
        summary=" ".join(summary.removesuffix(".").split()),
        description="\n\n".join(filter(None, (more, operators))),
        tag=resource.name,
        scope=route.scope,
        parameters=[*_ids(route), *asked],
        body=body,
        answers={**_success(route, answer), **_problems(route)},
    )


def _success(route: Route, answer: Content) -> dict[int, Reply]:
    if route.publishes:
        return {202: Reply(description="Stored, and done soon.", headers=RATE, content={JSON: answer})}
    return {200: Reply(description="Done.", headers=RATE, content={JSON: answer})}


def _ids(route: Route) -> Iterator[Parameter]:
    for name in re.findall(r"\{(\w+)\}", route.path):
        kind: dict[str, Any] = {"format": "uuid"} if route.takes[f"{name}_"] is UUID else {"minLength": 1}
        yield Parameter(
            name=name,
            where="path",
            description=f"Of the {route.thing if name == 'id' else name}, percent-encoded.",
            required=True,
            schema={"type": "string", **kind},
            example=route.example.ids.get(name, route.example.id),
        )


def _problems(route: Route) -> dict[int, Reply]:
    some = {
        *route.refuses,
        *({route.wrong} - {400}),
        *(described.BODY if "body" in route.takes else ()),
        *([404] if "{" in route.path else []),
    }
    return {**_ALWAYS, **{status: _SOME[status] for status in some}}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


_ASSETS = [path.removeprefix(f"{docs.PATH}/") for path in docs.FILES if path != docs.PATH]
#: The pages that show this document. Their content types are no more than browsers need to know.
_DOCS = (
    Operation(
        method="GET",
        path=docs.PATH,
        name="docs",
        summary="This document, to read and to try",
        tag="operation",
        answers={200: Reply(description="A page.", content={"text/html": Content(type=str)})},
    ),
    Operation(
        method="GET",
        path=f"{docs.PATH}/{{file}}",
        name="docsFile",
        summary="A file of that page",
        tag="operation",
        parameters=(
            Parameter(
                name="file",
                where="path",
                required=True,
                schema={"type": "string", "enum": _ASSETS},
                example=_ASSETS[0],
            ),
        ),
        answers={
            200: Reply(
                description="The file.",
                content={
                    docs.FILES[f"{docs.PATH}/{name}"].content_type.partition(";")[0]: Content(type=Any)
                    for name in _ASSETS
                },
            ),
            404: _SOME[404],
        },
    ),
)
