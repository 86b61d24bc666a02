"""The API: who calls, which operation, and its answer as JSON."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote

import flask

from events import health
from events.errors import Refused, Unavailable
from events.health import Ping
from events.log import Log
from functions.api import (
    account_history,
    accounts,
    calibration,
    customers,
    dead_letters,
    docs,
    events,
    insights,
    model,
    notifications,
    search,
    signals,
)
from functions.api.backends import Backends
from functions.api.front_door import FrontDoorBridge, NotPublished
from functions.api.gate import ReadGate
from functions.api.keys import RememberedKeys
from functions.api.routes import Route, Router
from functions.domain.key import digest, is_operators, permitted, well_formed
from functions.ingest.answer import not_allowed
from functions.ingest.doors import DOORS, without_slash
from functions.service.principal import OPERATOR, Principal
from functions.web import problem
from functions.web.answer import Answer
from functions.web.content import unpacked
from functions.web.credentials import api_key
from functions.web.turns import Turns

log = Log("api")

RESOURCES = (
    signals.resource,
    search.resource,
    accounts.resource,
    account_history.resource,
    insights.resource,
    customers.resource,
    model.resource,
    calibration.resource,
    events.resource,
    notifications.resource,
    dead_letters.resource,
)
_ROUTER = Router(RESOURCES)
#: Paths that need no key, and answer everybody alike.
PAGES = frozenset({"/health", "/ready", "/live", "/openapi.json", *docs.FILES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The API as a callable for the Functions Framework's ``http`` signature.

    Args:
        keys: the key directory, remembered for two seconds.
        backends: what the operations work with.
        front_door: takes events, as ingest does.
        operator_keys: the operator's keys; none where it has none.
        pings: what the API depends on.
    """

    keys: RememberedKeys
    backends: Backends
    front_door: FrontDoorBridge
    operator_keys: Collection[str]
    pings: Mapping[str, Ping]

    def gate(self, *, threads: int, each: int, waiting: int) -> ReadGate:
        """Return the gate for a server that works on ``threads`` requests at a time: see :class:`Turns`."""
        turns = Turns(threads=threads, each=each, waiting=waiting)
        return ReadGate(self.keys, self.operator_keys, turns, lambda: time.monotonic_ns() // 1000)

    def __call__(self, request: flask.Request) -> flask.Response:
        """Answer one request."""
        try:
            answer = self._respond(request)
        except Refused as refusal:
            answer = problem.refused(refusal)
        except NotPublished as exc:
            answer = exc.answer
        except Unavailable as exc:
            log.often("unavailable", backend=exc.what, reason=exc.reason)
            answer = problem.unavailable(exc)
        except Exception:  # noqa: BLE001 - the edge: whatever it is, the caller gets a 500 and the log the trace
            log.often("failed", trace=True)
            answer = problem.failed()
        return flask.Response(answer.body, answer.status, answer.all_headers)

    def _respond(self, request: flask.Request) -> Answer:
        path = without_slash(request.path)
        if path in PAGES:
            return self._page(path) if request.method in {"GET", "HEAD"} else not_allowed("GET, HEAD")
        if path in DOORS:
            return self.front_door.answer(request)
        route, ids = _ROUTER.find(request.method, _raw_path(request))
        by = self._principal(request, route)
        arguments = route.arguments(ids, request.args, lambda: self._body(request))
        if route.publishes:
            arguments["publish"] = lambda type_, data: self.front_door.publish(
                request, self.backends.nonce(), type_, data
            )
        answer = route.operation(self.backends, **route.caller(by), **arguments)
        return Answer(202 if route.publishes else 200, answer.model_dump_json().encode())

    def _page(self, path: str) -> Answer:
        if found := health.answer(path, self.pings):
            return Answer(found[0], found[2], found[1])
        return Answer(200, _openapi()) if path == "/openapi.json" else docs.page(path)

    def _principal(self, request: flask.Request, route: Route) -> Principal:
        """Return who calls.

        Raises:
            Refused: 401 or 403, see :func:`functions.domain.key.permitted`.
        """
        key = api_key(request.headers.get("x-api-key"), request.headers.get("authorization"))
        if route.operator and is_operators(key, self.operator_keys):
            return OPERATOR
        grant = self.keys.find(digest(key)) if well_formed(key) else None
        return Principal.of_key(digest(key), permitted(grant, route.scope, self.backends.now()))

    def _body(self, request: flask.Request) -> bytes:
        """Return the body, unpacked; the server bounds it while it is read."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        return unpacked(request.get_data(), headers, self.backends.max_bytes)


@cache
def _openapi() -> bytes:
    """Return the document, which is made when it is first asked for."""
    from functions.api import description

    return description.openapi(RESOURCES)


def _raw_path(request: flask.Request) -> str:
    sent = str(request.environ.get("RAW_URI") or quote(request.path))
    return sent.partition("?")[0]
