"""The checks of settings: the sentence for each value that cannot be meant, and none for any other."""

from __future__ import annotations

import pytest

from events import checks

FEW = "must be at least 3"
PORT = "must be a port, 1-65535"
CHOICE = "must be one of red, green"
LOGINS = "must be like part:password,part:password; parts are api, tick"
STORE = "must be like redis:// or rediss://user@host:80"
SITE = "must be like https://host"
TARGET = "must be like http:// or https://host/"


@pytest.mark.parametrize(
    ("check", "says", "wrong", "right"),
    [
        (checks.anything, "", [], ["", "x", 0]),
        (checks.at_least(3), FEW, [2, -3, 2.9], [3, 4]),
        (checks.port, PORT, [0, -1, 65_536], [1, 65_535]),
        (checks.one_of("red", "green"), CHOICE, ["", "Red", "re"], ["red", "green"]),
        (
            checks.logins("api", "tick"),
            LOGINS,
            ["api", "api:", "web:x", "api:a b", "api:a:b", "xapi:x", "api:ä"],
            ["", "api:x", "api:x!~-+,tick:y"],
        ),
        (
            checks.url("user@host:80", "redis", "rediss"),
            STORE,
            ["redis://host", "http://host:1"],
            ["", "rediss://h:1"],
        ),
        (checks.url("host", "https"), SITE, ["https://", "https://h:0", "https://[", "h"], ["https://h"]),
        (checks.http_urls, TARGET, ["x", "http://a/ x"], ["", "http://a/", "https://a/ http://b:1/"]),
    ],
)
def test_a_wrong_value_gets_its_sentence_and_a_right_one_gets_none(check, says, wrong, right):
    assert [check(value) for value in wrong] == [says] * len(wrong)
    assert [check(value) for value in right] == [""] * len(right)
