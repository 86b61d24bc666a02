"""Canaries by Knative's own traffic split, with kubectl: `make canary`, `make promote`, `make rollback`.

A change of image makes a new revision; the revision that served before is named, so that it keeps its share.
A rollback also deletes revisions that never became ready: their pods would count as the one that a
PodDisruptionBudget lets go, and block the drain of the good pod's node.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]

#: Seconds that Knative gets to replace a broken newest revision, and between two polls. Knative recreates the newest
#: revision if it is deleted.
REPLACED_S, AGAIN_S = 60.0, 0.5


class CannotError(Exception):
    """The request cannot be carried out; the message has the reason and the remedy."""


def canary(service: Object, image: str, percent: int) -> dict[str, Any]:
    """Return the patch that starts ``image`` as a new revision with ``percent`` of the traffic.

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
    """Return the patch that sends all traffic to the newest revision, now and after later changes."""
    latest, ready = (service["status"].get(f"latest{which}RevisionName") for which in ("Created", "Ready"))
    if latest != ready:
        raise CannotError(f"{latest} is not ready; `make rollback` takes it back")
    return {"spec": {"traffic": [{"latestRevision": True, "percent": 100}]}}


def rollback(service: Object, revisions: Sequence[Object], to: str = "") -> dict[str, Any]:
    """Return the patch that sets traffic and containers back to the revision ``to``, else to the previous one.

    Raises:
        CannotError: no canary is out and no revision is named, or the named one does not exist.
    """
    named = [each["revisionName"] for each in service["spec"].get("traffic", []) if each.get("revisionName")]
    if not to and not named:
        raise CannotError("no canary is out: name the revision, REVISION=... (kubectl get revisions)")
    target = to or named[0]
    found = [each for each in revisions if each["metadata"]["name"] == target]
    if not found:
        raise CannotError(f"there is no revision {target} (kubectl get revisions)")
    return {
        "spec": {
            "template": {"spec": {"containers": found[0]["spec"]["containers"]}},
            "traffic": [{"revisionName": target, "percent": 100}],
        }
    }


def broken(revisions: Sequence[Object], keep: str) -> list[str]:
    """Return the names of the revisions that are not ready, other than ``keep``."""
    return [each["metadata"]["name"] for each in revisions if each["metadata"]["name"] != keep and not _is_ready(each)]


def main(argv: Sequence[str] | None = None) -> None:
    """Patch the function's Knative Service; after a rollback delete broken revisions."""
    arguments = _arguments(argv)
    kubectl = [arguments.kubectl, "--namespace", f"sspp-{arguments.stack}"]
    name = f"services.serving.knative.dev/{arguments.function}"
    service = _read([*kubectl, "get", name])
    revisions = _revisions(kubectl, arguments.function) if arguments.verb == "rollback" else []
    try:
        patch = _patch(arguments, service, revisions)
    except CannotError as exc:
        raise SystemExit(f"{arguments.verb} {arguments.function}: {exc}") from exc
    sys.stdout.write(_run([*kubectl, "patch", name, "--type", "merge", "--patch", json.dumps(patch)]))
    if arguments.verb == "rollback":
        _delete(kubectl, name, broken(revisions, keep=patch["spec"]["traffic"][0]["revisionName"]))


def _patch(arguments: argparse.Namespace, service: Object, revisions: Sequence[Object]) -> dict[str, Any]:
    if arguments.verb == "canary":
        return canary(service, arguments.image, arguments.percent)
    return promote(service) if arguments.verb == "promote" else rollback(service, revisions, arguments.revision)


def _revisions(kubectl: Sequence[str], function: str) -> list[Object]:
    selector = f"serving.knative.dev/service={function}"
    found: list[Object] = _read([*kubectl, "get", "revisions.serving.knative.dev", "--selector", selector])["items"]
    return found


def _delete(kubectl: Sequence[str], service: str, revisions: Sequence[str]) -> None:
    """Delete ``revisions`` as soon as none of them is the newest."""
    if not revisions:
        return
    deadline = time.monotonic() + REPLACED_S
    while (newest := _read([*kubectl, "get", service])["status"]["latestCreatedRevisionName"]) in revisions:
        if time.monotonic() > deadline:
            raise SystemExit(f"{newest} is broken and still the newest revision: delete it once another is")
        time.sleep(AGAIN_S)
    sys.stdout.write(_run([*kubectl, "delete", "revisions.serving.knative.dev", "--wait=false", *revisions]))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="canary")
    parser.add_argument("verb", choices=["canary", "promote", "rollback"])
    parser.add_argument("function", choices=["ingest", "process", "index", "notify", "api"])
    parser.add_argument("--stack", default="dev", choices=["dev", "staging", "prod"])
    parser.add_argument("--image", default="")
    parser.add_argument("--percent", type=int, default=10)
    parser.add_argument("--revision", default="")
    parser.add_argument("--kubectl", default="kubectl")
    arguments = parser.parse_args(argv)
    if arguments.verb == "canary" and not arguments.image:
        parser.error("a canary needs IMAGE=...")
    return arguments


def _stable(service: Object) -> str:
    """Return the revision that has all the traffic."""
    serving = [each for each in service.get("status", {}).get("traffic", []) if each.get("percent")]
    if len(serving) != 1:
        raise CannotError("a canary is out already: `make promote` or `make rollback` it first")
    return str(serving[0]["revisionName"])


def _is_ready(revision: Object) -> bool:
    conditions = revision.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _with_image(service: Object, image: str) -> list[dict[str, Any]]:
    # A merge patch replaces lists as a whole.
    first, *others = service["spec"]["template"]["spec"]["containers"]
    return [{**first, "image": image}, *others]


def _read(argv: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_run([*argv, "--output", "json"]))
    return found


def _run(argv: Sequence[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.strip())
    return done.stdout


if __name__ == "__main__":
    main()
