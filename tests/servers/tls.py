"""TLS in front of a PostgreSQL server that was built without it, and a certificate of one's own."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

#: What a client of PostgreSQL sends to ask for TLS: length 8, code 80877103.
SSL_REQUEST = bytes.fromhex("0000000804d2162f")


class Certificate(NamedTuple):
    """A self-signed certificate: its own authority."""

    pem: Path
    key: Path


def certificate(folder: Path, name: str) -> Certificate:
    """Make a certificate for the host ``name``."""
    openssl = shutil.which("openssl")
    assert openssl, "openssl is needed to make a certificate"
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    of = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    to = ["-keyout", str(made.key), "-out", str(made.pem)]
    subprocess.run([openssl, "req", *kind, *of, *to], check=True, capture_output=True)
    return made


@contextmanager
def in_front_of(host: str, port: int, shown: Certificate) -> Iterator[int]:
    """Listen with TLS, show ``shown`` and pass everything on to ``host:port``; yields the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.pem, shown.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, context, (host, port)), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _serve(listener: socket.socket, context: ssl.SSLContext, target: tuple[str, int]) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(client, context, target), daemon=True).start()


def _answer(client: socket.socket, context: ssl.SSLContext, target: tuple[str, int]) -> None:
    with closing(client), suppress(OSError), socket.create_connection(target) as server:
        if client.recv(8, socket.MSG_WAITALL) != SSL_REQUEST:
            return  # no plain connections here
        client.sendall(b"S")
        with context.wrap_socket(client, server_side=True) as secure:
            upwards = threading.Thread(target=_copy, args=(secure, server), daemon=True)
            upwards.start()
            _copy(server, secure)
            with suppress(OSError):
                secure.shutdown(socket.SHUT_RDWR)
            upwards.join(10)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65_536):
            sink.sendall(piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
