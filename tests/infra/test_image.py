"""The image's file tree, made by the Dockerfile's own steps, and the whole platform in it: read-only, unprivileged,
with the commands, settings and Redis users of the dev overlay.
"""

from __future__ import annotations

import json
import os
import re
import smtplib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import httpx
import pytest

from events import settings
from functions.adapters.postgres.database import connect
from functions.local.postgres import as_login
from tests.bench import cores
from tests.infra import deployed, image
from tests.infra.deployed import Deployed
from tests.infra.image import Image, StepFailed
from tests.infra.manifests import ROOT, STACKS, objects, ours
from tests.infra.rules import configuration
from tests.servers import smtp
from tests.servers.parts import LOGINS, PASSWORD, until
from tests.servers.smtp import Mailbox

#: Bytes the image may add to its base. Source: docs/manifests.md.
MOST = 150_000_000

DISPATCHERS = ("dispatcher-events", "dispatcher-notices")
FUNCTIONS = ("ingest", "process", "notify", "api")


@pytest.fixture(scope="module")
def built() -> Iterator[Image]:
    # Not below pytest's own folder, which nobody else may enter.
    with tempfile.TemporaryDirectory(prefix="sspp-image-") as folder:
        Path(folder).chmod(0o755)
        yield _built(Path(folder))


def _built(folder: Path) -> Image:
    try:
        return image.build(folder)
    except StepFailed as exc:
        offline = re.search(r"Connection|Temporary failure|No matching distribution|Failed to fetch", str(exc))
        if offline and os.environ.get("CI") != "true":
            pytest.skip(f"the package registry cannot be reached: {offline[0]}")
        raise


@pytest.fixture(scope="module")
def empty_database(postgres_url: str) -> Iterator[str]:
    name = f"image_{uuid4().hex}"
    template = urlsplit(postgres_url)
    server = connect(urlunsplit(template._replace(path="/postgres")))
    server.run(f"CREATE DATABASE {name}")
    yield urlunsplit(template._replace(path=f"/{name}"))
    server.run(f"DROP DATABASE {name} WITH (FORCE)")
    server.close()


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with smtp.running() as box:
        yield box


@pytest.fixture(scope="module")
def platform(
    built: Image, empty_database: str, mailbox: Mailbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """The functions and dispatchers of the dev overlay, migrated by its Job."""
    folder = tmp_path_factory.mktemp("deployed")
    with deployed.redis(folder / "redis") as port:
        urls = {
            **{f"sspp-redis/{user}": deployed.url(port, user) for user in set(configuration.REDIS_USER_OF.values())},
            "DATABASE_URL": empty_database,
            "SSPP_DATABASE_LOGINS": LOGINS,
            **{f"sspp-logins/{part}": as_login(empty_database, part, PASSWORD) for part in settings.LOGINS},
            "SSPP_DELIVERY_TOKEN": "delivery-token-of-the-image-0123456789",
            "SSPP_OPERATOR_KEY": "operator-key-of-the-image-0123456789",
            "SSPP_SMTP_URL": mailbox.url,
        }
        platform = Deployed(built, folder, urls)
        migrated = platform.run("migrate")
        assert migrated.returncode == 0, migrated.stderr
        with deployed.running(platform, *FUNCTIONS, *DISPATCHERS):
            yield platform


def test_the_image_adds_no_more_to_its_base_than_promised(built):
    assert 50_000_000 < built.size() <= MOST


def test_the_base_is_pinned_by_digest_and_the_user_is_the_manifests():
    steps = image.parse((ROOT / "Dockerfile").read_text("utf-8"))
    stages = [step.rest.split(" AS ") for step in steps if step.name == "FROM"]
    names = {name for _, *given in stages for name in given}
    bases = [base for base, *_ in stages if base not in names]
    assert bases
    assert all(re.fullmatch(r"python:3\.11\.\d+-slim-\w+@sha256:[0-9a-f]{64}", base) for base in bases)
    [user] = [step.rest for step in steps if step.name == "USER"]
    for stack in STACKS:
        contexts = [container.get("securityContext", {}) for _, container in ours(objects(stack))]
        assert {f"{each.get('runAsUser', 10001)}:{each.get('runAsGroup', 10001)}" for each in contexts} == {user}


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".env",
        ".sspp/ready.json",
        "knative/overlays/dev/secrets.yaml",
        "pulumi/Pulumi.prod.yaml",
        "tests/conftest.py",
        "functions/local/parts.py",
        "functions/api/__pycache__/app.cpython-311.pyc",
    ],
)
def test_the_build_never_sees_secrets_nor_what_no_part_needs(path):
    assert image.ignored(Path(path), image.ignore_patterns())


def test_the_build_sees_every_source_of_every_part():
    seen = {str(path) for path in image.context()}
    assert {
        "requirements.txt",
        "events/lua/settle.lua",
        "functions/adapters/redis/lua/admit.lua",
        "functions/api/docs.html",
        "functions/server.py",
    } <= seen
    assert {path.partition("/")[0] for path in seen} == {
        "requirements.txt",
        "requirements.lock",
        "events",
        "functions",
    }


