"""Senders as they are: several at once, batches and singles, the same again, mistakes, and patience."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from events import cloudevent
from functions.domain.catalog import EVENT_TYPES
from tests.faults.ledger import SOURCE, Ledger

BATCH = 100
SENDERS = 4
#: Events fall on this many accounts of their tenant; after so many events another account takes the place of the
#: oldest one, so that in every batch some account meets its tenant's rule.
ACCOUNTS_AT_ONCE = 10
EVENTS_A_STEP = 100
#: How long a sender goes on trying one request.
PATIENCE_S = 120.0

#: Nothing here takes points away, so whoever has met the rule goes on meeting it.
KINDS = sorted({kind.type for kind in EVENT_TYPES.values() if kind.points > 0})
WEIGHTS = [1 if EVENT_TYPES[kind].points >= 40 else 12 for kind in KINDS]

Event = dict[str, Any]


@dataclass
class Load:
    """Events of ``keys``' tenants, as many as are let go.

    Args:
        url: of the front door.
        keys: tenant -> API key.
        recent: what was sent last, as ``(tenant, events)``.
    """

    url: str
    keys: Mapping[str, str]
    ledger: Ledger
    seed: int
    recent: list[tuple[str, list[Event]]] = field(default_factory=list)
    _taken: int = 0
    _let_go: int = 0
    _finishing: bool = False
    _ended: bool = False
    _faithful: bool = False
    _under_way: set[object] = field(default_factory=set)
    _turn: threading.Condition = field(default_factory=threading.Condition)
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(SENDERS))
    _senders: list[Future[None]] = field(default_factory=list)

    def start(self) -> None:
        """Start the senders; they wait for :meth:`more`."""
        self._senders = [self._threads.submit(self._send, self.seed * SENDERS + number) for number in range(SENDERS)]

    def more(self, events: int) -> None:
        """Let this many more events go."""
        with self._turn:
            self._let_go += events
            self._turn.notify_all()

    def canary(self) -> tuple[str, str]:
        """Send one event until it is acknowledged; gives its tenant and its id of ours."""
        tenant, chance = next(iter(self.keys)), random.Random()
        events = self._new(tenant, chance, 1)
        self.ledger.offer(tenant, events)
        self._one_shot(tenant, events)
        return tenant, cloudevent.event_id(tenant, SOURCE, events[0]["id"])

    def answered(self) -> None:
        """Wait until every request that is under way now is answered, and its answer in the ledger."""
        with self._turn:
            before = set(self._under_way)
            self._turn.wait_for(lambda: not before & self._under_way)

    def only_new(self) -> None:
        """From now on, send nothing that was sent before and no mistakes."""
        with self._turn:
            self._faithful = True
        self.answered()

    def finish(self) -> None:
        """Wait until all that was let go is answered."""
        with self._turn:
            self._finishing = True
            self._turn.notify_all()
        for sender in self._senders:
            sender.result()

    def close(self) -> None:
        """End the senders, also in the middle."""
        with self._turn:
            self._ended = True
            self._turn.notify_all()
        self._threads.shutdown()

    def storm(self, times: int, chance: random.Random) -> None:
        """Everybody sends the same batches at once: some that were acknowledged, and as many that are new."""
        with self._turn:
            known = list(self.recent)
        batches = [*chance.sample(known, min(10, len(known)))]
        batches += [(tenant, self._new(tenant, chance, BATCH)) for tenant in self.keys for _ in range(3)]
        for tenant, events in batches:
            self.ledger.offer(tenant, events)
        work = [batch for batch in batches for _ in range(times)]
        with ThreadPoolExecutor(8) as threads:
            for done in [threads.submit(self._one_shot, *batch) for batch in work]:
                done.result()

    def _one_shot(self, tenant: str, events: list[Event]) -> None:
        with self._client() as client:
            self._until_answered(client, tenant, events)

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=10)

    def _send(self, seed: int) -> None:
        chance = random.Random(seed)
        with self._client() as client:
            while size := self._take():
                tenant = chance.choice(list(self.keys))
                events = self._new(tenant, chance, size)
                self.ledger.offer(tenant, events)
                singles = 10 if chance.random() < 0.05 else 0
                for event in events[:singles]:
                    self._until_answered(client, tenant, [event], single=chance.choice(["binary", "structured"]))
                events = events[singles:]
                self._until_answered(client, tenant, events)
                with self._turn:
                    self.recent = [*self.recent[-200:], (tenant, events)]
                self._misbehave(client, tenant, events, chance)

    def _take(self) -> int:
        """Wait for events to be let go; how many this sender takes of them, 0 when there are no more."""
        with self._turn:
            self._turn.wait_for(lambda: self._taken < self._let_go or self._finishing or self._ended)
            size = 0 if self._ended else min(BATCH, self._let_go - self._taken)
            self._taken += size
            return size

    def _new(self, tenant: str, chance: random.Random, size: int) -> list[Event]:
        oldest = self._taken // EVENTS_A_STEP
        accounts = [f"account-{oldest + chance.randrange(ACCOUNTS_AT_ONCE)}" for _ in range(size)]
        return [
            {
                "specversion": "1.0",
                "id": f"{chance.getrandbits(64):016x}",
                "source": SOURCE,
                "type": kind,
                "data": {
                    "accountId": account,
                    "contactId": f"buyer@{account}",  # one alone counts whole, so points tell who meets the rule
                    "metadata": {"note": "as said on the phone", "interactionCount": chance.randrange(6)},
                },
            }
            for kind, account in zip(chance.choices(KINDS, WEIGHTS, k=size), accounts, strict=True)
        ]

    def _misbehave(self, client: httpx.Client, tenant: str, events: list[Event], chance: random.Random) -> None:
        """Send again what is known; now and then an event that is no good, or another one under a known name."""
        with self._noted():
            roll = 1.0 if self._faithful else chance.random()
            if roll < 0.08:
                self._until_answered(client, tenant, events)
            elif roll < 0.11:
                bad = {**events[0], "id": f"bad-{events[0]['id']}", "type": "no.such.type"}
                self._expect(client, tenant, bad, 422)
            elif roll < 0.14:
                self._expect(client, tenant, {**events[0], "data": {"accountId": "somebody-else"}}, 409)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Count the block as under way: see :meth:`answered`."""
        what = object()
        with self._turn:
            self._under_way.add(what)
        try:
            yield
        finally:
            with self._turn:
                self._under_way.remove(what)
                self._turn.notify_all()

    def _expect(self, client: httpx.Client, tenant: str, event: Event, status: int) -> None:
        def note(answer: httpx.Response) -> None:
            if answer.status_code != status:
                self.ledger.complain(f"{answer.status_code} where {status} was due: {answer.text[:200]}")

        self._patiently(client, tenant, [event], "structured", note)

    def _until_answered(self, client: httpx.Client, tenant: str, events: list[Event], single: str = "") -> None:
        """Send, again and again the same, until it is answered with more than "later"."""
        later: list[Event] = []

        def note(answer: httpx.Response) -> None:
            if answer.headers["content-type"] != "application/json":  # a batch refused whole says it of each event
                self.ledger.complain(f"{answer.status_code}: {answer.text[:200]}")
                return
            said = answer.json()
            results = [{**said, "status": 202}] if single else said["results"]
            self.ledger.answer(tenant, events, results)
            later.extend(event for event, result in zip(events, results, strict=True) if result["status"] == 503)

        self._patiently(client, tenant, events, single, note)
        if later:  # the stream became full in the middle of the batch
            self._until_answered(client, tenant, later)

    def _patiently(
        self,
        client: httpx.Client,
        tenant: str,
        events: list[Event],
        single: str,
        note: Callable[[httpx.Response], None],
    ) -> None:
        """Send until there is an answer other than "later", and note it."""
        deadline, pause_s = time.monotonic() + PATIENCE_S, 0.05
        while time.monotonic() < deadline and not self._ended:
            with self._noted():
                try:
                    answer = client.post("/v1/events", **_request(self.keys[tenant], events, single))
                except httpx.HTTPError:
                    answer = None
                if answer is not None and answer.status_code < 500:
                    note(answer)
                    return
            self.ledger.no_answer()
            with self._turn:
                self._turn.wait_for(lambda: self._ended, pause_s)
            pause_s = min(0.5, pause_s * 2)
        if not self._ended:
            self.ledger.complain(f"a sender gave up after {PATIENCE_S:g} s")


def _request(key: str, events: Sequence[Event], single: str) -> dict[str, Any]:
    """One request: a batch, or a single event in one of the two modes."""
    headers = {"x-api-key": key}
    if single == "binary":
        event = events[0]
        headers |= {f"ce-{name}": event[name] for name in ("specversion", "id", "source", "type")}
        return {"headers": {**headers, "content-type": "application/json"}, "content": json.dumps(event["data"])}
    mode = "application/cloudevents+json" if single else "application/cloudevents-batch+json"
    body = events[0] if single else events
    return {"headers": {**headers, "content-type": mode}, "content": json.dumps(body)}
