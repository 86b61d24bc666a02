"""The whole platform as processes, with one tenant, for tests that only speak HTTP to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from typing import Any
from uuid import uuid4

import httpx
import pytest

from events.settings import MigrateSettings
from functions import migrate
from functions.domain.key import digest
from functions.domain.rule import RuleDefinition
from functions.local import valkey
from functions.service.register import Register, opened
from tests.conftest import cloned
from tests.servers import parts, searching, smtp, tenant
from tests.servers.parts import Parts, until
from tests.servers.smtp import Mailbox

OPERATOR_KEY = "operator-key-of-the-tests-0123456789"


@dataclass
class Platform:
    """A running platform as a sender and a reader see it."""

    parts: Parts
    mailbox: Mailbox
    recipient: str
    key: str
    ingest: httpx.Client
    api: httpx.Client

    @property
    def mails(self) -> list[Message]:
        """What this tenant's people were sent."""
        return [mail for mail in self.mailbox.messages if mail["To"] == self.recipient]

    def post(self, event: dict[str, Any]) -> httpx.Response:
        return self.ingest.post("/v1/events", json=event, headers={"content-type": "application/cloudevents+json"})

    def post_batch(self, events: list[dict[str, Any]]) -> httpx.Response:
        headers = {"content-type": "application/cloudevents-batch+json"}
        return self.ingest.post("/v1/events", json=events, headers=headers)

    def await_signal(self, id_: str) -> Any:
        """Wait until an event is a signal; returns it."""
        path = f"/api/v1/signals/{id_}"
        until(lambda: self.api.get(path).is_success, within_s=20, what="a signal")
        return self.api.get(path).json()


@dataclass
class Installation:
    """The parts and stores that the tests of a run share; each test is a tenant of its own."""

    parts: Parts
    mailbox: Mailbox
    database_url: str
    redis_url: str

    def tenant(self, name: str, *rules: RuleDefinition) -> str:
        """Set one more tenant up; returns its key."""
        return tenant.make(name, *rules, database_url=self.database_url, redis_url=self.redis_url)


@pytest.fixture(scope="session")
def installation(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("parts")
    with (
        cloned(postgres_url) as database_url,
        valkey.running(folder) as redis_url,
        smtp.running() as mailbox,
        searching.running() as copy,
    ):
        env = {
            "DATABASE_URL": database_url,
            "SSPP_DATABASE_LOGINS": parts.LOGINS,
            "REDIS_URL": redis_url,
            "SSPP_SMTP_URL": mailbox.url,
            "SSPP_OPERATOR_KEY": OPERATOR_KEY,
            "LOG_LEVEL": "debug",
        }
        migrate.run(MigrateSettings.read(env))
        # PostgreSQL searches, so nobody tells index of signals. It is there because it answers like every function.
        names = (*parts.FUNCTIONS, "events", "notices")
        with parts.running(folder, env=env, names=names, own={"index": {"ELASTICSEARCH_URL": copy.url}}) as started:
            yield Installation(started, mailbox, database_url, redis_url)


@pytest.fixture
def platform(installation: Installation) -> Iterator[Platform]:
    """The installation as a new tenant sees it."""
    name = f"tenant-{uuid4().hex[:12]}"
    recipient = f"sales@{name}.example"
    key = installation.tenant(name, tenant.rule("engagement crossed 50", "account.engagement >= 50", recipient))
    parts, headers = installation.parts, {"x-api-key": key}
    with (
        httpx.Client(base_url=parts["ingest"].url, headers=headers, timeout=30) as ingest,
        httpx.Client(base_url=parts["api"].url, headers=headers, timeout=30) as api,
    ):
        yield Platform(parts, installation.mailbox, recipient, key, ingest, api)


@pytest.fixture(name="register")
def register_of_tenants(installation: Installation) -> Iterator[Register]:
    """The installation's register of tenants, for what only the operator may do."""
    with opened(installation.database_url, installation.redis_url) as found:
        yield found


@pytest.fixture(name="tenant")
def tenant_id(platform: Platform, register: Register) -> str:
    """The id of the platform's tenant."""
    grant = register.record.find(digest(platform.key))
    assert grant is not None
    return grant.tenant_id


def event(**attributes: Any) -> dict[str, Any]:
    """A demo that was completed, unless ``attributes`` say otherwise."""
    return {
        "specversion": "1.0",
        "id": uuid4().hex,
        "source": "/tests",
        "type": "io.sspp.demo.completed",
        "data": {"accountId": "acme", "contactId": "jane@acme.example", "metadata": {"note": "went splendidly"}},
        **attributes,
    }
