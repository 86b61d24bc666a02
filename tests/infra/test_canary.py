"""Canaries: the patches, and the command with a real kubectl against a server that keeps one Knative Service."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from tests.infra import admission, schemas
from tests.infra.manifests import KNATIVE_SERVICE, ROOT, Object, objects, of_kind

SCRIPT = ROOT / "knative" / "canary.py"
_spec = spec_from_file_location("canary", SCRIPT)
assert _spec is not None
assert _spec.loader is not None
canary = module_from_spec(_spec)
_spec.loader.exec_module(canary)

IMAGE = "dev.local/sspp:0.2.0"


def live(
    *, traffic: list[Object] | None = None, latest: str = "process-00003", ready: str = "process-00003"
) -> Object:
    """The Service `process` as a cluster has it."""
    [service] = [each for each in of_kind(objects("dev"), KNATIVE_SERVICE) if each["metadata"]["name"] == "process"]
    if traffic:
        service["spec"]["traffic"] = traffic
    serving = [{"revisionName": "process-00003", "percent": 100, "latestRevision": True}]
    service["status"] = {
        "latestCreatedRevisionName": latest,
        "latestReadyRevisionName": ready,
        "traffic": traffic or serving,
    }
    return service


def revision(name: str, image: str = "dev.local/sspp:0.1.0", *, ready: str = "True") -> Object:
    """A revision of `process` as a cluster has it."""
    [container] = live()["spec"]["template"]["spec"]["containers"]
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Revision",
        "metadata": {"name": name, "labels": {"serving.knative.dev/service": "process"}},
        "spec": {"containers": [{**container, "image": image}]},
        "status": {"conditions": [{"type": "Active", "status": "True"}, {"type": "Ready", "status": ready}]},
    }


GOOD, FIRST = revision("process-00003"), revision("process-00001", "dev.local/sspp:0.0.1")
BROKEN = revision("process-00004", IMAGE, ready="Unknown")


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


OUT = [
    {"revisionName": "process-00003", "percent": 90},
    {"latestRevision": True, "percent": 10, "tag": "canary"},
]


def test_a_canary_gets_its_share_and_the_revision_that_serves_is_named():
    patched = merged(live(), canary.canary(live(), IMAGE, 10))
    assert patched["spec"]["traffic"] == OUT
    before, after = live()["spec"]["template"], copy.deepcopy(patched["spec"]["template"])
    after["spec"]["containers"][0]["image"] = before["spec"]["containers"][0]["image"]
    assert after == before


def test_promoting_gives_everything_to_the_newest_revision():
    patched = merged(live(traffic=OUT), canary.promote(live(traffic=OUT)))
    assert patched["spec"]["traffic"] == [{"latestRevision": True, "percent": 100}]


@pytest.mark.parametrize(("named", "back"), [("", GOOD), ("process-00001", FIRST)])
def test_rolling_back_returns_everything_to_a_named_revision(named, back):
    before = merged(live(traffic=OUT), canary.canary(live(), IMAGE, 10))
    patched = merged(before, canary.rollback(before, [FIRST, GOOD, BROKEN], named))
    assert patched["spec"]["traffic"] == [{"revisionName": back["metadata"]["name"], "percent": 100}]
    # Else the next revision would be made from the broken template, and the Service would never be ready again.
    assert patched["spec"]["template"]["spec"]["containers"] == back["spec"]["containers"]


@pytest.mark.parametrize(
    ("revisions", "expected"),
    [
        ([GOOD, FIRST], []),
        ([GOOD, BROKEN], ["process-00004"]),
        ([revision("process-00003", ready="False"), BROKEN], ["process-00004"]),
        ([GOOD, BROKEN, revision("process-00005", ready="False")], ["process-00004", "process-00005"]),
        ([GOOD, {**BROKEN, "status": {}}], ["process-00004"]),
    ],
)
def test_what_is_not_ready_is_broken_but_for_the_revision_that_serves(revisions, expected):
    assert canary.broken(revisions, keep="process-00003") == expected


@pytest.mark.parametrize(
    ("refused", "says"),
    [
        (lambda: canary.canary(live(traffic=OUT), IMAGE, 10), "a canary is out already"),
        (lambda: canary.canary(live(), "dev.local/sspp:0.1.0", 10), "dev.local/sspp:0.1.0 is what runs already"),
        (lambda: canary.canary(live(), IMAGE, 0), "PERCENT must be between 1 and 99"),
        (lambda: canary.canary(live(), IMAGE, 100), "PERCENT must be between 1 and 99"),
        (lambda: canary.promote(live(latest="process-00004")), "process-00004 is not ready"),
        (lambda: canary.rollback(live(), [GOOD]), "no canary is out"),
        (lambda: canary.rollback(live(), [GOOD], "process-00009"), "there is no revision process-00009"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_can(refused, says):
    with pytest.raises(canary.CannotError, match=says):
        refused()


def test_a_patched_service_is_acceptable():
    back = canary.rollback(live(), [FIRST], "process-00001")
    for patch in (canary.canary(live(), IMAGE, 10), canary.promote(live()), back):
        patched = merged(live(), patch)
        del patched["status"]
        assert schemas.fault(patched) == ""
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "sspp"}}
        assert [fault for rule in admission.RULES for fault in rule([patched, account])] == []


def settle(held: Object) -> None:
    """What Knative's controller does: the newest revision is one of the template, and is made anew when it is gone."""
    [container] = held["service"]["spec"]["template"]["spec"]["containers"]
    status, known = held["service"]["status"], held["revisions"]
    name = status["latestCreatedRevisionName"]
    if name in known and known[name]["spec"]["containers"] == [container]:
        return
    if name in known:
        name = f"process-{int(max(known)[-5:]) + 1:05}"
    ready = "Unknown" if "cannot-start" in container["image"] else "True"
    known[name] = revision(name, container["image"], ready=ready)
    status["latestCreatedRevisionName"] = name
    if ready == "True":
        status["latestReadyRevisionName"] = name


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Object]:
    """A Kubernetes API with one Service and its revisions, and KUBECONFIG for it."""
    held: Object = {"service": live(), "late": False, "revisions": {"process-00003": GOOD}}
    held["kubeconfig"] = str(tmp_path / "config")
    group_url = "/apis/serving.knative.dev/v1"
    url = f"{group_url}/namespaces/sspp-dev"
    path, revisions = f"{url}/services/process", f"{url}/revisions"
    verbs = ["get", "patch", "list", "delete"]
    resources = [
        {"name": f"{kind.lower()}s", "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": verbs}
        for kind in ("Service", "Revision")
    ]
    version = {"groupVersion": "serving.knative.dev/v1", "version": "v1"}
    group = {"name": "serving.knative.dev", "versions": [version], "preferredVersion": version}
    pages = {
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]},
        "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
        group_url: {"kind": "APIResourceList", "groupVersion": "serving.knative.dev/v1", "resources": resources},
    }

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked, _, question = self.path.partition("?")
            items = list(held["revisions"].values())
            found = {"apiVersion": "serving.knative.dev/v1", "kind": "RevisionList", "metadata": {}, "items": items}
            if asked == revisions:
                assert "labelSelector=serving.knative.dev%2Fservice%3Dprocess" in question
            if asked == path and held["late"]:
                settle(held)  # Knative's controller is a moment behind
            self._say({path: held["service"], revisions: found, **pages}.get(asked))
            held["late"] = True

        def do_DELETE(self) -> None:
            gone = held["revisions"].pop(self.path.partition("?")[0].removeprefix(f"{revisions}/"))
            settle(held)
            self._say({"kind": "Status", "apiVersion": "v1", "status": "Success", "details": gone["metadata"]})

        def do_PATCH(self) -> None:
            assert self.headers["content-type"] == "application/merge-patch+json"
            assert self.path.partition("?")[0] == path
            patch = json.loads(self.rfile.read(int(self.headers["content-length"])))
            held["service"], held["late"] = merged(held["service"], patch), False
            self._say(held["service"])

        def _say(self, body: Any) -> None:
            raw = json.dumps(body).encode()
            self.send_response(200 if body else 404)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {}}],
            "current-context": "c",
        }
        Path(held["kubeconfig"]).write_text(json.dumps(config), "utf-8")
        yield held
        server.shutdown()
        thread.join()


