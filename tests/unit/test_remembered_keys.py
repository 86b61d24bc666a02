"""The API's memory of keys: nobody is asked twice within two seconds, whatever keys are made up."""

from __future__ import annotations

from collections import Counter

import pytest

from events.errors import Unavailable
from functions.api.keys import RememberedKeys
from functions.domain.key import READ, Grant
from functions.web.remembered import MOST_UNKNOWN

GRANT = Grant("acme", frozenset({READ}))


class Directory:
    """Keys by digest, and how often each was asked for."""

    def __init__(self) -> None:
        self.grants = {"known": GRANT}
        self.asked: Counter[str] = Counter()
        self.away = False
        self.now = 100.0
        self.remembered = RememberedKeys(self, lambda: self.now)

    def find(self, digest: str) -> Grant | None:
        self.asked[digest] += 1
        if self.away:
            raise Unavailable("PostgreSQL")
        return self.grants.get(digest)


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.mark.parametrize(("digest", "grant"), [("known", GRANT), ("unknown", None)])
def test_an_answer_is_remembered_for_two_seconds(directory, digest, grant):
    for now in (100.0, 101.0, 101.9):
        directory.now = now
        assert directory.remembered.find(digest) == grant
    assert directory.asked[digest] == 1
    directory.now = 102.0
    assert directory.remembered.find(digest) == grant
    assert directory.asked[digest] == 2


def test_made_up_keys_drive_out_one_another_and_no_key_that_works(directory):
    directory.remembered.find("known")
    for number in range(MOST_UNKNOWN + 100):
        directory.remembered.find(f"made up {number}")
    directory.remembered.find("known")
    directory.remembered.find(f"made up {MOST_UNKNOWN}")
    assert (directory.asked["known"], directory.asked[f"made up {MOST_UNKNOWN}"]) == (1, 1)
    directory.remembered.find("made up 0")
    assert directory.asked["made up 0"] == 2
    assert len(directory.remembered._answers._unknown) <= MOST_UNKNOWN


def test_what_changed_holds_after_two_seconds_and_what_is_revoked_is_forgotten(directory):
    directory.remembered.find("known")
    directory.remembered.find("new")
    directory.grants = {"new": GRANT}
    directory.now += 2
    assert (directory.remembered.find("known"), directory.remembered.find("new")) == (None, GRANT)
    assert (directory.remembered.last_known("known"), directory.remembered.last_known("new")) == (None, GRANT)


def test_an_outage_is_no_answer_and_the_gate_still_knows_whose_a_key_is(directory):
    directory.remembered.find("known")
    directory.away, directory.now = True, 200.0
    with pytest.raises(Unavailable):
        directory.remembered.find("known")
    assert directory.remembered.last_known("known") == GRANT
    directory.away = False
    assert directory.remembered.find("known") == GRANT
