"""Cursors: a place in one list, or 400 with a pointer; and how far page numbers reach."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

from events.errors import Refused
from functions.adapters.postgres.pages import Listed, Page, Place, Rank
from functions.api.dead_letters import Listing, Selection
from functions.api.paging import Paging, read_cursor, write_cursor
from functions.api.parameters import parsed
from functions.api.search import SignalSearch
from functions.api.signals import SignalList

NIL = UUID(int=0)
LIST = {"accountId": "acme", "from": "2026-11-01", "sortBy": "points", "limit": "5"}
MOMENTS = st.datetimes(timezones=st.just(UTC))
BIGINTS = st.integers(-(2**63), 2**63 - 1)


def refused(asked, tenant="t", position=Place, model=SignalList):
    """The status, the pointer and the sentence that a page is refused with; None where it is not."""
    try:
        parsed(model, asked).rows(tenant, position)
    except Refused as refusal:
        [fault] = refusal.faults
        return refusal.status, fault.pointer, fault.detail
    return None


@given(
    number=st.integers(1, 10**6),
    place=st.builds(Place, MOMENTS, st.uuids()) | st.builds(Rank, BIGINTS, st.uuids(), st.none() | MOMENTS, MOMENTS),
)
def test_a_cursor_is_read_as_it_was_written_whatever_the_limit(number, place):
    asked = parsed(SignalList, LIST)
    listed = Listed(rows=[], total=0, exact=True, next=place)
    cursor = asked.next("t", Page(number=number, limit=5), listed)
    assert cursor is not None
    again = parsed(SignalList, {**LIST, "limit": "7", "cursor": cursor})
    assert again.rows("t", type(place)) == Page(number=number + 1, limit=7, after=place)
    assert asked.next("t", Page(number=number, limit=5), Listed(rows=[], total=0, exact=True, next=None)) is None


@pytest.mark.parametrize(
    "other",
    [
        {"accountId": "globex"},
        {"contactId": "ann"},
        {"from": "2026-11-02"},
        {"sortBy": "timestamp"},
        {"sortOrder": "asc"},
    ],
)
def test_a_cursor_of_another_list_is_refused_and_says_why(other):
    cursor = write_cursor(parsed(SignalList, LIST), "t", (2, Place(datetime(2026, 11, 1, tzinfo=UTC), NIL)))
    again = {**LIST, "cursor": cursor}
    assert refused(again) is None
    says = "is of another list: tenant, filters and order must be those of the page before"
    assert refused({**again, **other}) == (400, "/cursor", says)
    assert refused(again, tenant="u") == (400, "/cursor", says)
    assert refused({"cursor": cursor}, model=Paging) == (400, "/cursor", says)


def test_searches_and_dead_letters_have_lists_of_their_own_too():
    for one, other in (
        (SignalSearch(q="a"), SignalSearch(q="b")),
        (Listing(status=422), Listing(status=500)),
        (Listing(), Selection()),
    ):
        cursor = write_cursor(one, "t", "here")
        assert read_cursor(cursor, one, "t", str) == "here"
        for asked, tenant in ((other, "t"), (one, None)):
            with pytest.raises(Refused):
                read_cursor(cursor, asked, tenant, str)


def forged(position):
    """A cursor that names the right list, and then whatever somebody made up."""
    of, _ = from_json(base64.urlsafe_b64decode(write_cursor(parsed(SignalList, LIST), "t", 0) + "=="))
    return base64.urlsafe_b64encode(to_json([of, position])).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "\N{SNOWMAN}",
        base64.urlsafe_b64encode(b"[1]").decode(),
        base64.urlsafe_b64encode(b"{}").decode(),
        base64.urlsafe_b64encode(b"[" * 500).decode(),
        forged(None),
        forged([1]),
        forged([1, ["2026-11-01T00:00:00Z"]]),
        forged([1, ["soon", str(NIL)]]),
        forged([1, ["2026-11-01T00:00:00Z", "nil"]]),
        forged([1, ["0001-01-01T00:00:00+23:59", str(NIL)]]),
        forged([1, ["9999-12-31T23:59:59-23:59", str(NIL)]]),
    ],
)
def test_what_is_no_cursor_is_refused(cursor):
    assert refused({**LIST, "cursor": cursor}) == (400, "/cursor", "is not one that this API gave")


@given(st.text(max_size=60).map(str.encode) | st.binary(max_size=60))
def test_no_cursor_is_more_than_refused(raw):
    for text in (raw.decode("latin-1"), base64.urlsafe_b64encode(raw).decode(), forged([1, raw.decode("latin-1")])):
        with pytest.raises(Refused) as refusal:
            read_cursor(text, parsed(SignalList, LIST), "t", Place)
        assert refusal.value.faults[0].pointer == "/cursor"


def test_times_in_a_cursor_are_utc():
    for spelt in ("2026-11-01T12:00:00", "2026-11-01T14:00:00+02:00"):
        page = parsed(SignalList, {**LIST, "cursor": forged([1, [spelt, str(NIL)]])}).rows("t", Place)
        assert page.after == Place(datetime(2026, 11, 1, 12, tzinfo=UTC), NIL)
        assert page.after.at.tzinfo is UTC


@pytest.mark.parametrize(
    ("limit", "page", "says"),
    [
        (20, 500, None),
        (20, 501, "is past the first 10,000 rows: follow next_cursor instead"),
        (100, 100, None),
        (100, 101, "is past the first 10,000 rows: follow next_cursor instead"),
        (1, 10_000, None),
        (1, 10**30, "is past the first 10,000 rows: follow next_cursor instead"),
    ],
)
def test_page_numbers_reach_as_far_as_totals_are_counted(limit, page, says):
    for order in (("limit", "page"), ("page", "limit")):
        asked = {"limit": str(limit), "page": str(page)}
        in_order = {name: asked[name] for name in order}
        assert refused(in_order, model=Paging) == (says and (400, "/page", says))
        if not says:
            assert parsed(Paging, in_order).rows("t", Place) == Page(number=page, limit=limit)


def test_a_page_has_a_number_or_a_cursor():
    says = "goes with no cursor, which names a page by itself"
    assert refused({"page": "1", "cursor": "x"}, model=Paging) == (400, "/page", says)
