"""Whatever PostgreSQL answers about one event: it waits, or it is its own dead letter, and no other event's."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

import flask
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pg8000.native import Connection
from werkzeug.serving import make_server

from events.cloudevent import stamp
from events.delivery import Target
from functions.adapters.postgres.database import Database, connect
from functions.adapters.postgres.merges import PostgresMerges
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.domain.evaluation import STOPPED_CLOCKS
from functions.domain.signal import instant
from functions.process.handler import process
from functions.web.batch import BatchFunction
from tests.integration.test_signal_store import NOW
from tests.servers.parts import TOKEN
from tests.unit.test_dispatcher import House
from tests.unit.test_trouble import CLASSES

EVENTS = 5
#: Requests until everything is decided: a batch is split within one, and an outage is asked twice.
ROUNDS = 3
#: Raises the error of the table ``raised`` for the events named bad.
RAISING = """
CREATE TABLE raised (state text);
CREATE FUNCTION raise_error() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF NEW.source_id LIKE 'bad%' AND EXISTS (SELECT FROM raised) THEN
      RAISE EXCEPTION 'as told' USING ERRCODE = (SELECT state FROM raised);
    END IF;
    RETURN NEW;
  END
$$;
CREATE TRIGGER raising BEFORE INSERT ON signals FOR EACH ROW EXECUTE FUNCTION raise_error();
"""
#: A code of every class of the manual's appendix and of some that it has not, but for success, which nobody can raise.
CODES = st.fixed_dictionaries(
    {
        known: st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3)
        for known in [*sorted(CLASSES.keys() - {"00"}), "99", "ZZ"]
    }
)


@dataclass
class Installation:
    """A dispatcher over a channel in memory, and ``process`` on a real PostgreSQL behind a real HTTP server."""

    url: str
    owner: Connection
    runs: int = 0
    house: House = field(init=False)

    def publish(self) -> set[str]:
        """Begin anew with some events, one of which is bad; returns the ids of the others."""
        self.runs += 1
        self.house = House(target=Target(self.url, token=TOKEN, timeout_s=30))  # type: ignore[arg-type] # the real one
        names = [*(f"good{number}-{self.runs}" for number in range(1, EVENTS)), f"bad-{self.runs}"]
        for name in names:
            sent = {
                "specversion": "1.0",
                "id": name,
                "source": "/t",
                "type": "page_viewed",
                "data": {"accountId": "a"},
            }
            stamps = {"sspptenant": "acme", "ssppreceived": instant(NOW)}
            self.house.broker.add("events", stamp(json.dumps(sent).encode(), **stamps))
        return set(names[:-1])

    def raises(self, state: str | None) -> None:
        self.owner.run("DELETE FROM raised")
        if state is not None:
            self.owner.run("INSERT INTO raised VALUES (:state)", state=state)

    def recorded(self) -> set[str]:
        return {row[0] for row in self.owner.run("SELECT source_id FROM signals") if row[0].endswith(f"-{self.runs}")}


@pytest.fixture
def installation(database_url: str) -> Iterator[Installation]:
    app = flask.Flask("process")
    with closing(Database(database_url)) as database, closing(connect(database_url)) as owner:
        store = PostgresSignalStore(database)
        handle = partial(process, store=store, clocks=STOPPED_CLOCKS, merge=PostgresMerges(store).apply)
        function = BatchFunction("process", handle=handle, pings={}, tokens=(TOKEN,))
        app.add_url_rule("/", view_func=lambda: function(flask.request), methods=["POST"])
        server = make_server("127.0.0.1", 0, app)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            owner.run(RAISING)
            yield Installation(f"http://127.0.0.1:{server.server_port}/", owner)
        finally:
            server.shutdown()
            server.server_close()


@settings(max_examples=2, suppress_health_check=list(HealthCheck))
@given(CODES)
def test_any_error_leads_to_waiting_or_to_its_own_events_dead_letter(
    installation: Installation, codes: dict[str, str]
) -> None:
    for known, code in codes.items():
        good = installation.publish()
        installation.raises(known + code)
        for _ in range(ROUNDS):
            installation.house.once()
        stream = installation.house.stream
        if CLASSES.get(known, False):  # about the values
            [letter] = stream.dead
            assert b'"bad-' in letter.event
            assert (letter.attempts, installation.recorded()) == (1, good), known + code
            continue
        assert (stream.dead, stream.parked) == ([], {}), known + code
        assert [entry.attempts for entry in stream.entries.values()] == [0] * EVENTS
        installation.raises(None)
        for _ in range(ROUNDS):
            installation.house.once()
        assert (stream.entries, stream.dead) == ({}, [])
        assert len(installation.recorded()) == EVENTS
