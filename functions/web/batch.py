"""The functions' side of a delivery: a batch of events in, one result per event out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import flask

from events import batch, cloudevent, health, http_binding, metrics
from events.answer import BatchAnswer, Result
from events.cloudevent import CloudEvent
from events.errors import Refused, Unavailable
from events.health import Ping
from events.log import Log
from functions.web import problem
from functions.web.answer import Answer
from functions.web.credentials import is_dispatcher

log = Log("function")

#: More than any subscription sends at once.
MAX_BATCH = 1000

Handle = Callable[[Sequence[CloudEvent]], Sequence[Result]]


class BatchFunction:
    """A function behind a dispatcher, as a callable for the Functions Framework's ``http`` signature.

    Args:
        name: of the function, for logs and metrics.
        handle: takes the events that could be read, returns one result each, in order.
        pings: what it depends on.
        tokens: the dispatchers' credentials, any of which will do; see functions/web/credentials.py.
    """

    def __init__(self, name: str, *, handle: Handle, pings: Mapping[str, Ping], tokens: Collection[str]) -> None:
        self._name = name
        self._handle = handle
        self.pings = pings
        self._tokens = tokens

    def __call__(self, request: flask.Request) -> flask.Response:
        """Answer one request."""
        try:
            answer = self._respond(request)
        except Refused as refusal:
            self._count("refused")
            answer = problem.refused(refusal)
        except Unavailable as exc:
            self._count("unavailable")
            log.often("unavailable", function=self._name, backend=exc.what, reason=exc.reason)
            answer = problem.unavailable(exc)
        except Exception:  # noqa: BLE001 - the edge: whatever it is, the caller gets a 500 and the log the trace
            self._count("failed")
            log.often("failed", trace=True, function=self._name)
            answer = problem.failed()
        return flask.Response(answer.body, answer.status, answer.all_headers)

    def _respond(self, request: flask.Request) -> Answer:
        if request.method in {"GET", "HEAD"}:
            status, content_type, body = health.answer(request.path, self.pings) or _not_found()
            return Answer(status, body, content_type)
        if request.method != "POST":
            raise Refused("Method not allowed", status=405)
        if not is_dispatcher(request.headers.get("authorization"), self._tokens, request.remote_addr):
            raise Refused("Unauthorized", status=401, detail="only the dispatcher may deliver")
        return self._deliver(request)

    def _deliver(self, request: flask.Request) -> Answer:
        """Work through a batch; a single event is a batch of one whose result is also the answer's status."""
        content_type = request.headers.get("content-type", "")
        single = cloudevent.media_type(content_type) != cloudevent.BATCH
        events: list[CloudEvent | Refused]
        if single:
            headers = ((name.lower(), value) for name, value in request.headers.items())
            events = [http_binding.parse_request(content_type, headers, request.get_data()).event]
        else:
            events = batch.parse_events(request.get_data(), limit=MAX_BATCH)
        results = _results(events, self._handle)
        self._count("done")
        body = BatchAnswer(results=results).as_json()
        return Answer(results[0].status if single else 200, body)

    def _count(self, outcome: str) -> None:
        metrics.HANDLED.labels(self._name, outcome).inc()


def refusal(error: Refused) -> Result:
    """The result of an event that can never succeed: the dispatcher dead-letters it with this detail."""
    return Result(status=error.status, detail=str(problem.fields(error)["detail"]))


def _results(events: Sequence[CloudEvent | Refused], handle: Handle) -> list[Result]:
    """Handle the events that could be read; return the results in the order of the batch."""
    handled = iter(handle([event for event in events if isinstance(event, CloudEvent)]))
    return [next(handled) if isinstance(event, CloudEvent) else refusal(event) for event in events]


def _not_found() -> tuple[int, str, bytes]:
    raise Refused("Not found", status=404)
