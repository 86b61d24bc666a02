"""Create the dev stack's missing Secrets, from within the cluster.

It runs from a ConfigMap with Python's own library, and may create Secrets but neither read nor change them.
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

#: The users of Redis with a URL, those with a password alone, and its address.
REDIS_USERS, REDIS_OTHERS = ("ingest", "dispatcher", "api", "operator"), ("keda", "exporter", "backup")
REDIS = "sspp-redis:6379/0"
#: The parts with a login of their own to PostgreSQL, and its address.
LOGINS = ("api", "process", "notify", "tick")
DATABASE = "sspp-postgres:5432/sspp?sslmode=disable"
#: The API server's address in every pod, and the folder of the pod's token, ca.crt and namespace.
SERVER = "kubernetes.default.svc:443"
SHOWN = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TIMEOUT_S = 10.0


def fresh(draw: Callable[[], str]) -> Secrets:
    """Return every Secret of the dev overlay; ``draw`` returns a password that needs no quoting in a URL."""
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
    """Return a password of 192 random bits."""
    return secrets.token_urlsafe(24)


def secret(name: str, namespace: str, data: Mapping[str, str]) -> dict[str, object]:
    """Return a Secret as the API accepts it."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "sspp"}},
        "type": "Opaque",
        "stringData": dict(data),
    }


def main() -> None:
    """Create every Secret that does not exist. Exit 1 with a sentence if the API server refuses."""
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
