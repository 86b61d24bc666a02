"""The fastest HTTP server that Python has room for: one answer, whatever is asked. What the load itself can do."""

from __future__ import annotations

import selectors
import socket
import sys

_BODY = b'{"status":"accepted","id":"00000000-0000-0000-0000-000000000000","duplicate":false}'
_ANSWER = b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(_BODY), _BODY)


def main() -> None:
    """Serve on the port of the command line until killed."""
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128) as door:
        selector = selectors.DefaultSelector()
        selector.register(door, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is door:
                    selector.register(door.accept()[0], selectors.EVENT_READ)
                    continue
                connection: socket.socket = key.fileobj  # type: ignore[assignment]
                if connection.recv(65_536):
                    connection.send(_ANSWER)
                else:
                    selector.unregister(connection)
                    connection.close()


if __name__ == "__main__":
    main()
