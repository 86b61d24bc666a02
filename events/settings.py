"""The settings: one small class a part. With shared_settings.py the only place that knows the environment's names.

A part's class inherits the groups it shares with others, so each part reads what it uses and no more.
Durations are in seconds unless the name says otherwise. docs/settings.md explains each setting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from events import checks
from events.environment import Settings, setting
from events.shared_settings import (
    BodySettings,
    DatabaseSettings,
    DeadlineSettings,
    EngineSettings,
    LogSettings,
    MailServerSettings,
    RedisSettings,
    SearchSettings,
    ServerSettings,
    StoreSettings,
    TokenSettings,
    WaitingSettings,
)

#: The parts that have a login of their own to PostgreSQL, sspp_<part>.
LOGINS = ("api", "process", "index", "notify", "tick")

#: Addresses that only this machine reaches.
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, kw_only=True)
class FunctionSettings(ServerSettings, BodySettings):
    """What every function uses."""

    @classmethod
    def missing(cls, env: Mapping[str, str]) -> list[str]:
        """See :meth:`Settings.missing`. Only this machine reaches a function on the loopback: it needs no token."""
        local = (env.get("HOST") or cls.host) in LOOPBACK
        return [name for name in super().missing(env) if not (local and name == "SSPP_DELIVERY_TOKEN")]


@dataclass(frozen=True, kw_only=True)
class FrontDoorSettings(FunctionSettings, WaitingSettings, RedisSettings):
    """What accepting events takes, in ingest and in the API."""

    durability: str = setting("SSPP_DURABILITY", "always", checks.one_of("always", "everysec"))
    idempotency_days: int = setting("SSPP_IDEMPOTENCY_DAYS", 1, checks.at_least(1))
    max_batch_events: int = setting("SSPP_MAX_BATCH_EVENTS", 1000, checks.at_least(1))
    max_stream_length: int = setting("SSPP_MAX_STREAM_LENGTH", 1_000_000, checks.at_least(1))
    fair_per_s: int = setting("SSPP_FAIR_EVENTS_PER_SECOND", 200, checks.at_least(0))
    cors_origins: str = setting("SSPP_CORS_ORIGINS")
    wake_urls: str = setting("SSPP_WAKE_URLS", "", checks.http_urls)

    def contradictions(self) -> Iterator[str]:
        """What waits must hold two of the largest requests."""
        yield from super().contradictions()
        if self.max_waiting_bytes < 2 * self.max_body_bytes:
            yield f"SSPP_MAX_WAITING_BYTES must be at least {2 * self.max_body_bytes}, two of the largest bodies"


@dataclass(frozen=True, kw_only=True)
class IngestSettings(FrontDoorSettings):
    """The settings of ``ingest``."""

    required: ClassVar[tuple[str, ...]] = ("REDIS_URL",)


@dataclass(frozen=True, kw_only=True)
class ProcessSettings(FunctionSettings, DatabaseSettings, TokenSettings, EngineSettings):
    """The settings of ``process``."""

    required: ClassVar[tuple[str, ...]] = ("DATABASE_URL", "SSPP_DELIVERY_TOKEN")


@dataclass(frozen=True, kw_only=True)
class IndexSettings(FunctionSettings, DatabaseSettings, SearchSettings, TokenSettings):
    """The settings of ``index``."""

    required: ClassVar[tuple[str, ...]] = ("DATABASE_URL", "ELASTICSEARCH_URL", "SSPP_DELIVERY_TOKEN")


@dataclass(frozen=True, kw_only=True)
class NotifySettings(FunctionSettings, DatabaseSettings, TokenSettings, DeadlineSettings, MailServerSettings):
    """The settings of ``notify``."""

    required: ClassVar[tuple[str, ...]] = ("DATABASE_URL", "SSPP_SMTP_URL", "SSPP_DELIVERY_TOKEN")

    mail_from: str = setting("SSPP_MAIL_FROM", "signals@sspp.local")
    mails_per_hour: int = setting("SSPP_MAILS_PER_HOUR", 20, checks.at_least(0))
    mail_retry_schedule: str = setting(
        "SSPP_MAIL_RETRY_SCHEDULE", "PT1M,PT5M,PT15M,PT30M,PT1H,PT2H" + ",PT4H" * 11, checks.schedule
    )


@dataclass(frozen=True, kw_only=True)
class ApiSettings(FrontDoorSettings, DatabaseSettings, SearchSettings):
    """The settings of ``api``."""

    required: ClassVar[tuple[str, ...]] = ("DATABASE_URL", "REDIS_URL")

    operator_key: str = setting("SSPP_OPERATOR_KEY", "", checks.secret, secret=True)

    @property
    def operator_keys(self) -> tuple[str, ...]:
        """The operator's keys, of which either works."""
        return checks.values_of(self.operator_key)


