"""checkov over everything that is deployed: nothing that is not waived here, with its reason."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from tests.infra.manifests import KNATIVE_SERVICE, ROOT, STACKS, Object, kind_of, objects, pods

CHECKOV = ROOT / ".cache" / "checkov" / "bin" / "checkov"

#: Check -> the resources it does not count for, and why. Without its service checkov knows no severities: all count.
WAIVED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "CKV_K8S_11": (("*",), "a CPU limit made wakes 1.6 times slower and halved the throughput; requests are set"),
    "CKV_K8S_15": (("*",), "versions do not move, and a pull a start is a cold start's worst part"),
    "CKV_K8S_29": (
        (
            "Deployment.*.ingest",
            "Deployment.*.process",
            "Deployment.*.index",
            "Deployment.*.notify",
            "Deployment.*.api",
        ),
        "Knative refuses a security context of the pod; the container has all of it",
    ),
    "CKV_K8S_35": (("*",), "one settings module reads the environment; no part can write or show it elsewhere"),
    "CKV_K8S_40": (
        ("StatefulSet.*.sspp-redis", "StatefulSet.*.sspp-postgres"),
        "the official images' own user; its files and its entry in passwd are what the image expects",
    ),
    "CKV_K8S_43": (("*",), "ours: a version, which Knative resolves to a digest; images_are_pinned has all others"),
    "CKV_DOCKER_2": (("*",), "Kubernetes probes; a HEALTHCHECK would be asked by nobody"),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Every (check, resource) that failed."""
    if not CHECKOV.exists():
        missing = f"no {CHECKOV}: `make manifests` makes it"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    folder = tmp_path_factory.mktemp("checkov")
    for stack in STACKS:
        (folder / f"{stack}.yaml").write_text(yaml.safe_dump_all(map(as_checkov_knows_it, objects(stack))), "utf-8")
    (folder / "broken.yaml").write_text(yaml.safe_dump(broken()), "utf-8")
    shutil.copy(ROOT / "Dockerfile", folder)
    argv: list[str | Path] = [
        CHECKOV,
        "-d",
        folder,
        "--framework",
        "kubernetes",
        "dockerfile",
        "--skip-download",
        "--quiet",
        "-o",
        "json",
    ]
    env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=240, check=False, env=env)
    reports = json.loads(done.stdout)
    assert {each["check_type"] for each in reports} == {"kubernetes", "dockerfile"}, done.stderr
    assert all(each["summary"]["parsing_errors"] == 0 for each in reports)
    assert sum(each["summary"]["passed"] for each in reports) > 1000
    return [(fault["check_id"], fault["resource"]) for each in reports for fault in each["results"]["failed_checks"]]


def as_checkov_knows_it(each: Object) -> Object:
    """A Knative Service as the Deployment Knative makes of it; checkov looks into no custom resource."""
    if kind_of(each) != KNATIVE_SERVICE:
        return each
    [pod] = pods([each])
    spec = {name: value for name, value in pod.spec.items() if not name.endswith(("Seconds", "Concurrency"))}
    template = {**pod.template, "spec": spec}
    selector = {"matchLabels": pod.template["metadata"]["labels"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": each["metadata"],
        "spec": {"selector": selector, "template": template},
    }


def broken() -> Object:
    """A Deployment nobody should write, to see that checkov looks at all."""
    container = {"name": "x", "image": "x:latest", "securityContext": {"privileged": True}}
    spec = {"containers": [container], "hostNetwork": True}
    template = {"metadata": {"labels": {"app": "broken"}}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "broken", "namespace": "broken"},
        "spec": {"selector": {"matchLabels": {"app": "broken"}}, "template": template},
    }


BROKEN = "Deployment.broken.broken"


def test_what_is_wrong_is_found(found):
    assert {"CKV_K8S_16", "CKV_K8S_19", "CKV_K8S_14", "CKV_K8S_13"} <= {
        check for check, resource in found if resource == BROKEN
    }


def test_nothing_is_found_that_is_not_waived(found):
    left = {(check, resource) for check, resource in found if resource != BROKEN and not waived(check, resource)}
    assert left == set()


def test_every_waiver_is_needed(found):
    assert {check for check, resource in found if resource != BROKEN} == WAIVED.keys()


def waived(check: str, resource: str) -> bool:
    patterns, _ = WAIVED.get(check, ((), ""))
    return any(fnmatch(resource, pattern) for pattern in patterns)
