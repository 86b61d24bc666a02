"""API keys: what they look like and what is kept of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.errors import Refused
from functions.domain.key import (
    PREFIX,
    RANDOM_BYTES,
    READ,
    WRITE_EVENTS,
    Grant,
    digest,
    is_operators,
    new_key,
    permitted,
    well_formed,
)

RANDOM = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)


@given(RANDOM)
def test_a_new_key_is_well_formed_and_safe_in_a_header(random_bytes):
    key = new_key(random_bytes)
    assert well_formed(key)
    assert key.startswith(PREFIX)
    assert key.replace("-", "_").replace("_", "a").isalnum()
    assert key.isascii()


@given(RANDOM, RANDOM)
def test_different_random_bytes_give_different_keys_and_digests(left, right):
    assert (new_key(left) == new_key(right)) == (left == right) == (digest(new_key(left)) == digest(new_key(right)))


@given(RANDOM, st.data())
def test_a_key_with_one_character_mistyped_is_not_well_formed(random_bytes, data):
    key = new_key(random_bytes)
    at = data.draw(st.integers(0, len(key) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda character: character != key[at]))
    assert not well_formed(key[:at] + other + key[at + 1 :])


@given(st.text(st.characters(), max_size=80) | st.text(max_size=60).map(PREFIX.__add__))
def test_any_text_can_be_asked_about(text):
    assert not well_formed(text)
    assert len(digest(text)) == 64


@pytest.mark.parametrize("cut", [slice(1, None), slice(0, -1), slice(0, 0), slice(0, len(PREFIX))])
def test_a_part_of_a_key_is_not_well_formed(cut):
    assert not well_formed(new_key(bytes(RANDOM_BYTES))[cut])


@pytest.mark.parametrize("length", [0, RANDOM_BYTES - 1, RANDOM_BYTES + 1])
def test_a_key_takes_exactly_256_random_bits(length):
    with pytest.raises(ValueError, match="32 random bytes"):
        new_key(bytes(length))


def test_what_is_kept_of_a_key_is_its_sha_256():
    key = new_key(bytes(range(RANDOM_BYTES)))
    assert digest(key) == sha256(key.encode()).hexdigest()
    assert key[len(PREFIX) :] not in digest(key)


@pytest.mark.parametrize(
    ("expires_in", "scopes", "suspended", "status"),
    [
        (None, {WRITE_EVENTS}, False, None),
        (timedelta(microseconds=1), {WRITE_EVENTS, READ}, False, None),
        (timedelta(0), {WRITE_EVENTS}, False, 401),
        (timedelta(days=-1), {WRITE_EVENTS}, True, 401),  # an expired key learns nothing of its tenant
        (None, {WRITE_EVENTS}, True, 403),
        (None, {READ}, False, 403),
        (None, set(), True, 403),
    ],
)
def test_a_key_may_do_what_its_scopes_say_until_it_expires_and_while_its_tenant_works(
    expires_in, scopes, suspended, status
):
    now = datetime(2026, 3, 4, 12, tzinfo=UTC)
    expires_at = None if expires_in is None else now + expires_in
    grant = Grant("tenant", frozenset(scopes), expires_at, suspended)
    if status is None:
        assert permitted(grant, WRITE_EVENTS, now) is grant
        return
    with pytest.raises(Refused) as refused:
        permitted(grant, WRITE_EVENTS, now)
    assert refused.value.status == status


def test_an_unknown_key_is_refused_in_the_words_of_an_expired_one():
    now = datetime(2026, 3, 4, 12, tzinfo=UTC)
    said = []
    for grant in (None, Grant("tenant", frozenset({READ}), now)):
        with pytest.raises(Refused) as refused:
            permitted(grant, READ, now)
        said.append((refused.value.status, refused.value.title, refused.value.detail))
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("key", "operator_keys", "is_"),
    [
        ("secret", ["secret"], True),
        ("secret", ["newer", "secret"], True),
        ("newer", ["newer", "secret"], True),
        ("newer,secret", ["newer", "secret"], False),
        ("secret ", ["secret"], False),
        ("", ["secret"], False),
        ("", [], False),
        ("x", [], False),
        ("\u00e9", ["\u00e9"], True),
        ("\udcff", ["secret"], False),
    ],
)
def test_only_the_operators_key_is_the_operators_and_without_one_no_key_is(key, operator_keys, is_):
    assert is_operators(key, operator_keys) is is_
