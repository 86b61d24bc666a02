"""What is particular to Elasticsearch: its copy of the signals, and the trouble that servers make."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest
from elasticsearch import ApiError, Elasticsearch

from events.errors import ConfigError, Unavailable
from functions.adapters.elasticsearch.search import MAPPINGS, ElasticsearchIndex
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.search import PostgresSearchIndex
from functions.domain.search import SearchAnswer, SearchQuery, SignalDocument
from functions.domain.words import words
from functions.ports import SearchIndex
from tests.servers.loopback import served

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def tenant() -> str:
    return f"tenant-{uuid4()}"


def document(tenant: str, text: str = "demo completed", **fields: Any) -> SignalDocument:
    """A document with ``text``; ``id`` and ``timestamp`` are its own, other fields those of its row."""
    own: dict[str, Any] = {"id": str(uuid4()), "timestamp": NOON} | {
        name: fields.pop(name) for name in ("id", "timestamp") if name in fields
    }
    row = {
        "id": own["id"],
        "account_id": "acme",
        "user_id": "rep-1",
        "contact_id": None,
        "event_type": "demo_completed",
        "signal_type": "high_intent",
        "timestamp": own["timestamp"].isoformat(),
    }
    return SignalDocument(tenant_id=tenant, row=row | fields, text=" ".join(words(text)), **own)


def ask(index: SearchIndex, tenant: str, text: str = "", **query: Any) -> SearchAnswer:
    return index.search(SearchQuery(tenant_id=tenant, words=words(text), **query))


def ids(answer: SearchAnswer) -> list[str]:
    return [hit.row["id"] for hit in answer.hits]


# --- what is put is found


def test_putting_a_document_twice_keeps_one(elasticsearch_index, tenant):
    put = document(tenant)
    elasticsearch_index.put([put])
    elasticsearch_index.put([put, put])
    answer = ask(elasticsearch_index, tenant)
    assert (ids(answer), answer.counts.total) == ([put.id], 1)


def test_a_newer_put_replaces_the_document(elasticsearch_index, tenant):
    old = document(tenant, "meeting booked", account_id="acme")
    new = document(tenant, "meeting cancelled", account_id="globex", id=old.id, timestamp=NOON + MICROSECOND)
    elasticsearch_index.put([old])
    elasticsearch_index.put([new])
    assert [hit.row for hit in ask(elasticsearch_index, tenant).hits] == [new.row]
    assert ask(elasticsearch_index, tenant, "booked").counts.total == 0
    assert ask(elasticsearch_index, tenant, "cancelled").counts.facets["account_id"] == {"globex": 1}


def test_the_last_of_equal_ids_in_one_put_counts(elasticsearch_index, tenant):
    old = document(tenant, "old")
    elasticsearch_index.put([old, document(tenant, "new", id=old.id)])
    assert ids(ask(elasticsearch_index, tenant, "new")) == [old.id]
    assert ask(elasticsearch_index, tenant, "old").counts.total == 0


def test_putting_nothing_does_nothing(elasticsearch_index, tenant):
    elasticsearch_index.put([])
    assert ask(elasticsearch_index, tenant).counts.total == 0


def test_puts_at_once_of_the_same_documents_end_in_one_of_each(elasticsearch_index, tenant):
    documents = [document(tenant) for _ in range(500)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(elasticsearch_index.put, [documents, documents[::-1]] * 4))
    assert ask(elasticsearch_index, tenant).counts.total == 500


def test_two_tenants_may_use_the_same_id(elasticsearch_index, tenant):
    ours = document(tenant, account_id="ours")
    theirs = document(f"{tenant}-other", account_id="theirs", id=ours.id)
    elasticsearch_index.put([ours, theirs])
    for each in (ours, theirs):
        assert [hit.row for hit in ask(elasticsearch_index, each.tenant_id).hits] == [each.row]


def test_a_value_of_any_length_does_not_cost_the_document(elasticsearch_index, tenant):
    put = document(tenant, account_id="a" * 50_000, metadata={"note": "n" * 500_000})
    elasticsearch_index.put([put])
    assert [hit.row for hit in ask(elasticsearch_index, tenant).hits] == [put.row]


def test_a_row_comes_back_exactly_as_it_was_put(elasticsearch_index, tenant):
    row: dict[str, Any] = {
        "metadata": {
            "nested": {"list": [1, 2.5, {"deep": [[], {}]}], "empty": ""},
            "unicode": "Zoë 🙂 東京 \u2028 \" \\ </script>",
            "numbers": [0, -1, 0.1, 1e-9, 2**53, 10**30, 1e99, 1.0, 0.30000000000000004],
            "null": None, "true": True, "false": False, "date": "2026-03-04", "number": "12",
        },
        "signal_score": 0.9,
        "reasons": [{"points": 60, "why": "demo"}],
    }  # fmt: skip
    put = document(tenant, **row)
    # The same names with other types: nothing may be guessed from the first row.
    other = document(tenant, metadata={"nested": 5, "date": "no date", "number": {}}, signal_score="high")
    elasticsearch_index.put([put])
    elasticsearch_index.put([other])
    # As text, because 1 == 1.0 and the order of names does not matter to ==.
    rows = {hit.row["id"]: hit.row for hit in ask(elasticsearch_index, tenant).hits}
    assert json.dumps(rows[put.id]) == json.dumps(put.row)
    assert {hit.row["id"]: hit.row for hit in ask(elasticsearch_index, tenant).hits} == {
        put.id: put.row,
        other.id: other.row,
    }


def test_a_text_without_end_is_stored_and_found_by_its_beginning(elasticsearch_index, tenant):
    put = document(tenant, "beginning " + " ".join(f"{number:x}-{uuid4().hex}" for number in range(30_000)))
    elasticsearch_index.put([put])
    assert ids(ask(elasticsearch_index, tenant, "beginning")) == [put.id]


# --- trouble


def test_an_index_that_answers_passes_the_ping(index):
    index.ping()


@contextmanager
def silent_server() -> Iterator[int]:
    """A port that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def unreachable(engine: str, port: int) -> Iterator[SearchIndex]:
    if engine == "postgres":
        with closing(Database(f"postgresql://sspp:secret@127.0.0.1:{port}/sspp")) as database:
            yield PostgresSearchIndex(database)
    else:
        with closing(ElasticsearchIndex(f"http://sspp:secret@127.0.0.1:{port}", timeout_s=1)) as index:
            yield index


