"""Names have one spelling, and moments one meaning."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from events.errors import Refused
from functions.api.parameters import path_id
from functions.domain.moment import moment
from functions.domain.name import Contact, Name, tidy, tidy_contact

NAME, CONTACT = TypeAdapter(Name), TypeAdapter(Contact)


@given(st.text())
def test_a_tidy_name_stays_as_it_is(text):
    assert tidy(tidy(text)) == tidy(text)
    assert tidy_contact(tidy_contact(text)) == tidy_contact(text)
    assert tidy(normalize("NFD", text)) == tidy(normalize("NFC", text))


@pytest.mark.parametrize(
    ("sent", "kept"),
    [(" acme\u00a0", "acme"), ("Cafe\u0301", "Caf\u00e9"), ("acme.", "acme."), ("acme/", "acme/"), ("Acme", "Acme")],
)
def test_a_name_is_kept_in_one_spelling(sent, kept):
    assert NAME.validate_python(sent) == kept


def test_the_address_of_a_contact_has_no_case():
    assert CONTACT.validate_python(" Jo@Example.TEST") == "jo@example.test"
    assert CONTACT.validate_python("Jo") == "Jo"


@pytest.mark.parametrize("text", ["", " ", "\u00a0\u2003", ".", " .. ", "x" * 257, "a\nb", "\0"])
def test_what_names_nobody_is_refused(text):
    with pytest.raises(ValidationError):
        NAME.validate_python(text)


@pytest.mark.parametrize(
    ("given_", "is_"),
    [
        ("1764111511230", datetime(2025, 11, 25, 22, 58, 31, 230_000, tzinfo=UTC)),
        (1764111511230, datetime(2025, 11, 25, 22, 58, 31, 230_000, tzinfo=UTC)),
        ("1764111511", datetime(2025, 11, 25, 22, 58, 31, tzinfo=UTC)),
        (1764111511.5, datetime(2025, 11, 25, 22, 58, 31, 500_000, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("20261101T100000Z", datetime(2026, 11, 1, 10, tzinfo=UTC)),
        ("2026-11-01 10:00:00+01:00", datetime(2026, 11, 1, 9, tzinfo=UTC)),
    ],
)
def test_a_moment_is_read_as_it_is_meant(given_, is_):
    assert moment(given_) == is_


@pytest.mark.parametrize(
    "text", ["0", "20261101", "20261101100000", "1764111511230000", "-1", "1764111511230Z", "nan"]
)
def test_what_might_be_another_time_is_none(text):
    with pytest.raises(ValueError):
        moment(text)


@given(st.integers(-(10**20), 10**20), st.sampled_from([int, str, float]))
def test_a_number_is_a_time_of_this_century_or_none(number, written):
    try:
        found = moment(written(number))
    except ValueError:
        return
    assert 2000 <= found.year < 2100


def status(read, text):
    """What reading ``text`` is answered with: 200, or the status of the refusal."""
    try:
        read(text)
    except Refused as refusal:
        return refusal.status
    return 200


@given(st.text(max_size=60).map(str.encode) | st.binary(max_size=60))
def test_no_id_is_more_than_refused(raw):
    for text in (raw.decode("latin-1"), base64.urlsafe_b64encode(raw).decode()):
        assert status(lambda part: path_id(part, "account"), text) in {200, 404}
