"""Whether a target's host name resolves: when a dispatcher is not ready because of it, and when it is again."""

from __future__ import annotations

import socket

import pytest

from events.errors import Unavailable
from events.hostname import UNKNOWN_FOR_S, HostName


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def ready(host: HostName) -> bool:
    try:
        host.ping()
    except Unavailable:
        return False
    return True


def test_a_name_that_has_not_resolved_for_a_minute_is_not_ready():
    clock = Clock()
    host = HostName("process.invalid", clock)
    seen = []
    for clock.now_s in (0.0, UNKNOWN_FOR_S - 1, UNKNOWN_FOR_S, UNKNOWN_FOR_S + 1):
        seen.append(ready(host))
    assert seen == [True, True, False, False]


def test_a_name_that_resolves_meanwhile_has_its_minute_again(monkeypatch: pytest.MonkeyPatch):
    clock = Clock()
    host = HostName("process.invalid", clock)
    assert ready(host)
    with monkeypatch.context() as there:
        there.setattr(socket, "getaddrinfo", lambda *_: [])
        clock.now_s = UNKNOWN_FOR_S
        assert ready(host)
    clock.now_s += 1
    assert ready(host)


def test_an_address_is_always_ready():
    clock = Clock()
    host = HostName("127.0.0.1", clock)
    for clock.now_s in (0.0, 1000.0):
        assert ready(host)
