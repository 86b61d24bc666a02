"""The installation a command works on: where its stores and its front door are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from events.errors import ConfigError, Unavailable
from events.settings import CommandLineSettings

if TYPE_CHECKING:
    from events.deadletter import DeadLetters
    from functions.adapters.postgres.models import PostgresModels
    from functions.adapters.postgres.recorded_signals import PostgresRecordedSignals
    from functions.adapters.postgres.rescoring import PostgresRescoring
    from functions.service.register import Register


class Installation:
    """The one that ``env`` names, or the ``make run`` whose ready.json is there.

    Args:
        env: the environment.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    @contextmanager
    def register(self) -> Iterator[Register]:
        """Connect to PostgreSQL and Redis for the length of the block.

        Raises:
            ConfigError: neither the environment nor a ready.json names them.
            Unavailable: one of them cannot be reached, or does not let us work.
        """
        from functions.service.register import opened

        database_url, redis_url = self._stores()
        with opened(database_url, redis_url) as register:
            yield register

    @contextmanager
    def dead_letters(self) -> Iterator[DeadLetters]:
        """Connect to Redis for the length of the block.

        Raises:
            ConfigError: neither the environment nor a ready.json names it.
        """
        from events import channel
        from events.deadletter import DeadLetters

        _, redis_url = self._stores()
        with channel.connect(redis_url) as client:
            yield DeadLetters(client, CommandLineSettings.read(self._env).partitions)

    @contextmanager
    def recorded_signals(self) -> Iterator[PostgresRecordedSignals]:
        """Connect to PostgreSQL for the length of the block.

        Raises:
            ConfigError: neither the environment nor a ready.json names it.
        """
        from functions.adapters.postgres.database import Database
        from functions.adapters.postgres.recorded_signals import PostgresRecordedSignals

        with closing(Database(self._stores()[0])) as database:
            yield PostgresRecordedSignals(database)

    @contextmanager
    def models(self) -> Iterator[PostgresModels]:
        """Connect to PostgreSQL for the length of the block.

        Raises:
            ConfigError: neither the environment nor a ready.json names it.
        """
        from functions.adapters.postgres.database import Database
        from functions.adapters.postgres.models import PostgresModels

        with closing(Database(self._stores()[0])) as database:
            yield PostgresModels(database, confined=False)

    @contextmanager
    def rescoring(self) -> Iterator[tuple[PostgresModels, PostgresRescoring]]:
        """Connect to PostgreSQL for the length of the block.

        Raises:
            ConfigError: neither the environment nor a ready.json names it.
        """
        from functions.adapters.postgres.database import Database
        from functions.adapters.postgres.models import PostgresModels
        from functions.adapters.postgres.rescoring import PostgresRescoring

        with closing(Database(self._stores()[0])) as database:
            yield PostgresModels(database, confined=False), PostgresRescoring(database)

    @property
    def elasticsearch_url(self) -> str:
        """Where signals are copied to.

        Raises:
            ConfigError: the environment does not say.
        """
        found = CommandLineSettings.read(self._env).elasticsearch_url
        if not found:
            raise ConfigError("ELASTICSEARCH_URL is not set: without one PostgreSQL searches the signals themselves")
        return found

    @property
    def max_body_bytes(self) -> int:
        """The largest event that the front door takes."""
        return CommandLineSettings.read(self._env).max_body_bytes

    def ready(self) -> Mapping[str, str]:
        """Return what ``make run`` says of itself.

        Raises:
            ConfigError: nothing runs here.
        """
        path = Path(CommandLineSettings.read(self._env).home).absolute() / "ready.json"
        try:
            found: dict[str, str] = json.loads(path.read_text("utf-8"))
        except FileNotFoundError as exc:
            raise ConfigError(f"nothing runs here ({path} is missing)") from exc
        except (OSError, ValueError) as exc:
            raise ConfigError(f"{path} cannot be read: {exc}") from exc
        return found

    def _stores(self) -> tuple[str, str]:
        """Return where PostgreSQL and Redis are: never one of this installation and one of that."""
        settings = CommandLineSettings.read(self._env)
        if settings.database_url and settings.redis_url:
            return settings.database_url, settings.redis_url
        try:
            ready = self.ready()
        except ConfigError as exc:
            raise ConfigError(f"{exc}; start `make run`, or set DATABASE_URL and REDIS_URL") from exc
        return ready["database_url"], ready["redis_url"]


def installation(ctx: typer.Context) -> Installation:
    """Return the installation that a command works on."""
    found: Installation = ctx.obj
    return found


@contextmanager
def registered(ctx: typer.Context) -> Iterator[Register]:
    """Connect to the stores of a command's installation; see :meth:`Installation.register`."""
    with installation(ctx).register() as register:
        yield register


@contextmanager
def noted(note: str) -> Iterator[None]:
    """Add ``note`` to an Unavailable that is raised in the block: what it means for the caller."""
    try:
        yield
    except Unavailable as exc:
        exc.add_note(note)
        raise


def endpoint(ctx: typer.Context, url: str | None, key: str | None, name: str) -> tuple[str, str]:
    """Return the address that a command asks and the key it asks with; one installation's key is shown to no other.

    Args:
        name: of the address in ready.json.
    """
    if url and not key:
        ctx.fail("--url needs --key")
    if url and key:
        return url, key
    try:
        ready = installation(ctx).ready()
    except ConfigError as exc:
        raise ConfigError(f"{exc}; start `make run`, or give --url and --key") from exc
    return ready[name], key or ready["api_key"]
