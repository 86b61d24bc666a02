"""The API: who asks, which question, the answer as JSON."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

import flask
from pydantic_core import to_json
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from events import health
from events.errors import Fault, Refused, Unavailable
from events.health import Ping
from events.log import Log
from functions.adapters.postgres.reader import Page, Reader
from functions.api.dead_letters import DeadLetterDesk
from functions.api.front_door import FrontDoorBridge
from functions.api.gate import ReadGate
from functions.api.keys import RememberedKeys
from functions.api.parameters import (
    AccountAt,
    Nothing,
    Paging,
    SignalList,
    SignalSearch,
    identifier,
    missing,
    parsed,
    path_id,
    read_cursor,
    write_cursor,
)
from functions.domain import score
from functions.domain.explain import Explanation
from functions.domain.key import (
    READ,
    READ_DEAD_LETTERS,
    WRITE_DEAD_LETTERS,
    digest,
    is_operators,
    permitted,
    well_formed,
)
from functions.domain.name import tidy
from functions.domain.search import FILTERS, SearchQuery, words
from functions.domain.signal import instant
from functions.ingest.doors import DOORS, without_slash
from functions.ports import SearchIndex
from functions.web import problem
from functions.web.content import unpacked
from functions.web.credentials import api_key
from functions.web.turns import Turns

log = Log("api")


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """Everything the API answers with.

    Args:
        keys: whose key it is, as remembered for two seconds.
        reader: signals, accounts and notices.
        search: full text.
        front_door: takes events, as ingest does.
        accepted_at: when an event was accepted that may not be processed yet, by tenant and id.
        dead_letters: what nobody could take.
        operator_keys: open what is the operator's, any of them; none for nobody.
        pings: what it depends on.
        now: the clock, with zone.
    """

    keys: RememberedKeys
    reader: Reader
    search: SearchIndex
    front_door: FrontDoorBridge
    accepted_at: Callable[[str, UUID], datetime | None]
    dead_letters: DeadLetterDesk
    operator_keys: Collection[str]
    pings: Mapping[str, Ping]
    now: Callable[[], datetime]

    def gate(self, *, threads: int, each: int, waiting: int) -> ReadGate:
        """Return the gate for a server that works on ``threads`` requests at a time: see :class:`Turns`."""
        turns = Turns(threads=threads, each=each, waiting=waiting)
        return ReadGate(self.keys, self.operator_keys, turns, lambda: time.monotonic_ns() // 1000)

    def __call__(self, request: flask.Request) -> flask.Response:
        """Answer one request."""
        try:
            status, headers, body = self._respond(request)
        except Refused as refusal:
            status, headers, body = problem.refused(refusal)
        except Unavailable as exc:
            log.often("unavailable", backend=exc.what, reason=exc.reason)
            status, headers, body = problem.unavailable(exc)
        except Exception:  # noqa: BLE001 - the edge: whatever it is, the caller gets a 500 and the log the trace
            log.often("failed", trace=True)
            status, headers, body = problem.failed()
        return flask.Response(body, status, headers)

    def _respond(self, request: flask.Request) -> tuple[int, dict[str, str], bytes]:
        path = without_slash(request.path)
        if request.method in {"GET", "HEAD"} and (told := health.answer(path, self.pings)):
            return told[0], {"content-type": told[1]}, told[2]
        if request.method in {"POST", "OPTIONS"} and path in DOORS:
            return self.front_door.answer(request)
        try:
            route, named = _ROUTES.bind("").match(_raw_path(request), request.method)
        except HTTPException as exc:
            # What the router would say is a page; a redirect to add a slash is no answer of ours either.
            status = exc.code if exc.code in {404, 405} else 404
            raise Refused("Method not allowed" if status == 405 else "Not found", status=status) from exc
        arguments: dict[str, Any] = {name: path_id(part, _thing(path)) for name, part in named.items()}
        tenant = self._tenant(request, route)
        if request.method in {"POST", "PATCH"}:
            arguments = {**arguments, "body": _body(request, self.dead_letters.max_bytes)}
        told = route.question(self)(tenant, request.args, **arguments)
        return 200, {"content-type": "application/json"}, to_json(told)

    def _tenant(self, request: flask.Request, route: Route) -> str | None:
        """Whose key it is; None for the operator's, where that may ask."""
        key = api_key(request.headers.get("x-api-key"), request.headers.get("authorization"))
        if route.operator and is_operators(key, self.operator_keys):
            return None
        grant = self.keys.find(digest(key)) if well_formed(key) else None
        return permitted(grant, route.scope, self.now()).tenant_id

    def list_signals(self, tenant: str, arguments: Mapping[str, str]) -> dict[str, Any]:
        """One page of signals."""
        asked = parsed(SignalList, arguments)
        filters = {column: getattr(asked, name) for name, column in FILTERS.items()}
        page = Page(number=asked.page, limit=asked.limit)
        rows, total = self.reader.signals(
            tenant,
            {**filters, "since": asked.since, "until": asked.until},
            page,
            sort=asked.sortBy,
            direction=asked.sortOrder,
        )
        return _page(rows, page, total)

    def get_signal(self, tenant: str, arguments: Mapping[str, str], id_: str) -> dict[str, Any]:
        """One signal with its reasons."""
        parsed(Nothing, arguments)
        signal = self.reader.signal(tenant, identifier(id_, "signal"))
        if signal is None:
            raise missing("signal")
        return signal

    def search_signals(self, tenant: str, arguments: Mapping[str, str]) -> dict[str, Any]:
        """Full text, filters, facets and days."""
        asked = parsed(SignalSearch, arguments)
        sought = words(asked.q)
        if asked.q.strip() and not sought:
            raise Refused("Bad request", faults=(Fault("/q", "has no letter and no digit to look for"),))
        named = {column: getattr(asked, name) for name, column in FILTERS.items()}
        answer = self.search.search(
            SearchQuery(
                tenant_id=tenant,
                words=sought,
                filters={column: value for column, value in named.items() if value is not None},
                since=asked.since,
                until=asked.until,
                limit=asked.limit,
                after=read_cursor(asked.cursor),
            )
        )
        return {
            "data": [{**hit.row, "highlight": hit.highlight} for hit in answer.hits],
            "total": answer.total,
            "facets": answer.facets,
            "date_histogram": [{"date": day, "count": count} for day, count in sorted(answer.days.items())],
            "next_cursor": write_cursor(answer.next),
        }

    def list_accounts(self, tenant: str, arguments: Mapping[str, str]) -> dict[str, Any]:
        """One page of accounts, the most engaged first."""
        asked = parsed(Paging, arguments)
        page = Page(number=asked.page, limit=asked.limit)
        rows, total = self.reader.accounts(tenant, self.now(), page)
        return _page(rows, page, total)

    def get_account(self, tenant: str, arguments: Mapping[str, str], id_: str) -> dict[str, Any]:
        """One account: both scores, now or as they were, and why."""
        then = parsed(AccountAt, arguments).at
        at = then or self.now()
        id_, explained = self._explained(tenant, id_, at, past=then is not None)
        buyer, rep = explained["buyer"], explained["rep"]
        return {
            "account_id": id_,
            "engagement": buyer.score,
            "effort": rep.score,
            "band": score.band(buyer.score),
            "trend": score.trend(buyer.score, buyer.score_week_ago),
            "engagement_week_ago": buyer.score_week_ago,
            "reasons": [item.sentence(at) for item in buyer.contributions],
            "effort_reasons": [item.sentence(at) for item in rep.contributions],
            "contributions": _contributions(buyer),
            "effort_contributions": _contributions(rep),
            "model_version": score.MODEL_VERSION,
            "as_of": instant(at),
        }

    def _explained(self, tenant: str, id_: str, at: datetime, *, past: bool) -> tuple[str, Any]:
        """Find an account as it is spelt in the path, else in the one spelling that names have now."""
        for spelt in dict.fromkeys((id_, tidy(id_))):
            if (explained := self.reader.explained(tenant, spelt, at, past=past)) is not None:
                return spelt, explained
        raise missing("account")

    def get_event(self, tenant: str, arguments: Mapping[str, str], id_: str) -> dict[str, Any]:
        """Where an event is: received, delivered or not, what it meant, what it led to, whether it can be searched."""
        parsed(Nothing, arguments)
        event_id = identifier(id_, "event")
        signal = self.reader.signal(tenant, event_id)
        if signal is None:
            return {**_EVENT, "id": str(event_id), **self._unprocessed(tenant, event_id)}
        notices, _ = self.reader.notices(tenant, Page(number=1, limit=100), event_id=event_id)
        return {
            **_EVENT,
            "id": str(event_id),
            "status": "processed",
            "source": signal.pop("source"),
            "source_id": signal.pop("source_id"),
            "received_at": signal.pop("received_at"),
            "delivered": True,
            "processed_at": signal["processed_at"],
            "signal": signal,
            "rules_matched": [
                {"rule_id": notice["rule_id"], "rule_version": notice["rule_version"], "title": notice["title"]}
                for notice in notices
                if notice["rule_id"] is not None
            ],
            "notices": notices,
            "indexed": self.search.get(tenant, str(event_id)) is not None,
        }

    def _unprocessed(self, tenant: str, event_id: UUID) -> dict[str, Any]:
        """What is known of an event that is waiting, or that nobody could take."""
        if letter := self.dead_letters.of_event(tenant, event_id):
            return {"status": "dead", **letter}
        accepted_at = self.accepted_at(tenant, event_id)
        if accepted_at is None:
            raise missing("event")
        return {"status": "accepted", "received_at": instant(accepted_at)}

    def list_notifications(self, tenant: str, arguments: Mapping[str, str]) -> dict[str, Any]:
        """One page of notices, the newest first, each with every attempt to send it."""
        asked = parsed(Paging, arguments)
        page = Page(number=asked.page, limit=asked.limit)
        rows, total = self.reader.notices(tenant, page)
        return _page(rows, page, total)


