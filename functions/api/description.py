"""The API's operations, as OpenAPI describes them: those that its resources declare, and the front door's.

Imported with the first request for the document.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from functions.api import docs
from functions.api.routes import Resource, Route
from functions.ingest import description as ingest
from functions.web import described
from functions.web.described import JSON, RATE, RETRY_AFTER, problem
from functions.web.openapi import Content, Operation, Parameter, Reply, document, query

DESCRIPTION = (
    "Signals, accounts and their reasons, events, notices and dead letters of the key's tenant; and the front door, so"
    " that one base URL is enough. Times are RFC 3339 with a zone; those you give may be Unix times, too, and are UTC"
    " where they name no zone. A parameter that is not known is refused. " + ingest.DESCRIPTION
)

#: What every operation of the API may answer.
_ALWAYS: Mapping[int, Reply] = {
    **described.SERVER,
    **described.KEY,
    400: problem(400, "BadRequest", "A parameter or member is unknown or wrong. `errors` says where."),
    429: problem(429, "TooManyReads", "The tenant's rate of requests is reached.", (RETRY_AFTER, *RATE)),
    503: problem(503, "Unavailable", "A store is away.", (RETRY_AFTER,)),
}
#: What some operations may answer.
_SOME: Mapping[int, Reply] = {
    **described.BODY,
    404: problem(404, "NotFound", "The key's tenant has no such thing."),
    409: problem(409, "Changed", "It cannot be read, or was changed at the same moment."),
    422: problem(422, "Unchangeable", "What cannot be changed would be, or what would be made of it is no event."),
}


def openapi(resources: Iterable[Resource]) -> bytes:
    """Return the document as JSON."""
    tags = {resource.name: resource.description for resource in resources}
    return document(
        (*_operations(resources), *ingest.DOORS, *described.PAGES, *_DOCS),
        title="SSPP API",
        description=DESCRIPTION,
        tags={**tags, "events": f"{tags['events']} {ingest.TAGS['events']}", "operation": ingest.TAGS["operation"]},
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
        answers={200: Reply(description="Done.", headers=RATE, content={JSON: answer}), **_problems(route)},
    )


def _ids(route: Route) -> Iterator[Parameter]:
    for name in re.findall(r"\{(\w+)\}", route.path):
        kind: dict[str, Any] = {"format": "uuid"} if route.takes[f"{name}_"] is UUID else {"minLength": 1}
        yield Parameter(
            name=name,
            where="path",
            description=f"Of the {route.thing}, percent-encoded.",
            required=True,
            schema={"type": "string", **kind},
            example=route.example.id,
        )


def _problems(route: Route) -> dict[int, Reply]:
    some = {*route.refuses, *(described.BODY if "body" in route.takes else ()), *([404] if "{" in route.path else [])}
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
