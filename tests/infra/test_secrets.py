"""dev's Secrets: every one that the overlay names, with every key, and passwords that agree."""

from __future__ import annotations

import itertools
import json
import runpy
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from events.settings import LOGINS, SchemaSettings
from functions.local.postgres import as_login
from tests.infra import schemas
from tests.infra.manifests import ROOT, Object, environment, objects, of_kind, ours, pods
from tests.infra.rules import configuration
from tests.servers import tls
from tests.servers.loopback import served

SCRIPT = ROOT / "knative" / "overlays" / "dev" / "passwords.py"
#: It is alone in its ConfigMap, so it is no module of ours.
PASSWORDS = runpy.run_path(str(SCRIPT))


def drawn(prefix: str = "p") -> object:
    numbers = itertools.count()
    return lambda: f"{prefix}{next(numbers)}"


def referenced(found: list[Object]) -> set[tuple[str, str]]:
    """Every (Secret, key) that pods and KEDA read."""
    keys = set()
    for pod in pods(found):
        entries = [entry for container in pod.containers for entry in container.get("env", [])]
        references = [entry["valueFrom"]["secretKeyRef"] for entry in entries if "valueFrom" in entry]
        keys |= {(each["name"], each["key"]) for each in references}
        for volume in pod.spec.get("volumes", []):
            if "secret" in volume:
                keys |= {(volume["secret"]["secretName"], item["key"]) for item in volume["secret"]["items"]}
    for each in found:
        if each["kind"] == "TriggerAuthentication":
            keys |= {(target["name"], target["key"]) for target in each["spec"]["secretTargetRef"]}
    return keys


def test_every_secret_the_dev_overlay_names_is_made():
    made = PASSWORDS["fresh"](drawn())
    assert referenced(objects("dev")) == {(name, key) for name, data in made.items() for key in data}


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_other_stacks_name_nothing_that_is_not_promised(stack):
    promised = {(name, key) for name, keys in configuration.SECRETS.items() for key in keys}
    assert referenced(objects(stack)) <= promised


def test_urls_carry_the_passwords_their_servers_get():
    made = PASSWORDS["fresh"](drawn())
    database = urlsplit(made["sspp-database"]["DATABASE_URL"])
    redis = {name: urlsplit(value) for name, value in made["sspp-redis"].items() if not name.endswith("-password")}
    assert {url.username for url in redis.values()} == redis.keys()
    assert {f"{name}-password": url.password for name, url in redis.items()}.items() <= made["sspp-redis"].items()
    assert database.password == made["sspp-database"]["password"]
    services = {each["metadata"]["name"] for each in objects("dev") if each["kind"] == "Service"}
    smtp = urlsplit(made["sspp-smtp"]["SSPP_SMTP_URL"])
    assert {url.hostname for url in (*redis.values(), database, smtp)} <= services


def test_each_part_has_a_login_of_its_own():
    made = PASSWORDS["fresh"](drawn())
    passwords = SchemaSettings(database_logins=made["sspp-logins"]["logins"]).passwords
    owner = made["sspp-database"]["DATABASE_URL"]
    urls = {part: as_login(owner, part, password) for part, password in passwords.items()}
    assert passwords.keys() == set(LOGINS) - {"index"}, "nobody copies signals in dev"
    assert made["sspp-logins"] == {**urls, "logins": made["sspp-logins"]["logins"]}
    assert len(set(passwords.values())) == len(urls)


# -- the Job that makes those that are missing


@contextmanager
def kubernetes(certificate: tls.Certificate, there: dict[str, Object], refuses: int = 0) -> Iterator[str]:
    """An API server that takes Secrets and gives none back; ``there`` are those it has."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["content-length"])))
            name = sent["metadata"]["name"]
            status = refuses or (409 if name in there else 201)
            if self.path != "/api/v1/namespaces/sspp-dev/secrets" or self.headers["authorization"] != "Bearer token":
                status = 401
            if status == 201:
                there[name] = sent
            self.send_response(status)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.pem, certificate.key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with served(server) as port:
        yield f"localhost:{port}"


def performed(server: str, certificate: tls.Certificate, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "token").write_text("token", "utf-8")
    (folder / "namespace").write_text("sspp-dev", "utf-8")
    shutil.copy(certificate.pem, folder / "ca.crt")
    argv: list[str | Path] = [sys.executable, "-I", SCRIPT, server, folder]
    return subprocess.run(argv, env={}, capture_output=True, text=True, timeout=60, check=False)


def test_on_an_empty_cluster_the_job_makes_every_secret_and_says_no_value(certificate, tmp_path):
    there: dict[str, Object] = {}
    with kubernetes(certificate, there) as server:
        done = performed(server, certificate, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [schemas.fault(each) for each in there.values()] == [""] * len(there)
    made = {(name, key) for name, each in there.items() for key in each["stringData"]}
    assert made == referenced(objects("dev"))
    values = {value for each in there.values() for value in each["stringData"].values()}
    assert len(values) >= 8
    assert not [value for value in values if value in done.stdout]


def test_the_job_leaves_alone_what_is_there(certificate, tmp_path):
    mine: Object = {"stringData": {"password": "chosen"}}
    there = {"sspp-database": mine}
    with kubernetes(certificate, there) as server:
        done = performed(server, certificate, tmp_path)
    assert done.returncode == 0, done.stderr
    assert there["sspp-database"] is mine
    assert "sspp-database: was there\n" in done.stdout
    assert len(there) == 6


def test_a_job_that_may_not_says_so_and_fails(certificate, tmp_path):
    with kubernetes(certificate, {}, refuses=403) as server:
        done = performed(server, certificate, tmp_path)
    assert (done.returncode, done.stderr) == (1, f"passwords: {server} answers sspp-redis with 403\n")
    done = performed(server, certificate, tmp_path)
    assert done.returncode == 1
    assert f"passwords: {server} does not answer" in done.stderr


def test_the_job_may_create_secrets_and_nothing_else_and_is_shown_what_its_script_reads():
    found = objects("dev")
    [role] = of_kind(found, ("rbac.authorization.k8s.io/v1", "Role"))
    assert role["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}]
    [(pod, container)] = [(pod, each) for pod, each in ours(found) if pod.component == "passwords"]
    assert environment(found, container) == {}
    volumes = {each["name"]: each for each in pod.spec["volumes"]}
    places = {each["mountPath"]: volumes[each["name"]] for each in container["volumeMounts"]}
    script = Path(container["command"][-1])
    [held] = [each for each in found if each["metadata"]["name"] == places[str(script.parent)]["configMap"]["name"]]
    assert held["data"] == {script.name: SCRIPT.read_text("utf-8")}
    shown = places[str(PASSWORDS["SHOWN"])]["projected"]["sources"]
    assert [each for each in shown if "serviceAccountToken" in each] == [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}}
    ]


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_elsewhere_nothing_has_a_right(stack):
    assert not [each for each in objects(stack) if each["apiVersion"].startswith("rbac.")]
