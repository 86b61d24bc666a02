"""``make demo``: send a made-up sales week through the front door of a running ``make run``, show what it came to."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from cloudevents.conversion import to_binary, to_json, to_structured
from cloudevents.http import CloudEvent
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from events.cloudevent import BATCH
from events.errors import ConfigError, SsppError
from events.settings import CommandLineSettings
from functions.local import report, story
from functions.local.story import Happening

#: Events a batch carries.
BATCH_EVENTS = 100
#: The last ones go one by one, every other as binary, so that all three modes of the front door are used.
SINGLE_EVENTS = 60
#: Seconds the front door may keep us waiting with 429 and 503, and the platform with its work.
PATIENCE_S = 60.0
#: Seconds notices get to be sent once everything is processed.
NOTICES_S = 15.0
_POLL_S = 0.2
_DEFAULT_RETRY_S = 1.0

#: One request: headers, body, and how many events it carries.
Parcel = tuple[Mapping[str, str], bytes, int]


class DemoError(SsppError):
    """The demo cannot go on; the message says why in one line."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; give the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description="Send a made-up sales week, show what it came to.")
    parser.add_argument("--seed", type=int, default=1, help="another number tells another week (default: 1)")
    seed = parser.parse_args(argv).seed
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr] # a terminal that knows no bars still gets words
    console = Console(highlight=False, width=None if sys.stdout.isatty() else report.WIDTH)
    try:
        ready = _ready(Path(CommandLineSettings.read(os.environ).home))
        with httpx.Client(headers={"x-api-key": ready["api_key"]}, timeout=30.0) as http:
            _tell(console, http, ready, story.week(seed, datetime.now(UTC)))
    except (ConfigError, DemoError) as exc:
        print(f"demo: {exc}", file=sys.stderr)
        return 1
    except httpx.HTTPError as exc:
        print(f"demo: {_unreachable(exc)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _tell(console: Console, http: httpx.Client, ready: Mapping[str, str], events: Sequence[Happening]) -> None:
    """Send, wait, show."""
    api = Api(http, ready["api_url"])
    before = api.signals()
    report.opening(console, events)
    sent = _send(console, FrontDoor(http, ready["ingest_url"]), events)
    report.sent(console, sent.counts)
    with console.status("processing"):
        started = time.monotonic()
        _await(partial(api.processed, sent.last_id, before + sent.counts["new"]), PATIENCE_S, _STUCK)
        took_s = time.monotonic() - started
        _await(api.notices_sent, NOTICES_S, "")
    report.processed(console, took_s)
    report.accounts(console, api.ranking(), api.account)
    report.notices(console, *api.notices())
    report.where_to_look(console, ready)


_STUCK = f"not everything was processed within {PATIENCE_S:g} s; what `make run` prints should say why"


class Sent:
    """What the front door answered, summed up.

    ``counts`` has ``new``, ``duplicate``, ``batch``, ``structured`` and ``binary``; ``last_id`` is the
    platform's id of the last event.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.last_id = ""

    def add(self, mode: str, answer: Mapping[str, Any]) -> None:
        """Count one answer."""
        for result in answer.get("results", [answer]):
            self.counts["duplicate" if result["duplicate"] else "new"] += 1
            self.counts[mode] += 1
            self.last_id = result["id"]


class FrontDoor:
    """Where events are posted.

    Args:
        http: carries the key.
        url: of ingest.
    """

    def __init__(self, http: httpx.Client, url: str) -> None:
        self._http = http
        self._url = url

    def post(self, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """Post one request, again as long as the answer is "later".

        Raises:
            DemoError: it was refused, or "later" went on for too long.
        """
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = self._http.post(f"{self._url}/v1/events", headers=headers, content=body)
            wait_s = _wish(answer)
            if wait_s is None:
                return _taken(answer)
            if time.monotonic() + wait_s > deadline:
                raise DemoError(f"the front door answers {answer.status_code} for {PATIENCE_S:g} s: {_detail(answer)}")
            time.sleep(wait_s)


class Api:
    """The questions the demo asks.

    Args:
        http: carries the key.
        url: of the API.
    """

    def __init__(self, http: httpx.Client, url: str) -> None:
        self._http = http
        self._url = url

    def signals(self) -> int:
        """How many signals there are."""
        return int(self._get("/api/v1/signals?limit=1")["pagination"]["total"])

    def processed(self, last_id: str, signals: int) -> bool:
        """Whether the event ``last_id`` is processed and can be searched, and there are so many signals."""
        event = self._get(f"/api/v1/events/{last_id}")
        return event["status"] == "processed" and event["indexed"] and self.signals() >= signals

    def ranking(self) -> list[dict[str, Any]]:
        """Every account, the most engaged first."""
        return list(self._pages("/api/v1/accounts"))

    def account(self, account_id: str) -> dict[str, Any]:
        """One account, with reasons and trend."""
        return self._get(f"/api/v1/accounts/{account_id}")

    def notices(self) -> tuple[list[dict[str, Any]], int]:
        """The newest notices, and how many there are."""
        page = self._get("/api/v1/notifications?limit=100")
        return page["data"], page["pagination"]["total"]

    def notices_sent(self) -> bool:
        """Whether every notice has been sent."""
        return all(notice["sent_at"] for notice in self.notices()[0])

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        number, last = 1, 1
        while number <= last:
            page = self._get(f"{path}?limit=100&page={number}")
            yield from page["data"]
            number, last = number + 1, page["pagination"]["totalPages"]

    def _get(self, path: str) -> dict[str, Any]:
        answer = self._http.get(self._url + path)
        if answer.status_code != 200:
            raise DemoError(f"the API answers {answer.status_code} to {path}: {_detail(answer)}")
        found: dict[str, Any] = answer.json()
        return found


def _ready(home: Path) -> dict[str, str]:
    path = home / "ready.json"
    try:
        found: dict[str, str] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as exc:
        raise DemoError(f"nothing runs here ({path} is missing): start `make run` in another terminal first") from exc
    except (OSError, ValueError) as exc:
        raise DemoError(f"{path} cannot be read: {exc}") from exc
    return found


def _send(console: Console, door: FrontDoor, events: Sequence[Happening]) -> Sent:
    """Post everything in order, with a bar."""
    sent = Sent()
    columns = (TextColumn("sending"), BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("sending", total=len(events))
        for mode, (headers, body, count) in _parcels(events):
            sent.add(mode, door.post(headers, body))
            progress.advance(bar, count)
    return sent


def _parcels(events: Sequence[Happening]) -> Iterator[tuple[str, Parcel]]:
    """Pack events, as ``(mode, request)``: batches first, the last ones by themselves."""
    singly = max(len(events) - SINGLE_EVENTS, 0)
    for start in range(0, singly, BATCH_EVENTS):
        yield "batch", _batch([_cloudevent(each) for each in events[start : min(start + BATCH_EVENTS, singly)]])
    for number, each in enumerate(events[singly:]):
        mode, pack = ("binary", to_binary) if number % 2 else ("structured", to_structured)
        headers, body = pack(_cloudevent(each))
        yield mode, (headers, body, 1)


def _batch(events: Sequence[CloudEvent]) -> Parcel:
    return {"content-type": BATCH}, b"[" + b",".join(map(to_json, events)) + b"]", len(events)


def _cloudevent(happening: Happening) -> CloudEvent:
    data: dict[str, Any] = {"accountId": happening.account_id, "metadata": dict(happening.metadata)}
    if happening.person:
        data["contactId"] = happening.person.email
    if happening.rep:
        data["userId"] = happening.rep
    attributes = {
        "id": happening.id,
        "source": happening.source,
        "type": happening.type,
        "time": happening.time.isoformat(),
        "datacontenttype": "application/json",
    }
    return CloudEvent(attributes, data)


def _wish(answer: httpx.Response) -> float | None:
    """Seconds until the request is to be made again; None when it is answered for good."""
    later = answer.headers.get("retry-after")
    # A batch of which some did not fit has its own Retry-After; those that did are duplicates next time.
    if answer.status_code not in {429, 503} and not (answer.status_code == 207 and later):
        return None
    return float(later) if later and later.isdigit() else _DEFAULT_RETRY_S


def _taken(answer: httpx.Response) -> dict[str, Any]:
    if answer.status_code == 401:
        raise DemoError("the front door does not know the key in ready.json: start `make run` again")
    if answer.status_code != 202:
        raise DemoError(f"the front door answers {answer.status_code}: {_detail(answer)}")
    found: dict[str, Any] = answer.json()
    return found


def _detail(answer: httpx.Response) -> str:
    """Return in a line what an error answer says."""
    try:
        said = answer.json()
        refused = next((result for result in said.get("results", []) if result["status"] >= 400), said)
        return str(refused.get("detail", ""))
    except (ValueError, AttributeError):
        return answer.reason_phrase


def _unreachable(exc: httpx.HTTPError) -> str:
    try:
        where = exc.request.url.copy_with(query=None, path="/")
    except RuntimeError:
        return f"{exc}"
    return f"{where} does not answer ({type(exc).__name__}); is `make run` still up?"


def _await(done: Callable[[], bool], patience_s: float, complaint: str) -> None:
    """Wait until ``done``; when that takes too long, complain, or go on where there is no complaint."""
    deadline = time.monotonic() + patience_s
    while not done():
        if time.monotonic() > deadline:
            if complaint:
                raise DemoError(complaint)
            return
        time.sleep(_POLL_S)


if __name__ == "__main__":
    sys.exit(main())
