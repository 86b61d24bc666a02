"""Redis as one file: ``dump_redis.py FILE`` asks the server in REDIS_BACKUP_URL for a snapshot, as a replica would.

Python's own library only. The snapshot (RDB) is of one moment, all keys, groups and due times included. The user
needs ``+sync +replconf`` beside AUTH; Redis >= 7 and Valkey >= 8.
"""

import os
import socket
import ssl
import sys
from pathlib import Path
from typing import IO, cast
from urllib.parse import SplitResult, unquote, urlsplit

#: The server writes the snapshot to its own disk first; nothing but line breaks comes meanwhile.
TIMEOUT_S = 600


class DumpError(Exception):
    """The server did not give a snapshot."""


def dump(url: str, file: Path) -> int:
    """Write the server's snapshot to ``file``; gives its size in bytes."""
    target = urlsplit(url)
    with _connected(target) as connection, connection.makefile("rwb") as pair:
        stream = cast(IO[bytes], pair)  # what both ways have in common
        if target.password:
            user = [unquote(target.username)] if target.username else []
            _ask(stream, "AUTH", *user, unquote(target.password))
        # Only the snapshot: the server need not remember what is written after it.
        _ask(stream, "REPLCONF", "rdb-only", "1")
        _send(stream, "SYNC")
        return _snapshot(stream, file)


def _connected(target: SplitResult) -> socket.socket:
    host = target.hostname or "127.0.0.1"
    plain = socket.create_connection((host, target.port or 6379), timeout=TIMEOUT_S)
    return (
        ssl.create_default_context().wrap_socket(plain, server_hostname=host) if target.scheme == "rediss" else plain
    )


def _snapshot(stream: IO[bytes], file: Path) -> int:
    head = b"\n"
    while head == b"\n":
        head = stream.readline()
    if not head.startswith(b"$"):
        raise DumpError(_fault(head))
    size = left = int(head[1:])
    with file.open("wb") as sink:
        while left:
            piece = stream.read(min(left, 1 << 20))
            if not piece:
                raise DumpError(f"the connection broke with {left} of {size} bytes to come")
            sink.write(piece)
            left -= len(piece)
    return size


def _ask(stream: IO[bytes], *words: str) -> None:
    _send(stream, *words)
    if not (answer := stream.readline()).startswith(b"+OK"):
        raise DumpError(f"{words[0]}: {_fault(answer)}")


def _send(stream: IO[bytes], *words: str) -> None:
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        parts.append(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()))
    stream.write(b"".join(parts))
    stream.flush()


def _fault(answer: bytes) -> str:
    return answer.decode("utf-8", "replace").strip() or "the connection broke"


if __name__ == "__main__":
    try:
        print(f"{dump(os.environ['REDIS_BACKUP_URL'], Path(sys.argv[1]))} bytes of snapshot")
    except (DumpError, OSError) as exc:
        sys.exit(f"dump: {exc}")
