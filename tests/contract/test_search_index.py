"""What every search index must do, asked of each of them, and what is particular to Elasticsearch."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID, uuid4

import pytest
from elasticsearch import ApiError, Elasticsearch

from events.errors import ConfigError, Unavailable
from functions.adapters.elasticsearch.search import ElasticsearchIndex
from functions.adapters.postgres.database import Database, connect
from functions.adapters.postgres.search import PostgresSearchIndex
from functions.domain.search import SearchAnswer, SearchQuery, SignalDocument, words
from functions.ports import SearchIndex
from tests.servers.loopback import served

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def tenant() -> str:
    return f"tenant-{uuid4()}"


def document(tenant: str, text: str = "demo completed", **fields: Any) -> SignalDocument:
    """A document with ``text``; ``id`` and ``timestamp`` are its own, other fields those of its row."""
    own = {"id": str(uuid4()), "timestamp": NOON} | {
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


def test_a_document_is_found_by_the_next_search_by_any_of_its_words(index, tenant):
    put = document(tenant, "Pricing page viewed by Jane")
    index.put([put])
    for word in ("pricing", "PAGE", "viewed", "by", "jane"):
        assert ids(ask(index, tenant, word)) == [put.id]
    assert ids(ask(index, tenant, "john")) == []


def test_putting_a_document_twice_keeps_one(index, tenant):
    put = document(tenant)
    index.put([put])
    index.put([put, put])
    answer = ask(index, tenant)
    assert (ids(answer), answer.total) == ([put.id], 1)


def test_a_newer_put_replaces_the_document(index, tenant):
    old = document(tenant, "meeting booked", account_id="acme")
    new = document(tenant, "meeting cancelled", account_id="globex", id=old.id, timestamp=NOON + MICROSECOND)
    index.put([old])
    index.put([new])
    assert index.get(tenant, old.id) == new.row
    assert ask(index, tenant, "booked").total == 0
    assert ask(index, tenant, "cancelled").facets["account_id"] == {"globex": 1}


def test_the_last_of_equal_ids_in_one_put_counts(index, tenant):
    old = document(tenant, "old")
    index.put([old, document(tenant, "new", id=old.id)])
    assert ids(ask(index, tenant, "new")) == [old.id]
    assert ask(index, tenant, "old").total == 0


def test_putting_nothing_does_nothing(index, tenant):
    index.put([])
    assert ask(index, tenant).total == 0


def test_puts_at_once_of_the_same_documents_end_in_one_of_each(index, tenant):
    documents = [document(tenant) for _ in range(500)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(index.put, [documents, documents[::-1]] * 4))
    assert ask(index, tenant).total == 500


# --- tenants


def test_another_tenant_never_sees_a_document(index, tenant):
    put = document(tenant)
    index.put([put])
    stranger = f"tenant-{uuid4()}"
    for answer in (
        ask(index, stranger),
        ask(index, stranger, "demo"),
        ask(index, stranger, filters={"account_id": "acme"}),
    ):
        assert (answer.hits, answer.total, answer.days, answer.next) == ([], 0, {}, None)
        assert answer.facets == {"signal_type": {}, "event_type": {}, "account_id": {}}
    assert index.get(stranger, put.id) is None


def test_two_tenants_may_use_the_same_id(index, tenant):
    ours = document(tenant, account_id="ours")
    theirs = document(f"{tenant}-other", account_id="theirs", id=ours.id)
    index.put([ours, theirs])
    assert index.get(ours.tenant_id, ours.id) == ours.row
    assert index.get(theirs.tenant_id, theirs.id) == theirs.row


@pytest.mark.parametrize("odd", ["*", "", "tenant-*", "' OR true --", "_all"])
def test_no_name_of_a_tenant_opens_another(index, tenant, odd):
    index.put([document(tenant)])
    if odd:  # routing cannot be empty, and no key belongs to a tenant without a name
        assert ask(index, odd).total == 0


# --- words


def test_all_words_must_match(index, tenant):
    both = document(tenant, "demo completed by jane")
    index.put([both, document(tenant, "demo requested by john")])
    assert ids(ask(index, tenant, "jane demo")) == [both.id]
    assert ids(ask(index, tenant, "jane requested")) == []


@pytest.mark.parametrize("part", ["jane", "acme", "corp", "io", "JANE@acme-corp.io", "acme-corp", "sign", "up"])
def test_addresses_and_hyphenated_words_are_found_by_their_parts(index, tenant, part):
    put = document(tenant, "jane@acme-corp.io did sign-up")
    index.put([put])
    assert ids(ask(index, tenant, part)) == [put.id]


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Zoë Müller", "ZOË"),
        ("Straße", "STRASSE"),
        ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
        ("cafe\u0301", "caf\u00e9"),
        ("東京 支店", "東京"),
        ("Привет", "привет"),
        ("v2 3.14 1e5 0x1f 10.0.0.1", "3 14 1e5 0x1f"),
        ("http://example.com/a/b?c=d", "example b d"),
        ("the and or not", "the not"),
        ("order 7e855e-1e5x", "7e855e 1e5x"),
    ],
)
def test_words_of_any_kind_are_found(index, tenant, text, asked):
    put = document(tenant, text)
    index.put([put])
    assert ids(ask(index, tenant, asked)) == [put.id]


def test_no_words_match_everything(index, tenant):
    index.put([document(tenant, "one"), document(tenant, "two"), document(tenant, "")])
    assert ask(index, tenant).total == 3


@pytest.mark.parametrize(
    "odd",
    [
        '"', "'", "''", "\\", "(", "a & b | !c", "a <-> b", "demo:*", "*", "?", "demo*", "+demo -page",
        "~", "^", "row:x", "tenant_id:*", "{}", "/.*/", "AND", "OR NOT", "%", "--", ";", ":words",
        "\0", "a\0b", "\n\t", "🙂", "\u202e", "ﷺ", "x" * 10_000, "x " * 5_000, "' " * 5_000, "\\" * 9_999,
        " ".join(map(str, range(2_000))),
    ],
)  # fmt: skip
def test_no_question_is_an_error(index, tenant, odd):
    index.put([document(tenant, f"found by {odd}", account_id="acme")])
    assert ask(index, tenant, odd).total == 1
    raw = SearchQuery(tenant_id=tenant, words=[odd], filters={"account_id": "acme"})
    assert index.search(raw).total == 1
    assert ask(index, tenant, filters={"account_id": odd}).total == 0
    assert index.get(tenant, odd) is None


def test_a_text_without_end_is_stored_and_found_by_its_beginning(index, tenant):
    put = document(tenant, "beginning " + " ".join(f"{number:x}-{uuid4().hex}" for number in range(30_000)))
    index.put([put])
    assert ids(ask(index, tenant, "beginning")) == [put.id]


def test_highlights_mark_the_words_and_nothing_else(index, tenant):
    index.put([document(tenant, "<b>Jane</b> saw the demo: a demo!")])
    [hit] = ask(index, tenant, "DEMO jane").hits
    assert hit.highlight == "b <em>jane</em> b saw the <em>demo</em> a <em>demo</em>"
    [hit] = ask(index, tenant).hits
    assert hit.highlight == "b jane b saw the demo a demo"


# --- filters and borders

ROWS = {
    "one": {
        "account_id": "acme", "user_id": "u1", "contact_id": "c1", "event_type": "e1", "signal_type": "s1",
    },
    "two": {
        "account_id": "acme", "user_id": "u2", "contact_id": "c2", "event_type": "e2", "signal_type": "s2",
    },
    "three": {
        "account_id": "Acme", "user_id": "u1", "contact_id": None, "event_type": "e1", "signal_type": "s2",
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"account_id": "acme"}, {"one", "two"}),
        ({"account_id": "Acme"}, {"three"}),
        ({"account_id": "acm"}, set()),
        ({"user_id": "u1"}, {"one", "three"}),
        ({"contact_id": "c2"}, {"two"}),
        ({"event_type": "e1"}, {"one", "three"}),
        ({"signal_type": "s2"}, {"two", "three"}),
        ({"account_id": "acme", "user_id": "u1"}, {"one"}),
        ({"event_type": "e1", "signal_type": "s2"}, {"three"}),
        ({"account_id": "acme", "event_type": "e2", "contact_id": "c1"}, set()),
        ({}, {"one", "two", "three"}),
    ],
)
def test_filters_match_exactly_and_all_together(index, tenant, filters, expected):
    documents = {name: document(tenant, **row) for name, row in ROWS.items()}
    index.put(list(documents.values()))
    answer = ask(index, tenant, "demo", filters=filters)
    assert set(ids(answer)) == {documents[name].id for name in expected}
    assert answer.total == len(expected)


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (NOON, None, [2, 1]),
        (NOON + MICROSECOND, None, [2]),
        (None, NOON, [0]),
        (None, NOON + MICROSECOND, [1, 0]),
        (NOON, NOON + MICROSECOND, [1]),
        (NOON, NOON, []),
    ],
)
def test_since_is_inclusive_and_until_exclusive_to_the_microsecond(index, tenant, since, until, expected):
    documents = [document(tenant, timestamp=NOON + step * MICROSECOND) for step in (-1, 0, 1)]
    index.put(documents)
    answer = ask(index, tenant, "demo", since=since, until=until)
    assert ids(answer) == [documents[place].id for place in expected]
    assert answer.total == len(expected)


# --- pages


def pages(index: SearchIndex, query: SearchQuery) -> Iterator[SearchAnswer]:
    while True:
        answer = index.search(query)
        yield answer
        if answer.next is None:
            return
        query = replace(query, after=answer.next)


@pytest.mark.parametrize("text", ["", "demo"])
def test_pages_over_equal_timestamps_give_each_document_once_newest_first(index, tenant, text):
    steps = [0, 0, 0, 0, 0, 1, 1, -1, 2, 2]
    documents = [document(tenant, timestamp=NOON + step * MICROSECOND) for step in steps]
    index.put(documents)
    found = list(pages(index, SearchQuery(tenant_id=tenant, words=words(text), limit=3)))
    newest_first = sorted(documents, key=lambda each: (each.timestamp, each.id), reverse=True)
    assert [ids(answer) for answer in found] == [
        [each.id for each in newest_first[start : start + 3]] for start in (0, 3, 6, 9)
    ]
    assert [answer.total for answer in found] == [10, 10, 10, 10]


def test_a_page_that_holds_the_rest_is_the_last_one(index, tenant):
    index.put([document(tenant) for _ in range(3)])
    assert ask(index, tenant, limit=3).next is None
    assert ask(index, tenant, limit=2).next is not None


def test_what_is_put_between_pages_moves_nothing(index, tenant):
    documents = [document(tenant, timestamp=NOON + timedelta(days=day)) for day in range(4)]
    index.put(documents)
    first = ask(index, tenant, limit=2)
    index.put([document(tenant, timestamp=NOON + timedelta(days=9))])
    assert ids(ask(index, tenant, limit=2, after=first.next)) == [documents[1].id, documents[0].id]


def test_a_place_that_was_made_up_is_no_error(index, tenant):
    index.put([document(tenant)])
    assert ask(index, tenant, after=(NOON + timedelta(days=1), "no such\0id")).total == 1


# --- counts


def test_facets_and_days_count_everything_that_matches(index, tenant):
    index.put(
        [
            *(document(tenant, signal_type="intent", account_id="acme") for _ in range(5)),
            *(document(tenant, signal_type="outreach", event_type="call_made") for _ in range(2)),
            document(tenant, timestamp=NOON + timedelta(hours=11, minutes=59)),
            document(tenant, timestamp=NOON + timedelta(hours=12)),
            document(tenant, "something else", timestamp=NOON + timedelta(days=70)),
        ]
    )
    answer = ask(index, tenant, "demo", limit=1)
    assert (len(answer.hits), answer.total) == (1, 9)
    assert answer.facets == {
        "signal_type": {"intent": 5, "high_intent": 2, "outreach": 2},
        "event_type": {"demo_completed": 7, "call_made": 2},
        "account_id": {"acme": 9},
    }
    assert answer.days == {"2026-03-04": 8, "2026-03-05": 1}


def test_days_are_those_of_utc(index, tenant):
    local = datetime.fromisoformat("2026-03-04T23:30:00-08:00")
    index.put([document(tenant, timestamp=local)])
    assert ask(index, tenant).days == {"2026-03-05": 1}


def test_a_facet_counts_the_ten_values_that_occur_most(index, tenant):
    index.put([document(tenant, account_id=f"a{n:02}") for n in range(12) for _ in range(2 if n == 11 else 1)])
    facet = ask(index, tenant).facets["account_id"]
    assert list(facet.items()) == [("a11", 2), *((f"a{n:02}", 1) for n in range(9))]


def test_counts_are_those_of_the_filters_and_borders_asked_for(index, tenant):
    index.put([document(tenant, account_id=name, timestamp=at) for name in "abc" for at in (NOON, NOON + MICROSECOND)])
    answer = ask(index, tenant, filters={"account_id": "b"}, until=NOON + MICROSECOND)
    assert (answer.total, answer.facets["account_id"], answer.days) == (1, {"b": 1}, {"2026-03-04": 1})


# --- rows


def test_get_gives_the_row_or_none(index, tenant):
    put = document(tenant)
    index.put([put])
    assert index.get(tenant, put.id) == put.row
    assert index.get(tenant, str(uuid4())) is None
    assert index.get(tenant, "no uuid / ../ at all") is None


def test_a_row_comes_back_exactly_as_it_was_put(index, tenant):
    row = {
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
    index.put([put])
    index.put([other])
    # As text, because 1 == 1.0 and the order of names does not matter to ==.
    assert json.dumps(index.get(tenant, put.id)) == json.dumps(put.row)
    assert {hit.row["id"]: hit.row for hit in ask(index, tenant).hits} == {
        put.id: put.row,
        other.id: other.row,
    }


def test_a_value_of_any_length_does_not_cost_the_document(index, tenant):
    put = document(tenant, account_id="a" * 50_000, metadata={"note": "n" * 500_000})
    index.put([put])
    assert index.get(tenant, put.id) == put.row


def test_dates_of_any_century_are_kept(index, tenant):
    documents = [document(tenant, timestamp=NOON.replace(year=year)) for year in (9999, 2400, 1969, 1600, 1)]
    index.put(documents)
    answer = ask(index, tenant)
    assert ids(answer) == [each.id for each in documents]
    assert sorted(answer.days) == [f"{year:04}-03-04" for year in (1, 1600, 1969, 2400, 9999)]


def test_a_filter_that_does_not_exist_is_a_mistake_and_not_left_out(tenant):
    with pytest.raises(ValueError, match="no filter is called metadata"):
        SearchQuery(tenant_id=tenant, filters={"metadata": "x"})


# --- PostgreSQL


def test_a_reader_of_postgresql_gets_no_document_of_another_tenant(database_url, postgres_index, tenant):
    put = document(tenant, "demo")
    postgres_index.put([put])
    with closing(connect(database_url)) as connection:
        connection.run("SET ROLE sspp_reader")
        for current, expected in ((tenant, [put.id]), ("another", []), ("", [])):
            connection.run("SELECT set_config('sspp.tenant', :tenant, false)", tenant=current)
            assert connection.run("SELECT id FROM search_documents") == [[each] for each in expected]
            assert connection.run("SELECT search_ids(CAST('demo' AS tsquery))") == [[expected]]


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
    "get": lambda index: index.get("t", str(UUID(int=1))),
    "search": lambda index: ask(index, "t", "demo"),
    "ping": lambda index: index.ping(),
}


@pytest.mark.alone
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("engine", ["postgres", "elasticsearch"])
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
            assert ask(later, tenant).total == 1
        assert list(server.indices.get_alias(name=alias)) == [f"{alias}-v2"]
    finally:
        server.indices.delete(index=f"{alias}-v2")


def server_url(server: Elasticsearch) -> str:
    [node] = server.transport.node_pool.all()
    return node.base_url


def test_a_search_before_the_first_put_finds_nothing(own_index, tenant):
    assert ask(own_index, tenant).total == 0
    assert own_index.get(tenant, str(uuid4())) is None


@pytest.mark.parametrize("call", ["put", "get", "search"])
def test_an_index_that_was_lost_is_made_again_by_the_next_call(server, alias, own_index, tenant, call):
    own_index.put([document(tenant)])
    server.indices.delete(index=f"{alias}-v1")
    with pytest.raises(Unavailable):
        CALLS[call](own_index)
    own_index.put([document(tenant)])
    assert ask(own_index, tenant).total == 1
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
