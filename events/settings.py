"""The settings: one small class a part, and the only place that knows the environment's names.

A part's class is put together from the pieces it shares with others, so each part reads what it uses and no more.
Durations are in seconds unless the name says otherwise. docs/settings.md explains each setting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from events import checks
from events.environment import Settings, setting

#: Seconds that must remain, when a delivery has used up its time, to settle it before another may claim its events.
SETTLED_IN_S = 0.5

#: The parts that have a login of their own to PostgreSQL, sspp_<part>.
LOGINS = ("api", "process", "index", "notify", "tick")

#: Addresses that only this machine reaches.
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, kw_only=True)
class LogSettings(Settings):
    """How much a process logs."""

    log_level: str = setting("LOG_LEVEL", "info", checks.log_level)


@dataclass(frozen=True, kw_only=True)
class ServerSettings(LogSettings):
    """Where a process that runs until it is stopped answers, and at which places a test kills it."""

    host: str = setting("HOST", "127.0.0.1")
    port: int = setting("PORT", 8080, checks.port)
    metrics_port: int = setting("SSPP_METRICS_PORT", 9464, checks.port)
    failpoints: str = setting("SSPP_FAILPOINTS")


@dataclass(frozen=True, kw_only=True)
class BodySettings(Settings):
    """How large a request's body, and so an event, may be."""

    max_body_bytes: int = setting("SSPP_MAX_BODY_BYTES", 1_048_576, checks.at_least(1024))


@dataclass(frozen=True, kw_only=True)
class FunctionSettings(ServerSettings, BodySettings):
    """What every function uses."""

    @classmethod
    def missing(cls, env: Mapping[str, str]) -> list[str]:
        """See :meth:`Settings.missing`. Only this machine reaches a function on the loopback: it needs no token."""
        local = (env.get("HOST") or cls.host) in LOOPBACK
        return [name for name in super().missing(env) if not (local and name == "SSPP_DELIVERY_TOKEN")]


@dataclass(frozen=True, kw_only=True)
class RedisSettings(Settings):
    """Where Redis is, and how many streams a channel has there."""

    redis_url: str = setting("REDIS_URL", "", checks.url("user:password@host", "redis", "rediss"), secret=True)
    partitions: int = setting("SSPP_PARTITIONS", 1, checks.at_least(1))


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings(Settings):
    """Where PostgreSQL is."""

    database_url: str = setting(
        "DATABASE_URL", "", checks.url("user:password@host/database", "postgresql", "postgres"), secret=True
    )


@dataclass(frozen=True, kw_only=True)
class StoreSettings(RedisSettings, DatabaseSettings):
    """Where both stores are."""


@dataclass(frozen=True, kw_only=True)
class SearchSettings(Settings):
    """Where Elasticsearch is, if there is one."""

    elasticsearch_url: str = setting(
        "ELASTICSEARCH_URL", "", checks.url("user:password@host:9200", "http", "https"), secret=True
    )


@dataclass(frozen=True, kw_only=True)
class EngineSettings(Settings):
    """What searches: PostgreSQL in the signals themselves, or Elasticsearch in its copy of them."""

    search: str = setting("SSPP_SEARCH", "postgres", checks.one_of("postgres", "elasticsearch"))

    @property
    def copied(self) -> bool:
        """Whether there is a copy that has to be told of new signals."""
        return self.search != "postgres"


@dataclass(frozen=True, kw_only=True)
class TokenSettings(Settings):
    """What dispatchers show to functions; two values while it is rotated."""

    delivery_token: str = setting("SSPP_DELIVERY_TOKEN", "", checks.secret, secret=True)

    @property
    def delivery_tokens(self) -> tuple[str, ...]:
        """The values that functions accept; dispatchers show the first."""
        return checks.values_of(self.delivery_token)


@dataclass(frozen=True, kw_only=True)
class MailServerSettings(Settings):
    """Where mails are handed in."""

    smtp_url: str = setting("SSPP_SMTP_URL", "", checks.url("user:password@host", "smtp", "smtps"), secret=True)


@dataclass(frozen=True, kw_only=True)
class WaitingSettings(Settings):
    """How many bytes may wait in a partition."""

    max_waiting_bytes: int = setting("SSPP_MAX_WAITING_BYTES", 256 * 1024 * 1024)

    @property
    def ids_bytes(self) -> int:
        """The bytes of signals, and of notices, that may wait: ids, which PostgreSQL has as well."""
        return self.max_waiting_bytes // 10


@dataclass(frozen=True, kw_only=True)
class DeadlineSettings(Settings):
    """How long a function may work, a dispatcher waits for it, and an entry is left to its consumer."""

    claim_idle_s: float = setting("SSPP_CLAIM_IDLE_SECONDS", 30.0)
    delivery_timeout_s: float = setting("SSPP_DELIVERY_TIMEOUT_SECONDS", 25.0)
    function_timeout_s: float = setting("SSPP_FUNCTION_TIMEOUT_SECONDS", 20.0)

    def contradictions(self) -> Iterator[str]:
        """An entry may only be claimed from a consumer that has certainly given up on it."""
        yield from super().contradictions()
        if not self.claim_idle_s - SETTLED_IN_S >= self.delivery_timeout_s > self.function_timeout_s > 0:
            yield (
                f"SSPP_CLAIM_IDLE_SECONDS - {SETTLED_IN_S} >= SSPP_DELIVERY_TIMEOUT_SECONDS"
                " > SSPP_FUNCTION_TIMEOUT_SECONDS > 0 must hold"
            )


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
    """The settings of ``sspp``, which finds out from ``make run`` what it is not given."""


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
    """The settings of ``make run``: those of all parts. It makes up itself what a part requires and nobody gave."""

    required: ClassVar[tuple[str, ...]] = ()

    ingest_port: int = setting("INGEST_PORT", 8080, checks.port)
    api_port: int = setting("API_PORT", 8081, checks.port)

    @property
    def copied(self) -> bool:
        """See :class:`EngineSettings`. Here the address says it all."""
        return bool(self.elasticsearch_url)


#: Every environment variable that is a setting.
NAMES = LocalSettings.names()