@dataclass(frozen=True, kw_only=True)
class DispatcherSettings(ServerSettings, WaitingSettings, RedisSettings, TokenSettings, DeadlineSettings):
    """The settings of a dispatcher."""

    required: ClassVar[tuple[str, ...]] = ("REDIS_URL", "SSPP_TARGET_URL")

    target_url: str = setting("SSPP_TARGET_URL", "", checks.http_url)
    retry_schedule: str = setting("SSPP_RETRY_SCHEDULE", "PT5S,PT25S,PT125S", checks.schedule)


@dataclass(frozen=True, kw_only=True)
class SchemaSettings(LogSettings, DatabaseSettings):
    """The settings of a migration of PostgreSQL alone."""

    required: ClassVar[tuple[str, ...]] = ("DATABASE_URL",)

    database_logins: str = setting("SSPP_DATABASE_LOGINS", "", checks.logins(*LOGINS), secret=True)

    @property
    def passwords(self) -> Mapping[str, str]:
        """Part -> the password of its own login to PostgreSQL, where it has one."""
        pairs = (pair.partition(":") for pair in self.database_logins.split(",") if pair)
        return {part: password for part, _, password in pairs}


@dataclass(frozen=True, kw_only=True)
class MigrateSettings(SchemaSettings, StoreSettings):
    """The settings of a migration of both stores."""

    required: ClassVar[tuple[str, ...]] = ("DATABASE_URL", "REDIS_URL")


@dataclass(frozen=True, kw_only=True)
class TickSettings(LogSettings, WaitingSettings, StoreSettings, DeadlineSettings, EngineSettings):
    """The settings of the clock."""

    required: ClassVar[tuple[str, ...]] = ("DATABASE_URL", "REDIS_URL")


@dataclass(frozen=True, kw_only=True)
class HomeSettings(Settings):
    """Where ``make run`` keeps its state."""

    home: str = setting("SSPP_HOME", ".sspp")


@dataclass(frozen=True, kw_only=True)
class MailboxSettings(ServerSettings, MailServerSettings, HomeSettings):
    """The settings of the local run's mailbox."""

    required: ClassVar[tuple[str, ...]] = ("SSPP_SMTP_URL",)


@dataclass(frozen=True, kw_only=True)
class CommandLineSettings(StoreSettings, SearchSettings, HomeSettings, BodySettings):
    """The settings of ``sspp``, which reads those that are missing from the ready.json of ``make run``."""


#: Function -> its settings.
FUNCTIONS: Mapping[str, type[FunctionSettings]] = {
    "ingest": IngestSettings,
    "process": ProcessSettings,
    "index": IndexSettings,
    "notify": NotifySettings,
    "api": ApiSettings,
}
#: Part -> its settings.
PARTS: Mapping[str, type[Settings]] = {
    **FUNCTIONS,
    "dispatcher": DispatcherSettings,
    "migrate": MigrateSettings,
    "tick": TickSettings,
}


@dataclass(frozen=True, kw_only=True)
class LocalSettings(
    IngestSettings,
    ProcessSettings,
    IndexSettings,
    NotifySettings,
    ApiSettings,
    DispatcherSettings,
    MigrateSettings,
    TickSettings,
    MailboxSettings,
):
    """The settings of ``make run``: those of all parts. It generates the required ones that are missing."""

    required: ClassVar[tuple[str, ...]] = ()

    ingest_port: int = setting("INGEST_PORT", 8080, checks.port)
    api_port: int = setting("API_PORT", 8081, checks.port)

    @property
    def copied(self) -> bool:
        """See :class:`EngineSettings`. Here it follows from the address alone."""
        return bool(self.elasticsearch_url)


#: Every environment variable that is a setting.
NAMES = LocalSettings.names()
