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


@pytest.mark.parametrize(("named", "back"), [("", "process-00003"), ("process-00001", "process-00001")])
def test_rolling_back_gives_everything_to_a_named_revision(named, back):
    patched = merged(live(traffic=OUT), canary.rollback(live(traffic=OUT), named))
    assert patched["spec"]["traffic"] == [{"revisionName": back, "percent": 100}]


@pytest.mark.parametrize(
    ("refused", "says"),
    [
        (lambda: canary.canary(live(traffic=OUT), IMAGE, 10), "a canary is out already"),
        (lambda: canary.canary(live(), "dev.local/sspp:0.1.0", 10), "dev.local/sspp:0.1.0 is what runs already"),
        (lambda: canary.canary(live(), IMAGE, 0), "PERCENT must be between 1 and 99"),
        (lambda: canary.canary(live(), IMAGE, 100), "PERCENT must be between 1 and 99"),
        (lambda: canary.promote(live(latest="process-00004")), "process-00004 is not ready"),
        (lambda: canary.rollback(live()), "no canary is out"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_can(refused, says):
    with pytest.raises(canary.CannotError, match=says):
        refused()


@pytest.mark.skipif(not schemas.FOLDER.is_dir(), reason=f"no schemas in {schemas.FOLDER}")
def test_a_patched_service_is_acceptable():
    for patch in (canary.canary(live(), IMAGE, 10), canary.promote(live()), canary.rollback(live(), "process-00001")):
        patched = merged(live(), patch)
        del patched["status"]
        assert schemas.fault(patched) == ""
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "sspp"}}
        assert [fault for rule in admission.RULES for fault in rule([patched, account])] == []


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Object]:
    """A Kubernetes API with one object, and KUBECONFIG for it."""
    held = {"service": live(), "kubeconfig": str(tmp_path / "config")}
    path = "/apis/serving.knative.dev/v1/namespaces/sspp-dev/services/process"
    verbs = ["get", "patch", "list"]
    resource = {"name": "services", "singularName": "service", "namespaced": True, "kind": "Service", "verbs": verbs}
    version = {"groupVersion": "serving.knative.dev/v1", "version": "v1"}
    group = {"name": "serving.knative.dev", "versions": [version], "preferredVersion": version}
    pages = {
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]},
        "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
        "/apis/serving.knative.dev/v1": {
            "kind": "APIResourceList",
            "groupVersion": "serving.knative.dev/v1",
            "resources": [resource],
        },
    }

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.path.partition("?")[0]
            self._say(held["service"] if asked == path else pages.get(asked))

        def do_PATCH(self) -> None:
            assert self.headers["content-type"] == "application/merge-patch+json"
            assert self.path.partition("?")[0] == path
            patch = json.loads(self.rfile.read(int(self.headers["content-length"])))
            held["service"] = merged(held["service"], patch)
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


def test_a_refusal_changes_nothing_and_exits_with_a_sentence(cluster):
    before = copy.deepcopy(cluster["service"])
    done = run(cluster, "rollback", "process")
    assert (done.returncode, done.stderr.partition(":")[0]) == (1, "rollback process")
    assert cluster["service"] == before
