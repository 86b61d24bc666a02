"""What an OpenAPI description cannot say of the front door, told to schemathesis case by case."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, HookContext
from schemathesis.core.parameters import ParameterLocation

#: Where the content type decides whether ce-* headers mean anything.
CLOUDEVENTS = frozenset({"/", "/v1/events"})
#: Binary mode's attributes: required there, and only there.
ATTRIBUTES = {
    "ce-specversion": "1.0",
    "ce-id": "binary",
    "ce-source": "/schemathesis",
    "ce-type": "email_sent",
    "ce-subject": "account/acme",
}

#: What an earlier answer, or the key, decides on: no other text is taken.
GIVEN = {"cursor", "tenant"}

#: An event that is taken.
_GOOD: dict[str, Any] = {
    "specversion": "1.0",
    "id": "batch",
    "source": "/schemathesis",
    "type": "email_sent",
    "data": {"accountId": "acme"},
}

#: What a time may be: a moment that UTC has a date for, too. The first and the last day there is may have none.
_ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_MOMENTS = st.datetimes(timezones=_ZONES).filter(lambda moment: 1 < moment.toordinal() < date.max.toordinal())
schemathesis.openapi.format("date-time", _MOMENTS.map(datetime.isoformat))


@schemathesis.hook
def filter_case(context: HookContext, case: Case[Any]) -> bool:
    """Leave out bad ce-* headers: they are no mistake in the modes that do not read them."""
    del context
    components = case.meta.components if case.meta else {}
    bad_headers = (
        ParameterLocation.HEADER in components
        and components[ParameterLocation.HEADER].mode == GenerationMode.NEGATIVE
        and case.operation.path in CLOUDEVENTS
    )
    return not bad_headers


@schemathesis.hook
def map_case(context: HookContext, case: Case[Any]) -> Case[Any]:
    """Give binary mode its attributes, a record a type that the tenant has, bytes that should be JSON some, and no
    request what it cannot know.
    """
    del context
    if case.operation.path in CLOUDEVENTS:
        for name in [name for name in case.headers if name.lower().startswith("ce-")]:
            del case.headers[name]
        if case.media_type == "application/json":
            case.headers.update(ATTRIBUTES)
    body = case.body
    valid = case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE
    if valid:
        case.query = _sensible_query(case.operation.path, case.query)
    if valid and isinstance(body, list):
        case.body = [*body, _GOOD]  # one of nothing else may be refused whole, whatever each of its events holds
    if valid and isinstance(body, dict):
        case.body = _sensible(case.operation.path, body)
    return case


def _sensible_query(path: str, query: Mapping[str, Any]) -> dict[str, Any]:
    """Without what no request can know, with a word to look for, about a moment after 1970, within 10,000 rows."""
    unknown = {*GIVEN, "from", "to"} if path.endswith("/days") else {*GIVEN}  # at most so many days
    if query.get("sortBy") != "trend" and path == "/api/v1/accounts":
        unknown = {*unknown, "sortOrder"}  # goes with that order alone
    kept = {name: value for name, value in query.items() if name not in unknown}
    words = {"q": f"{kept['q']} acme"} if "q" in kept else {}
    at = {"at": "2026-01-05T10:00:00Z"} if str(kept.get("at", "1970")) < "1970" else {}
    page = {"page": min(100, int(kept["page"]))} if "page" in kept else {}
    return {**kept, **words, **at, **page}


def _sensible(path: str, body: dict[str, Any]) -> dict[str, Any]:
    if path == "/api/v1/events":
        return {**body, "eventType": "email_sent"}
    if body.get("data_base64") is not None:
        kept = {name: value for name, value in body.items() if name not in {"data", "datacontenttype"}}
        return {**kept, "data_base64": b64encode(b'{"accountId": "acme"}').decode()}
    if path.startswith("/api/v1/dead-letters"):
        # To JSON Schema 422.0 is an integer, too.
        numbers = {"status": int(body["status"])} if isinstance(body.get("status"), float) else {}
        return {**{name: value for name, value in body.items() if name not in GIVEN}, **numbers}
    return body
