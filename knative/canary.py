"""Canaries by Knative's own traffic split, with kubectl: `make canary`, `make promote`, `make rollback`.

A change of image makes a new revision; the revision that served before is named, so that it keeps its share.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]


class CannotError(Exception):
    """What was asked for cannot be done; the message says why and what can."""


def canary(service: Object, image: str, percent: int) -> dict[str, Any]:
    """The patch that starts ``image`` as a new revision with ``percent`` of the traffic.

    Raises:
        CannotError: a canary is out already, or the image runs already.
    """
    if not 0 < percent < 100:
        raise CannotError("PERCENT must be between 1 and 99")
    stable = _stable(service)
    if service["spec"]["template"]["spec"]["containers"][0]["image"] == image:
        raise CannotError(f"{image} is what runs already")
    return {
        "spec": {
            "template": {"spec": {"containers": _with_image(service, image)}},
            "traffic": [
                {"revisionName": stable, "percent": 100 - percent},
                {"latestRevision": True, "percent": percent, "tag": "canary"},
            ],
        }
    }


def promote(service: Object) -> dict[str, Any]:
    """The patch that gives everything to the newest revision, and to every one after it."""
    latest, ready = (service["status"].get(f"latest{which}RevisionName") for which in ("Created", "Ready"))
    if latest != ready:
        raise CannotError(f"{latest} is not ready; `make rollback` takes it back")
    return {"spec": {"traffic": [{"latestRevision": True, "percent": 100}]}}


def rollback(service: Object, to: str = "") -> dict[str, Any]:
    """The patch that gives everything back to the revision ``to``, else to the one that served before the canary.

    Raises:
        CannotError: no canary is out and no revision is named.
    """
    named = [each["revisionName"] for each in service["spec"].get("traffic", []) if each.get("revisionName")]
    if not to and not named:
        raise CannotError("no canary is out: name the revision, REVISION=... (kubectl get revisions)")
    return {"spec": {"traffic": [{"revisionName": to or named[0], "percent": 100}]}}


def main(argv: Sequence[str] | None = None) -> None:
    """Read the function's Knative Service, decide, patch it."""
    told = _arguments(argv)
    kubectl = [told.kubectl, "--namespace", f"sspp-{told.stack}"]
    name = f"services.serving.knative.dev/{told.function}"
    service = json.loads(_run([*kubectl, "get", name, "--output", "json"]))
    try:
        patch = _patch(told, service)
    except CannotError as exc:
        raise SystemExit(f"{told.verb} {told.function}: {exc}") from exc
    sys.stdout.write(_run([*kubectl, "patch", name, "--type", "merge", "--patch", json.dumps(patch)]))


def _patch(told: argparse.Namespace, service: Object) -> dict[str, Any]:
    if told.verb == "canary":
        return canary(service, told.image, told.percent)
    return promote(service) if told.verb == "promote" else rollback(service, told.revision)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="canary")
    parser.add_argument("verb", choices=["canary", "promote", "rollback"])
    parser.add_argument("function", choices=["ingest", "process", "index", "notify", "api"])
    parser.add_argument("--stack", default="dev", choices=["dev", "staging", "prod"])
    parser.add_argument("--image", default="")
    parser.add_argument("--percent", type=int, default=10)
    parser.add_argument("--revision", default="")
    parser.add_argument("--kubectl", default="kubectl")
    told = parser.parse_args(argv)
    if told.verb == "canary" and not told.image:
        parser.error("a canary needs IMAGE=...")
    return told


def _stable(service: Object) -> str:
    """The one revision that serves everything now."""
    serving = [each for each in service.get("status", {}).get("traffic", []) if each.get("percent")]
    if len(serving) != 1:
        raise CannotError("a canary is out already: `make promote` or `make rollback` it first")
    return str(serving[0]["revisionName"])


def _with_image(service: Object, image: str) -> list[dict[str, Any]]:
    # A merge patch replaces lists as a whole.
    first, *others = service["spec"]["template"]["spec"]["containers"]
    return [{**first, "image": image}, *others]


def _run(argv: Sequence[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.strip())
    return done.stdout


if __name__ == "__main__":
    main()