def run(cluster: Object, *arguments: str) -> subprocess.CompletedProcess[str]:
    kubectl = Path(sys.executable).parent / "kubectl"
    env = {
        "PATH": os.environ["PATH"],
        "KUBECONFIG": cluster["kubeconfig"],
        "HOME": str(Path(cluster["kubeconfig"]).parent),
    }
    argv = [sys.executable, str(SCRIPT), *arguments, "--kubectl", str(kubectl)]
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_a_canary_goes_out_and_is_promoted_and_the_next_one_is_taken_back(cluster):
    done = run(cluster, "canary", "process", "--image", IMAGE, "--percent", "10")
    assert (done.returncode, done.stderr) == (0, "")
    assert cluster["service"]["spec"]["traffic"] == OUT
    assert cluster["service"]["spec"]["template"]["spec"]["containers"][0]["image"] == IMAGE

    assert run(cluster, "promote", "process").returncode == 0
    assert cluster["service"]["spec"]["traffic"] == [{"latestRevision": True, "percent": 100}]

    assert run(cluster, "canary", "process", "--image", "dev.local/sspp:0.3.0").returncode == 0
    assert run(cluster, "rollback", "process").returncode == 0
    assert cluster["service"]["spec"]["traffic"] == [{"revisionName": "process-00003", "percent": 100}]


def test_a_canary_that_cannot_start_is_gone_after_the_rollback(cluster):
    assert run(cluster, "canary", "process", "--image", "dev.local/sspp:cannot-start").returncode == 0
    assert run(cluster, "promote", "process").returncode == 1
    assert cluster["revisions"]["process-00004"]["status"]["conditions"][1]["status"] == "Unknown"

    done = run(cluster, "rollback", "process")
    assert (done.returncode, done.stderr) == (0, "")
    ready = {name: canary._is_ready(each) for name, each in cluster["revisions"].items()}
    assert ready == {"process-00003": True, "process-00005": True}
    status = cluster["service"]["status"]
    assert status["latestCreatedRevisionName"] == status["latestReadyRevisionName"] == "process-00005"
    assert cluster["service"]["spec"]["traffic"] == [{"revisionName": "process-00003", "percent": 100}]


def test_a_refusal_changes_nothing_and_exits_with_a_sentence(cluster):
    before = copy.deepcopy(cluster["service"])
    done = run(cluster, "rollback", "process")
    assert (done.returncode, done.stderr.partition(":")[0]) == (1, "rollback process")
    assert cluster["service"] == before