@dataclass(frozen=True, slots=True)
class Route:
    """What answers at a path.

    Args:
        question: gives the method that takes the tenant, the query and what the path and the body hold.
        scope: what a key must have.
        operator: whether the operator's key may ask as well; its tenant is None.
    """

    question: Callable[[Api], Callable[..., Any]]
    scope: str = READ
    operator: bool = False


def _dead_letters(question: Callable[[DeadLetterDesk], Callable[..., Any]], scope: str) -> Route:
    return Route(lambda api: question(api.dead_letters), scope, operator=True)


_LIST_DEAD = _dead_letters(lambda desk: desk.page, READ_DEAD_LETTERS)
_SHOW_DEAD = _dead_letters(lambda desk: desk.show, READ_DEAD_LETTERS)
_EDIT_DEAD = _dead_letters(lambda desk: desk.edit, WRITE_DEAD_LETTERS)
_REDRIVE_DEAD = _dead_letters(lambda desk: desk.redrive, WRITE_DEAD_LETTERS)
_REDRIVE_ALL_DEAD = _dead_letters(lambda desk: desk.redrive_wanted, WRITE_DEAD_LETTERS)
_PURGE_DEAD = _dead_letters(lambda desk: desk.purge, WRITE_DEAD_LETTERS)
_PURGE_ALL_DEAD = _dead_letters(lambda desk: desk.purge_wanted, WRITE_DEAD_LETTERS)