class Healthy(BaseHTTPRequestHandler):
    """As much of an Elasticsearch as a ping needs."""

    def do_GET(self) -> None:
        self.send_response(200)
        for name, value in {"x-elastic-product": "Elasticsearch", "content-type": "application/json"}.items():
            self.send_header(name, value)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


CALLS = {
    "put": lambda index: index.put([document("t")]),
    "has": lambda index: index.has("t", UUID(int=1)),
    "search": lambda index: ask(index, "t", "demo"),
    "ping": lambda index: index.ping(),
}


@pytest.mark.alone
@pytest.mark.parametrize(
    ("engine", "call"), [*product(["elasticsearch"], CALLS), *product(["postgres"], ["has", "search", "ping"])]
)
@pytest.mark.filterwarnings("ignore::elastic_transport.TransportWarning")
def test_a_server_that_is_gone_is_unavailable_at_once(engine, call, caplog):
    caplog.set_level("DEBUG")
    started = time.monotonic()
    with unreachable(engine, free_port()) as index, pytest.raises(Unavailable) as raised:
        CALLS[call](index)
    assert time.monotonic() - started < 2
    assert "secret" not in str(raised.value) + repr(raised.value.__cause__) + caplog.text


@pytest.mark.filterwarnings("ignore::elastic_transport.TransportWarning")
def test_that_elasticsearch_is_away_and_back_is_told_in_one_line_each(caplog):
    caplog.set_level("DEBUG")
    port = free_port()

    def lines() -> list[tuple[str, str]]:
        return [(each.name, each.message) for each in caplog.records if not each.name.startswith("urllib3")]

    with unreachable("elasticsearch", port) as index:
        for _ in range(20):
            with pytest.raises(Unavailable):
                index.ping()
        assert lines() == [("sspp.search", "elasticsearch_away")]
        for _ in range(2):
            with served(ThreadingHTTPServer(("127.0.0.1", port), Healthy)):
                for _ in range(3):
                    index.ping()
            with pytest.raises(Unavailable):
                index.ping()  # so soon it is not told again, nor that this has an end
    assert lines() == [("sspp.search", "elasticsearch_away"), ("sspp.search", "elasticsearch_back")]
    assert "Traceback" not in caplog.text


@pytest.mark.alone
@pytest.mark.parametrize("call", CALLS)
def test_a_server_that_never_answers_is_unavailable_within_the_timeout(call):
    started = time.monotonic()
    with silent_server() as port, unreachable("elasticsearch", port) as index, pytest.raises(Unavailable):
        CALLS[call](index)
    assert 0.9 < time.monotonic() - started < 3


# --- Elasticsearch


