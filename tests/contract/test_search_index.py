"""What every search index must do, asked of each of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from functions.domain.catalog import EventType
from functions.domain.sales import SalesEvent
from functions.domain.search import SearchAnswer, SearchQuery
from functions.domain.signal import SHOWN, Signal
from functions.domain.words import words
from tests.contract.searched import Searched

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def tenant() -> str:
    return f"tenant-{uuid4()}"


def signal(tenant: str, text: str = "demo completed", **fields: Any) -> Signal:
    """A signal whose event notes ``text``; ``fields`` are those of its event, ``event_type`` and ``signal_type``."""
    kind = EventType(fields.pop("event_type", "touched"), fields.pop("signal_type", "noticed"), 0, 0, 1, prefix="")
    noted = {"note": text, **fields.pop("metadata", {})}
    event: dict[str, Any] = {
        "id": str(uuid4()),
        "tenant_id": tenant,
        "source": "/tests",
        "source_id": "1",
        "kind": kind,
        "account_id": "acme",
        "contact_id": None,
        "user_id": "rep-1",
        "occurred_at": fields.pop("timestamp", NOON),
        "received_at": NOON,
        "data": {"metadata": noted},
        "content": b"",
        **fields,
    }
    sent = {"specversion": "1.0", "id": "1", "source": "/tests", "type": kind.type, "data": event["data"]}
    return Signal.of(SalesEvent(sent=sent, **event))


def ask(index: Searched, tenant: str, text: str = "", **query: Any) -> SearchAnswer:
    return index.search(SearchQuery(tenant_id=tenant, words=words(text), **query))


def ids(answer: SearchAnswer) -> list[str]:
    return [hit.row["id"] for hit in answer.hits]


# --- what is put is found


def test_a_document_is_found_by_the_next_search_by_any_of_its_words(index, tenant):
    put = signal(tenant, "Pricing page viewed by Jane")
    index.put([put])
    for word in ("pricing", "PAGE", "viewed", "by", "jane"):
        assert ids(ask(index, tenant, word)) == [put.event.id]
    assert ids(ask(index, tenant, "john")) == []


# --- tenants


def test_another_tenant_never_sees_a_signal(index, tenant):
    put = signal(tenant)
    index.put([put])
    stranger = f"tenant-{uuid4()}"
    for answer in (
        ask(index, stranger),
        ask(index, stranger, "demo"),
        ask(index, stranger, filters={"account_id": "acme"}),
    ):
        assert (answer.hits, answer.counts.total, answer.counts.days, answer.next) == ([], 0, {}, None)
        assert answer.counts.facets == {"signal_type": {}, "event_type": {}, "account_id": {}}
    assert not index.has(stranger, UUID(put.event.id))


@pytest.mark.parametrize("odd", ["*", "", "tenant-*", "' OR true --", "_all"])
def test_no_name_of_a_tenant_opens_another(index, tenant, odd):
    index.put([signal(tenant)])
    if odd:  # routing cannot be empty, and no key belongs to a tenant without a name
        assert ask(index, odd).counts.total == 0


# --- words


def test_all_words_must_match(index, tenant):
    both = signal(tenant, "demo completed by jane")
    index.put([both, signal(tenant, "demo requested by john")])
    assert ids(ask(index, tenant, "jane demo")) == [both.event.id]
    assert ids(ask(index, tenant, "jane requested")) == []


@pytest.mark.parametrize("part", ["jane", "acme", "corp", "io", "JANE@acme-corp.io", "acme-corp", "sign", "up"])
def test_addresses_and_hyphenated_words_are_found_by_their_parts(index, tenant, part):
    put = signal(tenant, "jane@acme-corp.io did sign-up")
    index.put([put])
    assert ids(ask(index, tenant, part)) == [put.event.id]


@pytest.mark.parametrize(
    ("text", "asked"), [("東京都", "京東"), ("価格", "価値"), ("서울에서", "부산"), ("데모", "모데")]
)
def test_characters_in_another_order_or_company_are_other_words(index, tenant, text, asked):
    index.put([signal(tenant, text)])
    assert ids(ask(index, tenant, asked)) == []


def test_a_highlight_marks_a_part_of_a_text_without_spaces(index, tenant):
    index.put([signal(tenant, "東京都庁に行きました")])
    [hit] = ask(index, tenant, "都庁").hits
    assert hit.highlight.endswith("note 東京<em>都庁</em>に行きました")


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Zoë Müller", "ZOË"),
        ("Straße", "STRASSE"),
        ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
        ("cafe\u0301", "caf\u00e9"),
        ("東京 支店", "東京"),
        ("東京都庁に行きました", "東京"),
        ("東京都庁に行きました", "都庁 行きました"),
        ("我们对价格很感兴趣", "价格"),
        ("我们对价格很感兴趣", "价"),
        ("서울에서 만났습니다", "서울"),
        ("ﾃﾞﾓを見た", "デモ"),
        ("新しいiPhoneの価格", "iphone 価格"),
        ("Привет", "привет"),
        ("v2 3.14 1e5 0x1f 10.0.0.1", "3 14 1e5 0x1f"),
        ("http://example.com/a/b?c=d", "example b d"),
        ("the and or not", "the not"),
        ("order 7e855e-1e5x", "7e855e 1e5x"),
    ],
)
def test_words_of_any_kind_are_found(index, tenant, text, asked):
    put = signal(tenant, text)
    index.put([put])
    assert ids(ask(index, tenant, asked)) == [put.event.id]


def test_no_words_match_everything(index, tenant):
    index.put([signal(tenant, "one"), signal(tenant, "two"), signal(tenant, "")])
    assert ask(index, tenant).counts.total == 3


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
    index.put([signal(tenant, f"found by {odd}".replace("\0", " "))])  # no event holds NUL
    assert ask(index, tenant, odd).counts.total == 1
    raw = SearchQuery(tenant_id=tenant, words=[odd], filters={"account_id": "acme"})
    assert index.search(raw).counts.total == 1
    assert ask(index, tenant, filters={"account_id": odd}).counts.total == 0


def test_highlights_mark_the_words_and_nothing_else(index, tenant):
    index.put([signal(tenant, "<b>Jane</b> saw the demo: a demo!")])
    [hit] = ask(index, tenant, "DEMO jane").hits
    marked = "b <em>jane</em> b saw the <em>demo</em> a <em>demo</em>"
    assert hit.highlight == f"acme rep 1 touched noticed note {marked}"
    [hit] = ask(index, tenant).hits
    assert hit.highlight == "acme rep 1 touched noticed note b jane b saw the demo a demo"


# --- filters and borders

ROWS: dict[str, dict[str, Any]] = {
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
    documents = {name: signal(tenant, **row) for name, row in ROWS.items()}
    index.put(list(documents.values()))
    answer = ask(index, tenant, "demo", filters=filters)
    assert set(ids(answer)) == {documents[name].event.id for name in expected}
    assert answer.counts.total == len(expected)


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
    documents = [signal(tenant, timestamp=NOON + step * MICROSECOND) for step in (-1, 0, 1)]
    index.put(documents)
    answer = ask(index, tenant, "demo", since=since, until=until)
    assert ids(answer) == [documents[place].event.id for place in expected]
    assert answer.counts.total == len(expected)


# --- pages


def pages(index: Searched, query: SearchQuery) -> Iterator[SearchAnswer]:
    while True:
        answer = index.search(query)
        yield answer
        if answer.next is None:
            return
        query = replace(query, after=answer.next)


@pytest.mark.parametrize("text", ["", "demo"])
def test_pages_over_equal_timestamps_give_each_document_once_newest_first(index, tenant, text):
    steps = [0, 0, 0, 0, 0, 1, 1, -1, 2, 2]
    documents = [signal(tenant, timestamp=NOON + step * MICROSECOND) for step in steps]
    index.put(documents)
    found = list(pages(index, SearchQuery(tenant_id=tenant, words=words(text), limit=3)))
    newest_first = sorted(documents, key=lambda each: (each.event.occurred_at, each.event.id), reverse=True)
    assert [ids(answer) for answer in found] == [
        [each.event.id for each in newest_first[start : start + 3]] for start in (0, 3, 6, 9)
    ]
    assert [answer.counts.total for answer in found] == [10, 10, 10, 10]


def test_a_page_that_holds_the_rest_is_the_last_one(index, tenant):
    index.put([signal(tenant) for _ in range(3)])
    assert ask(index, tenant, limit=3).next is None
    assert ask(index, tenant, limit=2).next is not None


def test_what_is_put_between_pages_moves_nothing(index, tenant):
    documents = [signal(tenant, timestamp=NOON + timedelta(days=day)) for day in range(4)]
    index.put(documents)
    first = ask(index, tenant, limit=2)
    index.put([signal(tenant, timestamp=NOON + timedelta(days=9))])
    assert ids(ask(index, tenant, limit=2, after=first.next)) == [documents[1].event.id, documents[0].event.id]


def test_a_place_that_was_made_up_is_no_error(index, tenant):
    index.put([signal(tenant)])
    assert ask(index, tenant, after=(NOON + timedelta(days=1), str(UUID(int=0)))).counts.total == 1


# --- counts


def test_facets_and_days_count_everything_that_matches(index, tenant):
    index.put(
        [
            *(signal(tenant, signal_type="intent", account_id="acme") for _ in range(5)),
            *(signal(tenant, signal_type="outreach", event_type="call_made") for _ in range(2)),
            signal(tenant, timestamp=NOON + timedelta(hours=11, minutes=59)),
            signal(tenant, timestamp=NOON + timedelta(hours=12)),
            signal(tenant, "something else", timestamp=NOON + timedelta(days=70)),
        ]
    )
    answer = ask(index, tenant, "demo", limit=1)
    assert (len(answer.hits), answer.counts.total) == (1, 9)
    assert answer.counts.facets == {
        "signal_type": {"intent": 5, "noticed": 2, "outreach": 2},
        "event_type": {"touched": 7, "call_made": 2},
        "account_id": {"acme": 9},
    }
    assert answer.counts.days == {"2026-03-04": 8, "2026-03-05": 1}


def test_days_are_those_of_utc(index, tenant):
    local = datetime.fromisoformat("2026-03-04T23:30:00-08:00")
    index.put([signal(tenant, timestamp=local)])
    assert ask(index, tenant).counts.days == {"2026-03-05": 1}


def test_a_facet_counts_the_ten_values_that_occur_most(index, tenant):
    index.put([signal(tenant, account_id=f"a{n:02}") for n in range(12) for _ in range(2 if n == 11 else 1)])
    facet = ask(index, tenant).counts.facets["account_id"]
    assert list(facet.items()) == [("a11", 2), *((f"a{n:02}", 1) for n in range(9))]


def test_counts_are_those_of_the_filters_and_borders_asked_for(index, tenant):
    index.put([signal(tenant, account_id=name, timestamp=at) for name in "abc" for at in (NOON, NOON + MICROSECOND)])
    answer = ask(index, tenant, filters={"account_id": "b"}, until=NOON + MICROSECOND)
    assert (answer.counts.total, answer.counts.facets["account_id"], answer.counts.days) == (
        1,
        {"b": 1},
        {"2026-03-04": 1},
    )


# --- rows


def test_it_is_known_whether_a_signal_can_be_found(index, tenant):
    put = signal(tenant)
    assert not index.has(tenant, UUID(put.event.id))
    index.put([put])
    assert index.has(tenant, UUID(put.event.id))


def test_a_row_is_the_signal_as_the_api_shows_it(index, tenant):
    metadata = {
        "nested": {"list": [1, 2.5, {"deep": [[], {}]}], "empty": ""},
        "unicode": "Zoë 🙂 東京 \u2028 \" \\ </script>",
        "numbers": [0, -1, 0.1, 1e-9, 2**53, 10**30, 1e99, 1.0, 0.30000000000000004],
        "null": None, "true": True, "false": False, "date": "2026-03-04", "number": "12",
    }  # fmt: skip
    # The same names with other types: nothing may be guessed from the first row.
    other = signal(tenant, metadata={"nested": 5, "date": "no date", "number": {}})
    put = signal(tenant, metadata=metadata)
    index.put([put])
    index.put([other])
    rows = {hit.row["id"]: hit.row for hit in ask(index, tenant).hits}
    assert list(rows[put.event.id]) == list(SHOWN)
    # As text, because 1 == 1.0 and the order of names does not matter to ==.
    assert json.dumps(rows[put.event.id]["metadata"]) == json.dumps(put.event.metadata)
    assert rows[other.event.id]["metadata"] == other.event.metadata


def test_a_text_of_any_length_does_not_cost_the_signal(index, tenant):
    put = signal(tenant, "n" * 500_000)
    index.put([put])
    assert ids(ask(index, tenant)) == [put.event.id]


def test_dates_of_any_century_are_kept(index, tenant):
    documents = [signal(tenant, timestamp=NOON.replace(year=year)) for year in (9999, 2400, 1969, 1600, 1)]
    index.put(documents)
    answer = ask(index, tenant)
    assert ids(answer) == [each.event.id for each in documents]
    assert sorted(answer.counts.days) == [f"{year:04}-03-04" for year in (1, 1600, 1969, 2400, 9999)]


def test_a_filter_that_does_not_exist_is_a_mistake_and_not_left_out(tenant):
    with pytest.raises(ValueError, match="no filter is called metadata"):
        SearchQuery(tenant_id=tenant, filters={"metadata": "x"})
