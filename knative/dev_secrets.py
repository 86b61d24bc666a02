"""`make secrets`: the Secrets of the dev stack with random values, as a file for `kubectl apply -f`.

What the file has already is kept: the data stores know those passwords.
"""

from __future__ import annotations

import base64
import runpy
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

NAMESPACE = "sspp-dev"
OVERLAY = Path(__file__).parent / "overlays" / "dev"
#: Ignored by git.
TARGET = OVERLAY / "secrets.yaml"

#: Secret -> key -> its value.
Secrets = Mapping[str, Mapping[str, str]]

#: What makes the same Secrets in the cluster; it is alone in its ConfigMap, so it is no module of ours.
_PASSWORDS = runpy.run_path(str(OVERLAY / "passwords.py"))
#: Every Secret the dev overlay names, given what draws a password.
fresh: Callable[[Callable[[], str]], Secrets] = _PASSWORDS["fresh"]


def kept(text: str, new: Secrets) -> Secrets:
    """``new`` with the values that the file ``text`` has already; what it has not is added."""
    old = {each["metadata"]["name"]: _plain(each) for each in yaml.safe_load_all(text) if each["kind"] == "Secret"}
    return {name: {**values, **old.get(name, {})} for name, values in new.items()}


def document(values: Secrets) -> str:
    """The file: the namespace, which comes before everything, and the Secrets."""
    objects: list[Any] = [
        yaml.safe_load((OVERLAY / "namespace.yaml").read_text("utf-8")),
        *(_PASSWORDS["secret"](name, NAMESPACE, data) for name, data in values.items()),
    ]
    text: str = yaml.safe_dump_all(objects, sort_keys=False)
    return text


def main() -> None:
    """Write the file, for its owner's eyes only."""
    values = fresh(_PASSWORDS["drawn"])
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