@contextmanager
def server_that_answers(status: int) -> Iterator[int]:
    """The port of a server, or of a proxy before one, that has the same answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(status)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", "2")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(b"no")

        do_GET = do_PUT = do_HEAD = do_POST  # noqa: N815 - the names that http.server looks for

        def log_message(self, *args: object) -> None:
            pass

    with served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield port


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [200, 401, 403, 429, 500, 502, 503, 504])
def test_an_answer_that_may_be_another_one_later_is_unavailable(status, call):
    with (
        server_that_answers(status) as port,
        unreachable("elasticsearch", port) as index,
        pytest.raises(Unavailable),
    ):
        CALLS[call](index)


@pytest.mark.parametrize("status", [400, 413])
def test_an_answer_that_stays_the_same_is_not_waited_for(status):
    with (
        server_that_answers(status) as port,
        unreachable("elasticsearch", port) as index,
        pytest.raises(ApiError),
    ):
        index.ping()


@pytest.fixture
def server(elasticsearch_url: str) -> Iterator[Elasticsearch]:
    with closing(Elasticsearch(elasticsearch_url, request_timeout=30)) as client:
        yield client


@pytest.fixture
def alias(server: Elasticsearch) -> Iterator[str]:
    """The name of an alias that does not exist yet; what a test made behind it goes afterwards."""
    name = f"alias-{uuid4()}"
    yield name
    server.options(ignore_status=404).indices.delete(index=f"{name}-v1")


@pytest.fixture
def own_index(elasticsearch_url: str, alias: str) -> Iterator[ElasticsearchIndex]:
    with closing(ElasticsearchIndex(elasticsearch_url, alias=alias)) as index:
        yield index


def test_processes_that_start_at_once_make_one_index(elasticsearch_url, server, alias, tenant):
    indexes = [ElasticsearchIndex(elasticsearch_url, alias=alias) for _ in range(8)]
    together = threading.Barrier(len(indexes))

    def start(index: ElasticsearchIndex) -> None:
        with closing(index):
            together.wait(10)
            index.put([document(tenant)])

    with ThreadPoolExecutor(len(indexes)) as pool:
        list(pool.map(start, indexes))
    assert server.count(index=alias)["count"] == len(indexes)
    assert list(server.indices.get_alias(name=alias)) == [f"{alias}-v1"]


def test_an_alias_that_was_moved_to_a_newer_index_is_left_there(server, alias, own_index, tenant):
    own_index.put([document(tenant)])
    mapping = server.indices.get_mapping(index=f"{alias}-v1")[f"{alias}-v1"]["mappings"]
    server.indices.create(index=f"{alias}-v2", mappings=mapping)
    try:
        server.indices.update_aliases(
            actions=[
                {"add": {"index": f"{alias}-v2", "alias": alias}},
                {"remove_index": {"index": f"{alias}-v1"}},
            ]
        )
        with closing(ElasticsearchIndex(str(server_url(server)), alias=alias)) as later:
            later.put([document(tenant)])
            assert ask(later, tenant).counts.total == 1
        assert list(server.indices.get_alias(name=alias)) == [f"{alias}-v2"]
    finally:
        server.indices.delete(index=f"{alias}-v2")


def server_url(server: Elasticsearch) -> str:
    [node] = server.transport.node_pool.all()
    return node.base_url


def test_a_search_before_the_first_put_finds_nothing(own_index, tenant):
    assert ask(own_index, tenant).counts.total == 0
    assert not own_index.has(tenant, uuid4())


@pytest.mark.parametrize("call", ["put", "has", "search"])
def test_an_index_that_was_lost_is_made_again_by_the_next_call(server, alias, own_index, tenant, call):
    own_index.put([document(tenant)])
    server.indices.delete(index=f"{alias}-v1")
    with pytest.raises(Unavailable):
        CALLS[call](own_index)
    own_index.put([document(tenant)])
    assert ask(own_index, tenant).counts.total == 1
    assert server.indices.get_mapping(index=alias)[f"{alias}-v1"]["mappings"]["dynamic"] == "strict"


@pytest.mark.parametrize("block", ["index.blocks.write", "index.blocks.read_only_allow_delete"])
def test_an_index_that_refuses_writes_is_unavailable_until_it_takes_them(server, alias, own_index, tenant, block):
    before, after = document(tenant), document(tenant)
    own_index.put([before])
    server.indices.put_settings(index=alias, settings={block: True})
    with pytest.raises(Unavailable):
        own_index.put([after])
    assert ids(ask(own_index, tenant)) == [before.id]
    server.indices.put_settings(index=alias, settings={block: None})
    own_index.put([after])
    assert set(ids(ask(own_index, tenant))) == {before.id, after.id}


def test_an_index_of_an_earlier_version_gets_the_fields_it_lacks(server, alias, own_index, tenant):
    fields = {name: field for name, field in MAPPINGS["properties"].items() if name != "text"}
    server.indices.create(index=f"{alias}-v1", mappings={**MAPPINGS, "properties": fields}, aliases={alias: {}})
    put = document(tenant, "東京都庁 demo")
    own_index.put([put])
    assert ids(ask(own_index, tenant, "都庁")) == [put.id]


def test_a_document_that_can_never_be_stored_is_told_and_costs_no_other(own_index, tenant):
    good = document(tenant)
    bad = document(tenant, account_id={"not": "a text"})
    with pytest.raises(ValueError, match=r"can never store 1 of the documents: \w+"):
        own_index.put([bad, good])
    assert ids(ask(own_index, tenant)) == [good.id]


@pytest.mark.parametrize("url", ["nonsense", "http://user:secret@", "http://u:secret@h:x"])
def test_a_url_that_is_none_is_a_mistake_in_the_settings_and_not_quoted(url):
    with pytest.raises(ConfigError) as raised:
        ElasticsearchIndex(url)
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
