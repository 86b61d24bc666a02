"""What GitHub runs on every push: whose programs, and what they look at."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.infra.manifests import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
#: An action by its commit, with the tag that it was then, for people.
PINNED = re.compile(r"^\s*- uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+\b")


def jobs() -> dict[str, Any]:
    [workflow] = [yaml.safe_load(path.read_text("utf-8")) for path in WORKFLOWS]
    found: dict[str, Any] = workflow["jobs"]
    return found


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_named_by_its_commit(path):
    used = [line for line in path.read_text("utf-8").splitlines() if re.search(r"\buses:", line)]
    assert used
    assert [line for line in used if not PINNED.match(line)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_read_the_code_and_nothing_else(path):
    told = yaml.safe_load(path.read_text("utf-8"))
    assert told["permissions"] == {"contents": "read"}
    for job in told["jobs"].values():
        assert "permissions" not in job
        assert not job["runs-on"].endswith("-latest")
        checkouts = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
        assert [step["with"]["persist-credentials"] for step in checkouts] == [False]


def test_the_image_that_is_built_is_listed_and_the_list_is_scanned():
    job = jobs()["image"]
    build, listed, scanned = job["steps"][-3:]
    assert build["run"] == 'make build ENGINE=docker IMAGE="$IMAGE"'
    assert listed["with"]["image"] == "${{ env.IMAGE }}"
    assert listed["with"]["output-file"] == scanned["with"]["sbom"]
    # The action's default only warns below "medium"; a finding that has a fix must end the build.
    assert scanned["with"]["severity-cutoff"] == "high"
    assert scanned["with"].get("fail-build", "true") == "true"
