"""The groups of settings that several parts share. A part's class in settings.py inherits its groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from events import checks
from events.environment import Settings, setting

#: Seconds that must remain, when a delivery has used up its time, to settle it before another may claim its events.
SETTLED_IN_S = 0.5


@dataclass(frozen=True, kw_only=True)
class LogSettings(Settings):
    """How much a process logs."""

    log_level: str = setting("LOG_LEVEL", "info", checks.log_level)


@dataclass(frozen=True, kw_only=True)
class ServerSettings(LogSettings):
    """Where a long-running process listens, and the failpoints at which a test kills it."""

    host: str = setting("HOST", "127.0.0.1")
    port: int = setting("PORT", 8080, checks.port)
    metrics_port: int = setting("SSPP_METRICS_PORT", 9464, checks.port)
    failpoints: str = setting("SSPP_FAILPOINTS")


@dataclass(frozen=True, kw_only=True)
class BodySettings(Settings):
    """How large a request's body, and so an event, may be."""

    max_body_bytes: int = setting("SSPP_MAX_BODY_BYTES", 1_048_576, checks.at_least(1024))


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
    """The search engine: PostgreSQL in the signals themselves, or Elasticsearch in its copy of them."""

    search: str = setting("SSPP_SEARCH", "postgres", checks.one_of("postgres", "elasticsearch"))

    @property
    def copied(self) -> bool:
        """Whether new signals must be copied to where they are searched."""
        return self.search != "postgres"


@dataclass(frozen=True, kw_only=True)
class TokenSettings(Settings):
    """The token that dispatchers send to functions; two values while it is rotated."""

    delivery_token: str = setting("SSPP_DELIVERY_TOKEN", "", checks.secret, secret=True)

    @property
    def delivery_tokens(self) -> tuple[str, ...]:
        """The values that functions accept; dispatchers send the first."""
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
        """An entry may be claimed only after its consumer has certainly stopped working on it."""
        yield from super().contradictions()
        if not self.claim_idle_s - SETTLED_IN_S >= self.delivery_timeout_s > self.function_timeout_s > 0:
            yield (
                f"SSPP_CLAIM_IDLE_SECONDS - {SETTLED_IN_S} >= SSPP_DELIVERY_TIMEOUT_SECONDS"
                " > SSPP_FUNCTION_TIMEOUT_SECONDS > 0 must hold"
            )
