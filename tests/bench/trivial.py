"""The fastest HTTP server that Python has room for: one answer, whatever is asked. What the load itself can do."""

from __future__ import annotations

import selectors
import socket
import sys

_BODY = b'{"status":"accepted","id":"00000000-0000-0000-0000-000000000000","duplicate":false}'
_ANSWER = b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
    len(_BODY),
    _BODY,
)


def main() -> None:
    """Serve on the port of the command line until killed."""
    with (
        socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128) as door,
        selectors.DefaultSelector() as all_,
    ):
        all_.register(door, selectors.EVENT_READ, None)
        while True:
            for key, _ in all_.select():
                if key.data is None:
                    connection = door.accept()[0]
                    all_.register(connection, selectors.EVENT_READ, connection)
                elif not _answered(key.data):
                    all_.unregister(key.data)
                    key.data.close()


def _answered(connection: socket.socket) -> bool:
    """Answer what was asked; False when nobody is there any more."""
    try:
        return bool(connection.recv(65_536)) and connection.send(_ANSWER) > 0
    except ConnectionError:
        return False


if __name__ == "__main__":
    main()
