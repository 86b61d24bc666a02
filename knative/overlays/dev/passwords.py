"""The values of the dev stack's Secrets; run in the cluster, from a ConfigMap, it makes those that are missing.

Python's own library alone, and the right to create Secrets and nothing else: it cannot read or change one.
"""

from __future__ import annotations

import http.client
import json
import secrets
import ssl
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

#: Secret -> key -> its value.
Secrets = Mapping[str, Mapping[str, str]]

#: The users of Redis that have a URL, those that others log in as, and where it is.
REDIS_USERS, REDIS_OTHERS = ("ingest", "dispatcher", "api", "operator"), ("keda", "exporter", "backup")
REDIS = "sspp-redis:6379/0"
#: The parts that log in to PostgreSQL as themselves, and where it is.
LOGINS = ("api", "process", "index", "notify", "tick")
DATABASE = "sspp-postgres:5432/sspp?sslmode=disable"
#: The API server, as every pod knows it, and what is shown to it: token, ca.crt and namespace.
SERVER = "kubernetes.default.svc:443"
SHOWN = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TIMEOUT_S = 10.0


def fresh(draw: Callable[[], str]) -> Secrets:
    """Every Secret the dev overlay names; ``draw`` gives a password that needs no quoting in a URL."""
    database = draw()
    redis = {user: draw() for user in (*REDIS_USERS, *REDIS_OTHERS)}
    logins = {part: draw() for part in LOGINS}
    return {
        "sspp-redis": {
            **{user: f"redis://{user}:{redis[user]}@{REDIS}" for user in REDIS_USERS},
            **{f"{user}-password": password for user, password in redis.items()},
        },
        "sspp-database": {
            "DATABASE_URL": f"postgresql://sspp:{database}@{DATABASE}",
            "password": database,
        },
        "sspp-logins": {
            **{part: f"postgresql://sspp_{part}:{password}@{DATABASE}" for part, password in logins.items()},
            "logins": ",".join(f"{part}:{password}" for part, password in logins.items()),
        },
        "sspp-delivery": {"SSPP_DELIVERY_TOKEN": draw()},
        "sspp-operator": {"SSPP_OPERATOR_KEY": draw()},
        "sspp-smtp": {"SSPP_SMTP_URL": "smtp://sspp-mailbox:1025"},
    }


def drawn() -> str:
    """A password of 192 random bits."""
    return secrets.token_urlsafe(24)


def secret(name: str, namespace: str, data: Mapping[str, str]) -> dict[str, object]:
    """A Secret as the API takes it."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "sspp"}},
        "type": "Opaque",
        "stringData": dict(data),
    }


def main() -> None:
    """Create every Secret; one that is there stays as it is. Exit 1 with a sentence where that cannot be done."""
    server, shown = (sys.argv[1], Path(sys.argv[2])) if sys.argv[1:] else (SERVER, SHOWN)
    namespace = (shown / "namespace").read_text("utf-8")
    connection = http.client.HTTPSConnection(
        server, timeout=TIMEOUT_S, context=ssl.create_default_context(cafile=str(shown / "ca.crt"))
    )
    headers = {"authorization": f"Bearer {(shown / 'token').read_text('utf-8')}", "content-type": "application/json"}
    for name, data in fresh(drawn).items():
        try:
            body = json.dumps(secret(name, namespace, data))
            connection.request("POST", f"/api/v1/namespaces/{namespace}/secrets", body, headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as exc:
            sys.exit(f"passwords: {server} does not answer: {exc}")
        if answer.status not in {http.client.CREATED, http.client.CONFLICT}:
            sys.exit(f"passwords: {server} answers {name} with {answer.status}")
        sys.stdout.write(f"{name}: {'made' if answer.status == http.client.CREATED else 'was there'}\n")


if __name__ == "__main__":
    main()
