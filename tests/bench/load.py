"""The load: so many connections, each asks again as soon as it is answered. Counts answers, refuses wrong ones."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

#: A server warms up before answers count.
WARM_UP_S = 0.3
#: Seconds after which a server that gave no answer at all is taken for dead.
_SILENCE_S = 60
_LONGEST_READ = 262_144
_SCRIPT_LINES = 7

Address = tuple[str, int]


class WrongAnswerError(Exception):
    """An answer that is not a success: what is measured would not be what it says."""


class HttpAnswers:
    """Tells when an HTTP answer is whole. Answers of one load have one length, so they are read once in detail."""

    def __init__(self) -> None:
        self._length = 0
        self._start = b"HTTP/1.1 "

    def whole(self, data: bytes) -> bool:
        """Whether ``data`` is a whole answer.

        Raises:
            WrongAnswerError: it is one, with a status other than 2xx.
        """
        if len(data) == self._length and data.startswith(self._start):
            return True
        head, found, body = data.partition(b"\r\n\r\n")
        if not found:
            return False
        if not head.startswith(b"HTTP/1.1 2"):
            raise WrongAnswerError(data[:500].decode("latin-1"))
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        if len(body) < length:
            return False
        self._length, self._start = len(data), head[:12]
        return True


class ScriptAnswers:
    """Tells when the answer of the admission script is whole."""

    def whole(self, data: bytes) -> bool:
        """Whether ``data`` is a whole answer: "stored" and four numbers.

        Raises:
            WrongAnswerError: it says something else.
        """
        if not b"*5\r\n$6\r\nstored\r\n".startswith(data[:16]):
            raise WrongAnswerError(data[:500].decode("latin-1"))
        return data.count(b"\r\n") == _SCRIPT_LINES and data.endswith(b"\n")


@dataclass
class _Connection:
    socket: socket.socket
    part: bytes = b""


def rate(
    address: Address,
    requests: Iterator[bytes],
    *,
    connections: int,
    seconds: float,
    whole: Callable[[bytes], bool],
    greeting: bytes = b"",
) -> tuple[float, int]:
    """Give the answers a second at ``address`` after a warm-up, and how many there were with it.

    Args:
        requests: the next one to send; never two the same.
        whole: whether what was received is a whole answer.
        greeting: sent first on each connection, its one-line answer is not counted.
    """
    with selectors.DefaultSelector() as selector:
        opened = [_open(address, greeting) for _ in range(connections)]
        try:
            for connection in opened:
                selector.register(connection.socket, selectors.EVENT_READ, connection)
                connection.socket.sendall(next(requests))
            start = time.perf_counter() + WARM_UP_S
            warming = _carry(selector, requests, whole, until=start)
            started = time.perf_counter()
            done = _carry(selector, requests, whole, until=started + seconds)
            while not done:  # too busy for one answer in this time: as much again
                if time.perf_counter() - started > _SILENCE_S:
                    raise WrongAnswerError(f"no answer within {_SILENCE_S} s")
                done = _carry(selector, requests, whole, until=time.perf_counter() + seconds)
            return done / (time.perf_counter() - started), warming + done
        finally:
            for connection in opened:
                connection.socket.close()


def latencies_ms(address: Address, requests: Iterator[bytes], *, count: int) -> list[float]:
    """How long each of ``count`` requests took, one after the other on one connection; sorted."""
    whole = HttpAnswers().whole
    connection = _open(address, b"").socket
    try:
        for _ in range(count // 10):
            _ask(connection, next(requests), whole)
        return sorted(_ask(connection, next(requests), whole) for _ in range(count))
    finally:
        connection.close()


def _carry(
    selector: selectors.BaseSelector, requests: Iterator[bytes], whole: Callable[[bytes], bool], *, until: float
) -> int:
    """Answer every whole answer with the next request; give how many there were."""
    done = 0
    while time.perf_counter() < until:
        for key, _ in selector.select(1.0):
            connection: _Connection = key.data
            data = connection.socket.recv(_LONGEST_READ)
            if not data:
                raise WrongAnswerError("the server closed the connection")
            if connection.part:
                data = connection.part + data
            if whole(data):
                done += 1
                connection.part = b""
                connection.socket.sendall(next(requests))
            else:
                connection.part = data
    return done


def _ask(connection: socket.socket, request: bytes, whole: Callable[[bytes], bool]) -> float:
    started = time.perf_counter()
    connection.sendall(request)
    data = connection.recv(_LONGEST_READ)
    while not whole(data):
        data += connection.recv(_LONGEST_READ)
    return (time.perf_counter() - started) * 1000


def _open(address: Address, greeting: bytes) -> _Connection:
    opened = socket.create_connection(address, timeout=10)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if greeting:
        opened.sendall(greeting)
        if not opened.recv(1024).startswith(b"+"):
            raise WrongAnswerError("the server does not know us")
    return _Connection(opened)