def test_everything_is_compiled_and_nothing_that_builds_is_left(built):
    sources = {path for path in (built.root / "opt").rglob("*.py") if "/site-packages/" not in str(path)}
    compiled = {Path(f"{path.parent.parent / path.name.partition('.')[0]}.py") for path in built.root.rglob("*.pyc")}
    assert {path for path in sources if path not in compiled} == set()
    programs = {path.name for path in (built.root / "opt/sspp/venv/bin").iterdir()}
    assert not {name for name in programs if name.startswith(("pip", "wheel", "easy_install"))}


def test_nobody_but_root_may_change_anything(built):
    for path in (built.root / "opt").rglob("*"):
        mode = path.lstat().st_mode
        assert path.is_symlink() or not mode & 0o022, path
        assert path.is_symlink() or mode & 0o004, path


@pytest.mark.skipif(not image.can_confine(), reason="only root may take rights away from a process it starts")
@pytest.mark.parametrize(
    "place", ["{root}/opt/sspp/app/x", "{root}/opt/sspp/venv/x", "/tmp/x-of-the-image", "/var/tmp/x"]
)
def test_a_part_can_write_nowhere_but_to_memory(built, place):
    write = "import os, sys; print(os.getuid()); open(sys.argv[1], 'w')"
    argv = built.command(["python", "-c", write, place.format(root=built.root)])
    done = subprocess.run(argv, env=dict(built.env), capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "10001\n"
    assert "Read-only file system" in done.stderr or "Permission denied" in done.stderr
    temporary = built.command(["python", "-c", "import tempfile; print(tempfile.TemporaryFile().write(b'x'))"])
    assert subprocess.run(temporary, env=dict(built.env), capture_output=True, timeout=60, check=True).stdout == b"1\n"


def test_the_operators_command_line_is_in_the_image(platform):
    done = platform.run("migrate", command=["python", "-m", "functions.cli", "tenants", "list"])
    assert done.returncode == 0, done.stderr


def test_an_event_goes_all_the_way_through_the_deployed_parts(platform, mailbox):
    key = _tenant(platform)
    ingest = f"http://127.0.0.1:{platform.port_of['ingest']}"
    api = f"http://127.0.0.1:{platform.port_of['api']}"
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/crm",
        "type": "demo_completed",
        "data": {"accountId": "acme"},
    }
    sent = httpx.post(
        f"{ingest}/v1/events",
        headers={"x-api-key": key, "content-type": "application/cloudevents+json"},
        content=json.dumps(event),
    )
    assert (sent.status_code, sent.json()["duplicate"]) == (202, False)
    url = f"{api}/api/v1/signals/search?q=high_intent"
    until(
        lambda: bool(httpx.get(url, headers={"x-api-key": key}).json().get("data")),
        within_s=30,
        what="the signal is found in search",
    )
    until(lambda: len(mailbox.messages) == 1, within_s=30, what="the notice is sent")
    assert mailbox.messages[0]["To"] == "sales@example.com"


def test_the_clock_reaches_the_function(platform):
    done = platform.run("tick")
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="smtpd left Python with 3.12; the image has 3.11")
def test_the_mailbox_of_dev_shows_every_mail(platform):
    part = platform.part("mailbox")
    argv = [word.replace("0.0.0.0:1025", f"127.0.0.1:{part.port}") for word in part.argv]
    mailbox = replace(part, argv=argv)
    mailbox.start()
    try:
        until(lambda: _mail(part.port, "a mail for nobody"), within_s=30, what="the mailbox takes a mail")
    finally:
        mailbox.kill()
    assert "a mail for nobody" in part.log.read_text("utf-8")


def test_redis_refused_the_parts_nothing_they_asked_for(platform):
    with deployed.client(urlsplit(platform.urls["sspp-redis/api"]).port, "exporter") as exporter:
        stats = exporter.info("stats")
    denied = {name: count for name, count in stats.items() if name.startswith("acl_access_denied")}
    assert denied == dict.fromkeys(denied, 0)
    assert "acl_access_denied_cmd" in denied


def test_parts_keep_within_their_memory_limits(platform):
    for pod, container in ours(platform.objects):
        if pod.component in (*FUNCTIONS, *DISPATCHERS):
            limit = int(container["resources"]["limits"]["memory"].removesuffix("Mi")) * 2**20
            process = platform.parts[pod.component].process
            assert process is not None
            used = sum(cores.memory_mb(pid) for pid in cores.family(process.pid)) * 1e6
            assert 10_000_000 < used < 0.75 * limit, pod.component


def _mail(port: int, body: str) -> bool:
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=5) as server:
            server.sendmail("a@sspp.example", ["b@sspp.example"], body)
    except OSError:
        return False
    return True


def _tenant(platform: Deployed) -> str:
    """A tenant with a rule that mails, made with the image's own command line; gives its key."""
    sspp = ["python", "-m", "functions.cli"]
    rule = {
        "name": "hot",
        "when": "account.engagement >= 50",
        "then": [{"channel": "email", "to": "sales@example.com"}],
    }
    commands = [
        (["tenants", "put", "acme", "--name", "Acme"], ""),
        (["rules", "put", "acme", "-"], json.dumps(rule)),
        (["keys", "issue", "acme", "--label", "test", "--scope", "events:write", "--scope", "read"], ""),
    ]
    for command, given in commands:
        done = platform.run("migrate", command=[*sspp, *command], given=given)
        assert done.returncode == 0, done.stderr
    return done.stdout.strip()