#: Path and method -> route. What is not here does not exist.
_ROUTES = Map(
    [
        # A slash after an id is no part of the path, nor is it passed over: an id may end so, percent-encoded.
        Rule(path, endpoint=route, methods=[method], strict_slashes=path.endswith(">"))
        for method, path, route in (
            ("GET", "/api/v1/signals", Route(lambda api: api.list_signals)),
            ("GET", "/api/v1/signals/search", Route(lambda api: api.search_signals)),
            ("GET", "/api/v1/signals/<id_>", Route(lambda api: api.get_signal)),
            ("GET", "/api/v1/accounts", Route(lambda api: api.list_accounts)),
            ("GET", "/api/v1/accounts/<id_>", Route(lambda api: api.get_account)),
            ("GET", "/api/v1/events/<id_>", Route(lambda api: api.get_event)),
            ("GET", "/api/v1/notifications", Route(lambda api: api.list_notifications)),
            ("GET", "/api/v1/dead-letters", _LIST_DEAD),
            ("GET", "/api/v1/dead-letters/<id_>", _SHOW_DEAD),
            ("PATCH", "/api/v1/dead-letters/<id_>", _EDIT_DEAD),
            ("DELETE", "/api/v1/dead-letters/<id_>", _PURGE_DEAD),
            ("POST", "/api/v1/dead-letters/<id_>/redrive", _REDRIVE_DEAD),
            ("POST", "/api/v1/dead-letters/redrive", _REDRIVE_ALL_DEAD),
            ("POST", "/api/v1/dead-letters/purge", _PURGE_ALL_DEAD),
        )
    ],
    strict_slashes=False,
)


#: What is told of every event, as it is before anything is known.
_EVENT: Mapping[str, Any] = {
    "id": None,
    "status": None,
    "source": None,
    "source_id": None,
    "received_at": None,
    "delivered": False,
    "attempts": None,
    "processed_at": None,
    "signal": None,
    "rules_matched": [],
    "notices": [],
    "indexed": False,
    "dead_letter": None,
}


def _body(request: flask.Request, most: int) -> bytes:
    """Return the body, of at most ``most`` bytes once it is unpacked; the server bounds it as it comes."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return unpacked(request.get_data(), headers, most)


def _thing(path: str) -> str:
    """Return what a path below ``/api/v1/<things>/`` names by its id."""
    return path.split("/")[3].removesuffix("s").replace("-", " ")


def _raw_path(request: flask.Request) -> str:
    """Return the path as it was sent: in an id, ``%2F`` is another character than a slash."""
    sent = str(request.environ.get("RAW_URI") or quote(request.path))
    return sent.partition("?")[0]


def _page(rows: Sequence[Mapping[str, Any]], page: Page, total: int) -> dict[str, Any]:
    return {
        "data": rows,
        "pagination": {
            "page": page.number,
            "limit": page.limit,
            "total": total,
            "totalPages": math.ceil(total / page.limit),
        },
    }


def _contributions(explained: Explanation) -> list[dict[str, Any]]:
    return [
        {
            "event_type": item.event_type,
            "events": item.events,
            "points_now": round(item.points_now, 2),
            "latest": instant(item.latest),
        }
        for item in explained.contributions
    ]
