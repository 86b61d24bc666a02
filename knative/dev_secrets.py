"""`make secrets`: the Secrets of the dev stack with random values, as a file for `kubectl apply -f`.

What the file has already is kept: the data stores know those passwords.
"""

from __future__ import annotations

import base64
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

NAMESPACE = "sspp-dev"
OVERLAY = Path(__file__).parent / "overlays" / "dev"
#: Ignored by git.
TARGET = OVERLAY / "secrets.yaml"

#: Secret -> key -> its value.
Secrets = Mapping[str, Mapping[str, str]]


def fresh(draw: Callable[[], str]) -> Secrets:
    """Every Secret the dev overlay names; ``draw`` gives a password that needs no quoting in a URL."""
    app, database = draw(), draw()
    return {
        "sspp-redis": {
            "REDIS_URL": f"redis://app:{app}@sspp-redis:6379/0",
            "app-password": app,
            "keda-password": draw(),
            "exporter-password": draw(),
            "backup-password": draw(),
        },
        "sspp-database": {
            "DATABASE_URL": f"postgresql://sspp:{database}@sspp-postgres:5432/sspp",
            "password": database,
        },
        "sspp-delivery": {"SSPP_DELIVERY_TOKEN": draw()},
        "sspp-operator": {"SSPP_OPERATOR_KEY": draw()},
        "sspp-smtp": {"SSPP_SMTP_URL": "smtp://sspp-mailbox:1025"},
    }


def kept(text: str, new: Secrets) -> Secrets:
    """``new`` with the values that the file ``text`` has already; what it has not is added."""
    old = {each["metadata"]["name"]: _plain(each) for each in yaml.safe_load_all(text) if each["kind"] == "Secret"}
    return {name: {**values, **old.get(name, {})} for name, values in new.items()}


def document(values: Secrets) -> str:
    """The file: the namespace, which comes before everything, and the Secrets."""
    objects = [
        yaml.safe_load((OVERLAY / "namespace.yaml").read_text("utf-8")),
        *(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app.kubernetes.io/part-of": "sspp"}},
                "type": "Opaque",
                "stringData": dict(data),
            }
            for name, data in values.items()
        ),
    ]
    text: str = yaml.safe_dump_all(objects, sort_keys=False)
    return text


def main() -> None:
    """Write the file, for its owner's eyes only."""
    values = fresh(lambda: secrets.token_urlsafe(24))
    if TARGET.exists():
        values = kept(TARGET.read_text("utf-8"), values)
    TARGET.touch(mode=0o600)
    TARGET.chmod(0o600)
    TARGET.write_text(document(values), "utf-8")
    sys.stdout.write(f"{TARGET.relative_to(Path.cwd())}: kubectl apply -f it before the overlay\n")


def _plain(secret: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    encoded = {name: base64.b64decode(value).decode() for name, value in secret.get("data", {}).items()}
    return encoded | dict(secret.get("stringData", {}))


if __name__ == "__main__":
    main()
