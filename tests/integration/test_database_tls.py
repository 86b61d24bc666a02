"""``sslmode`` means what it means to libpq, on real TLS in front of a real PostgreSQL."""

from __future__ import annotations

import os
import shutil
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import pytest

from events.errors import ConfigError, Unavailable
from functions.adapters.postgres.database import Database, connection_arguments
from tests.servers import tls


class Server(NamedTuple):
    """Where a certificate for ``localhost`` is shown; ``url`` lacks host and query."""

    url: str
    port: int
    authority: tls.Certificate
    stranger: tls.Certificate

    def named(self, host: str, **told: str) -> str:
        return self.url.format(host=f"{host}:{self.port}") + "?" + urlencode(told)


@pytest.fixture(scope="module")
def server(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if not shutil.which("openssl"):
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("openssl is needed to make certificates")
    folder = tmp_path_factory.mktemp("tls")
    shown, stranger = tls.certificate(folder, "localhost"), tls.certificate(folder, "elsewhere.example")
    target = urlsplit(postgres_url)
    with tls.in_front_of("127.0.0.1", target.port or 0, shown) as port:
        yield Server(f"postgresql://{target.username}:{target.password}@{{host}}/sspp", port, shown, stranger)


def inline(certificate: tls.Certificate) -> str:
    return "data:" + urlsafe_b64encode(certificate.pem.read_bytes()).decode("ascii")


def answers(url: str) -> bool:
    with closing(Database(url)) as database:
        try:
            database.ping()
        except Unavailable:
            return False
        return True


@pytest.mark.parametrize(
    ("host", "mode", "trusted", "expected"),
    [
        ("localhost", "disable", None, False),  # the server takes no plain connection
        ("localhost", "prefer", None, True),
        ("localhost", "require", None, True),
        ("localhost", "require", "authority", True),
        ("localhost", "require", "stranger", False),
        ("localhost", "verify-ca", None, False),  # not signed by anyone this machine knows
        ("localhost", "verify-ca", "authority", True),
        ("localhost", "verify-ca", "stranger", False),
        ("localhost", "verify-full", "authority", True),
        ("127.0.0.1", "verify-ca", "authority", True),
        ("127.0.0.1", "verify-full", "authority", False),  # another name than the certificate's
    ],
)
def test_a_certificate_is_checked_as_far_as_sslmode_says(
    server: Server, host: str, mode: str, trusted: str | None, expected: bool
) -> None:
    told = {"sslmode": mode}
    if trusted:
        told["sslrootcert"] = inline(getattr(server, trusted))
    assert answers(server.named(host, **told)) is expected


def test_the_authority_may_be_a_file(server: Server) -> None:
    assert answers(server.named("localhost", sslmode="verify-full", sslrootcert=str(server.authority.pem)))


def test_statements_work_through_tls(server: Server) -> None:
    url = server.named("localhost", sslmode="verify-full", sslrootcert=inline(server.authority))
    with closing(Database(url)) as database, database.transaction() as tx:
        assert tx.rows("active_keys") == []


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("sslmode=on", "sslmode"),
        ("sslmode=verify-ca&sslrootcert=/nowhere.pem", "sslrootcert"),
        ("sslmode=verify-ca&sslrootcert=data:bm90IGEgY2VydGlmaWNhdGU=", "sslrootcert"),
        ("sslmode=verify-ca&sslrootcert=data:%", "sslrootcert"),
    ],
)
def test_what_sslmode_cannot_mean_is_refused_before_anything_connects(query: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        connection_arguments(f"postgresql://a:b@nowhere.invalid/c?{query}")


def test_an_inline_authority_survives_the_url(tmp_path: Path) -> None:
    # A PEM is base64 with '+' and '/': in a query the first would come back as a space.
    assert not set(inline(tls.Certificate(Path(__file__), tmp_path))) & set("+/ ")
